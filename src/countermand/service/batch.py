"""One batch of calls, one transaction: load, decide, save."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from countermand.domain.cancellation import NewId
from countermand.domain.events import EventKind
from countermand.ids import Clock
from countermand.service.agreements import LaneState
from countermand.service.calls import Call, Outcome
from countermand.service.decide import Deciding
from countermand.service.effects import Following
from countermand.service.load import load
from countermand.service.locking import Orders
from countermand.service.money import Refunding
from countermand.service.orders import Placing
from countermand.service.rows import Rows
from countermand.service.telling import Telling


def run_batch(
    connection: Connection,
    calls: Sequence[Call],
    now: datetime | Clock,
    new_id: NewId,
    state: LaneState,
    whole: Orders = frozenset(),
) -> list[Outcome]:
    """Decide every call of a batch, one after the other on the same lines, and store all that follows.

    A clock is asked once the lines are locked: a batch that waited for another one must not tell an earlier time.
    ``whole`` are orders whose lines are all loaded.

    Raises:
        AskedTogetherError: more orders must be loaded whole.
    """
    agreements = state.agreements
    calls, known = load(connection, calls, agreements, whole)
    rows = Rows(now if isinstance(now, datetime) else now(), new_id, state.numbers)
    telling = Telling(rows, agreements, state.event_ids)
    refunding = Refunding(connection, known, rows, telling)
    following = Following(known, rows, telling, refunding)
    deciding = Deciding(known, rows, agreements, Placing(known, rows, telling), following, refunding)
    outcomes = [deciding.answer(call) for call in calls]
    # Refunds first: they are told of as well, which counts on their lines.
    refunding.save()
    following.save()
    rows.save(connection)
    state.told = frozenset((row["partition"], row["endpoint_id"]) for row in rows.new.get("notices", ()))
    state.escalated = tuple(
        (row["cancellation_id"], row["retailer_id"], row["line_id"])
        for row in rows.new.get("events", ())
        if row["kind"] == EventKind.CANCELLATION_ESCALATED.value
    )
    return outcomes
