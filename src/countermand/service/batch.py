"""One batch of calls, one transaction: load, decide, save."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import itemgetter
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.cancellation import NewId
from countermand.domain.money.refunds import Refund
from countermand.ids import Clock
from countermand.service import effects, money
from countermand.service.calls import Call, Outcome
from countermand.service.decide import decide_call
from countermand.service.idempotency import make_replies
from countermand.service.load import load
from countermand.service.process_status import tell_of_settled
from countermand.service.workspace import LaneState, More, Row, Workspace
from countermand.store import statements as sql
from countermand.store.changes import change_rows
from countermand.store.handovers import hand_over
from countermand.store.parts import move, release
from countermand.store.tables import metadata

_KEYS: Final = {
    "idempotency_records": itemgetter("retailer_id", "caller", "key"),
    "id_directory": itemgetter("id"),
    "payment_directory": itemgetter("provider", "reference"),
    "connections": itemgetter("retailer_id", "supplier_id"),
    "order_keys": itemgetter("retailer_id", "key", "placed_at", "order_id"),
}
"""Tables in which two batches can have the same key. They write in one order, so that they never wait in a circle."""


_PARENTS_FIRST: Final = tuple(table.name for table in metadata.sorted_tables)
"""All tables, each after those to which its keys refer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The result of a batch: an outcome for each call, and what to do after the commit.

    ``wake`` are the partitions and endpoints for which there are new notices, ``events`` the rows of what changed.
    ``asked_at`` says since when those cancellations had waited that were stored before, ``refunds`` are those that
    changed.
    """

    outcomes: Sequence[Outcome]
    wake: frozenset[tuple[int, UUID]] = frozenset()
    events: Sequence[Row] = ()
    asked_at: Mapping[UUID, datetime] = field(default_factory=dict)
    refunds: Mapping[UUID, Refund] = field(default_factory=dict)


def run_batch(
    connection: Connection,
    calls: Sequence[Call],
    now: datetime | Clock,
    new_id: NewId,
    lane: LaneState,
    more: More = More(),  # noqa: B008 - it is frozen
    *,
    dry_run: bool = False,
) -> BatchResult:
    """Decide every call of a batch, one after the other on the same lines, and store all that follows.

    The clock is read after the lines are locked: a batch that waited for another one must not have an earlier time.
    ``more`` must be loaded in addition to what the calls name. A ``dry_run`` stores nothing.

    Raises:
        MoreNeededError: more must be loaded.
        LostRaceError: a row that was to change is not there, or must not change any more.
    """
    clock = (lambda: now) if isinstance(now, datetime) else now
    work = load(connection, calls, clock, new_id, lane, more)
    outcomes: Sequence[Outcome] = [decide_call(work, call) for call in work.calls]
    if dry_run:
        return BatchResult(outcomes=outcomes)
    # Refunds first: they have events too, which count on their lines.
    if work.priced:
        money.write_down(work)
    effects.write_down(work)
    _save(connection, work)
    if work.to_reply:
        outcomes = make_replies(connection, work, outcomes)
    return BatchResult(
        outcomes=outcomes,
        wake=_due(work),
        events=work.new.get("events", ()),
        asked_at={key: asked.asked_at for key, (_, asked, _) in work.answered.items() if key in work.stored},
        refunds=work.repaid,
    )


def _save(connection: Connection, work: Workspace) -> None:
    """Write everything, parents before children; a constant number of statements."""
    if work.settled:
        tell_of_settled(connection, work)
    for table, key in _KEYS.items():
        if table in work.new:
            work.new[table].sort(key=key)
    changed = {name: work.changed[name] for name in sql.UPDATES if work.changed.get(name)}
    new = {name: work.new[name] for name in _PARENTS_FIRST if work.new.get(name)}
    engine = work.lane.engine
    engine.write(connection, changed, new, work.scored)
    if work.settled:
        engine.update_rows(connection, sql.SETTLE_PROCESSES, list(work.settled.values()))
    if work.transports:
        change_rows(connection, sql.CHANGE_PARCEL, list(work.transports.values()))
    if work.terms:
        change_rows(connection, sql.CHANGE_TERMS, list(work.terms.values()))
    if work.released:
        release(connection, sorted(work.released))
    if work.moved:
        move(connection, work.moved)
        hand_over(connection, work.moved)


def _due(work: Workspace) -> frozenset[tuple[int, UUID]]:
    return frozenset((row["partition"], row["endpoint_id"]) for row in work.new.get("notices", ()))
