"""What a browser sends: the form on the page, read and checked for its form."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

from countermand.documents.languages import Message, later
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.reasons import DeclineReason

FIELDS_MAX: Final = 20
BYTES_MAX: Final = 32 * 1024
"""The longest form that can be filled in has 16 kB, with every character of it escaped."""
LENGTHS: Final = {"note": 1000, "carrier": 100, "tracking_number": 100, "units": 7, "reason": 40, "once": 64, "sure": 4}
ANSWERS: Final = ("accept", "decline", "ship")
CONFIRMATIONS: Final = ("confirm",)
REASONS: Final = {
    DeclineReason.IN_PACKING: later("It is being packed and cannot be taken out"),
    DeclineReason.MADE_TO_ORDER: later("It was made to order"),
    DeclineReason.ALREADY_SHIPPED: later("It has left, without a tracking number"),
    DeclineReason.OTHER: later("Another reason"),
}
"""What a person can choose from. ``NOT_STATED`` is left to APIs that have no room for a reason."""


class MalformedFormError(ValueError):
    """The body is no form of ours. ``sentence`` is fit for the caller."""

    def __init__(self, sentence: Message) -> None:
        super().__init__(sentence.text)
        self.sentence = sentence


class FieldError(ValueError):
    """A field was not filled in as it should be. ``field`` is its name on the page."""

    def __init__(self, field: str, sentence: Message) -> None:
        super().__init__(sentence.text)
        self.field = field
        self.sentence = sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form as it was sent: which of the answers, and the texts of its fields."""

    answer: str
    fields: dict[str, str]

    def text(self, name: str) -> str:
        """A field, without blanks around it; empty if it was not sent."""
        return self.fields.get(name, "").strip()

    @property
    def wants_back(self) -> bool:
        """Whether the reader wants to change the answer after having seen what it does."""
        return self.fields.get("sure") == "back"

    @property
    def is_sure(self) -> bool:
        """Whether the reader has seen once more what it does."""
        return self.fields.get("sure") == "yes"

    def once(self, cancellation: UUID) -> IdempotencyKey:
        """The same form sent twice is one answer; sent again with other content it is another."""
        fields = sorted((name, value) for name, value in self.fields.items() if name != "sure")
        content = hashlib.sha256(repr((self.answer, fields)).encode()).hexdigest()
        return IdempotencyKey(caller=f"link:{cancellation.hex}", key=content, fingerprint=content)


NOTHING: Final = Form(answer="", fields={})
"""The form before anybody filled it in."""


def read_form(body: bytes, answers: Collection[str] = ANSWERS) -> Form:
    """Read a form in the encoding that browsers send.

    Raises:
        MalformedFormError: it is not one, or none of ours.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX, separator="&"
        )
    except ValueError:
        raise MalformedFormError(later("This is not a form that a browser sent.")) from None
    fields = {name: value.replace("\r\n", "\n") for name, value in reversed(pairs)}
    if fields.get("answer") not in answers or any("\0" in value for value in fields.values()):
        raise MalformedFormError(later("This is not the form of this page."))
    answer = fields.pop("answer")
    return Form(answer=answer, fields={name: fields[name] for name in LENGTHS if name in fields})
