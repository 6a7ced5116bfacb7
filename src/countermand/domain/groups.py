"""Groups of asks that are accepted together or not at all: nothing is cancelled until all have accepted (EC-18)."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from uuid import UUID

from countermand.domain.line import Cancellation, Decision, Line, State
from countermand.domain.parties import Asker
from countermand.domain.transition import Draft


def settle(lines: Sequence[Line], now: datetime) -> tuple[Decision, ...]:
    """What follows on the lines of one order after an answer on any of them.

    If one ask of a group was not accepted, the others end and their units are open again. If all have agreed, all are
    accepted. An ask that was accepted at once, because there are no goods, counts as agreed.
    """
    progress = _progress_by_group(lines)
    decisions = []
    for line in lines:
        draft = Draft(line, now)
        for ask in line.asks:
            match progress.get(ask.group):
                case _Progress.ENDED:
                    draft.end_together(ask)
                case _Progress.AGREED:
                    draft.accept_together(ask, unasked=ask.asker is Asker.RETAILER and line.retailer_decides)
        if draft.changed:
            decisions.append(draft.done())
    return tuple(decisions)


class _Progress(Enum):
    WAITS = auto()
    AGREED = auto()
    ENDED = auto()


def _progress_by_group(lines: Sequence[Line]) -> dict[UUID | None, _Progress]:
    members: dict[UUID | None, list[Cancellation]] = {}
    for line in lines:
        for each in line.cancellations:
            if each.group:
                members.setdefault(each.group, []).append(each)
    return {group: _progress_of_group(each) for group, each in members.items()}


def _progress_of_group(members: Sequence[Cancellation]) -> _Progress:
    if any(each.state in (State.DECLINED, State.LAPSED, State.WITHDRAWN) for each in members):
        return _Progress.ENDED
    agreed = all(each.agreed or each.state is State.ACCEPTED for each in members)
    return _Progress.AGREED if agreed else _Progress.WAITS
