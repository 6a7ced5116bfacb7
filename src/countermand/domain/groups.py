"""Asks that are heeded together or not at all: nobody's yes cancels anything until all have said it (EC-18)."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from uuid import UUID

from countermand.domain.line import Cancellation, Decision, Line, State
from countermand.domain.parties import Asker
from countermand.domain.transition import Draft


def settle(lines: Sequence[Line], now: datetime) -> tuple[Decision, ...]:
    """What follows on the lines of one order after an answer on any of them.

    Where one ask of a group came to nothing, the others end and their units are open again. Where all have agreed,
    all are accepted. An ask that was accepted for good, as its goods are not to be had, counts as agreed.
    """
    standing = _standing(lines)
    decisions = []
    for line in lines:
        draft = Draft(line, now)
        for ask in line.asks:
            match standing.get(ask.group):
                case _Standing.ENDED:
                    draft.end_together(ask)
                case _Standing.AGREED:
                    draft.accept_together(ask, unasked=ask.asker is Asker.RETAILER and line.retailer_decides)
        if draft.changed:
            decisions.append(draft.done())
    return tuple(decisions)


class _Standing(Enum):
    WAITS = auto()
    AGREED = auto()
    ENDED = auto()


def _standing(lines: Sequence[Line]) -> dict[UUID | None, _Standing]:
    members: dict[UUID | None, list[Cancellation]] = {}
    for line in lines:
        for each in line.cancellations:
            if each.group:
                members.setdefault(each.group, []).append(each)
    return {group: _standing_of(each) for group, each in members.items()}


def _standing_of(members: Sequence[Cancellation]) -> _Standing:
    if any(each.state in (State.DECLINED, State.LAPSED, State.WITHDRAWN) for each in members):
        return _Standing.ENDED
    agreed = all(each.agreed or each.state is State.ACCEPTED for each in members)
    return _Standing.AGREED if agreed else _Standing.WAITS
