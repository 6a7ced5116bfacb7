"""What is kept for a time only: found and deleted page by page along the primary key, so that each step is small.

No sweep needs an index of its own: it walks the keys of one retailer, or of a small table that has no retailer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, or_, select, tuple_

from countermand.domain.parties import PartyKind
from countermand.domain.processes import ProcessState
from countermand.ids import earliest
from countermand.store import tables as t
from countermand.store.changes import change_any
from countermand.store.views import views

PAGE: Final = 500

Key = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One kind of row. ``setting`` names the days that it is kept; ``old`` says which rows have had them.

    ``newest`` bounds the keys that can be old, where the keys of a table grow with time. ``of_all`` are rows that other
    parties than retailers have as well, under their own id.
    """

    setting: str
    table: Table
    old: Callable[[datetime], ColumnElement[bool]]
    newest: Callable[[datetime], ColumnElement[bool]] | None = None
    of_all: bool = False

    @property
    def by_retailer(self) -> bool:
        """Whether the table is spread by retailer."""
        return "retailer_id" in self.table.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one step did. ``after`` is where the next one begins; ``None`` at the end."""

    deleted: int
    after: Key | None


def _notices_before(at: datetime) -> ColumnElement[bool]:
    return t.notices.c.id < earliest(at)


def _job_ended_before(at: datetime) -> ColumnElement[bool]:
    """Drafts that nobody started have ended, too."""
    jobs = t.jobs.c
    return or_(jobs.finished_at < at, and_(jobs.state == "draft", jobs.created_at < at))


def _of_job_that_ended(table: Table, at: datetime) -> ColumnElement[bool]:
    """The job is looked up row by row."""
    return select(_job_ended_before(at)).where(t.jobs.c.id == table.c.job_id).scalar_subquery()


def _of_job_made_before(table: Table, at: datetime) -> ColumnElement[bool]:
    return table.c.job_id < earliest(at)


def _is_left_in(table: Table) -> ColumnElement[bool]:
    return exists().where(table.c.job_id == t.jobs.c.id)


SWEEPS: Final = (
    Sweep(
        setting="idempotency_days",
        table=t.idempotency_records,
        old=lambda at: t.idempotency_records.c.created_at < at,
    ),
    Sweep(
        setting="notice_days",
        table=t.notices,
        old=lambda at: and_(t.notices.c.state == "sent", t.notices.c.created_at < at),
        newest=_notices_before,
    ),
    Sweep(
        setting="dead_notice_days",
        table=t.notices,
        old=lambda at: and_(t.notices.c.state == "dead", t.notices.c.created_at < at),
        newest=_notices_before,
    ),
    Sweep(
        setting="attempt_days",
        table=t.attempts,
        old=lambda at: t.attempts.c.at < at,
        newest=lambda at: t.attempts.c.id < earliest(at),
        of_all=True,
    ),
    Sweep(
        setting="process_status_days",
        table=t.process_statuses,
        old=lambda at: and_(
            t.process_statuses.c.status != ProcessState.PENDING.value, t.process_statuses.c.settled_at < at
        ),
    ),
    Sweep(
        setting="credential_days",
        table=t.credentials,
        old=lambda at: or_(t.credentials.c.expires_at < at, t.credentials.c.revoked_at < at),
        newest=lambda at: t.credentials.c.id < earliest(at),
    ),
    *(
        Sweep(
            setting="job_days",
            table=table,
            old=partial(_of_job_that_ended, table),
            newest=partial(_of_job_made_before, table),
        )
        for table in (t.job_rows, t.job_parts)
    ),
    Sweep(
        setting="job_days",
        table=t.jobs,
        old=lambda at: and_(_job_ended_before(at), *(~_is_left_in(table) for table in (t.job_rows, t.job_parts))),
        newest=lambda at: t.jobs.c.id < earliest(at),
    ),
    Sweep(
        setting="notice_days",
        table=t.owner_mails,
        old=lambda at: and_(t.owner_mails.c.state != "due", t.owner_mails.c.created_at < at),
    ),
)
"""Events, cancellations, money and scores are in none of them: they stay."""


def purge(connection: Connection, sweep: Sweep, retailer: UUID | None, before: datetime, after: Key | None) -> Page:
    """Read the next 500 rows of a sweep after the key ``after``, and delete those that ended ``before``."""
    columns = tuple(sweep.table.primary_key.columns)
    key = tuple_(*columns)
    query = select(*columns, sweep.old(before).label("is_old")).order_by(*columns).limit(PAGE)
    if retailer is not None:
        query = query.where(sweep.table.c.retailer_id == retailer)
    if sweep.newest is not None:
        query = query.where(sweep.newest(before))
    if after is not None:
        query = query.where(key > tuple_(*after, types=[column.type for column in columns]))
    rows = connection.execute(query).all()
    keys = [tuple(row)[: len(columns)] for row in rows]
    old = [each for each, row in zip(keys, rows, strict=True) if row.is_old]
    # Looked at once more: what was replayed meanwhile is not old any more.
    mine = [] if retailer is None else [sweep.table.c.retailer_id == retailer]
    change = delete(sweep.table).where(*mine, key.in_(old), sweep.old(before))
    deleted = change_any(connection, change) if old else 0
    return Page(deleted=deleted, after=keys[-1] if len(rows) == PAGE else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A party that has rows of its own."""

    id: UUID
    kind: str

    @property
    def is_retailer(self) -> bool:
        """Whether it sells: then it has rows of every kind."""
        return self.kind == PartyKind.RETAILER.value


def owners(connection: Connection, after: UUID | None) -> Sequence[Owner]:
    """The next 500 parties after this one, by their ids."""
    query = select(t.parties.c.id, t.parties.c.kind).order_by(t.parties.c.id)
    if after is not None:
        query = query.where(t.parties.c.id > after)
    return views(Owner, connection.execute(query.limit(PAGE)))


def orders_with_customer(connection: Connection, retailer: UUID, before: datetime, limit: int) -> Sequence[UUID]:
    """The oldest orders of a retailer that were placed ``before`` and still have their customer's data."""
    orders = t.orders.c
    query = select(orders.id).where(
        orders.retailer_id == retailer, orders.placed_at < before, orders.customer_erased_at.is_(None)
    )
    return connection.execute(query.order_by(orders.placed_at).limit(limit)).scalars().all()
