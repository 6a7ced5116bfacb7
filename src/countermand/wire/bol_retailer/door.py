"""The calls of bol's Retailer API v10: JSON over OAuth2 (docs/retailer.md). Writes answer with a process status."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from countermand.admin.callers import Caller
from countermand.domain.commands import Parcel
from countermand.domain.parties import PartyKind
from countermand.domain.quotas import Share
from countermand.domain.scoring import Role
from countermand.domain.texts import fit
from countermand.observability.calls import note_operation
from countermand.reads import lines as line_reads
from countermand.reads import process_statuses as process_reads
from countermand.reads import scores, seller_orders
from countermand.reads import shipments as shipment_reads
from countermand.reads.parties import find_party
from countermand.reads.seller_orders import SellerFilter
from countermand.wire import limits
from countermand.wire.bol import meaning as bol
from countermand.wire.bol.meaning import NUMBER_MAX
from countermand.wire.bol.vocabulary import FulfilmentMethod
from countermand.wire.bol_retailer import messages, views
from countermand.wire.bol_retailer.auth import RetailerAuth, TokenEndpoint, share_left
from countermand.wire.bol_retailer.describing import description
from countermand.wire.bol_retailer.errors import CONTENT_TYPE, RetailerError, Violation, error_reply, invalid, missing
from countermand.wire.bol_retailer.meaning import Request, line_number, number_of, week_of
from countermand.wire.bol_retailer.messages import Query, answers_advertiser, check_types, read
from countermand.wire.bol_retailer.sandbox import Sandbox
from countermand.wire.bol_retailer.subscriptions import DOOR, SubscriptionCalls
from countermand.wire.bol_retailer.views import answer
from countermand.wire.bol_retailer.vocabulary import ADVERTISER, PAGE
from countermand.wire.limits import Receive, read_body
from countermand.wire.pipeline import Endpoint, Operation, answered
from countermand.wire.replies import BUSY, SORRY, CallError, Header, Problem
from countermand.wire.response import JSON, Reply, Scope, Send, json_bytes, leaves_bytes_unframed, send_reply
from countermand.wire.router import Door, Paths, path_of
from countermand.wire.services import Services

T = TypeVar("T")

PREFIXES: Final = ("/retailer/", "/shared/", "/retailer-demo/", "/shared-demo/")
TOKENS: Final = "/token"
DESCRIPTION: Final = "/retailer/openapi.json"
TOKEN_MAX_BYTES: Final = 16 * 1024
"""Nobody knows yet who asks for a token, so little is read of it."""

_RETAILER: Final = frozenset({PartyKind.RETAILER})


def retailer_door(services: Services) -> Door:
    """The door, and whatever else bol may have under its roots."""
    dialect = Dialect(services)
    apps: dict[str, limits.Asgi] = {TOKENS: _Token(services, dialect), **RetailerCalls(services, dialect).apps()}
    return Door(
        name=DOOR,
        prefixes=PREFIXES,
        paths=frozenset({TOKENS, *(each.rstrip("/") for each in PREFIXES)}),
        app=Paths(apps, otherwise=_Refusal(dialect)),
        refuse_host=_Refusal(dialect),
        busy=dialect.busy,
        failed=dialect.failed,
    )


class Dialect:
    """bol's JSON, its media types, and its problems."""

    def __init__(self, services: Services) -> None:
        self._base_url = services.settings.base_url

    def other_verb(self, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """Say which verbs there are."""
        raise CallError(Problem.METHOD_NOT_ALLOWED, f"Method {scope['method']} is not allowed here.")

    def request(self, scope: Scope, body: bytes, caller: Caller, operation: Operation[Request]) -> Request:
        """The call, with the bytes of its document."""
        check_types(scope, body, shared=operation.path.startswith("/shared"))
        query = scope["query_string"].decode("latin-1")
        return Request(
            caller=caller,
            target=fit(str(scope["path_params"].get("target", ""))),
            query=Query(parse_qs(query, keep_blank_values=True) if query else {}),
            body=body,
        )

    def error(self, error: Exception, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """The error as bol's problem document."""
        heads = ("HEAD",) if "GET" in methods else ()
        return error_reply(error, url=self.url(scope), allow=", ".join(sorted((*methods, *heads))).encode())

    def finished(self, reply: Reply, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """The reply in the caller's media type, with what is left of the quota.

        It ends a connection on which stray bytes may wait.
        """
        if reply.media_type == CONTENT_TYPE and path_of(scope).startswith("/shared") and answers_advertiser(scope):
            reply = replace(reply, media_type=f"{ADVERTISER};charset=UTF-8".encode())
        share = share_left.get()
        more = _rate_headers(share) if share else ()
        if leaves_bytes_unframed(scope) and scope["method"] != "GET":
            more = (*more, (b"connection", b"close"))
        return replace(reply, headers=(*reply.headers, *more)) if more else reply

    def busy(self, scope: Scope) -> Reply:
        """There is no room for a call."""
        return error_reply(CallError(Problem.UNAVAILABLE, BUSY), url=f"{self._base_url}{scope['path']}"[:2000])

    def failed(self, scope: Scope) -> Reply:
        """A fault of ours ended a call."""
        return error_reply(CallError(Problem.INTERNAL, SORRY), url=self.url(scope))

    def url(self, scope: Scope) -> str:
        """What was called, whole."""
        query = scope["query_string"].decode("latin-1")
        path = scope.get("raw_path", b"").decode("latin-1") or scope["path"]
        return f"{self._base_url}{path}{f'?{query}' if query else ''}"[:2000]


class RetailerCalls:
    """Every call, over the same store and the same rules as the other doors."""

    def __init__(self, services: Services, dialect: Dialect) -> None:
        self._database, self._lanes = services.database, services.lanes
        self._ids, self._clock, self._settings = services.ids, services.clock, services.settings
        self._auth, self._dialect = RetailerAuth(services), dialect
        self._process_url = f"{services.settings.base_url}/shared/process-status/"
        self.subscriptions = SubscriptionCalls(services, self._process_url)

    def apps(self) -> dict[str, limits.Asgi]:
        """What answers at each path, and below ``-demo`` in the sandbox."""
        sandbox = Sandbox(self._process_url.replace("/shared/", "/shared-demo/"), self._clock)
        operations = [*_operations(self), *(_in_sandbox(each) for each in _operations(sandbox))]
        by_path: dict[str, list[Operation[Request]]] = {}
        for operation in operations:
            by_path.setdefault(operation.path, []).append(operation)
        auth, dialect, settings = self._auth, self._dialect, self._settings
        return {
            DESCRIPTION: _Description(description(operations, settings.base_url), dialect),
            **{path: Endpoint(auth, dialect, settings, *calls) for path, calls in by_path.items()},
        }

    # Writing

    async def cancel_item(self, request: Request) -> Reply:
        """PUT: confirm what the customer asked, or cancel what cannot be fulfilled."""
        (item,) = read(messages.Cancellation, request.body).order_items
        number = line_number(item.order_item_id)
        process = bol.cancellation(request.caller.actor, item.order_item_id, number, item.reason_code)
        return await self._queued(request, process)

    async def ship(self, request: Request) -> Reply:
        """POST: order items have left the house in one parcel."""
        wanted = messages.read_shipment(request.body)
        numbers = [line_number(item.order_item_id) for item in wanted.order_items]
        find = partial(line_reads.lines_of_numbers, retailer=request.caller.party, numbers=numbers)
        found = await self._read(find)
        items = [
            bol.SentItem(line=found.get(number), units=item.quantity)
            for number, item in zip(numbers, wanted.order_items, strict=True)
        ]
        transport = wanted.transport
        parcel = Parcel(
            id=self._ids.new(),
            tracking_number=(transport and transport.track_and_trace) or "",
            carrier=transport.transporter_code if transport else "",
            reference=wanted.shipment_reference or "",
        )
        return await self._queued(request, bol.shipment(request.caller.actor, "", items, parcel))

    async def change_transport(self, request: Request) -> Reply:
        """PUT: a parcel travels otherwise than was reported."""
        wanted = read(messages.ChangedTransport, request.body)
        number = number_of(request.target) or NUMBER_MAX
        find = partial(shipment_reads.shipments, retailer=request.caller.party, number=number, count=1)
        found = await self._read(find)
        target = request.target[: messages.ID_CHARS_MAX]
        process = bol.transport(
            request.caller.actor, target, found, wanted.transporter_code or None, wanted.track_and_trace
        )
        return await self._queued(request, process)

    # Reading

    async def list_orders(self, request: Request) -> Reply:
        """GET: orders with items left to send, sent, or both; newest first, 50 to a page."""
        query, now = request.query, self._clock()
        changes = query.changes(now) or (None, None)
        wanted = SellerFilter(progress=query.progress, now=now, since=changes[0], until=changes[1])
        orders, start = [], (query.page - 1) * PAGE
        if query.fulfilment != FulfilmentMethod.FBB:
            find = partial(seller_orders.seller_orders, retailer=request.caller.party, wanted=wanted)
            orders = await self._read(partial(find, start=start, count=PAGE))
        return answer(200, {"orders": [views.reduced_order(order) for order in orders]})

    async def get_order(self, request: Request) -> Reply:
        """GET: one order, whole."""
        number = number_of(request.target) or NUMBER_MAX
        find = partial(seller_orders.seller_order, retailer=request.caller.party, number=number)
        found = await self._read(find)
        if found is None:
            raise missing("Order for order", request.target)
        return answer(200, views.order(found))

    async def list_shipments(self, request: Request) -> Reply:
        """GET: what was sent, newest first, 50 to a page."""
        query = request.query
        order = number_of(query.text("order-id")) or NUMBER_MAX if query.text("order-id") else None
        found, start, sent_here = [], (query.page - 1) * PAGE, query.fulfilment != FulfilmentMethod.FBB
        if order is not None or sent_here:
            find = partial(shipment_reads.shipments, retailer=request.caller.party, order_number=order)
            found = await self._read(partial(find, start=start, count=PAGE))
        return answer(200, {"shipments": [views.reduced_shipment(each) for each in found]})

    async def get_shipment(self, request: Request) -> Reply:
        """GET: one parcel, whole."""
        number = number_of(request.target) or NUMBER_MAX
        find = partial(shipment_reads.shipments, retailer=request.caller.party, number=number, count=1)
        found = await self._read(find)
        if not found:
            raise missing("Shipment for shipment", request.target)
        return answer(200, views.shipment(found[0]))

    async def get_process(self, request: Request) -> Reply:
        """GET: how an earlier call ended, or that it has not yet."""
        number = number_of(request.target) or NUMBER_MAX
        find = partial(process_reads.process_status, retailer=request.caller.party, number=number)
        row = await self._read(find)
        if row is None:
            raise RetailerError(Problem.NOT_FOUND, "Not Found")
        return answer(200, views.process_status(row, self._process_url))

    async def list_processes(self, request: Request) -> Reply:
        """GET: the calls about one order item, parcel or subscription, newest first, 50 to a page."""
        query = request.query
        entity, event = query.needed("entity-id"), query.event_type
        find = partial(process_reads.processes_about, retailer=request.caller.party, event_type=event.kept)
        page = partial(find, entity=entity[: messages.ID_CHARS_MAX], start=(query.page - 1) * PAGE, count=PAGE)
        return self._processes(await self._read(page))

    async def look_processes_up(self, request: Request) -> Reply:
        """POST: up to a thousand at once. Those that there are not, or not any more, are left out."""
        queries = read(messages.ProcessQueries, request.body).process_status_queries
        numbers = {number_of(each.process_status_id) or NUMBER_MAX for each in queries}
        find = partial(process_reads.process_statuses, retailer=request.caller.party, numbers=sorted(numbers))
        return self._processes(await self._read(find))

    async def indicators(self, request: Request) -> Reply:
        """GET: what is measured of the seller in one week."""
        wanted = request.query.indicators
        week, zone = week_of(request.query), ZoneInfo(self._settings.score_zone)
        who = scores.Party(id=request.caller.party, role=Role.RETAILER)
        count = partial(scores.figures, party=who, weeks=[week], zone=zone)
        (figures,) = await self._database.read(count, heavy=True)
        return answer(200, views.indicators(wanted, week, figures))

    async def get_retailer(self, request: Request) -> Reply:
        """GET: the seller itself, by its number or as ``current``."""
        caller = request.caller
        if request.target not in ("current", str(caller.party_number)):
            raise missing("Retailer for retailer", request.target)
        party = await self._read(partial(find_party, text=str(caller.party)))
        return answer(200, views.retailer(party))

    def _processes(self, rows: Iterable[process_reads.ProcessView]) -> Reply:
        return answer(200, {"processStatuses": [views.process_status(row, self._process_url) for row in rows]})

    async def _queued(self, request: Request, process: bol.Process) -> Reply:
        """Have a command decided."""
        caller = request.caller
        status = await bol.queued(
            self._lanes, process, door=DOOR, retailer=caller.party, seller_id=caller.party_number, once=None
        )
        return answer(202, views.queued(status, self._process_url))

    async def _read(self, question: Callable[..., T]) -> T:
        return await self._database.read(question)


class _Description:
    """The description of this API as an ASGI application. Anybody may read it."""

    def __init__(self, document: dict[str, Any], dialect: Dialect) -> None:
        self._reply = Reply(status=200, body=json_bytes(document), media_type=JSON)
        self._dialect = dialect

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        share_left.set(None)
        note_operation("description")
        reply = await answered(self._answer(scope), lambda error: self._dialect.error(error, scope, ("GET",)))
        await send_reply(send, self._dialect.finished(reply, scope, ("GET",)))

    async def _answer(self, scope: Scope) -> Reply:
        return self._reply if scope["method"] == "GET" else self._dialect.other_verb(scope, ("GET",))


class _Token:
    """The token endpoint as an ASGI application."""

    def __init__(self, services: Services, dialect: Dialect) -> None:
        self._endpoint = TokenEndpoint(services)
        self._dialect = dialect
        self._timeout_s = services.settings.body_timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        share_left.set(None)
        reply = await answered(self._reply(scope, receive), lambda error: self._dialect.error(error, scope, ("POST",)))
        await send_reply(send, self._dialect.finished(reply, scope, ("POST",)))

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        note_operation("token")
        if scope["method"] != "POST":
            return self._dialect.other_verb(scope, ("POST",))
        body = await read_body(scope, receive, max_bytes=TOKEN_MAX_BYTES, timeout_s=self._timeout_s)
        return await self._endpoint.reply(scope, body)


class _Refusal:
    """Says that there is no such call, or what is wrong with the Host header."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    async def __call__(self, scope: Scope, _receive: limits.Receive, send: Send) -> None:
        share_left.set(None)
        wrong = scope.get("error")
        error = invalid(Violation(name="Host", reason=wrong)) if wrong else _NO_SUCH_CALL
        reply = self._dialect.error(error, scope, ())
        await send_reply(send, self._dialect.finished(reply, scope, ()))


_NO_SUCH_CALL: Final = RetailerError(Problem.NOT_FOUND, "There is no such call.")


def _operations(calls: "RetailerCalls | Sandbox") -> tuple[Operation[Request], ...]:
    subscriptions = calls.subscriptions
    return (
        _call("PUT", "/retailer/orders/cancellation", calls.cancel_item, "PUT cancellation"),
        _call("GET", "/shared/process-status", calls.list_processes, "GET process-statuses"),
        _call("POST", "/shared/process-status", calls.look_processes_up, "POST process-statuses"),
        _call("GET", "/shared/process-status/{target}", calls.get_process, "GET process-status"),
        _call("GET", "/retailer/orders", calls.list_orders, "GET orders"),
        _call("GET", "/retailer/orders/{target}", calls.get_order, "GET order"),
        _call("GET", "/retailer/shipments", calls.list_shipments, "GET shipments"),
        _call("POST", "/retailer/shipments", calls.ship, "POST shipments"),
        _call("GET", "/retailer/shipments/{target}", calls.get_shipment, "GET shipment"),
        _call("PUT", "/retailer/transports/{target}", calls.change_transport, "PUT transports"),
        _call("GET", "/retailer/insights/performance/indicator", calls.indicators, "GET performance"),
        _call("GET", "/retailer/retailers/{target}", calls.get_retailer, "GET retailer"),
        _call("GET", "/retailer/subscriptions", subscriptions.list_subscriptions, "subscriptions"),
        _call("POST", "/retailer/subscriptions", subscriptions.create_subscription, "subscriptions"),
        _call("GET", "/retailer/subscriptions/signature-keys", subscriptions.list_signature_keys, "subscriptions"),
        _call("POST", "/retailer/subscriptions/test/{target}", subscriptions.test_subscription, "subscriptions"),
        _call("GET", "/retailer/subscriptions/{target}", subscriptions.get_subscription, "subscriptions"),
        _call("PUT", "/retailer/subscriptions/{target}", subscriptions.update_subscription, "subscriptions"),
        _call("DELETE", "/retailer/subscriptions/{target}", subscriptions.delete_subscription, "subscriptions"),
    )


def _in_sandbox(operation: Operation[Request]) -> Operation[Request]:
    _, root, rest = operation.path.split("/", 2)
    return replace(operation, path=f"/{root}-demo/{rest}")


def _call(method: str, path: str, answer: Callable[[Request], Awaitable[Reply]], quota: str) -> Operation[Request]:
    return Operation(method=method, path=path, answer=answer, permission=None, kinds=_RETAILER, quota=quota)


def _rate_headers(share: Share) -> tuple[Header, ...]:
    """What bol says of a quota: how many calls it has, how many are left, in how many seconds there are more."""
    return (
        (b"x-ratelimit-limit", str(share.quota.calls).encode()),
        (b"x-ratelimit-remaining", str(share.calls_left).encode()),
        (b"x-ratelimit-reset", str(share.retry_in_s if not share.allowed else share.full_in_s).encode()),
    )
