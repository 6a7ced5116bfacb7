"""What the form on the page says: read, checked for its form, and made into a command. The rules decide the rest."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl
from uuid import UUID

from countermand.domain.commands import AcceptCancellation, Command, DeclineCancellation, Parcel, Ship, ShipOrder
from countermand.domain.numbers import read_digits
from countermand.domain.parties import Actor
from countermand.domain.reasons import DeclineReason
from countermand.domain.texts import is_blank, why_unfit
from countermand.service.calls import IdempotencyKey
from countermand.store.columns import Record

FIELDS_MAX: Final = 20
BYTES_MAX: Final = 32 * 1024
"""The longest form that can be filled in has 16 kB, with every character of it escaped."""
LENGTHS: Final = {"note": 1000, "carrier": 100, "tracking_number": 100, "units": 7, "reason": 40, "once": 64}
ANSWERS: Final = ("accept", "decline", "ship")
CONFIRMATIONS: Final = ("confirm",)
REASONS: Final = {
    DeclineReason.IN_PACKING: "It is being packed and cannot be taken out",
    DeclineReason.MADE_TO_ORDER: "It was made to order",
    DeclineReason.ALREADY_SHIPPED: "It has left, without a tracking number",
    DeclineReason.OTHER: "Another reason",
}
"""What a person can choose from. ``NOT_STATED`` is left to APIs that have no room for a reason."""


class MalformedFormError(ValueError):
    """The body is no form of ours. The message is fit for the caller."""


class FieldError(ValueError):
    """A field was not filled in as it should be. ``field`` is its name on the page; the message is a sentence."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form as it was sent: which of the answers, and the texts of its fields."""

    answer: str
    fields: dict[str, str]

    def text(self, name: str) -> str:
        """A field, without blanks around it; empty if it was not sent."""
        return self.fields.get(name, "").strip()

    def once(self, cancellation: UUID) -> IdempotencyKey:
        """The same form sent twice is one answer; sent again with other content it is another."""
        content = hashlib.sha256(repr((self.answer, sorted(self.fields.items()))).encode()).hexdigest()
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
        raise MalformedFormError("This is not a form that a browser sent.") from None
    fields = {name: value.replace("\r\n", "\n") for name, value in reversed(pairs)}
    if fields.get("answer") not in answers or any("\0" in value for value in fields.values()):
        raise MalformedFormError("This is not the form of this page.")
    answer = fields.pop("answer")
    return Form(answer=answer, fields={name: fields[name] for name in LENGTHS if name in fields})


def command_of(form: Form, row: Record, actor: Actor, new_id: Callable[[], UUID], step: int | None) -> Command:
    """The command that a form stands for: an answer to this step of the cancellation.

    Raises:
        FieldError: a field is not filled in as it should be.
    """
    for name, most in LENGTHS.items():
        if len(form.text(name)) > most:
            raise FieldError(name, f"This is too long; there is room for {most} characters.")
        if why_unfit(form.fields.get(name, "")):
            raise FieldError(name, "This holds a character that cannot be kept, such as Escape. Type it anew.")
    match form.answer:
        case "accept":
            return AcceptCancellation(line=row.line_id, actor=actor, cancellation=row.id, step=step, units=_units(form))
        case "decline":
            reason = DeclineReason(form.text("reason")) if form.text("reason") in set(REASONS) else None
            return DeclineCancellation(
                line=row.line_id, actor=actor, cancellation=row.id, step=step, reason=reason, note=form.text("note")
            )
        case _:
            parcel = Parcel(
                id=new_id(),
                carrier=_needed(form, "carrier", "Write who carries the parcel."),
                tracking_number=_needed(form, "tracking_number", "Write the tracking number of the parcel."),
            )
            shipped = Ship(line=row.line_id, actor=actor, units=_units(form), cancellation=row.id, step=step)
            return ShipOrder(order=row.order_id, actor=actor, lines=(shipped,), parcel=parcel)


def _units(form: Form) -> int | None:
    text = form.text("units")
    if not text:
        return None
    try:
        return read_digits(text)
    except ValueError:
        raise FieldError("units", "Write the number of units in digits.") from None


def _needed(form: Form, name: str, sentence: str) -> str:
    text = " ".join(form.text(name).split())
    if is_blank(text):
        raise FieldError(name, sentence)
    return text
