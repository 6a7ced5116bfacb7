"""What browsers send: forms, read and checked for their form."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from countermand.domain.orders import UNITS_MAX
from countermand.domain.texts import NOTE_MAX, TEXT_MAX, is_blank, read_text

FORM: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 300
BYTES_MAX: Final = 64 * 1024

SEAL: Final = "seal"
"""The field that every form of a session carries."""


class MalformedFormError(ValueError):
    """The body is no form. The message is fit for the caller."""


class FieldError(ValueError):
    """A field was not filled in as it should be. ``field`` is its name on the page; the message is a sentence."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True, slots=True)
class Form:
    """A form as it was sent."""

    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def content(self) -> list[tuple[str, str]]:
        """What was filled in: all fields but the seal and the password."""
        return [(name, value) for name, value in self.pairs if name not in (SEAL, "password")]

    def text(self, name: str) -> str:
        """A field, without blanks around it; empty if it was not sent. The first one, where it is there twice."""
        return next((value for key, value in self.pairs if key == name), "").strip()

    def raw(self, name: str) -> str:
        """A field exactly as it was sent, such as a password."""
        return next((value for key, value in self.pairs if key == name), "")

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field that may be there several times."""
        return tuple(value for key, value in self.pairs if key == name)

    def note(self, name: str = "note", *, needed: str = "") -> str:
        """A note. ``needed`` is the sentence for one that is missing.

        Raises:
            FieldError: it is missing, too long, or holds what cannot be kept.
        """
        return self._text(name, NOTE_MAX, needed)

    def line(self, name: str, *, needed: str = "") -> str:
        """A text in one line.

        Raises:
            FieldError: as ``note``.
        """
        return " ".join(self._text(name, TEXT_MAX, needed).split())

    def units(self, name: str = "units") -> int | None:
        """A number of units; ``None`` for all.

        Raises:
            FieldError: it is none.
        """
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) <= UNITS_MAX):
            raise FieldError(name, f"“{text[:20]}” is no number of units. Write a whole number from 1 on.")
        return int(text)

    def step(self) -> int | None:
        """The step that the page showed."""
        text = self.text("step")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None

    def _text(self, name: str, most: int, needed: str) -> str:
        text = self.text(name)
        try:
            text = read_text(text)
        except ValueError:
            raise FieldError(name, "This holds a character that cannot be kept. Write it without.") from None
        if len(text) > most:
            raise FieldError(name, f"This has {len(text):,} characters. At most {most:,} can be kept.")
        if needed and is_blank(text):
            raise FieldError(name, needed)
        return text


EMPTY: Final = Form()


def read_form(body: bytes) -> Form:
    """Read a form in the encoding that browsers send.

    Raises:
        MalformedFormError: it is none.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX, separator="&"
        )
    except ValueError:
        raise MalformedFormError("This is not a form that a browser sent.") from None
    return Form(tuple((name, value.replace("\r\n", "\n")) for name, value in pairs))
