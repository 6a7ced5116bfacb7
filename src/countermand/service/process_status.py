"""Process statuses, which a caller polls until they are final."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.line import Cancellation, Line
from countermand.domain.parcels import ReportedParcel
from countermand.domain.processes import state_of_answer, state_of_call, waits_for
from countermand.domain.refusals import Refusal
from countermand.domain.subscriptions import PROCESS_FINISHED
from countermand.service.calls import ProcessRequest
from countermand.service.notices import notify
from countermand.service.workspace import Row, Workspace
from countermand.store import statements as sql


def open_process(
    work: Workspace,
    wanted: ProcessRequest,
    retailer: UUID,
    result: Refusal | Line | None,
    changed: Sequence[Cancellation],
    parcel: ReportedParcel | None = None,
) -> int:
    """Add the process status of a call: pending while a cancellation of it waits for its answer. Returns its number.

    ``result`` is the refusal, or the line as the call left it, if it was about one. A call that names nothing is about
    the ``parcel`` that it reported, which a repeat finds there.
    """
    number = work.lane.numbers.take()
    waiting = waits_for(changed)
    status, error = state_of_call(result, changed)
    work.add(
        "process_statuses",
        retailer_id=retailer,
        number=number,
        event_type=wanted.event_type,
        entity_id=wanted.entity_id or (str(parcel.number) if parcel else ""),
        status=status.value,
        error_message=error,
        cancellation_id=waiting.id if waiting else None,
        claimed_at=wanted.claimed_at,
        created_at=work.now,
        settled_at=None if waiting else work.now,
    )
    if not waiting:
        _tell_subscriptions(work, retailer, number)
    return number


def settle_process(work: Workspace, line: Line, cancellation: Cancellation) -> None:
    """End the process status that waits for this cancellation, if there is one."""
    status, error = state_of_answer(line, cancellation)
    end = {
        "of_retailer": line.retailer,
        "of_cancellation": cancellation.id,
        "new_status": status.value,
        "new_error": error,
        "new_settled_at": work.now,
    }
    # The first one is final.
    work.settled.setdefault(cancellation.id, end)


def tell_of_settled(connection: Connection, work: Workspace) -> None:
    """Notify the subscriptions of the process statuses that this batch ends. Their lines are locked."""
    subscribed = work.lane.agreements.reporting_processes
    settled = {key: row["of_retailer"] for key, row in work.settled.items() if subscribed(row["of_retailer"])}
    if not settled:
        return
    given = {"retailers": sorted(set(settled.values())), "cancellations": sorted(settled)}
    for stored in connection.execute(sql.PENDING_PROCESSES, given).all():
        _tell_subscriptions(work, stored.retailer_id, stored.number)
    for opened in _opened_here(work):
        if opened["cancellation_id"] in settled:
            _tell_subscriptions(work, opened["retailer_id"], opened["number"])


def _opened_here(work: Workspace) -> Iterator[Row]:
    """What this batch has opened and not ended."""
    return (row for row in work.new.get("process_statuses", ()) if row["settled_at"] is None)


def _tell_subscriptions(work: Workspace, retailer: UUID, number: int) -> None:
    for endpoint in work.lane.agreements.reporting_processes(retailer):
        notify(work, endpoint, retailer, work.new_id(), kind=PROCESS_FINISHED, seq=number)
