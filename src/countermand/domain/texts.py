"""What a text may contain, in every API and on both engines.

A text is stored as it is sent. It has no half of a surrogate pair, which UTF-8 cannot write. It has no control
character but line feed and tab: databases do not store NUL, and XML cannot carry most of the others. CR LF is stored as
LF, which is what XML parsers and forms make of it.
"""

import re
import unicodedata
from typing import Final

TEXT_MAX: Final = 255
"""The most characters of a text that is no note."""

NOTE_MAX: Final = 1_000
"""The most characters of a note."""

NULL: Final = "null characters are not allowed"
CONTROL: Final = "control characters other than line feed and tab are not allowed"
SURROGATE: Final = "half of a surrogate pair is not allowed"
BLANK: Final = "may not be blank"

NO_LABEL: Final = f"A label has at most {TEXT_MAX} printable characters."

_UNFIT: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]|\r(?!\n)")
_UNSEEN: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


def why_unfit(text: str) -> str:
    """Why a text cannot be stored; empty if it can."""
    found = _UNFIT.search(text)
    if found is None:
        return ""
    character = found[0]
    if character == "\0":
        return NULL
    return SURROGATE if "\ud800" <= character <= "\udfff" else CONTROL


def fit(text: str) -> str:
    """The text with a replacement character for each that cannot be stored."""
    return _UNFIT.sub("\N{REPLACEMENT CHARACTER}", text).replace("\r\n", "\n")


def is_blank(text: str) -> bool:
    """Whether a text has no visible character."""
    return all(unicodedata.category(character) in _UNSEEN for character in text)


def is_label(text: str) -> bool:
    """Whether a text can be the label of a credential or an endpoint: short, and it can be shown in one line."""
    return len(text) <= TEXT_MAX and text.isprintable()


def read_text(text: str) -> str:
    """The text as it is stored.

    Raises:
        ValueError: it has a character that no text may have.
    """
    problem = why_unfit(text)
    if problem:
        raise ValueError(problem)
    return text.replace("\r\n", "\n")


def needed_text(text: str) -> str:
    """A required text.

    Raises:
        ValueError: it has no visible character.
    """
    if is_blank(text):
        raise ValueError(BLANK)
    return text


def writable(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair, so that it can be written in UTF-8."""
    return text.encode(errors="replace").decode()
