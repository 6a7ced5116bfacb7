"""What the service answers, as types.

Members and values that this version does not know are kept: unknown members are attributes too, and closed lists are
plain texts. Amounts are decimals with all decimals of their currency.
"""

from __future__ import annotations

import datetime as dt
import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Self, Union, cast, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, PrivateAttr, ValidationError


def _written(moment: dt.datetime) -> str:
    return moment.isoformat()


def _filled(value: Any) -> Any:
    return "" if value is None else value


Named = Annotated[str, BeforeValidator(_filled)]
"""The id of an order; empty if it was only tried."""
Moment = Annotated[dt.datetime, PlainSerializer(_written, return_type=str, when_used="json")]


class Model(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)

    _document: Any = PrivateAttr(None)
    _etag: str = PrivateAttr("")
    _replayed: bool = PrivateAttr(default=False)

    @property
    def document(self) -> Mapping[str, Any]:
        """The JSON object that was answered, as it came; an object within another has none of its own."""
        return self._document or {}

    @property
    def etag(self) -> str:
        """The state that was answered, for ``if_match``; empty where the answer named none."""
        return self._etag

    @property
    def replayed(self) -> bool:
        """Whether the answer is that of an earlier call with the same key."""
        return self._replayed

    @classmethod
    def read(cls, document: Any) -> Self:
        """The document as this type; a member that is missing or of another type spoils none of the others."""
        found = cls._read(document)
        found._document = document
        return found

    @classmethod
    def _read(cls, document: Any) -> Self:
        try:
            return cls.model_validate(document)
        except ValidationError:
            if not isinstance(document, Mapping):
                raise
        found: Any = cls.model_construct(**dict(_members(cls, document)))
        return cast("Self", found)


def _members(model: type[Model], document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    fields = {field.alias or name: (name, field.annotation) for name, field in model.model_fields.items()}
    for told, value in document.items():
        name, annotation = fields.get(told, (told, Any))
        yield name, _read(annotation, value)


def _read(annotation: Any, value: Any) -> Any:
    """A value of an answer that does not have the documented type, as far as it can be read."""
    kinds = get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        models = [each for each in kinds if isinstance(each, type) and issubclass(each, Model)]
        return _read(models[0], value) if models else value
    if get_origin(annotation) is list and isinstance(value, list):
        return [_read(kinds[0], each) for each in value]
    if isinstance(annotation, type) and issubclass(annotation, Model) and isinstance(value, Mapping):
        return annotation.read(value)
    try:
        if annotation is Decimal:
            return Decimal(value)
        if annotation is dt.datetime:
            return dt.datetime.fromisoformat(value)
    except (ArithmeticError, TypeError, ValueError):
        pass
    return value


class PartyName(Model):
    """A party: its id and its name."""

    id: str
    name: str


class Units(Model):
    """The units of a line or an order. The last four sum to the first."""

    ordered: int
    open: int
    asked: int
    cancelled: int
    shipped: int


class Line(Model):
    """A line as it is now. Only the retailer and the platform see what it cost."""

    id: str
    number: int
    order: str
    reference: str
    sku: str
    title: str
    ean: str | None = None
    retailer: PartyName
    fulfiller: PartyName
    units: Units
    unit_price: Decimal | None
    unit_price_minor: int | None
    currency: str
    promised_on: dt.date | None
    backordered: int
    cancellations: list[Cancellation] | None = None
    expanded: AroundLine | None = None


class Order(Model):
    """An order and its lines."""

    id: Named
    number: int | None
    reference: str
    retailer: PartyName
    placed_at: Moment
    currency: str
    held: bool
    erased: bool
    line_count: int
    units: Units
    total: Decimal | None
    total_minor: int | None
    repeated: bool
    lines: list[Line] | None = None
    shipments: list[Shipment] | None = None
    cancellations: list[Cancellation] | None = None


class AroundLine(Model):
    """What ``expand`` named of a line, beside its id. ``None`` is not to be seen."""

    order: Order | None


class AroundCancellation(Model):
    """What ``expand`` named of a cancellation, beside its id. ``None`` is what it did not name, or not to be seen."""

    line: Line | None
    order: Order | None


class AroundRefund(Model):
    """What ``expand`` named of a refund, beside its id. ``None`` is what it did not name."""

    cancellation: Cancellation | None
    order: Order | None


class Cancellation(Model):
    """An ask for some units of one line, with its answer."""

    id: str
    line: str
    order: str
    sku: str
    units: int
    of_units: int
    state: str
    asker: str
    asked_at: Moment
    awaiting: str | None
    due_at: Moment | None
    reason: str
    note: str
    accepted_units: int
    answered_at: Moment | None
    answered_by: str | None
    decline_reason: str | None
    answer_note: str
    by_policy: bool
    unasked: bool
    agreed: bool
    reference: str
    number: int
    retailer: PartyName
    fulfiller: PartyName
    step: int
    waiting_units: int
    escalated: bool
    policy: str | None = None
    repeated: bool
    can: list[str] = []
    refunds: list[Refund] | None = None
    expanded: AroundCancellation | None = None


class Outcome(Model):
    """What an ask came to for one line. ``code`` and ``detail`` say why it was refused."""

    line: str
    units: int
    outcome: str
    cancellation: str | None
    code: str
    detail: str


class QuotedLine(Model):
    """A line, and how many of its units."""

    line: str
    units: int


class QuotedPayment(Model):
    """What one payment would give back: ``refund`` is sent, ``release`` is never captured."""

    id: str
    provider: str
    method: str
    reference: str
    refund: Decimal
    refund_minor: int
    release: Decimal
    release_minor: int


class Quote(Model):
    """What would go back to the customer."""

    order: str
    lines: list[QuotedLine]
    currency: str
    refund: Decimal
    refund_minor: int
    release: Decimal
    release_minor: int
    goods: Decimal
    goods_minor: int
    shipping: Decimal
    shipping_minor: int
    tax: Decimal
    tax_minor: int
    discount_taken_back: Decimal
    discount_taken_back_minor: int
    unpaid: Decimal
    unpaid_minor: int
    commission_returned: Decimal
    commission_returned_minor: int
    payments: list[QuotedPayment]


class Asked(Model):
    """The cancellations that an ask led to, and the outcome of each line."""

    cancellations: list[Cancellation]
    outcomes: list[Outcome] = []
    quote: Quote | None = None
    dry_run: bool = False


class Payment(Model):
    """A payment: what was captured or only reserved of it, and what was refunded or released."""

    id: str
    provider: str
    method: str
    reference: str
    captured: Decimal
    captured_minor: int
    authorised: Decimal
    authorised_minor: int
    refunded: Decimal
    refunded_minor: int
    released: Decimal
    released_minor: int


class Payments(Model):
    """How an order is paid."""

    order: str
    currency: str
    total: Decimal
    total_minor: int
    left_to_pay: Decimal
    left_to_pay_minor: int
    payments: list[Payment]
    repeated: bool = False


class Refund(Model):
    """What one payment owes for one cancellation, and where that refund stands."""

    id: str
    cancellation: str
    order: str
    line: str
    reference: str
    retailer: str
    retailer_id: str
    sku: str
    kind: str
    amount: Decimal
    amount_minor: int
    refunded_elsewhere: Decimal
    refunded_elsewhere_minor: int
    currency: str
    state: str
    waiting_for: str | None = None
    payment: str
    provider: str
    payment_reference: str
    method: str
    provider_reference: str
    attempts: int
    due_at: Moment | None
    last_result: str
    created_at: Moment
    settled_at: Moment | None
    note: str
    step: int
    can: list[str] = []
    expanded: AroundRefund | None = None


class Shipment(Model):
    """A parcel, and the units in it."""

    id: str
    order: str
    lines: list[QuotedLine]
    carrier: str
    tracking_number: str
    method: str
    shipped_on: dt.date | None
    reference: str
    created_at: Moment
    repeated: bool


class TimelineEntry(Model):
    """One event of a story, as a sentence."""

    at: Moment
    event: str
    line: str
    sentence: str
    by: str
    units: int
    state: Units
    kind: str = ""
    door: str = ""
    sku: str = ""
    cancellation: str | None = None


class TimelineJudgement(Model):
    """What an operator decided about a cancellation in a score, as a sentence."""

    at: Moment
    sentence: str
    judgement: str
    line: str
    cancellation: str
    by: str
    door: str


class Timeline(Model):
    """The story of an order, a line or a cancellation, and what operators decided about it in scores."""

    entries: list[TimelineEntry]
    judgements: list[TimelineJudgement] = []


class Party(Model):
    """A retailer, a supplier, or the platform."""

    id: str
    number: int
    kind: str
    name: str
    status: str
    created_at: Moment


class User(Model):
    """A person who can log in."""

    id: str
    party: PartyName
    email: str
    name: str
    permissions: list[str]
    status: str
    created_at: Moment
    last_login_at: Moment | None


class Credential(Model):
    """A token or a key. Its ``secret`` is in the answer of its creation only."""

    id: str
    party: PartyName
    kind: str
    label: str
    permissions: list[str]
    status: str
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None
    public: str | None
    user: str | None = None
    secret: str | None = None


class Policy(Model):
    """What a retailer agreed on with a supplier."""

    id: str | None
    version: int
    retailer: PartyName
    supplier: PartyName | None
    answer_within: str
    answer_within_s: int | None
    silence: str
    whole_order: str
    free_window: str
    free_window_s: int
    accepts_until: str
    accepts_for: str
    accepts_for_s: int | None
    customer_asks_retailer_first: bool
    proof_within: str
    proof_within_s: int | None
    working_hours: str
    holidays: str
    created_at: Moment | None
    sentences: list[str] = []


class PolicyChange(Model):
    """One term that a new version would change."""

    term: str
    from_: Annotated[Any, Field(alias="from")]
    to: Any
    sentence: str


class PolicyPreview(Model):
    """What a new version of a policy would say and change."""

    sentences: list[str]
    changes: list[PolicyChange]
    open_asks: int


class Endpoint(Model):
    """Where a party is notified. Its ``secret`` is in the answers of creation and rotation only.

    ``resources`` are those of a subscription of bol's Retailer API.
    """

    id: str
    party: str
    url: str
    events: list[str]
    resources: list[str] | None = None
    label: str
    state: str
    state_reason: str
    failing_since: Moment | None
    created_at: Moment
    secret: str | None = None


class Sent(Model):
    """The call that an attempt made."""

    url: str
    headers: dict[str, str]
    body: str


class Attempt(Model):
    """One attempt to send a notice, and the receiver's answer."""

    id: str
    notice: str | None
    endpoint: str
    at: Moment
    ok: bool
    duration_ms: int
    request: Sent
    status: int | None
    answer: str
    error: str


class Notice(Model):
    """One event on its way to one endpoint. One about a process status, to a subscription, has no ``line``."""

    id: str
    endpoint: str
    event: str
    type: str
    line: str | None
    state: str
    attempts_made: int
    due_at: Moment | None
    created_at: Moment
    sent_at: Moment | None
    last_result: str
    attempts: list[Attempt] | None = None


class Excluded(Model):
    """Why and by whom something was excluded from a score."""

    reason: str
    by: str
    at: Moment


class Evidence(Model):
    """An event that shows why something counts."""

    id: str
    at: Moment
    told: str


class Incident(Model):
    """Something that counts in a score."""

    cancellation: str
    line: str
    reference: str = ""
    sku: str = ""
    ordered: int = 0
    why: str
    units: int
    excluded: Excluded | None
    events: list[Evidence]


class Scorecard(Model):
    """One week of a party."""

    week: str
    closed: bool
    numerator: int
    denominator: int
    value: float | None
    distance_to_norm: float | None
    conforms: bool | None
    strike: bool
    answers: dict[str, int]
    median_s: float | None
    p90_s: float | None
    decline_rate: float | None
    evidence: list[Incident] | None = None


class Scorecards(Model):
    """A party's weeks, oldest first, and the strikes of the last closed ones."""

    party: str
    name: str
    as_: Annotated[str, Field(alias="as")]
    zone: str
    at: Moment
    norm: float
    strikes: int
    weeks: list[Scorecard]


class Judgement(Model):
    """What an operator decided about a cancellation in a score."""

    id: str
    cancellation: str
    party: str
    verdict: str
    reason: str
    version: int
    by: str
    at: Moment


class Rows(Model):
    """How far a job is. ``total`` is known once its rows are counted."""

    total: int | None
    done: int
    ok: int
    refused: int
    invalid: int
    cancelled: int


class Job(Model):
    """Many asks, answers or orders at once, or notices that are sent again."""

    id: str
    kind: str
    format: str | None
    dry_run: bool
    label: str
    state: str
    parts: int
    rows: Rows
    party: str
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "cancelled")


class JobResult(Model):
    """What came of one row."""

    row: int
    result: str
    id: str | None
    code: str
    detail: str
    errors: list[dict[str, Any]]
    input: Any


class AuditEntry(Model):
    """A change that is no event of a line."""

    id: str
    at: Moment
    by: str
    party: str
    action: str
    object: str
    detail: dict[str, Any]
    door: str
    request_id: str


class FoundObject(Model):
    """One object that a search found, and by what."""

    type: str
    id: str
    title: str
    matched: str
    exact: bool


class Found(Model):
    """What a search found, exact matches first."""

    results: list[FoundObject]


class Person(Model):
    """The person of a log-in token."""

    id: str
    name: str
    email: str


class Me(Model):
    """The caller: its party, its credential, and what that may do."""

    party: PartyName
    kind: str
    credential: str
    label: str
    permissions: list[str]
    expires_at: Moment | None
    user: Person | None


class Health(Model):
    """The process is alive."""

    status: str


class Check(Model):
    """One thing that has to work."""

    name: str
    ok: bool
    detail: str


class Readiness(Model):
    """Whether calls can be served."""

    status: str
    checks: list[Check]


class Actor(Model):
    """Who acted; a rule where ``party`` is ``None``."""

    party: str | None
    name: str
    kind: str
    rule: str | None


class EventCancellation(Model):
    """A cancellation as it was after an event."""

    id: str
    units: int
    state: str
    asker: str
    reason: str
    note: str
    awaiting: str | None
    due_at: Moment | None
    accepted_units: int
    decline_reason: str | None
    answer_note: str
    unasked: bool
    agreed: bool
    step: int | None
    waiting_units: int


class EventRefund(Model):
    """A refund as it was after an event."""

    id: str
    cancellation: str
    payment: str
    amount: Decimal
    amount_minor: int
    currency: str
    released: bool
    refunded_elsewhere: Decimal
    refunded_elsewhere_minor: int
    step: int
    note: str


class EventPayment(Model):
    """A payment as it was after an event."""

    id: str
    captured: Decimal
    captured_minor: int
    authorised: Decimal
    authorised_minor: int
    currency: str


class Links(Model):
    """What the reader can do now."""

    accept: str | None = None
    decline: str | None = None
    withdraw: str | None = None
    page: str | None = None


class EventData(Model):
    """What happened, as of the event."""

    line: str
    order: str
    reference: str
    sku: str
    title: str
    retailer: PartyName
    fulfiller: PartyName
    former_fulfiller: PartyName | None
    seq: int
    units: int
    state: Units
    cancellation: EventCancellation | None
    answer: str | None
    tracking: str
    refund: EventRefund | None
    payment: EventPayment | None
    by: Actor
    door: str
    recorded_at: Moment
    links: Links


class CancellationData(EventData):
    """The data of an event about a cancellation."""

    cancellation: EventCancellation


class RefundData(EventData):
    """The data of an event about a refund."""

    refund: EventRefund


class PaymentData(EventData):
    """The data of an event about a payment."""

    payment: EventPayment


class TestData(Model):
    """The data of a test of an endpoint."""

    endpoint: str
    message: str


class Envelope(Model):
    """The document of one event, in the format of CloudEvents. ``kind`` is the short form of ``type``."""

    specversion: str
    id: str
    source: str
    type: str
    time: Moment
    subject: str
    datacontenttype: str
    data: Any

    @property
    def kind(self) -> str:
        """Such as ``cancellation.asked``."""
        return kind_of(self.type)


class Event(Envelope):
    """An event of a line; the classes below say more of some kinds, and ``isinstance`` finds them."""

    data: EventData


class LineEvent(Event):
    """``line.placed``, ``line.shipped`` and the like."""


class CancellationEvent(Event):
    """``cancellation.asked``, ``cancellation.accepted`` and the like."""

    data: CancellationData


class PaymentEvent(Event):
    """``payment.added`` and ``payment.captured``."""

    data: PaymentData


class RefundEvent(Event):
    """``refund.due``, ``refund.done`` and the like."""

    data: RefundData


class TestEvent(Envelope):
    """A test of an endpoint: about no line, and in no feed."""

    data: TestData


_EVENTS = {
    "line": LineEvent,
    "cancellation": CancellationEvent,
    "payment": PaymentEvent,
    "refund": RefundEvent,
}


def kind_of(type_: str) -> str:
    """``cancellation.asked`` of ``countermand.cancellation.asked.v1``."""
    return type_.removeprefix("countermand.").removesuffix(".v1")


def event(document: Any) -> Event:
    """An event of a line, as the class of its kind."""
    subject = kind_of(str(document.get("type", ""))).partition(".")[0] if isinstance(document, Mapping) else ""
    found = _EVENTS.get(subject, Event)
    return found.read(document)


def any_event(document: Any) -> Event | TestEvent | Envelope:
    """What a webhook brings: an event, a test, or a kind that this version does not know."""
    envelope = Envelope.read(document)
    if envelope.kind == "endpoint.test" and "endpoint" in document.get("data", {}):
        return TestEvent.read(document)
    return event(document) if isinstance(document.get("data"), dict) and "line" in document["data"] else envelope
