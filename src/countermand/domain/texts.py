"""What a text may hold, at every door and on both engines.

A text is kept as it is sent. It holds no half of a surrogate pair, which UTF-8 cannot write, and no control character
but line feed and tab: no database keeps NUL, and no XML carries most of the others. CR LF is a line break and is kept
as LF, as every reader of XML and every form makes it.
"""

import re
import unicodedata
from typing import Final

TEXT_MAX: Final = 255
"""So many characters a text has, unless it is a note."""

NOTE_MAX: Final = 1_000
"""So many characters a note has, in whose words ever."""

NULL: Final = "null characters are not allowed"
CONTROL: Final = "control characters other than line feed and tab are not allowed"
SURROGATE: Final = "half of a surrogate pair is not allowed"
BLANK: Final = "may not be blank"

_UNFIT: Final = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]|\r(?!\n)")
_UNSEEN: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


def why_unfit(text: str) -> str:
    """Why a text cannot be kept; empty if it can."""
    found = _UNFIT.search(text)
    if found is None:
        return ""
    character = found[0]
    if character == "\0":
        return NULL
    return SURROGATE if "\ud800" <= character <= "\udfff" else CONTROL


def is_blank(text: str) -> bool:
    """Whether there is nothing to be seen in a text."""
    return all(unicodedata.category(character) in _UNSEEN for character in text)


def read_text(text: str) -> str:
    """The text as it is kept.

    Raises:
        ValueError: it holds what no text can hold.
    """
    problem = why_unfit(text)
    if problem:
        raise ValueError(problem)
    return text.replace("\r\n", "\n")


def needed_text(text: str) -> str:
    """The text, where there must be one.

    Raises:
        ValueError: there is nothing to be seen in it.
    """
    if is_blank(text):
        raise ValueError(BLANK)
    return text


def writable(text: str) -> str:
    """The text with a question mark for each half of a surrogate pair, so that it can be written in UTF-8."""
    return text.encode(errors="replace").decode()
