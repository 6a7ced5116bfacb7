"""What support says to a customer about a cancellation, in the customer's language: to be read out or pasted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from countermand.documents.languages import Language, later
from countermand.domain.line import State
from countermand.domain.money.amounts import to_amount
from countermand.domain.reasons import DeclineReason
from countermand.reads.cancellations import CancellationView


@dataclass(frozen=True, slots=True, kw_only=True)
class ToCustomer:
    """What is known of a cancellation. Money is in minor units, each with its currency.

    ``worth`` is what would go back if all that waits were accepted, ``owed`` what goes back for what was.
    """

    row: CancellationView
    title: str
    worth: Sequence[tuple[int, str]] = ()
    owed: Sequence[tuple[int, str]] = ()


def to_customer(known: ToCustomer, language: Language, *, now: datetime, zone: str) -> str:
    """Where the cancellation stands, without naming a supplier. Times are by the clocks of ``zone``."""
    row, say = known.row, language.say
    goods = _goods(known, row.units, language)
    match State(row.state):
        case State.ASKED:
            told = [say("We have asked the warehouse to stop {goods}.", goods=goods)]
            if row.due_at is not None:
                told.append(say("They answer by {time}.", time=language.spoken(row.due_at, now, zone)))
            if known.worth:
                told.append(say("If they can stop it, you get {amount} back.", amount=_sums(known.worth, language)))
        case State.ACCEPTED:
            told = [_stopped(known, language)]
            if known.owed:
                told.append(say("You get {amount} back.", amount=_sums(known.owed, language)))
        case State.DECLINED:
            why = _WHY_NOT.get(row.decline_reason or "")
            told = [
                say("We could not stop {goods}.", goods=goods),
                *([language.of(why)] if why else []),
                say("You can send it back when it has arrived."),
            ]
        case State.WITHDRAWN:
            told = [say("Your cancellation of {goods} was taken back.", goods=goods), say("It is sent as ordered.")]
        case State.LAPSED:
            told = [
                say("The warehouse did not answer in time, so we could not stop {goods}.", goods=goods),
                say("It is sent as ordered."),
            ]
    return " ".join(told)


_WHY_NOT: Final = {
    DeclineReason.ALREADY_SHIPPED.value: later("It has been sent already."),
    DeclineReason.ALREADY_PICKED.value: later("It is being packed and could not be taken out."),
    DeclineReason.IN_PACKING.value: later("It is being packed and could not be taken out."),
    DeclineReason.MADE_TO_ORDER.value: later("It was made to order for you."),
}


def _stopped(known: ToCustomer, language: Language) -> str:
    row = known.row
    if row.ordered == 1:
        return language.say("Your {title} is cancelled and will not be sent.", title=known.title)
    return language.say_many(
        "{number} of your {ordered} × {title} is cancelled and will not be sent.",
        "{number} of your {ordered} × {title} are cancelled and will not be sent.",
        row.accepted_units,
        ordered=row.ordered,
        title=known.title,
    )


def _goods(known: ToCustomer, units: int, language: Language) -> str:
    ordered, title = known.row.ordered, known.title
    if ordered == 1:
        return language.say("your {title}", title=title)
    return language.say("{units} of your {ordered} × {title}", units=units, ordered=ordered, title=title)


def _sums(money: Sequence[tuple[int, str]], language: Language) -> str:
    amounts = [language.amount(to_amount(minor, currency), currency) for minor, currency in money]
    return language.say(" and ").join(amounts)
