"""The calls of bol's Plaza API v2 and v2.1: XML over HMAC (docs/plaza.md). Writes answer with a process status."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from importlib.resources import files
from typing import Final, TypeVar
from urllib.parse import parse_qs

from countermand.admin.callers import Caller
from countermand.domain.commands import Parcel
from countermand.domain.parties import PartyKind
from countermand.observability.calls import note_operation
from countermand.reads import lines as line_reads
from countermand.reads import orders as order_reads
from countermand.reads import process_statuses as process_reads
from countermand.reads import shipments as shipment_reads
from countermand.wire import limits
from countermand.wire.bol import meaning as bol
from countermand.wire.bol.meaning import NUMBER_MAX
from countermand.wire.bol.vocabulary import EventType
from countermand.wire.bol_plaza import errors, messages, views, writing
from countermand.wire.bol_plaza.auth import PlazaAuth
from countermand.wire.bol_plaza.meaning import Request, is_of_another_second, once_for, used_signature
from countermand.wire.bol_plaza.vocabulary import Version
from countermand.wire.pipeline import Endpoint, Operation
from countermand.wire.replies import CallError, Problem
from countermand.wire.response import Reply, Scope, Send, header, header_values, leaves_bytes_unframed, send_reply
from countermand.wire.router import Door, Paths
from countermand.wire.services import Services

T = TypeVar("T")

DOOR: Final = "bol_plaza"
ROOT: Final = "/services/rest"
ORDERS_PER_PAGE: Final = 25
SHIPMENTS_PER_PAGE: Final = 10
ORDERS_UNPAGED_MAX: Final = 5_000
"""v2.0 has no pages: its list is the whole of it, up to a number that no shop leaves open."""

UNKNOWN_PROCESS: Final = 41301

_RETAILER: Final = frozenset({PartyKind.RETAILER})


def plaza_door(services: Services) -> Door:
    """The door, and whatever else Plaza may have had under its root."""
    return Door(
        name=DOOR,
        prefixes=("/services/",),
        app=Paths(PlazaCalls(services).apps(), otherwise=_no_such_call),
        refuse_host=_refuse_host,
        busy=errors.busy,
        failed=errors.failed,
    )


class Dialect:
    """The documents of Plaza, and its errors as XML."""

    def __init__(self, services: Services) -> None:
        self._settings = services.settings

    def other_verb(self, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """Say which verbs there are."""
        raise CallError(Problem.METHOD_NOT_ALLOWED, f"Method {scope['method']} is not allowed here")

    def request(self, scope: Scope, body: bytes, caller: Caller, operation: Operation[Request]) -> Request:
        """The call, with the bytes of its document."""
        return Request(
            caller=caller,
            target=str(scope["path_params"].get("target", "")),
            version=_version(scope),
            query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True, max_num_fields=None),
            body=messages.in_known_charset(scope, body) if body else body,
            authorization=header(scope, b"x-bol-authorization") or "",
        )

    def error(self, error: Exception, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """The error as XML."""
        heads = ("HEAD",) if "GET" in methods else ()
        allow = ", ".join(sorted((*methods, *heads))).encode()
        return errors.error_reply(error, max_bytes=self._settings.body_max_bytes, allow=allow)

    def finished(self, reply: Reply, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """The reply, and the end of a connection on which bytes may wait that belong to no call."""
        return _finished(reply, scope)


class PlazaCalls:
    """Every call, over the same store and the same rules as the other doors."""

    def __init__(self, services: Services) -> None:
        self._database, self._lanes = services.database, services.lanes
        self._ids, self._clock, self._settings = services.ids, services.clock, services.settings
        self._auth, self._dialect = PlazaAuth(services), Dialect(services)
        self._process_url = f"{services.settings.base_url}{ROOT}/process-status/v2/"

    def apps(self) -> dict[str, limits.Asgi]:
        """What answers at each path: the calls, and the schemas that describe them."""
        by_path: dict[str, list[Operation[Request]]] = {}
        for operation in self._operations():
            by_path.setdefault(operation.path, []).append(operation)
        auth, dialect, settings = self._auth, self._dialect, self._settings
        apps: dict[str, limits.Asgi] = {
            ROOT + path: Endpoint(auth, dialect, settings, *calls) for path, calls in by_path.items()
        }
        for folder, name in (("v2/", "plazaapi.xsd"), ("", "serviceerror-1.5.xsd")):
            apps[f"/services/xsd/{folder}{name}"] = _Schema(name)
        return apps

    def _operations(self) -> tuple[Operation[Request], ...]:
        return (
            _call("PUT", "/order-items/v2/{target}/cancellation", self.cancel_item, "PUT cancellation"),
            _call("GET", "/process-status/v2/{target}", self.process_status, "GET process-status"),
            # As one public client polls (docs/plaza.md).
            _call("GET", "/orders/v2/process/{target}", self.process_status, "GET process-status"),
            _call("GET", "/orders/v2", self.open_orders, "GET orders"),
            _call("GET", "/orders/v2/{target}", self.one_order, "GET orders"),
            _call("GET", "/shipments/v2", self.shipments, "GET shipments"),
            _call("POST", "/shipments/v2", self.ship, "POST shipments"),
            _call("PUT", "/transports/v2/{target}", self.change_transport, "PUT transports"),
        )

    # Writing

    async def cancel_item(self, request: Request) -> Reply:
        """PUT: confirm what the customer asked, or cancel what cannot be fulfilled."""
        number = request.number(request.target, "OrderItemId")
        wanted = messages.readable(messages.read_cancellation(request.body))
        process = bol.cancellation(
            request.caller.actor,
            str(int(request.target)),
            number,
            wanted.reason,
            claimed_at=wanted.cancelled_at.isoformat(),
        )
        # A client that tries again in the same second claims another time, and means the same.
        return await self._queued(request, process, wanted.reason.value.encode())

    async def ship(self, request: Request) -> Reply:
        """POST: all that is left of an order item has left the house."""
        wanted = messages.readable(messages.read_shipment_request(request.body, request.version))
        number = min(wanted.order_item_id, NUMBER_MAX)
        line = await self._read(partial(line_reads.line_of_number, retailer=request.caller.party, number=number))
        transport = wanted.transport
        parcel = Parcel(
            id=self._ids.new(),
            tracking_number=(transport and transport.track_and_trace) or "",
            carrier=(transport and transport.transporter_code) or "",
            reference=wanted.shipment_reference or "",
            shipped_on=wanted.shipped_at.date() if wanted.shipped_at else None,
        )
        claimed = wanted.shipped_at.isoformat() if wanted.shipped_at else ""
        items = [bol.SentItem(line=line)]
        process = bol.shipment(request.caller.actor, str(wanted.order_item_id), items, parcel, claimed_at=claimed)
        used = used_signature(request.authorization)
        if await is_of_another_second(self._database, request.caller.party, used, process.entity_id, self._clock()):
            raise errors.used()
        return await self._queued(request, process, request.body)

    async def change_transport(self, request: Request) -> Reply:
        """PUT: a parcel travels otherwise than was reported."""
        number = request.number(request.target, "TransportId")
        wanted = messages.readable(messages.read_change_transport_request(request.body))
        found = await self._read(
            partial(shipment_reads.shipments, retailer=request.caller.party, number=number, count=1)
        )
        item = str(int(request.target))
        process = bol.transport(request.caller.actor, item, found, wanted.transporter_code, wanted.track_and_trace)
        return await self._queued(request, process, request.body)

    # Reading

    async def open_orders(self, request: Request) -> Reply:
        """GET: what is left to ship, newest first; pages of 25 in v2.1, all of it in v2.0."""
        start, count = 0, ORDERS_UNPAGED_MAX
        if request.version is Version.V2_1:
            start, count = (request.page - 1) * ORDERS_PER_PAGE, ORDERS_PER_PAGE
        orders = []
        if request.version is Version.V2_0 or request.by_retailer("fulfilment-method"):
            orders = await self._read(
                partial(order_reads.open_orders, retailer=request.caller.party, start=start, count=count)
            )
        return writing.xml_reply(200, writing.write_orders(map(views.order, orders), request.version))

    async def one_order(self, request: Request) -> Reply:
        """GET: one open order as a list of one; without it, an empty list."""
        orders = []
        if (number := request.target_number) is not None:
            orders = await self._read(
                partial(order_reads.open_orders, retailer=request.caller.party, start=0, count=1, number=number)
            )
        return writing.xml_reply(200, writing.write_orders(map(views.order, orders), request.version))

    async def shipments(self, request: Request) -> Reply:
        """GET: what was sent, newest first, ten to a page."""
        name = "fulfilmentmethod" if request.version is Version.V2_0 else "fulfilment-method"
        order = request.query.get("order-id", [""])[0]
        order_number = request.number(order, "order-id") if order and request.version is Version.V2_1 else None
        found = []
        if request.by_retailer(name):
            found = await self._read(
                partial(
                    shipment_reads.shipments,
                    retailer=request.caller.party,
                    start=(request.page - 1) * SHIPMENTS_PER_PAGE,
                    count=SHIPMENTS_PER_PAGE,
                    order_number=order_number,
                )
            )
        return writing.xml_reply(200, writing.write_shipments(map(views.shipment, found), request.version))

    async def process_status(self, request: Request) -> Reply:
        """GET: how an earlier call ended, or that it has not yet."""
        row = None
        if (number := request.target_number) is not None:
            row = await self._read(partial(process_reads.process_status, retailer=request.caller.party, number=number))
        if row is None or row.event_type not in tuple(EventType):
            # Calls about subscriptions are those of the later API alone.
            detail = "Request contains an invalid process order id"
            raise errors.PlazaError(Problem.NOT_FOUND, UNKNOWN_PROCESS, detail)
        return self._process(bol.process_status(row, request.caller.party_number))

    async def _queued(self, request: Request, process: bol.Process, signed: bytes) -> Reply:
        """Have a command decided. ``signed`` is the content that its signature covers."""
        once, caller = once_for(used_signature(request.authorization), signed, process.entity_id), request.caller
        return self._process(
            await bol.queued(
                self._lanes, process, door=DOOR, retailer=caller.party, seller_id=caller.party_number, once=once
            )
        )

    def _process(self, status: bol.ProcessStatus) -> Reply:
        url = f"{self._process_url}{status.id}"
        return writing.xml_reply(200, writing.write_process_status(replace(status, self_url=url)))

    async def _read(self, question: Callable[..., T]) -> T:
        return await self._database.read(question)


class _Schema:
    """A schema of the package, for anybody who asks."""

    def __init__(self, name: str) -> None:
        self._reply = writing.xml_reply(200, files("countermand.wire.bol_plaza").joinpath(name).read_bytes())

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        note_operation("schema")
        reply = self._reply
        if scope["method"] != "GET":
            wrong = CallError(Problem.METHOD_NOT_ALLOWED, f"Method {scope['method']} is not allowed here")
            reply = errors.problem_reply(wrong, b"GET, HEAD")
        await send_reply(send, _finished(reply, scope))


def _call(method: str, path: str, answer: Callable[[Request], Awaitable[Reply]], quota: str) -> Operation[Request]:
    return Operation(method=method, path=path, answer=answer, permission=None, kinds=_RETAILER, quota=quota)


def _version(scope: Scope) -> Version:
    accepted = ", ".join(header_values(scope, b"accept")).lower()
    return Version.V2_1 if "-v2.1+xml" in accepted else Version.V2_0


def _finished(reply: Reply, scope: Scope) -> Reply:
    # Every GET of Plaza's has a Content-Type and no body; only what nobody sends by design is distrusted.
    if leaves_bytes_unframed(scope) and scope["method"] != "GET":
        return replace(reply, headers=(*reply.headers, (b"connection", b"close")))
    return reply


async def _no_such_call(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    reply = errors.problem_reply(CallError(Problem.NOT_FOUND, "There is no such call"))
    await send_reply(send, _finished(reply, scope))


async def _refuse_host(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    """Say what is wrong with the Host header."""
    reply = errors.problem_reply(CallError(Problem.MALFORMED, scope["error"]))
    await send_reply(send, _finished(reply, scope))
