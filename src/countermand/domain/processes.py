"""A call whose outcome is polled later: how it is doing, and how it ends."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from countermand.domain.line import Cancellation, Line, State
from countermand.domain.outcome import outcome
from countermand.domain.refusals import Refusal


class ProcessState(StrEnum):
    """The state of a process. All but ``PENDING`` are final."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    TIMEOUT = "TIMEOUT"


def waits_for(changed: Sequence[Cancellation]) -> Cancellation | None:
    """The cancellation whose answer a call waits for.

    Of several it is the last: the caller's own ask comes after those of others that it passed on.
    """
    return next((each for each in reversed(changed) if each.state is State.ASKED), None)


def state_of_call(result: Refusal | Line | None, changed: Sequence[Cancellation]) -> tuple[ProcessState, str | None]:
    """The state after the call was decided, with a sentence where it did not do all that was wanted.

    ``result`` is the refusal, or the line as the call left it, if it was about one.
    """
    if isinstance(result, Refusal):
        return ProcessState.FAILURE, result.detail
    if waits_for(changed):
        return ProcessState.PENDING, None
    in_part = [each for each in changed if each.accepted_units < each.units and each.state is State.ACCEPTED]
    return ProcessState.SUCCESS, outcome(result, in_part[-1]) if result and in_part else None


def state_of_answer(line: Line, cancellation: Cancellation) -> tuple[ProcessState, str | None]:
    """The state of a call that waited for this cancellation, which has its answer."""
    in_full = cancellation.state is State.ACCEPTED and cancellation.accepted_units == cancellation.units
    return _ENDS[cancellation.state], None if in_full else outcome(line, cancellation)


_ENDS: Final = {
    State.ACCEPTED: ProcessState.SUCCESS,
    State.LAPSED: ProcessState.TIMEOUT,
    State.WITHDRAWN: ProcessState.FAILURE,
    State.DECLINED: ProcessState.FAILURE,
}
