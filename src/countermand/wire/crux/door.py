"""The calls of CRUX in both its generations, in DRF's shape and order (docs/crux.md)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import unquote_to_bytes
from uuid import UUID
from zoneinfo import ZoneInfo

from countermand.admin import sessions
from countermand.admin.callers import Caller, Permission
from countermand.domain.commands import (
    AcceptCancellation,
    AnswerOrder,
    AskCancellation,
    CancelOrder,
    Command,
    DeclineCancellation,
)
from countermand.domain.line import NO_LINE
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import PartyKind
from countermand.domain.reasons import DeclineReason
from countermand.domain.refusals import UNKNOWN_LINE, UNKNOWN_ORDER
from countermand.domain.texts import why_unfit
from countermand.ids import read_uuid
from countermand.json_input import NODES_MAX, ORDER_NODES_MAX
from countermand.observability.calls import note_operation
from countermand.reads import orders as order_reads
from countermand.reads import parties as party_reads
from countermand.service.calls import Call, Done
from countermand.store.engines.transactions import change
from countermand.wire import limits
from countermand.wire.callers import address_of
from countermand.wire.crux import errors, meaning, messages, views
from countermand.wire.crux.auth import CruxAuth
from countermand.wire.crux.meaning import Request
from countermand.wire.passwords import CrowdedError
from countermand.wire.pipeline import Endpoint, Operation, answered, submitted
from countermand.wire.replies import REPLIES, CallError, Problem
from countermand.wire.response import Reply, Scope, Send, json_reply, leaves_bytes_unframed, send_reply
from countermand.wire.router import Door, Paths
from countermand.wire.services import Services

DOOR: Final = "crux"

LOGIN_MAX_BYTES: Final = 16 * 1024
"""Nobody knows yet who logs in, so little is read of it."""

_RETAILER: Final = frozenset({PartyKind.RETAILER})
_SUPPLIER: Final = frozenset({PartyKind.SUPPLIER})
_BOTH: Final = _RETAILER | _SUPPLIER


def crux_door(services: Services) -> Door:
    """The door, and all paths that begin like its calls."""
    prefixes = ("/orders/", "/organizations/", "/timp/")
    return Door(
        name=DOOR,
        prefixes=prefixes,
        paths=frozenset({"/orders"}),
        app=Paths(CruxCalls(services).apps(), otherwise=_no_such_call),
        refuse_host=_refuse_host,
        busy=errors.busy,
        failed=errors.failed,
    )


class Dialect:
    """DRF's steps. ``column`` is the one of these calls in the table of replies, ``timp`` their generation."""

    def __init__(self, *, column: str, timp: bool) -> None:
        self._column = column
        self._timp = timp

    def other_verb(self, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """The metadata of a call, for the method OPTIONS."""
        return _options(scope)

    def request(self, scope: Scope, body: bytes, caller: Caller, operation: Operation[Request]) -> Request:
        """The call with its JSON; an empty body counts as ``{}``, whatever its content type."""
        nodes_max = ORDER_NODES_MAX if operation.has_lines else NODES_MAX
        value = messages.read_json(scope, body, nodes_max=nodes_max) if body else {}
        return Request(
            caller=caller,
            timp=self._timp,
            id=_id(scope["path_params"]),
            reference=_reference(scope, operation.path),
            body=value,
        )

    def error(self, error: Exception, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """The error in DRF's shape."""
        return errors.error_reply(error, self._column)

    def finished(self, reply: Reply, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """With what DRF says of every call."""
        return _finished(reply, scope, methods[0])


class CruxCalls:
    """Every call of both generations, over the same store and the same rules."""

    def __init__(self, services: Services) -> None:
        self._database, self._lanes = services.database, services.lanes
        self._ids, self._clock, self._settings = services.ids, services.clock, services.settings
        self._auth = CruxAuth(services)
        self._passwords = services.passwords

    def apps(self) -> dict[str, limits.Asgi]:
        """What answers at each path: every call under both prefixes, with and without its final slash."""
        apps: dict[str, limits.Asgi] = {}
        for prefix in ("", "/timp"):
            apps |= _both_spellings(prefix + "/organizations/user-login/", _Login(self, timp=bool(prefix)))
            for operation in self._operations():
                dialect = self._dialect(operation, timp=bool(prefix))
                endpoint = Endpoint(self._auth, dialect, self._settings, operation)
                apps |= _both_spellings(prefix + operation.path, endpoint)
        return apps

    def _dialect(self, operation: Operation[Request], *, timp: bool) -> Dialect:
        seed = operation.method == "DELETE" and not timp
        column = "crux_timp" if timp else "crux_seed" if seed else "crux_v1"
        return Dialect(column=column, timp=timp)

    def _operations(self) -> tuple[Operation[Request], ...]:
        cancel, view, create = Permission.CANCEL_ORDER, Permission.VIEW_ORDER, Permission.CREATE_ORDER
        allocate, track = Permission.ALLOCATE_ORDER, Permission.ADD_ORDER_TRACKING
        return (
            _call("DELETE", "/orders/items/cancel/{line}/", self.cancel_item, cancel, _RETAILER),
            _call("PATCH", "/orders/items/cancel/{line}/confirm/", self.confirm_item, cancel, _SUPPLIER),
            _call("PATCH", "/orders/items/cancel/{line}/reject/", self.reject_item, cancel, _SUPPLIER),
            _call("PATCH", "/orders/cancel/", self.cancel_order, cancel, _RETAILER),
            _call("PATCH", "/orders/cancel/{order}/confirm/", self.confirm_order, cancel, _SUPPLIER),
            _call("PATCH", "/orders/cancel/{order}/reject/", self.reject_order, cancel, _SUPPLIER),
            _call("PUT", "/orders/allocation/{order}/", self.allocate, allocate, _SUPPLIER, has_lines=True),
            _call("POST", "/orders/tracking/{order}/", self.track, track, _SUPPLIER, has_lines=True),
            _call("POST", "/orders/create/", self.create_order, create, _RETAILER, has_lines=True),
            _call("POST", "/orders/", self.list_orders, view, _BOTH),
            _call("GET", "/orders/po/{reference:path}/", self.orders_by_reference, view, _BOTH),
            _call("GET", "/orders/{order}/", self.order_detail, view, _BOTH),
        )

    # Cancelling

    async def cancel_item(self, request: Request) -> Reply:
        """DELETE: the retailer asks to cancel what is open of an item. 204: the ask is pending."""
        await self._done(request, AskCancellation(line=request.id, actor=request.caller.actor))
        return Reply(status=204)

    async def confirm_item(self, request: Request) -> Reply:
        """PATCH: the supplier accepts what is asked of an item."""
        await self._done(request, AcceptCancellation(line=request.id, actor=request.caller.actor))
        return Reply(status=204)

    async def reject_item(self, request: Request) -> Reply:
        """PATCH: the supplier declines what is asked of an item. CRUX has no room for a reason."""
        reason = DeclineReason.NOT_STATED
        await self._done(request, DeclineCancellation(line=request.id, actor=request.caller.actor, reason=reason))
        return Reply(status=204)

    async def cancel_order(self, request: Request) -> Reply:
        """PATCH: the retailer asks to cancel every line of an order."""
        message = messages.read(messages.CancelOrder, request.body, timp=request.timp)
        await self._done(request, CancelOrder(order=message.order_uuid, actor=request.caller.actor))
        return Reply(status=204)

    async def confirm_order(self, request: Request) -> Reply:
        """PATCH: the supplier accepts every ask on its lines of an order."""
        await self._done(request, AnswerOrder(order=request.id, actor=request.caller.actor))
        return Reply(status=204)

    async def reject_order(self, request: Request) -> Reply:
        """PATCH: the supplier declines every ask on its lines of an order."""
        reason = DeclineReason.NOT_STATED
        await self._done(request, AnswerOrder(order=request.id, actor=request.caller.actor, decline_reason=reason))
        return Reply(status=204)

    # Fulfilling

    async def allocate(self, request: Request) -> Reply:
        """PUT: the supplier says how much of each line there is. Answers a word per line, in the order given."""
        message = messages.read(messages.Allocate, request.body, timp=request.timp)
        done = await self._done(request, meaning.allocate(request, message, request.id))
        return json_reply(200, [{str(each.line): views.allocation_word(each.outcome)} for each in done.outcomes])

    async def track(self, request: Request) -> Reply:
        """POST: the supplier reports a parcel; its units are shipped."""
        message = messages.read(messages.Track, request.body, timp=request.timp)
        done = await self._done(request, meaning.ship(request, message, request.id, self._ids.new()))
        return json_reply(201, {"package_uuid": str(done.parcel)}) if request.timp else Reply(status=204)

    # Orders

    async def create_order(self, request: Request) -> Reply:
        """POST: the retailer orders. v1 answers the whole order, timp its id."""
        message = messages.read(messages.CreateOrder, request.body, timp=request.timp)
        named = sorted({sku.supplier for sku in message.skus})
        known = await self._database.read(partial(party_reads.active_suppliers, parties=named))
        messages.check_suppliers(message, known, request.caller.party, timp=request.timp)
        command = meaning.place_order(request, message, self._ids.new, self._clock())
        await self._done(request, command)
        if request.timp:
            return json_reply(201, {"order_uuid": str(command.id), "messages": []})
        order = await self._database.read(partial(order_reads.order_by_id, scope=request.scope, order=command.id))
        if order is None:
            raise CallError(Problem.UNAVAILABLE, "Try again.")
        return json_reply(201, views.order_v1(order))

    async def list_orders(self, request: Request) -> Reply:
        """POST: the caller's orders, filtered, sorted, a page of them."""
        zone = ZoneInfo(self._settings.score_zone)
        message = messages.read(messages.ListOrders, request.body, timp=request.timp, zone=zone)
        total, orders = await self._database.read(
            partial(
                order_reads.list_orders,
                scope=request.scope,
                wanted=meaning.order_filter(message, timp=request.timp),
                start=message.start,
                count=meaning.page_size(message, limit_is_size=self._settings.crux_limit_is_page_size),
                newest_first=meaning.newest_first(message.sort),
            )
        )
        show = views.order_timp_in_list if request.timp else views.order_v1
        return json_reply(200, {"total_results": total, "orders": [show(order) for order in orders]})

    async def order_detail(self, request: Request) -> Reply:
        """GET: one order."""
        order = await self._database.read(partial(order_reads.order_by_id, scope=request.scope, order=request.id))
        if order is None:
            raise CallError.of(UNKNOWN_ORDER)
        return json_reply(200, views.order_timp(order) if request.timp else views.order_v1(order))

    async def orders_by_reference(self, request: Request) -> Reply:
        """GET: the orders with a purchase order number, which need not be unique, and may hold slashes."""
        if not request.reference:
            raise CallError(Problem.NOT_FOUND, "Not found.")
        if why_unfit(request.reference):
            return json_reply(200, [])
        read = partial(order_reads.orders_by_reference, scope=request.scope, reference=request.reference)
        show = views.order_timp if request.timp else views.order_v1
        return json_reply(200, [show(order) for order in await self._database.read(read)])

    async def read_login(self, scope: Scope, receive: limits.Receive) -> Any:
        """What a stranger says to log in, which is short."""
        settings = self._settings
        most = min(LOGIN_MAX_BYTES, settings.body_max_bytes)
        body = await limits.read_body(scope, receive, max_bytes=most, timeout_s=settings.body_timeout_s)
        return messages.read_json(scope, body) if body else {}

    async def log_in(self, body: Any, address: str) -> Reply:
        """POST: a token for a right password. Who guesses has to wait."""
        message = messages.read(messages.Login, body, timp=False)
        user = await self._user(message, address)
        if PartyKind(user.kind) not in _BOTH:
            raise CallError(Problem.WRONG_PARTY, "Only retailers and suppliers can log in here.")
        now, lifetime = self._clock(), self._settings.token_lifetime
        login = await change(
            self._database,
            partial(
                sessions.log_in, ids=self._ids, now=now, user=user, expires_at=now + lifetime if lifetime else None
            ),
        )
        return json_reply(200, views.login(login))

    async def _user(self, message: messages.Login, address: str) -> sessions.LoginUser:
        try:
            user = await self._passwords.user(self._database, message.username, message.password, address)
        except CrowdedError:
            raise CallError(Problem.UNAVAILABLE, "Too many people log in at this moment. Try again.") from None
        if user is None:
            raise CallError(Problem.UNAUTHENTICATED, "Unable to log in with provided credentials.")
        return user

    async def _done(self, request: Request, command: Command | PlaceOrder) -> Done:
        retailer = request.caller.party if request.caller.kind is PartyKind.RETAILER else None
        return await submitted(self._lanes, Call(command=command, door=DOOR, retailer=retailer))


class _Login:
    """Logging in as ASGI: no credentials are needed, and those given are ignored (docs/crux.md)."""

    def __init__(self, calls: CruxCalls, *, timp: bool) -> None:
        self._calls = calls
        self._column = "crux_timp" if timp else "crux_v1"

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        reply = await answered(self._reply(scope, receive), lambda error: errors.error_reply(error, self._column))
        await send_reply(send, _finished(reply, scope, "POST"))

    async def _reply(self, scope: Scope, receive: limits.Receive) -> Reply:
        note_operation("log_in")
        if scope["method"] != "POST":
            return _options(scope)
        return await self._calls.log_in(await self._calls.read_login(scope, receive), address_of(scope))


def _call(
    method: str,
    path: str,
    answer: Callable[[Request], Awaitable[Reply]],
    permission: Permission,
    kinds: frozenset[PartyKind],
    *,
    has_lines: bool = False,
) -> Operation[Request]:
    return Operation(method=method, path=path, answer=answer, permission=permission, kinds=kinds, has_lines=has_lines)


def _options(scope: Scope) -> Reply:
    """What there is to know about a call.

    Raises:
        CallError: the verb is neither OPTIONS nor the call's own.
    """
    if scope["method"] == "OPTIONS":
        return json_reply(200, {"parses": ["application/json"], "renders": ["application/json"]})
    raise CallError(Problem.METHOD_NOT_ALLOWED, f'Method "{scope["method"]}" not allowed.')


_UNKNOWN: Final = {"line": UNKNOWN_LINE, "order": UNKNOWN_ORDER}


def _id(named: Mapping[str, str]) -> UUID:
    """The id in the path, or ``NO_LINE`` where there is none.

    Raises:
        CallError: no line, or no order, can have this id.
    """
    for name, unknown in _UNKNOWN.items():
        if name in named:
            try:
                return read_uuid(named[name])
            except ValueError:
                raise CallError.of(unknown) from None
    return NO_LINE


def _reference(scope: Scope, path: str) -> str:
    """The reference in the path. Slashes may be its own: only the undecoded path says which are."""
    reference = str(scope["path_params"].get("reference", ""))
    before, rest, _ = path.partition("{reference:path}")
    raw: bytes | None = scope.get("raw_path")
    if not rest:
        return reference
    if raw is None:
        return reference.removesuffix("/")
    named = raw.partition(b"?")[0].partition(before.encode())[2].removesuffix(b"/")
    return unquote_to_bytes(named).decode(errors="surrogateescape")


def _finished(reply: Reply, scope: Scope, method: str) -> Reply:
    allow = b"GET, HEAD, OPTIONS" if method == "GET" else f"{method}, OPTIONS".encode()
    return _closing(replace(reply, headers=(*reply.headers, (b"allow", allow), (b"vary", b"Accept"))), scope)


def _closing(reply: Reply, scope: Scope) -> Reply:
    """The reply, and the end of a connection on which bytes may wait that belong to no call."""
    if not leaves_bytes_unframed(scope):
        return reply
    return replace(reply, headers=(*reply.headers, (b"connection", b"close")))


async def _no_such_call(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    """A path that begins like CRUX's and is no call, such as one with an empty id: 404, before anybody is asked who."""
    reply = json_reply(REPLIES[Problem.NOT_FOUND].crux_v1, {"detail": "Not found."})
    await send_reply(send, _closing(reply, scope))


async def _refuse_host(scope: Scope, _receive: limits.Receive, send: Send) -> None:
    """Say what is wrong with the Host header."""
    reply = json_reply(REPLIES[Problem.MALFORMED].crux_v1, {"detail": scope["error"]})
    await send_reply(send, _closing(reply, scope))


def _both_spellings(path: str, app: limits.Asgi) -> dict[str, limits.Asgi]:
    short = path.removesuffix("/")
    return {short: app} if short.endswith(":path}") else {path: app, short: app}
