"""What a database needs to know when it comes from a backup: the world went on without it (docs/how-to/back-up.md).

Nothing here makes anything happen. It keeps what happened after the backup from happening twice.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, text, update

from countermand.domain.money.refunds import UNDER_WAY
from countermand.store import tables as t
from countermand.store.changes import change_any
from countermand.store.views import view_or_none

FEED_SKIPS: Final = 2**40
"""So many positions are left out of the feed, far more than were used since. Readers that know later ones go on."""

NUMBERS_SKIPPED: Final = 100_000
"""So many of bol's numbers are left out, and a tenth of all that were used."""

NUMBER_MAX: Final = 2**31 - 1
HELD: Final = "Held when the database was restored from a backup. It may have been sent since the backup."

_SKIP_POSITIONS: Final = text("UPDATE feed SET position = position + :skipped")
_SKIP_NUMBERS: Final = text(
    "UPDATE number_blocks SET next_number = next_number + CASE WHEN next_number < :most THEN"
    " :skipped + next_number / 10 ELSE 0 END"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """A restore: of which moment, and when."""

    taken_at: datetime
    restored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What was found on the way: refunds and notices that may have been sent since the backup."""

    refunds: int
    notices: int


def settle(connection: Connection, *, taken_at: datetime, now: datetime, hold_notices: bool) -> Settled:
    """Prepare a database that shows the moment ``taken_at`` for the present.

    - Leases of workers that ran then are over.
    - Keys of refunds that are under way count as sent at ``taken_at``, as they may have been at any time since.
    - Positions in the feed and bol's numbers that were given out since are not given out again.
    - Notices that wait stay due, under their ids; with ``hold_notices`` they wait for an operator instead.
    """
    change_any(connection, update(t.partitions).values(owner=None, lease_until=None, fence=t.partitions.c.fence + 1))
    change_any(connection, delete(t.workers))
    change_any(connection, _SKIP_POSITIONS, {"skipped": FEED_SKIPS})
    change_any(connection, _SKIP_NUMBERS, {"skipped": NUMBERS_SKIPPED, "most": NUMBER_MAX // 2})
    under_way = t.refunds.c.state.in_(sorted(UNDER_WAY))
    refunds = connection.execute(select(func.count()).select_from(t.refunds).where(under_way)).scalar_one()
    change_any(connection, update(t.refunds).where(under_way, t.refunds.c.sent_at.is_(None)).values(sent_at=taken_at))
    due = t.notices.c.state == "due"
    notices = connection.execute(select(func.count()).select_from(t.notices).where(due)).scalar_one()
    if hold_notices:
        change_any(connection, update(t.notices).where(due).values(state="dead", due_at=None, last_result=HELD))
    connection.execute(insert(t.restores).values(taken_at=taken_at, restored_at=now))
    return Settled(refunds=refunds, notices=notices)


def oldest_restore(connection: Connection) -> Restore | None:
    """The restore of the oldest backup, if there was one: what was done since that backup may be missing.

    A backup that was taken after a restore lacks what the one before it lacked.
    """
    query = select(t.restores).order_by(t.restores.c.taken_at).limit(1)
    return view_or_none(Restore, connection.execute(query).first())
