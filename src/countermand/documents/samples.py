"""A sample of each kind of event: what a receiver can try itself on, and what the description shows.

It is about things that do not exist. Their ids are the same in every sample.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from countermand.documents.events import write, write_test
from countermand.domain.events import MONEY, EventKind
from countermand.domain.parties import PartyKind
from countermand.reads.events import EventView
from countermand.reads.scope import Scope

AT: Final = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)


def _id(number: int) -> UUID:
    return UUID(f"019a0000-0000-7000-8000-{number:012d}")


PLATFORM, LINE, ORDER, RETAILER, SUPPLIER, CANCELLATION, REFUND = (_id(number) for number in range(1, 8))
FORMER: Final = _id(10)
ENDPOINT: Final = _id(14)
EVENT: Final = _id(16)

_REFUND: Final = {
    "id": str(REFUND),
    "cancellation": str(CANCELLATION),
    "payment": "card",
    "amount_minor": 2000,
    "currency": "EUR",
    "released": False,
    "step": 1,
}
_PAYMENT: Final = {"id": "card", "captured_minor": 5000, "authorised_minor": 0, "currency": "EUR"}
_ASKED: Final = {"state": "asked", "asker": "customer", "reason": "not_stated", "asked_for": "not_stated", "step": 1}
_ENDS: Final = {
    EventKind.CANCELLATION_ACCEPTED: "accepted",
    EventKind.CANCELLATION_DECLINED: "declined",
    EventKind.CANCELLATION_CASE_OPENED: "declined",
    EventKind.CANCELLATION_WITHDRAWN: "withdrawn",
    EventKind.CANCELLATION_LAPSED: "lapsed",
    EventKind.CANCELLATION_LATE_ANSWER: "lapsed",
}
_DECLINED: Final = frozenset({EventKind.CANCELLATION_DECLINED, EventKind.CANCELLATION_CASE_OPENED})
_WAIT_FOR_SUPPLIER: Final = frozenset(
    {EventKind.CANCELLATION_ASKED, EventKind.CANCELLATION_PASSED_ON, EventKind.CANCELLATION_PROOF_ASKED}
)


def write_sample(kind: EventKind | None, *, endpoint: str, id: UUID, at: datetime, source: str) -> dict[str, Any]:  # noqa: A002
    """The envelope of a sample of a kind of event; without a kind, that of a test."""
    if kind is None:
        return write_test(endpoint=endpoint, id=id, at=at, source=source)
    return write(replace(_event(kind), id=id, at=at, recorded_at=at), reader=_READER, source=source)


_READER: Final = Scope(party=PLATFORM, kind=PartyKind.PLATFORM)


def _event(kind: EventKind) -> EventView:
    asks = kind.value.startswith("cancellation.")
    ended = _ENDS.get(kind)
    return EventView(
        retailer_id=RETAILER,
        line_id=LINE,
        seq=2,
        id=EVENT,
        order_id=ORDER,
        cancellation_id=CANCELLATION if asks else None,
        kind=kind.value,
        at=AT,
        actor_id=PLATFORM,
        actor="Platform",
        door="native",
        facts=_facts(kind),
        recorded_at=AT,
        position=1,
        fulfiller_id=SUPPLIER,
        actor_name="Platform",
        sku="SHOE-42",
        ordered=5,
        actor_kind=PartyKind.PLATFORM.value,
        reference="PO-1001",
        order_number=1000001,
        title="Shoe, size 42",
        retailer_name="Fine Shoes",
        fulfiller_name="Alpine Supply",
        former_id=FORMER if kind is EventKind.LINE_REASSIGNED else None,
        former_name="Beta" if kind is EventKind.LINE_REASSIGNED else None,
        cancellation_units=2 if asks else None,
        cancellation_asked_by=PLATFORM if asks else None,
        cancellation_asked_at=AT if asks else None,
        cancellation_note="wrong size" if asks else None,
        cancellation_accepted_units=(2 if ended == "accepted" else 0) if asks else None,
        cancellation_decline_reason="already_picked" if kind in _DECLINED else None,
        cancellation_answer_note="" if asks else None,
        cancellation_answered_at=AT if ended else None,
    )


def _facts(kind: EventKind) -> dict[str, Any]:
    facts: dict[str, Any] = {"units": 0 if kind in MONEY else 2, **_buckets(kind)}
    if kind.value.startswith("cancellation."):
        facts |= {**_ASKED, "state": _ENDS.get(kind, "asked")}
    if kind in _WAIT_FOR_SUPPLIER:
        facts |= {"awaiting": str(SUPPLIER), "due_at": (AT + timedelta(hours=48)).isoformat()}
    if kind is EventKind.CANCELLATION_LATE_ANSWER:
        facts["answer"] = "accept"
    if kind.value.startswith(("line.shipped", "line.transport")):
        facts["tracking"] = "PostNL 3S0001"
    if kind.value.startswith("refund."):
        facts["refund"] = _REFUND
    if kind.value.startswith("payment."):
        facts["payment"] = _PAYMENT
    return facts


def _buckets(kind: EventKind) -> dict[str, int]:
    buckets = {"open": 5, "asked": 0, "cancelled": 0, "shipped": 0}
    if kind.value.startswith("refund.") or kind in (
        EventKind.CANCELLATION_ACCEPTED,
        EventKind.LINE_SHIPPED_THOUGH_CANCELLED,
    ):
        return {**buckets, "open": 3, "cancelled": 2}
    if kind in (EventKind.LINE_SHIPPED, EventKind.LINE_TRANSPORT_CHANGED):
        return {**buckets, "open": 3, "shipped": 2}
    if kind.value.startswith("cancellation.") and kind not in _ENDS:
        return {**buckets, "open": 3, "asked": 2}
    return buckets
