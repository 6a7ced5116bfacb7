"""What a customer is shown of one cancellation: what became of the units, and of the money. No supplier is named."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from countermand.documents.languages import later
from countermand.domain.line import State
from countermand.domain.money.amounts import to_amount
from countermand.domain.policy import Policy, Silence
from countermand.domain.reasons import DeclineReason
from countermand.reads.cancellations import CancellationToAnswer, waiting_units
from countermand.reads.refunds import RefundView
from countermand.wire.answer.sentences import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A cancellation as its customer sees it: its row, the policy it was asked under, and its refunds."""

    row: CancellationToAnswer
    policy: Policy
    refunds: Sequence[RefundView]


def outcome(status: Status, reader: Reader) -> tuple[str, list[str]]:
    """What became of it: a title, and sentences."""
    row, language = status.row, reader.language
    say, units = language.say, language.count(row.units)
    match State(row.state):
        case State.ASKED:
            return say("Your cancellation is being checked"), _waits(status, reader)
        case State.ACCEPTED:
            accepted, rest = row.accepted_units, row.units - row.accepted_units
            lines = [language.say_many("{number} unit is cancelled.", "{number} units are cancelled.", accepted)]
            if rest:
                lines.append(
                    language.say_many(
                        "{number} unit could not be stopped and will be sent.",
                        "{number} units could not be stopped and will be sent.",
                        rest,
                    )
                )
            return say("Your cancellation is confirmed"), lines
        case State.DECLINED:
            why = _DECLINED.get(row.decline_reason or "", _COULD_NOT)
            sent = say("You receive {units} as ordered.", units=units)
            back = say("If you do not want it, ask {retailer} how to send it back.", retailer=row.retailer_name)
            return say("It could not be cancelled"), [language.of(why), sent, back]
        case State.WITHDRAWN:
            return say("The cancellation was taken back"), [say("You receive {units} as ordered.", units=units)]
        case State.LAPSED:
            return say("It could not be cancelled"), [
                say("Nobody could confirm the cancellation in time."),
                say("You receive {units} as ordered.", units=units),
            ]


def money(status: Status, reader: Reader) -> list[str]:
    """What became of the money, a sentence for each refund."""
    return [_refund(each, reader) for each in status.refunds]


_COULD_NOT: Final = later("It could not be stopped any more.")
_DECLINED: Final = {
    DeclineReason.ALREADY_SHIPPED.value: later("It has been sent already."),
    DeclineReason.ALREADY_PICKED.value: later("It is being packed and could not be taken out."),
    DeclineReason.IN_PACKING.value: later("It is being packed and could not be taken out."),
    DeclineReason.MADE_TO_ORDER.value: later("It was made to order for you."),
}


def _waits(status: Status, reader: Reader) -> list[str]:
    row, say = status.row, reader.language.say
    units = reader.language.count(waiting_units(row) or row.units)
    asked = say(
        "Since {time} it is checked whether {units} can be stopped.", time=reader.moment(row.asked_at), units=units
    )
    if row.due_at is None or row.agreed:
        return [asked]
    due = say("The answer is due by {time}.", time=reader.moment(row.due_at))
    if row.decline_reason:
        return [asked, due]
    return [asked, due, reader.language.of(_SILENCE[status.policy.silence])]


_SILENCE: Final = {
    Silence.ACCEPT: later("If nobody answers by then, it is cancelled."),
    Silence.LAPSE: later("If nobody answers by then, you receive it as ordered."),
    Silence.ESCALATE: later("If nobody answers by then, an operator decides."),
}


def _refund(refund: RefundView, reader: Reader) -> str:
    say, minor = reader.language.say, refund.amount_minor
    amount = reader.language.amount(to_amount(minor, refund.currency), refund.currency)
    released = refund.kind == "release"
    match refund.state:
        case "confirmed" if released:
            return say("{amount} that was only reserved is free again.", amount=amount)
        case "confirmed" if refund.settled_at:
            return say("{amount} was paid back on {time}.", amount=amount, time=reader.moment(refund.settled_at))
        case "confirmed":
            return say("{amount} was paid back.", amount=amount)
        case "closed":
            return say("{amount} was settled in another way.", amount=amount)
        case "parked":
            return say("{amount} will be paid back. It takes longer than usual; you need to do nothing.", amount=amount)
        case _ if released:
            return say("{amount} that was only reserved is being released.", amount=amount)
        case _:
            return say("{amount} is on its way back to you.", amount=amount)
