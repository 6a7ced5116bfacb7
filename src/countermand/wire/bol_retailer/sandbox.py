"""The ``-demo`` paths: the same calls over fixed data, for clients that try their code. Nothing is kept.

Every write is answered as the true one would be, by process status 1. Process statuses 1 to 4 are each in another
state: pending, successful, failed and timed out.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

from countermand.domain.addresses.address import STRICT
from countermand.domain.endpoint import Endpoint, EndpointState
from countermand.domain.scoring import Figures
from countermand.domain.subscriptions import Resource, Subscription
from countermand.ids import Clock
from countermand.reads.process_statuses import ProcessView
from countermand.reads.seller_orders import Progress, SellerOrder
from countermand.reads.shipments import ShipmentView
from countermand.reads.views import LineRow, OrderRow, PartyView, ShipmentRow
from countermand.wire.bol.vocabulary import FulfilmentMethod, Status
from countermand.wire.bol_retailer import messages, views
from countermand.wire.bol_retailer.errors import RetailerError, missing
from countermand.wire.bol_retailer.meaning import Request, number_of, week_of
from countermand.wire.bol_retailer.messages import read
from countermand.wire.bol_retailer.subscriptions import wanted_subscription
from countermand.wire.bol_retailer.views import answer
from countermand.wire.bol_retailer.vocabulary import ProcessEvent
from countermand.wire.replies import Problem
from countermand.wire.response import Reply

NOW: Final = datetime(2026, 1, 12, 9, 30, tzinfo=UTC)
"""When everything here happened."""

SELLER: Final = UUID(int=1)
NUMBER: Final = 1_000_001


class Sandbox:
    """Every call, over fixed data. ``process_url`` is below which its process statuses are found.

    The ``clock`` only says which parameters are right: days of today's clients are not those of the data.
    """

    def __init__(self, process_url: str, clock: Clock) -> None:
        self._url, self._clock = process_url, clock
        self.subscriptions = SandboxSubscriptions(self._queued)

    async def cancel_item(self, request: Request) -> Reply:
        """PUT: as if an order item were cancelled."""
        (item,) = read(messages.Cancellation, request.body).order_items
        return self._queued(ProcessEvent.CANCEL_ORDER, item.order_item_id)

    async def ship(self, request: Request) -> Reply:
        """POST: as if order items had left the house."""
        messages.read_shipment(request.body)
        return self._queued(ProcessEvent.CREATE_SHIPMENT, "")

    async def change_transport(self, request: Request) -> Reply:
        """PUT: as if a parcel travelled otherwise."""
        read(messages.ChangedTransport, request.body)
        return self._queued(ProcessEvent.CHANGE_TRANSPORT, request.target[: messages.ID_CHARS_MAX])

    async def list_orders(self, request: Request) -> Reply:
        """GET: the orders, all on the first page."""
        query = request.query
        query.changes(self._clock())
        own, first, progress = query.fulfilment != FulfilmentMethod.FBB, query.page == 1, query.progress
        orders = [_of(order, progress) for order in ORDERS] if own and first else []
        return answer(200, {"orders": [views.reduced_order(order) for order in orders if order.lines]})

    async def get_order(self, request: Request) -> Reply:
        """GET: one order, whole."""
        found = [order for order in ORDERS if order.row.number == number_of(request.target)]
        if not found:
            raise missing("Order for order", request.target)
        return answer(200, views.order(found[0]))

    async def list_shipments(self, request: Request) -> Reply:
        """GET: the parcel."""
        query = request.query
        wanted = query.text("order-id")
        own, first = query.fulfilment != FulfilmentMethod.FBB or bool(wanted), query.page == 1
        here = own and first and wanted in ("", str(SHIPMENT.order.number))
        return answer(200, {"shipments": [views.reduced_shipment(SHIPMENT)] if here else []})

    async def get_shipment(self, request: Request) -> Reply:
        """GET: the parcel, whole."""
        if number_of(request.target) != SHIPMENT.row.number:
            raise missing("Shipment for shipment", request.target)
        return answer(200, views.shipment(SHIPMENT))

    async def get_process(self, request: Request) -> Reply:
        """GET: one process status."""
        found = [each for each in PROCESSES if each.number == number_of(request.target)]
        if not found:
            raise RetailerError(Problem.NOT_FOUND, "Not Found")
        return answer(200, views.process_status(found[0], self._url))

    async def list_processes(self, request: Request) -> Reply:
        """GET: those about an order item."""
        query = request.query
        entity, event = query.needed("entity-id"), query.event_type
        about = [each for each in PROCESSES if (each.entity_id, each.event_type) == (entity, event.kept)]
        return self._listed(about if query.page == 1 else [])

    async def look_processes_up(self, request: Request) -> Reply:
        """POST: those of them that there are."""
        queries = read(messages.ProcessQueries, request.body).process_status_queries
        numbers = {number_of(each.process_status_id) for each in queries}
        return self._listed([each for each in PROCESSES if each.number in numbers])

    async def indicators(self, request: Request) -> Reply:
        """GET: what would be measured."""
        wanted, week = request.query.indicators, week_of(request.query)
        figures = Figures(week=week, ordered=88, numerator=1, answers={}, seconds_to_answer=None)
        return answer(200, views.indicators(wanted, week, figures))

    async def get_retailer(self, request: Request) -> Reply:
        """GET: the seller."""
        if request.target not in ("current", str(PARTY.number)):
            raise missing("Retailer for retailer", request.target)
        return answer(200, views.retailer(PARTY))

    def _queued(self, event: ProcessEvent, entity: str) -> Reply:
        return answer(202, views.process_status(_process(1, Status.PENDING, event, entity), self._url))

    def _listed(self, rows: list[ProcessView]) -> Reply:
        return answer(200, {"processStatuses": [views.process_status(row, self._url) for row in rows]})


class SandboxSubscriptions:
    """The calls about subscriptions, as if there were one. Nothing is sent."""

    def __init__(self, queued: Callable[[ProcessEvent, str], Reply]) -> None:
        self._queued = queued

    async def list_subscriptions(self, request: Request) -> Reply:
        """GET: the one that there is."""
        return answer(200, {"subscriptions": [views.subscription(SUBSCRIPTION)]})

    async def get_subscription(self, request: Request) -> Reply:
        """GET: that one."""
        if request.target != str(SUBSCRIPTION.id):
            raise missing("Subscription for subscription", request.target)
        return answer(200, views.subscription(SUBSCRIPTION))

    async def create_subscription(self, request: Request) -> Reply:
        """POST: as if there were another one."""
        wanted_subscription(request.body, STRICT)
        return self._queued(ProcessEvent.CREATE_SUBSCRIPTION, "")

    async def update_subscription(self, request: Request) -> Reply:
        """PUT: as if it were another one."""
        wanted_subscription(request.body, STRICT)
        return self._about(ProcessEvent.UPDATE_SUBSCRIPTION, request)

    async def delete_subscription(self, request: Request) -> Reply:
        """DELETE: as if it were gone."""
        return self._about(ProcessEvent.DELETE_SUBSCRIPTION, request)

    async def test_subscription(self, request: Request) -> Reply:
        """POST: as if a message were sent."""
        return self._about(ProcessEvent.SEND_SUBSCRIPTION_TST_MSG, request)

    async def list_signature_keys(self, request: Request) -> Reply:
        """GET: a key that nothing is signed with."""
        return answer(200, {"signatureKeys": [views.signature_key(SUBSCRIPTION.id, PUBLIC_KEY)]})

    def _about(self, event: ProcessEvent, request: Request) -> Reply:
        return self._queued(event, request.target[: messages.ID_CHARS_MAX])


def _of(order: SellerOrder, progress: Progress) -> SellerOrder:
    return replace(order, lines=tuple(line for line in order.lines if _fits(line, progress)))


def _fits(line: LineRow, progress: Progress) -> bool:
    match progress:
        case Progress.OPEN:
            return line.unfinished
        case Progress.SHIPPED:
            return line.shipped > 0
        case Progress.ALL:
            return True


def _process(number: int, status: Status, event: ProcessEvent, entity: str, error: str | None = None) -> ProcessView:
    return ProcessView(
        retailer_id=SELLER,
        number=number,
        event_type=event.kept,
        entity_id=entity,
        status=status.value,
        error_message=error,
        cancellation_id=None,
        claimed_at=None,
        created_at=NOW,
        settled_at=None if status is Status.PENDING else NOW,
    )


def _order(number: int) -> OrderRow:
    address = {
        "salutation": "female", "first_name": "Billie", "last_name": "Jansen", "street": "Dorpstraat",
        "house_number": "1", "house_number_extension": "B", "supplement": "", "postcode": "1111 ZZ",
        "city": "Utrecht", "country": "NL", "email": "billie@example.com", "phone": "0201234567", "company": "",
        "vat_number": "",
    }  # fmt: skip
    return OrderRow(
        retailer_id=SELLER,
        id=UUID(int=number),
        number=number,
        reference=f"DEMO-{number}",
        placed_at=NOW,
        sent_to_fulfiller=True,
        currency="EUR",
        details={"shipping_address": address},
        customer_erased_at=None,
    )


def _line(number: int, of: OrderRow, units: int, *, shipped: int = 0, cancelled: int = 0, asked: int = 0) -> LineRow:
    left = units - shipped - cancelled - asked
    more: dict[str, Any] = {"ean": "8712626055150", "offer_reference": "MijnOffer 6627", "fee": "1.50"}
    return LineRow(
        retailer_id=SELLER,
        id=UUID(int=number),
        order_id=of.id,
        fulfiller_id=SELLER,
        number=number,
        position=0,
        placed_at=NOW,
        with_fulfiller=True,
        sku=f"DEMO-{number}",
        title="A kettle, 1.7 litres",
        ordered=units,
        open=left,
        asked=asked,
        cancelled=cancelled,
        shipped=shipped,
        allocated=True,
        accepted=units,
        backordered=0,
        rejected=0,
        backorder_on=None,
        unit_price_minor=1295,
        priced=False,
        promised_on=date(2026, 1, 15),
        seq=1,
        changed_at=NOW,
        details=more,
        unfinished=left + asked > 0,
    )


_FIRST, _SECOND, _THIRD = _order(NUMBER + 1), _order(NUMBER + 2), _order(NUMBER + 3)
_ASKED = _line(NUMBER + 11, _FIRST, 3, asked=3)
_SENT = _line(NUMBER + 13, _THIRD, 2, shipped=2)

ORDERS: Final = (
    SellerOrder(row=_FIRST, lines=(_ASKED,), asked_by_customer=frozenset({_ASKED.id})),
    SellerOrder(row=_SECOND, lines=(_line(NUMBER + 12, _SECOND, 1),), asked_by_customer=frozenset()),
    SellerOrder(row=_THIRD, lines=(_SENT,), asked_by_customer=frozenset()),
)
"""One with a customer's request, one that is open, and one that was sent."""

SUBSCRIPTION: Final = Endpoint(
    id=UUID(int=NUMBER + 21),
    party=SELLER,
    url="https://seller.example.com/bol",
    label="",
    event_kinds=(),
    state=EndpointState.ACTIVE,
    state_reason="",
    created_at=NOW,
    failing_since=None,
    secrets=None,
    subscription=Subscription(resources=(Resource.PROCESS_STATUS, Resource.ORDER), retailer_number=NUMBER),
)

PUBLIC_KEY: Final = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAjZTx/LA+xyZTLZAA9JNrUHGBgCk0/B8X5MuiriWjs+j4yinkF7/if7K0sXDLxFMNKSRX"
    "JmtcFXumxS/dvTvWZQvyc1E0br24xk8jta0iltCRtycP4CxoBRyI3jkVGia6LT/welvcUJ6iEorVoupYZpC6uj1ZbOEQOJU4PD64F4XvUvSGl9Jd"
    "DBqWrEXXaX7QZxq10LgxrwrZorgRrq2lTE8Ubvw6bRQsuRA+azIt8n2ggrFmrDCCWcUHdQP5D8EvuyPwr0O3bE+6Ghm9ruMsrKHRzAXP2wuX4bqh"
    "J32j/OQPbFdiArW52415KrnhuALE7Gztbi/2CyhHu2VsEwhEwQIDAQAB"
)
"""Nobody has its other half."""

SHIPMENT: Final = ShipmentView(
    row=ShipmentRow(
        retailer_id=SELLER,
        id=UUID(int=NUMBER + 21),
        order_id=_THIRD.id,
        fulfiller_id=SELLER,
        number=NUMBER + 21,
        reported_at=NOW,
        carrier="TNT",
        tracking_number="3SBOL0987654321",
        details={"reference": "bol-demo"},
    ),
    order=_THIRD,
    contents=((_SENT, 2),),
)

PROCESSES: Final = [
    _process(1, Status.PENDING, ProcessEvent.CANCEL_ORDER, str(_ASKED.number)),
    _process(2, Status.SUCCESS, ProcessEvent.CREATE_SHIPMENT, str(SHIPMENT.row.number)),
    _process(3, Status.FAILURE, ProcessEvent.CANCEL_ORDER, str(_SENT.number), "This order item was shipped already."),
    _process(4, Status.TIMEOUT, ProcessEvent.CANCEL_ORDER, str(_ASKED.number), "Nobody answered in time."),
]

PARTY: Final = PartyView(id=SELLER, number=NUMBER, kind="retailer", name="Demo seller", status="active", created_at=NOW)
