"""Tells the log and the metrics what a batch has changed, once it is committed: one line for each change of state."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog

from countermand.domain.events import EventKind
from countermand.domain.line import State
from countermand.domain.money.refunds import Refund
from countermand.domain.policy import Rule
from countermand.ids import show
from countermand.observability import metrics

Row = Mapping[str, Any]

STATES: Final[Mapping[str, str]] = {
    EventKind.CANCELLATION_ASKED: State.ASKED.value,
    EventKind.CANCELLATION_ACCEPTED: State.ACCEPTED.value,
    EventKind.CANCELLATION_DECLINED: State.DECLINED.value,
    EventKind.CANCELLATION_WITHDRAWN: State.WITHDRAWN.value,
    EventKind.CANCELLATION_LAPSED: State.LAPSED.value,
    EventKind.CANCELLATION_ESCALATED: "escalated",
}
"""The state into which an event brings its cancellation."""

WARNED_OF: Final[Mapping[str, str]] = {
    EventKind.CANCELLATION_LAPSED: "countermand cancellations --state lapsed",
    EventKind.CANCELLATION_ESCALATED: "countermand cancellations --state escalated",
    EventKind.CANCELLATION_CASE_OPENED: "countermand cancellations --state declined",
    EventKind.REFUND_FAILED: "countermand refunds --state parked",
}
"""What a person should look at, and the command that shows it."""

_NAMES: Final = {kind.value: kind.value.replace(".", "_") for kind in EventKind}
_ENDS: Final = frozenset({State.ACCEPTED.value, State.DECLINED.value, State.WITHDRAWN.value, State.LAPSED.value})

log = structlog.get_logger()


def report_changes(events: Sequence[Row], asked_at: Mapping[UUID, datetime], refunds: Mapping[UUID, Refund]) -> None:
    """Report rows of events that were stored.

    ``asked_at`` says since when their cancellations had waited, ``refunds`` are those that changed.
    """
    for row in events:
        _log(row)
        kind = row["kind"]
        metrics.EVENTS.add(kind)
        if kind == EventKind.REFUND_DONE:
            _count_refund(row, refunds)
        state = STATES.get(kind)
        if state is not None:
            _count(row, state, asked_at.get(row["cancellation_id"]))


def _log(row: Row) -> None:
    kind = row["kind"]
    ids: dict[str, Any] = {"retailer": row["retailer_id"], "order": row["order_id"], "line": row["line_id"]}
    if row["cancellation_id"]:
        ids["cancellation"] = show("can", row["cancellation_id"])
    refund = row["facts"].get("refund")
    if refund:
        ids["refund"] = show("rfd", UUID(refund["id"]))
    answer = WARNED_OF.get(kind)
    if answer is None:
        log.info(_NAMES[kind], **ids, seq=row["seq"], door=row["door"])
    else:
        log.warning(_NAMES[kind], **ids, seq=row["seq"], door=row["door"], answer=answer)


def _count_refund(row: Row, refunds: Mapping[UUID, Refund]) -> None:
    refund = refunds.get(UUID(row["facts"]["refund"]["id"]))
    if refund is not None:
        metrics.REFUND_SECONDS.observe((row["at"] - refund.created_at).total_seconds(), refund.provider)


def _count(row: Row, state: str, asked_at: datetime | None) -> None:
    metrics.CANCELLATIONS.add(row["door"], state)
    if asked_at is not None and state in _ENDS:
        metrics.DECISION_SECONDS.observe((row["at"] - asked_at).total_seconds(), state)
    facts = row["facts"]
    if facts.get("rule") == Rule.SILENCE.value or (state == "escalated" and facts.get("by_policy")):
        metrics.DEADLINE_MISSED.add(state)
