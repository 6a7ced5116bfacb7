"""The document that one party is sent of one event: JSON in the format of CloudEvents 1.0.

The classes below are its only description. docs/events.md, docs/events.schema.json and the description of the native
API are generated from them.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from countermand.domain.dates import write_moment
from countermand.domain.events import EventKind
from countermand.domain.line import State
from countermand.domain.money.amounts import write_minor
from countermand.domain.parties import Asker, PartyKind
from countermand.domain.policy import Rule
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.ids import show
from countermand.reads.events import EventView
from countermand.reads.scope import Scope

TEST_KIND: Final = "endpoint.test"
"""The type of a test notice. It is no event of a line, and is sent only to the endpoint that is tested."""


def _or(words: type[StrEnum]) -> str:
    *first, last = (f"`{word}`" for word in words)
    return f"{', '.join(first)} or {last}"


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NamedParty(_Described):
    """A party: its id and its name."""

    id: Annotated[UUID, Field(description="its id")]
    name: Annotated[str, Field(description="what it is called")]


class Actor(_Described):
    """Who acted."""

    party: Annotated[UUID | None, Field(description="the id of the party; null when a rule acted")]
    name: Annotated[str, Field(description="what it is called; `policy` when a rule acted")]
    kind: Annotated[
        Literal["platform", "retailer", "supplier", "policy"],
        Field(description="`platform`, `retailer`, `supplier`, or `policy` when a rule acted"),
    ]
    rule: Annotated[Rule | None, Field(description=f"which rule: {_or(Rule)}; null when a party acted")]


class Units(_Described):
    """The units of the line after the event. The last four sum to the first."""

    ordered: Annotated[int, Field(ge=1, description="all of them")]
    open: Annotated[int, Field(ge=0, description="not asked for, not cancelled, not shipped")]
    asked: Annotated[int, Field(ge=0, description="asked for, without an answer yet")]
    cancelled: Annotated[int, Field(ge=0, description="will not be sent")]
    shipped: Annotated[int, Field(ge=0, description="sent to the customer")]


class ReportedCancellation(_Described):
    """The cancellation after the event. Later events report what happens to it later."""

    id: Annotated[str, Field(pattern="^can_[0-9a-f]{32}$", description="`can_` and 32 hexadecimal digits")]
    units: Annotated[int, Field(ge=1, description="how many units it is about")]
    state: Annotated[State, Field(description="`asked`, `accepted`, `declined`, `withdrawn` or `lapsed`")]
    asker: Annotated[Asker, Field(description="for whom it was asked: `customer`, `retailer`, `platform` or `nobody`")]
    reason: Annotated[CancelReason, Field(description="why the units are cancelled")]
    note: Annotated[str, Field(description="the asker's note; may be empty")]
    awaiting: Annotated[
        UUID | None, Field(description="the party whose answer is due; null if none is, or an operator's")
    ]
    due_at: Annotated[datetime | None, Field(description="when the answer is or was due; null if it has no deadline")]
    accepted_units: Annotated[int, Field(ge=0, description="how many of its units were cancelled")]
    decline_reason: Annotated[
        DeclineReason | None, Field(description="why it, or the rest of it, was declined; null if it was not")
    ]
    answer_note: Annotated[str, Field(description="the note of the answer; may be empty")]
    unasked: Annotated[bool, Field(description="true if it counts as unasked")]
    agreed: Annotated[bool, Field(description="true if it is accepted for this line and waits for other lines")]
    step: Annotated[
        int | None,
        Field(
            ge=1,
            description="the number of its next decision, from 1; null in events from before 0.2",
        ),
    ]
    waiting_units: Annotated[int, Field(ge=0, description="how many of its units wait for an answer")]


class ReportedRefund(_Described):
    """A refund. Only the retailer and the platform receive it."""

    id: Annotated[str, Field(pattern="^rfd_[0-9a-f]{32}$", description="`rfd_` and 32 hexadecimal digits")]
    cancellation: Annotated[str, Field(pattern="^can_[0-9a-f]{32}$", description="the id of its cancellation")]
    payment: Annotated[str, Field(description="the id of the payment in the order")]
    amount: Annotated[str, Field(description="a decimal number with all decimals of the currency: `12.50`")]
    amount_minor: Annotated[int, Field(ge=0, description="the same in the smallest unit of the currency")]
    currency: Annotated[str, Field(description="three capital letters")]
    released: Annotated[
        bool, Field(description="true if the money was only authorised: it is released, and no money moves")
    ]
    refunded_elsewhere: Annotated[str, Field(description="how much of it was paid outside this service")]
    refunded_elsewhere_minor: Annotated[int, Field(ge=0, description="the same in the smallest unit")]
    step: Annotated[int, Field(ge=1, description="the number of its next decision, from 1")]
    note: Annotated[
        str, Field(description="why it failed, or the note of the person who closed or corrected it; may be empty")
    ]


class ReportedPayment(_Described):
    """A payment of the order after the event. Only the retailer and the platform receive it."""

    id: Annotated[str, Field(description="the id of the payment in the order")]
    captured: Annotated[str, Field(description="how much was captured in all: a decimal number, `12.50`")]
    captured_minor: Annotated[int, Field(ge=0, description="the same in the smallest unit of the currency")]
    authorised: Annotated[str, Field(description="how much is reserved and not captured")]
    authorised_minor: Annotated[int, Field(ge=0, description="the same in the smallest unit")]
    currency: Annotated[str, Field(description="three capital letters")]


class Links(_Described):
    """What the reader can do now, each as a URL. Links that the reader may not use are left out."""

    accept: Annotated[str | None, Field(description="`POST` accepts; to the party whose answer is due")] = None
    decline: Annotated[str | None, Field(description="`POST` declines; to the party whose answer is due")] = None
    withdraw: Annotated[str | None, Field(description="`POST` withdraws the ask; to the party that asked")] = None
    page: Annotated[
        str | None, Field(description="a page where a person can answer, until it expires; keep it secret")
    ] = None


class EventData(_Described):
    """The event."""

    line: Annotated[UUID, Field(description="the id of the line")]
    order: Annotated[UUID, Field(description="the id of its order")]
    reference: Annotated[str, Field(description="the retailer's number of the order")]
    sku: Annotated[str, Field(description="the code of the article")]
    title: Annotated[str, Field(description="the name of the article; may be empty")]
    retailer: Annotated[NamedParty, Field(description="who sold the line: `id` and `name`")]
    fulfiller: Annotated[NamedParty, Field(description="who holds the goods: `id` and `name`")]
    former_fulfiller: Annotated[
        NamedParty | None, Field(description="on `line.reassigned`, who held them before: `id` and `name`; or null")
    ]
    seq: Annotated[
        int,
        Field(
            ge=1, description="its number in the history of the line; a reader that does not see all events sees gaps"
        ),
    ]
    units: Annotated[int, Field(ge=0, description="how many units it is about; see the kinds above")]
    state: Annotated[Units, Field(description="the units of the line after it, see below")]
    cancellation: Annotated[
        ReportedCancellation | None, Field(description="the cancellation after it, see below; null if there is none")
    ]
    answer: Annotated[
        Literal["accept", "decline"] | None, Field(description="the answer that came too late; null in other kinds")
    ]
    tracking: Annotated[str, Field(description="carrier and number of the parcel that it is about; may be empty")]
    refund: Annotated[ReportedRefund | None, Field(description="on a `refund.` event, the refund, see below; or null")]
    payment: Annotated[
        ReportedPayment | None, Field(description="on a `payment.` event, the payment, see below; or null")
    ]
    by: Annotated[Actor, Field(description="who acted, see below")]
    door: Annotated[
        str,
        Field(
            description="`crux`, `bol_plaza`, `native`, `answer`, `cli`; `policy` for a deadline, `worker` for a refund"
        ),
    ]
    recorded_at: Annotated[
        datetime,
        Field(description="when it was saved, in UTC; later than `time` for a deadline that was processed late"),
    ]
    links: Annotated[Links, Field(description="what the reader can do now, see below")]


class TestData(_Described):
    """What a test says."""

    endpoint: Annotated[str, Field(pattern="^ept_[0-9a-f]{32}$", description="the id of the endpoint")]
    message: Annotated[str, Field(description="that it is a test")]


class TestEnvelope(_Described):
    """The document of a test."""

    specversion: Annotated[Literal["1.0"], Field(description="`1.0`, the version of CloudEvents")]
    id: Annotated[str, Field(pattern="^evt_[0-9a-f]{32}$", description="`evt_` and 32 hexadecimal digits")]
    source: Annotated[str, Field(description="the service that sends it: its `public_url`")]
    type: Annotated[str, Field(description="`countermand.endpoint.test.v1`")]
    time: Annotated[datetime, Field(description="when it was sent, in UTC")]
    subject: Annotated[str, Field(description="the id of the endpoint")]
    datacontenttype: Annotated[Literal["application/json"], Field(description="`application/json`")]
    data: Annotated[TestData, Field(description="the test")]


_TYPES: Final = [f"countermand.{kind.value}.v1" for kind in EventKind]


class Envelope(_Described):
    """The document of one event."""

    specversion: Annotated[Literal["1.0"], Field(description="`1.0`, the version of CloudEvents")]
    id: Annotated[
        str,
        Field(
            pattern="^evt_[0-9a-f]{32}$",
            description="`evt_` and 32 hexadecimal digits; the same at every attempt, and in the header `webhook-id`",
        ),
    ]
    source: Annotated[str, Field(description="the service that sends it: its `public_url`")]
    type: Annotated[
        str,
        Field(
            json_schema_extra={"enum": [*_TYPES]},
            description="`countermand.`, the kind, and `.v1`: the version of the format of `data`",
        ),
    ]
    time: Annotated[datetime, Field(description="when it took effect, in UTC; for a deadline, its due time")]
    subject: Annotated[str, Field(description="the id of the line")]
    datacontenttype: Annotated[Literal["application/json"], Field(description="`application/json`")]
    data: Annotated[EventData, Field(description="the event, see below")]


def write(
    event: EventView, *, reader: Scope, source: str, page: Callable[[EventView], str] | None = None
) -> dict[str, Any]:
    """The envelope of one event for one party that may see the line.

    ``source`` is the base URL of the service. ``page`` makes the link for a person; it is called only if the reader's
    answer is due. The document shows the state at the event, whatever happened since. It has neither data of the
    customer nor the names of persons who acted.
    """
    facts = event.facts
    subject = str(event.line_id)
    return {
        "specversion": "1.0",
        "id": show("evt", event.id),
        "source": source,
        "type": f"countermand.{event.kind}.v1",
        "time": write_moment(event.at),
        "subject": subject,
        "datacontenttype": "application/json",
        "data": {
            "line": subject,
            "order": str(event.order_id),
            "reference": event.reference,
            "sku": event.sku,
            "title": event.title,
            "retailer": {"id": str(event.retailer_id), "name": event.retailer_name},
            "fulfiller": {"id": str(event.fulfiller_id), "name": event.fulfiller_name},
            "former_fulfiller": {"id": str(event.former_id), "name": event.former_name} if event.former_id else None,
            "seq": event.seq,
            "units": facts["units"],
            "state": {
                "ordered": event.ordered,
                "open": facts["open"],
                "asked": facts["asked"],
                "cancelled": facts["cancelled"],
                "shipped": facts["shipped"],
            },
            "cancellation": _cancellation(event, event.cancellation_id) if event.cancellation_id else None,
            "answer": facts.get("answer"),
            "tracking": facts.get("tracking", ""),
            "refund": _refund(facts) if "refund" in facts else None,
            "payment": _payment(facts) if "payment" in facts else None,
            "by": _actor(event),
            "door": event.door,
            "recorded_at": write_moment(event.recorded_at or event.at),
            "links": _links(event, reader, source, page),
        },
    }


def write_test(*, endpoint: str, id: UUID, at: datetime, source: str) -> dict[str, Any]:  # noqa: A002
    """The envelope of a test notice: signed and sent like any other, but about no event."""
    return {
        "specversion": "1.0",
        "id": show("evt", id),
        "source": source,
        "type": f"countermand.{TEST_KIND}.v1",
        "time": write_moment(at),
        "subject": endpoint,
        "datacontenttype": "application/json",
        "data": {"endpoint": endpoint, "message": "This is a test. Nothing happened."},
    }


def _cancellation(event: EventView, cancellation: UUID) -> dict[str, Any]:
    facts = event.facts
    # After its answer, the row does not change any more, so the row shows the answer as it was at the event.
    answered = facts["state"] != State.ASKED.value
    return {
        "id": show("can", cancellation),
        "units": event.cancellation_units,
        "state": facts["state"],
        "asker": facts["asker"],
        "reason": facts.get("asked_for") or facts["reason"],
        "note": event.cancellation_note,
        "awaiting": facts.get("awaiting"),
        "due_at": write_moment(datetime.fromisoformat(facts["due_at"])) if "due_at" in facts else None,
        "accepted_units": event.cancellation_accepted_units if answered else 0,
        "decline_reason": event.cancellation_decline_reason if answered else None,
        "answer_note": _answer_note(event) or (event.cancellation_answer_note if answered else ""),
        "unasked": facts.get("unasked", False),
        "agreed": facts.get("agreed", False),
        "step": facts.get("step"),
        "waiting_units": 0 if answered else facts.get("waiting", event.cancellation_units),
    }


def _answer_note(event: EventView) -> str:
    """The note of an answer, also of one that changed nothing. The note of an ask is not one."""
    asks = event.kind == EventKind.CANCELLATION_ASKED or event.facts["asker"] == Asker.NOBODY
    return "" if asks else event.facts.get("note", "")


def _refund(facts: Mapping[str, Any]) -> dict[str, Any]:
    refund = facts["refund"]
    return {
        "id": show("rfd", UUID(refund["id"])),
        "cancellation": show("can", UUID(refund["cancellation"])),
        "payment": refund["payment"],
        "amount": write_minor(refund["amount_minor"], refund["currency"]),
        "amount_minor": refund["amount_minor"],
        "currency": refund["currency"],
        "released": refund["released"],
        "refunded_elsewhere": write_minor(refund.get("elsewhere_minor", 0), refund["currency"]),
        "refunded_elsewhere_minor": refund.get("elsewhere_minor", 0),
        "step": refund.get("step", 1),
        "note": facts.get("note", ""),
    }


def _payment(facts: Mapping[str, Any]) -> dict[str, Any]:
    payment = facts["payment"]
    return {
        "id": payment["id"],
        "captured": write_minor(payment["captured_minor"], payment["currency"]),
        "captured_minor": payment["captured_minor"],
        "authorised": write_minor(payment["authorised_minor"], payment["currency"]),
        "authorised_minor": payment["authorised_minor"],
        "currency": payment["currency"],
    }


def _actor(event: EventView) -> dict[str, Any]:
    if event.actor_id is None:
        return {"party": None, "name": "policy", "kind": "policy", "rule": event.facts.get("rule")}
    return {"party": str(event.actor_id), "name": event.actor_name, "kind": event.actor_kind, "rule": None}


def _links(event: EventView, reader: Scope, source: str, page: Callable[[EventView], str] | None) -> dict[str, str]:
    if event.facts.get("state") != State.ASKED.value or event.cancellation_id is None:
        return {}
    links = {}
    here = f"{source}/v1/cancellations/{show('can', event.cancellation_id)}"
    awaiting = event.facts.get("awaiting")
    operators = awaiting is None and reader.kind is PartyKind.PLATFORM and not event.facts.get("agreed")
    if operators or awaiting == str(reader.party):
        links = {"accept": f"{here}/accept", "decline": f"{here}/decline"}
        if page is not None:
            links["page"] = page(event)
    if event.cancellation_asked_by == reader.party:
        links["withdraw"] = f"{here}/withdraw"
    return links
