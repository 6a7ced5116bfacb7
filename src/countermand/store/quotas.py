"""What is left of quotas, where several processes count them together. Source: docs/decisions/0039.

A row that is full says nothing, and is dropped. PostgreSQL does not log the table: counting costs no write to disk, and
after a crash all quotas are full.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import attrgetter
from typing import Final

from sqlalchemy import Connection, Float, Text, delete, select

from countermand.domain.quotas import Bucket, Quota
from countermand.store import tables as t
from countermand.store.changes import change_any, change_rows
from countermand.store.columns import Instant
from countermand.store.engines.protocol import RowUpdate, engine_of

DROPPED_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What one process has to say of a key: ``owed`` calls are answered already, and so many more are ``wanted``."""

    key: str
    quota: Quota
    owed: float
    wanted: int
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How many of the wanted calls may be answered, and what is left after these."""

    granted: int
    bucket: Bucket


_CHANGE: Final = RowUpdate(
    table="quota_counts",
    parameters={"of_key": Text(), "new_left": Float(), "new_at": Instant(), "new_full_at": Instant()},
    changes={"calls_left": "new_left", "at": "new_at", "full_at": "new_full_at"},
    where="quota_counts.key = {of_key}",
)


def settle(connection: Connection, settlements: Sequence[Settlement]) -> Mapping[str, Settled]:
    """Count what is owed, and grant what is wanted as far as it goes, each key once."""
    # In one order everywhere, so that no two processes wait for each other.
    given = sorted(settlements, key=attrgetter("key"))
    counts, keys = t.quota_counts.c, [each.key for each in given]
    fresh = [
        {"key": each.key, "calls_left": float(each.quota.calls), "at": _moment(each.now), "full_at": _moment(each.now)}
        for each in given
    ]
    connection.execute(engine_of(connection).insert_unless_there(t.quota_counts), fresh)
    held = select(counts.key, counts.calls_left, counts.at).where(counts.key.in_(keys)).order_by(counts.key)
    rows = {
        row.key: Bucket(left=row.calls_left, at=row.at.timestamp())
        for row in connection.execute(held.with_for_update())
    }
    settled = {each.key: _settled(each, rows.get(each.key)) for each in given}
    change_rows(connection, _CHANGE, [_changed(each, settled[each.key]) for each in given if each.key in rows])
    return settled


def drop_full(connection: Connection, now: datetime) -> int:
    """Drop rows whose quota is full again. Returns how many."""
    counts = t.quota_counts.c
    full = select(counts.key).where(counts.full_at < now).order_by(counts.full_at).limit(DROPPED_AT_ONCE)
    return change_any(connection, delete(t.quota_counts).where(counts.key.in_(full), counts.full_at < now))


def _settled(settlement: Settlement, found: Bucket | None) -> Settled:
    """Without a row, somebody has dropped it just now: it was full."""
    quota, now = settlement.quota, settlement.now
    owed = (found or Bucket(left=quota.calls, at=now)).less(settlement.owed, now, quota)
    granted = max(0, min(settlement.wanted, int(owed.left)))
    return Settled(granted=granted, bucket=owed.less(granted, now, quota))


def _changed(settlement: Settlement, settled: Settled) -> dict[str, object]:
    bucket = settled.bucket
    return {
        "of_key": settlement.key,
        "new_left": bucket.left,
        "new_at": _moment(bucket.at),
        "new_full_at": _moment(bucket.full_at(settlement.quota)),
    }


def _moment(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
