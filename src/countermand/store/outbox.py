"""The statements of the worker: what is due in its partitions, the results, and the owners of partitions.

Reads start from the index ``ix_notices_due`` (partition, endpoint, due_at) and touch only the first few notices of each
endpoint, so that a thousand endpoints with ten thousand waiting notices each cost no more than a thousand with one.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    bindparam,
    delete,
    false,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from countermand.store import tables as t
from countermand.store.changes import change_any, change_exactly
from countermand.store.columns import Id, IdList, NumberList, one_of
from countermand.store.engines.protocol import Pair, RowUpdate, engine_of
from countermand.store.engines.words import words_of
from countermand.store.revisions import agreements_changed
from countermand.store.views import views


class partition_of_column(FunctionElement[int]):  # noqa: N801 - reads as a function in statements
    """The partition of the retailer whose id is in a column, as ``codecs.partition_of`` says for a value."""

    type = Integer()
    inherit_cache = True


@compiles(partition_of_column)
def _partition(element: partition_of_column, compiler: SQLCompiler, **kw: Any) -> str:
    return words_of(compiler.dialect).partition_of(compiler.process(element.clauses, **kw), t.PARTITIONS)


# What is due


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueCancellation:
    """A cancellation whose answer is overdue."""

    retailer_id: UUID
    line_id: UUID
    due_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeKey:
    """Which notice."""

    retailer_id: UUID
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DueNotice(NoticeKey):
    """A notice that is to be sent now."""

    partition: int
    endpoint_id: UUID
    event_id: UUID
    line_id: UUID
    seq: int
    attempts: int
    due_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingNotice(NoticeKey):
    """A notice that waits, and since when."""

    created_at: datetime


def overdue(
    connection: Connection,
    now: datetime,
    limit: int,
    partitions: Collection[int],
    after: tuple[datetime, UUID] | None = None,
) -> Sequence[OverdueCancellation]:
    """Cancellations in these partitions whose answer is overdue, the longest overdue first.

    ``after`` is when the answer to the last one before was due, and its id.
    """
    cancellations = t.cancellations.c
    oldest = (cancellations.due_at, cancellations.id)
    query = select(cancellations.retailer_id, cancellations.line_id, *oldest).where(
        # In the words of their index, which holds only what is due at some time.
        cancellations.state == literal_column("'asked'"),
        cancellations.due_at.is_not(None),
        cancellations.agreed == false(),
        cancellations.due_at <= now,
        one_of(partition_of_column(cancellations.retailer_id), bindparam("partitions", type_=NumberList())),
    )
    if after:
        due_at, last = after
        query = query.where(cancellations.due_at >= due_at, or_(cancellations.due_at > due_at, cancellations.id > last))
    found = connection.execute(query.order_by(*oldest).limit(limit), {"partitions": sorted(partitions)})
    return views(OverdueCancellation, found)


def waiting(connection: Connection, now: datetime, partitions: Collection[int]) -> list[Pair]:
    """Where notices of these partitions are due to endpoints that may be sent to, or that are no more."""
    found = connection.execute(engine_of(connection).heads, {"partitions": sorted(partitions), "now": now})
    return [(row.partition, row.endpoint_id) for row in found]


def due(connection: Connection, now: datetime, pairs: Iterable[Pair], most: int) -> Sequence[DueNotice]:
    """The first ``most`` notices that are due of each pair."""
    return views(DueNotice, engine_of(connection).first_notices(connection, _DUE, list(pairs), now, most))


_DUE: Final = tuple(field.name for field in fields(DueNotice))


def revision(connection: Connection) -> int:
    """How often policies and endpoints changed so far."""
    query = select(t.revisions.c.number).where(t.revisions.c.name == t.AGREEMENTS)
    return int(connection.execute(query).scalar_one())


# Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What an attempt left of one notice. ``tried`` is how many attempts it had before, ``fence`` whose it was."""

    retailer: UUID
    notice: UUID
    partition: int
    fence: int
    tried: int
    state: str
    attempts: int
    due_at: datetime | None
    result: str
    at: datetime


def settle(connection: Connection, settlements: Sequence[Settlement]) -> int:
    """Save the results of these notices. Returns how many still belonged to this worker.

    A notice is left as it is when its partition has another owner, or when somebody else settled or replayed
    it meanwhile: then its number of attempts is another one.
    """
    return engine_of(connection).update_rows(connection, _SETTLE, [_settlement_row(each) for each in settlements])


def _settlement_row(each: Settlement) -> dict[str, Any]:
    return {
        "of_retailer": each.retailer,
        "of_id": each.notice,
        "of_fence": each.fence,
        "tried": each.tried,
        "new_state": each.state,
        "new_attempts": each.attempts,
        "new_due_at": each.due_at,
        "new_result": each.result,
        "new_attempted_at": each.at,
    }


_CHANGES: Final = {
    "state": "new_state",
    "attempts": "new_attempts",
    "due_at": "new_due_at",
    "last_result": "new_result",
    "attempted_at": "new_attempted_at",
}

_SETTLE: Final = RowUpdate(
    table="notices",
    parameters={
        "of_retailer": Id,
        "of_id": Id,
        "of_fence": BigInteger(),
        "tried": Integer(),
        **{value: t.notices.c[name].type for name, value in _CHANGES.items()},
    },
    changes=_CHANGES,
    where="notices.retailer_id = {of_retailer} AND notices.id = {of_id} AND notices.state = 'due'"
    " AND notices.attempts = {tried}"
    " AND (SELECT fence FROM partitions WHERE partitions.number = notices.partition) = {of_fence}",
)


def note_success(connection: Connection, ids: Collection[UUID]) -> None:
    """These endpoints took a notice: a row of failures has ended."""
    mine = (one_of(t.endpoints.c.id, bindparam("ids", type_=IdList())), t.endpoints.c.failing_since.is_not(None))
    change_any(connection, update(t.endpoints).where(*mine).values(failing_since=None), {"ids": sorted(ids)})


def note_failure(connection: Connection, ids: Collection[UUID], at: datetime) -> None:
    """These endpoints failed ``at`` a time: a row of failures begins, unless one is under way."""
    mine = (one_of(t.endpoints.c.id, bindparam("ids", type_=IdList())), t.endpoints.c.failing_since.is_(None))
    change_any(connection, update(t.endpoints).where(*mine).values(failing_since=at), {"ids": sorted(ids)})


def stop(
    connection: Connection, endpoint: UUID, state: str, reason: str, failing_until: datetime | None = None
) -> bool:
    """Send nothing more to an endpoint that was active; its notices wait. Whether it was this that stopped it.

    With ``failing_until`` only one that has failed since then: another worker may have had a success meanwhile.
    """
    mine = [t.endpoints.c.id == endpoint, t.endpoints.c.state == "active"]
    if failing_until is not None:
        mine.append(t.endpoints.c.failing_since <= failing_until)
    stopped = change_any(connection, update(t.endpoints).where(*mine).values(state=state, state_reason=reason)) == 1
    if stopped:
        agreements_changed(connection)
    return stopped


def mark_dead(connection: Connection, notices: Iterable[NoticeKey], reason: str) -> None:
    """Give up notices whose endpoint is no more."""
    for row in notices:
        mine = (t.notices.c.retailer_id == row.retailer_id, t.notices.c.id == row.id, t.notices.c.state == "due")
        change_any(connection, update(t.notices).where(*mine).values(state="dead", due_at=None, last_result=reason))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnconfirmedMailbox:
    """The endpoint of a mailbox that nobody has confirmed yet, and its party."""

    id: UUID
    party_id: UUID


def unconfirmed(connection: Connection) -> Sequence[UnconfirmedMailbox]:
    """The mailboxes that nobody has confirmed yet, and their parties."""
    endpoints = t.endpoints.c
    query = select(endpoints.id, endpoints.party_id).where(
        endpoints.unconfirmed_since.is_not(None), endpoints.state != literal_column("'removed'")
    )
    return views(UnconfirmedMailbox, connection.execute(query.order_by(endpoints.id)))


def first_waiting(connection: Connection, endpoint: UUID, most: int) -> Sequence[WaitingNotice]:
    """The first ``most`` notices that wait at an endpoint, in the order in which they are due."""
    notices = t.notices.c
    query = select(notices.retailer_id, notices.id, notices.created_at).where(
        one_of(notices.partition, bindparam("partitions", type_=NumberList())),
        notices.endpoint_id == endpoint,
        notices.state == literal_column("'due'"),
    )
    parameters = {"partitions": list(range(t.PARTITIONS))}
    found = connection.execute(query.order_by(notices.due_at).limit(most), parameters)
    return views(WaitingNotice, found)


def replay(connection: Connection, now: datetime, retailer: UUID, notice: UUID) -> bool:
    """Make a notice due now, with all its attempts before it. False when it is not there any more."""
    mine = (t.notices.c.retailer_id == retailer, t.notices.c.id == notice)
    return change_any(connection, update(t.notices).where(*mine).values(state="due", due_at=now, attempts=0)) == 1


def recover(connection: Connection, now: datetime, endpoint: UUID, since: datetime) -> int:
    """Make every notice due now that is dead for this endpoint and was made at that time or later; how many."""
    notices = t.notices.c
    mine = (
        one_of(notices.partition, bindparam("partitions", type_=NumberList())),
        notices.endpoint_id == endpoint,
        notices.state == literal_column("'dead'"),
        notices.created_at >= since,
    )
    change = update(t.notices).where(*mine).values(state="due", due_at=now, attempts=0)
    return change_any(connection, change, {"partitions": list(range(t.PARTITIONS))})


# Whose the partitions are


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A share of the retailers: whose it is, until when, and how often it changed hands."""

    number: int
    owner: str | None
    lease_until: datetime | None
    fence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedWorker:
    """A worker that has reported that it is alive."""

    id: str
    beat: int
    seen_at: datetime


def lock_partitions(connection: Connection) -> Sequence[Partition]:
    """Every partition, locked in one order, so that workers divide them one after the other."""
    query = select(t.partitions).order_by(t.partitions.c.number).with_for_update()
    return views(Partition, connection.execute(query))


def partitions(connection: Connection) -> Sequence[Partition]:
    """Every partition as it stands."""
    query = select(t.partitions).order_by(t.partitions.c.number)
    return views(Partition, connection.execute(query))


def workers(connection: Connection) -> Sequence[ReportedWorker]:
    """All workers that have reported that they are alive."""
    return views(ReportedWorker, connection.execute(select(t.workers)))


def beat(connection: Connection, worker: str, now: datetime) -> None:
    """Say that this worker lives."""
    lives = update(t.workers).where(t.workers.c.id == worker).values(beat=t.workers.c.beat + 1, seen_at=now)
    if not change_any(connection, lives):
        connection.execute(insert(t.workers).values(id=worker, beat=1, seen_at=now))


def forget_workers(connection: Connection, ids: Collection[str]) -> None:
    """Strike off workers that are gone."""
    change_any(connection, delete(t.workers).where(t.workers.c.id.in_(ids)))


def take(connection: Connection, worker: str, until: datetime, numbers: Collection[int]) -> None:
    """Give these partitions to this worker. Former owners find another fence."""
    mine = one_of(t.partitions.c.number, bindparam("numbers", type_=NumberList()))
    change = update(t.partitions).where(mine)
    values = {"owner": worker, "lease_until": until, "fence": t.partitions.c.fence + 1}
    change_exactly(connection, len(numbers), change.values(values), {"numbers": sorted(numbers)})


def renew(connection: Connection, worker: str, until: datetime, count: int) -> None:
    """Keep what this worker has: so many."""
    mine = update(t.partitions).where(t.partitions.c.owner == worker)
    change_exactly(connection, count, mine.values(lease_until=until))


def release(connection: Connection, worker: str, numbers: Collection[int]) -> None:
    """Let others have these partitions, if they are still this worker's."""
    mine = (one_of(t.partitions.c.number, bindparam("numbers", type_=NumberList())), t.partitions.c.owner == worker)
    change = update(t.partitions).where(*mine).values(owner=None, lease_until=None)
    change_any(connection, change, {"numbers": sorted(numbers)})
