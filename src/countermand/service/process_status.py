"""Process statuses, which a caller of bol's API polls until they have an end."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from countermand.domain.line import Cancellation, Line, State
from countermand.domain.outcome import outcome
from countermand.domain.refusals import Refusal
from countermand.service.calls import ProcessRequest
from countermand.service.workspace import Workspace


def open_process(
    work: Workspace,
    wanted: ProcessRequest,
    retailer: UUID,
    result: Refusal | Line | None,
    changed: Sequence[Cancellation],
) -> int:
    """Write down how a call went; it is pending while a cancellation of it waits for its answer. Returns its number.

    ``result`` is the refusal, or the line as the call left it, if it was about one.
    """
    number = work.lane.numbers.take()
    # Of several, the last: the caller's own ask comes after those of others that it passed on.
    waiting = next((each for each in reversed(changed) if each.state is State.ASKED), None)
    status, error = _status(result, waiting, changed)
    work.add(
        "process_statuses",
        retailer_id=retailer,
        number=number,
        event_type=wanted.event_type,
        entity_id=wanted.entity_id,
        status=status,
        error_message=error,
        cancellation_id=waiting.id if waiting else None,
        claimed_at=wanted.claimed_at,
        created_at=work.now,
        settled_at=None if waiting else work.now,
    )
    return number


def _status(
    result: Refusal | Line | None, waiting: Cancellation | None, changed: Sequence[Cancellation]
) -> tuple[str, str | None]:
    if isinstance(result, Refusal):
        return "FAILURE", result.detail
    if waiting:
        return "PENDING", None
    in_part = [each for each in changed if each.accepted_units < each.units and each.state is State.ACCEPTED]
    return "SUCCESS", outcome(result, in_part[-1]) if result and in_part else None


def settle_process(work: Workspace, line: Line, cancellation: Cancellation) -> None:
    """End the process status that waits for this cancellation, which has its answer, if there is one."""
    in_full = cancellation.state is State.ACCEPTED and cancellation.accepted_units == cancellation.units
    end = {
        "of_retailer": line.retailer,
        "of_cancellation": cancellation.id,
        "new_status": _ENDS[cancellation.state],
        "new_error": None if in_full else outcome(line, cancellation),
        "new_settled_at": work.now,
    }
    # What came first is final.
    work.settled.setdefault(cancellation.id, end)


_ENDS: Final = {
    State.ACCEPTED: "SUCCESS",
    State.LAPSED: "TIMEOUT",
    State.WITHDRAWN: "FAILURE",
    State.DECLINED: "FAILURE",
}
"""How a process status that waits for a cancellation ends (docs/plaza.md)."""
