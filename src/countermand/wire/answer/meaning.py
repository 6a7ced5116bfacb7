"""The command that a form stands for. The rules decide the rest."""

from collections.abc import Callable
from uuid import UUID

from countermand.documents.languages import Message, later
from countermand.domain.commands import AcceptCancellation, Command, DeclineCancellation, Parcel, Ship, ShipOrder
from countermand.domain.numbers import read_digits
from countermand.domain.parties import Actor
from countermand.domain.reasons import DeclineReason
from countermand.domain.texts import is_blank, why_unfit
from countermand.reads.cancellations import CancellationToAnswer
from countermand.wire.answer.messages import LENGTHS, REASONS, FieldError, Form


def command_of(
    form: Form, row: CancellationToAnswer, actor: Actor, new_id: Callable[[], UUID], step: int | None
) -> Command:
    """The command that a form stands for: an answer to this step of the cancellation.

    Raises:
        FieldError: a field is not filled in as it should be.
    """
    for name, most in LENGTHS.items():
        if len(form.text(name)) > most:
            raise FieldError(name, later("This is too long; there is room for {most} characters.", most=most))
        if why_unfit(form.fields.get(name, "")):
            raise FieldError(name, later("This holds a character that cannot be kept, such as Escape. Type it anew."))
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
                carrier=_needed(form, "carrier", later("Write who carries the parcel.")),
                tracking_number=_needed(form, "tracking_number", later("Write the tracking number of the parcel.")),
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
        raise FieldError("units", later("Write the number of units in digits.")) from None


def _needed(form: Form, name: str, sentence: Message) -> str:
    text = " ".join(form.text(name).split())
    if is_blank(text):
        raise FieldError(name, sentence)
    return text
