"""The calls of CRUX: parse, authenticate, one command, one reply, in DRF's shape (spec/crux.md 11)."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import Any, Final, NoReturn
from uuid import UUID

from starlette.routing import BaseRoute, Match, Route

from countermand import parties, reads
from countermand.domain.commands import (
    AcceptCancellation,
    Actor,
    Allocate,
    AllocateOrder,
    AnswerOrder,
    AskCancellation,
    CancelOrder,
    Command,
    DeclineCancellation,
    Parcel,
    PartyKind,
    Ship,
    ShipOrder,
)
from countermand.domain.line import Decision
from countermand.domain.money import digits_of, rounded
from countermand.domain.order import NewLine, PlaceOrder
from countermand.domain.reasons import DeclineReason
from countermand.domain.refusals import UNKNOWN_LINE, UNKNOWN_ORDER, Refusal, RefusalKind
from countermand.ids import Clock, Ids
from countermand.lanes import Lanes
from countermand.parties import Caller, Permission
from countermand.service.calls import Call, Done, Failed, Refused
from countermand.settings import Settings
from countermand.store.engine import Database, change
from countermand.wire import limits
from countermand.wire.auth import Authenticator
from countermand.wire.crux import requests, views
from countermand.wire.rates import Rates
from countermand.wire.replies import REPLIES, Problem
from countermand.wire.replying import Reply, Scope, Send, header, json_reply, leaves_bytes_unframed, send_reply

DOOR: Final = "crux"
_LOGIN: Final = "login"
CURRENCY: Final = "USD"
_UUID: Final = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

_RETAILER: Final = frozenset({PartyKind.RETAILER})
_SUPPLIER: Final = frozenset({PartyKind.SUPPLIER})
_BOTH: Final = _RETAILER | _SUPPLIER


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One authenticated call: who calls, in which generation, and what it says."""

    caller: Caller
    timp: bool
    target: str
    body: Any

    @property
    def actor(self) -> Actor:
        """The caller, as the rules know it."""
        return Actor(party=self.caller.party, kind=self.caller.kind, name=self.caller.name)

    @property
    def scope(self) -> reads.Scope:
        """What the caller may see."""
        return reads.Scope(party=self.caller.party, kind=self.caller.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One call of the API: where it is, who may make it, and what answers it."""

    method: str
    path: str
    answer: Callable[[Request], Awaitable[Reply]]
    permission: Permission
    kinds: frozenset[PartyKind]

    def is_beyond(self, kind: PartyKind) -> bool:
        """Whether no party of this kind can have the permission: then its kind is what is wrong, not its credential."""
        return self.permission not in parties.PERMISSIONS[kind]


class CallError(Exception):
    """The call ends here, with a problem or refusal and a sentence about it."""

    def __init__(self, kind: Problem | RefusalKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


class CruxDoor:
    """Every call of both generations, over the same store and the same rules."""

    def __init__(
        self,
        *,
        database: Database,
        lanes: Lanes,
        authenticator: Authenticator,
        ids: Ids,
        clock: Clock,
        settings: Settings,
    ) -> None:
        self._database = database
        self._lanes = lanes
        self._authenticator = authenticator
        self._ids = ids
        self._clock = clock
        self._settings = settings
        self._failed_logins = Rates({_LOGIN: settings.login_limit})

    def routes(self) -> list[BaseRoute]:
        """Each call under both prefixes, with and without its final slash, and what only looks like one."""
        operations = (
            Operation(
                method="DELETE",
                path="/orders/items/cancel/{target}/",
                answer=self.cancel_item,
                permission=Permission.CANCEL_ORDER,
                kinds=_RETAILER,
            ),
            Operation(
                method="PATCH",
                path="/orders/items/cancel/{target}/confirm/",
                answer=self.confirm_item,
                permission=Permission.CANCEL_ORDER,
                kinds=_SUPPLIER,
            ),
            Operation(
                method="PATCH",
                path="/orders/items/cancel/{target}/reject/",
                answer=self.reject_item,
                permission=Permission.CANCEL_ORDER,
                kinds=_SUPPLIER,
            ),
            Operation(
                method="PATCH",
                path="/orders/cancel/",
                answer=self.cancel_order,
                permission=Permission.CANCEL_ORDER,
                kinds=_RETAILER,
            ),
            Operation(
                method="PATCH",
                path="/orders/cancel/{target}/confirm/",
                answer=self.confirm_order,
                permission=Permission.CANCEL_ORDER,
                kinds=_SUPPLIER,
            ),
            Operation(
                method="PATCH",
                path="/orders/cancel/{target}/reject/",
                answer=self.reject_order,
                permission=Permission.CANCEL_ORDER,
                kinds=_SUPPLIER,
            ),
            Operation(
                method="PUT",
                path="/orders/allocation/{target}/",
                answer=self.allocate,
                permission=Permission.ALLOCATE_ORDER,
                kinds=_SUPPLIER,
            ),
            Operation(
                method="POST",
                path="/orders/tracking/{target}/",
                answer=self.track,
                permission=Permission.ADD_ORDER_TRACKING,
                kinds=_SUPPLIER,
            ),
            Operation(
                method="POST",
                path="/orders/create/",
                answer=self.create_order,
                permission=Permission.CREATE_ORDER,
                kinds=_RETAILER,
            ),
            Operation(
                method="POST", path="/orders/", answer=self.list_orders, permission=Permission.VIEW_ORDER, kinds=_BOTH
            ),
            Operation(
                method="GET",
                path="/orders/po/{target}/",
                answer=self.orders_by_reference,
                permission=Permission.VIEW_ORDER,
                kinds=_BOTH,
            ),
            Operation(
                method="GET",
                path="/orders/{target}/",
                answer=self.order_detail,
                permission=Permission.VIEW_ORDER,
                kinds=_BOTH,
            ),
        )
        routes: list[BaseRoute] = []
        for prefix in ("", "/timp"):
            login = _Login(self, prefix + "/organizations/user-login/")
            routes += [Route(path, login) for path in (login.path, login.path[:-1])]
            for operation in operations:
                endpoint = _Endpoint(self, operation, timp=bool(prefix))
                routes += [Route(prefix + path, endpoint) for path in (operation.path, operation.path[:-1])]
        return [*routes, _NoSuchCall()]

    # Cancelling

    async def cancel_item(self, request: Request) -> Reply:
        """DELETE: the retailer asks to cancel what is open of an item. 204: the ask is pending."""
        line = _uuid(request.target) or _refuse(UNKNOWN_LINE)
        await self._done(request, AskCancellation(line=line, actor=request.actor))
        return Reply(status=204)

    async def confirm_item(self, request: Request) -> Reply:
        """PATCH: the supplier accepts what is asked of an item."""
        line = _uuid(request.target) or _refuse(UNKNOWN_LINE)
        await self._done(request, AcceptCancellation(line=line, actor=request.actor))
        return Reply(status=204)

    async def reject_item(self, request: Request) -> Reply:
        """PATCH: the supplier declines what is asked of an item. CRUX has no room for a reason."""
        line = _uuid(request.target) or _refuse(UNKNOWN_LINE)
        reason = DeclineReason.NOT_STATED
        await self._done(request, DeclineCancellation(line=line, actor=request.actor, reason=reason))
        return Reply(status=204)

    async def cancel_order(self, request: Request) -> Reply:
        """PATCH: the retailer asks to cancel every line of an order."""
        message = requests.read(requests.CancelOrder, request.body, timp=request.timp)
        await self._done(request, CancelOrder(order=message.order_uuid, actor=request.actor))
        return Reply(status=204)

    async def confirm_order(self, request: Request) -> Reply:
        """PATCH: the supplier accepts every ask on its lines of an order."""
        order = _uuid(request.target) or _refuse(UNKNOWN_ORDER)
        await self._done(request, AnswerOrder(order=order, actor=request.actor))
        return Reply(status=204)

    async def reject_order(self, request: Request) -> Reply:
        """PATCH: the supplier declines every ask on its lines of an order."""
        order = _uuid(request.target) or _refuse(UNKNOWN_ORDER)
        reason = DeclineReason.NOT_STATED
        await self._done(request, AnswerOrder(order=order, actor=request.actor, decline_reason=reason))
        return Reply(status=204)

    # Fulfilling

    async def allocate(self, request: Request) -> Reply:
        """PUT: the supplier says how much of each line there is. Answers a word per line, in the order given."""
        order = _uuid(request.target) or _refuse(UNKNOWN_ORDER)
        message = requests.read(requests.Allocate, request.body, timp=request.timp)
        lines = tuple(
            Allocate(
                line=each.line_item_uuid,
                actor=request.actor,
                accepted=each.allocation.quantity_accepted,
                backordered=each.allocation.quantity_backordered,
                rejected=each.allocation.quantity_rejected,
                backorder_on=each.allocation.backorder_date,
            )
            for each in message.line_items
        )
        done = await self._done(request, AllocateOrder(order=order, actor=request.actor, lines=lines))
        return json_reply(200, [{str(fate.line): _allocation_word(fate.outcome)} for fate in done.fates])

    async def track(self, request: Request) -> Reply:
        """POST: the supplier reports a parcel; its units are shipped."""
        order = _uuid(request.target) or _refuse(UNKNOWN_ORDER)
        message = requests.read(requests.Track, request.body, timp=request.timp)
        parcel = Parcel(
            id=self._ids.new(),
            tracking_number=message.tracking_number,
            carrier=message.carrier or "",
            method=message.method or "",
            weight=str(message.weight) if message.weight is not None else "",
            cost=str(message.cost) if message.cost is not None else "",
            shipped_on=message.shipped_on,
            attributes=tuple((a.attribute_name, a.attribute_value or "") for a in message.attributes or ()),
        )
        lines = tuple(
            Ship(line=each.line_item_uuid, actor=request.actor, units=each.quantity) for each in message.line_items
        )
        await self._done(request, ShipOrder(order=order, actor=request.actor, lines=lines, parcel=parcel))
        return json_reply(201, {"package_uuid": str(parcel.id)}) if request.timp else Reply(status=204)

    # Orders

    async def create_order(self, request: Request) -> Reply:
        """POST: the retailer orders. v1 answers the whole order, timp its id."""
        message = requests.read(requests.CreateOrder, request.body, timp=request.timp)
        await self._check_suppliers(request, message)
        command = self._place(request, message)
        await self._done(request, command)
        if request.timp:
            return json_reply(201, {"order_uuid": str(command.id), "messages": []})
        order = await self._database.read(partial(reads.order_by_id, scope=request.scope, order=command.id))
        return json_reply(201, views.order_v1(order)) if order else _problem_reply(Problem.UNAVAILABLE, request.timp)

    async def list_orders(self, request: Request) -> Reply:
        """POST: the caller's orders, filtered, sorted, a page of them."""
        message = requests.read(requests.ListOrders, request.body, timp=request.timp)
        total, orders = await self._database.read(
            partial(
                reads.list_orders,
                scope=request.scope,
                wanted=_filter(message, timp=request.timp),
                start=message.start,
                count=self._page(message),
                newest_first=_newest_first(message.sort),
            )
        )
        show = views.order_timp_in_list if request.timp else views.order_v1
        return json_reply(200, {"total_results": total, "orders": [show(order) for order in orders]})

    async def order_detail(self, request: Request) -> Reply:
        """GET: one order."""
        order_id = _uuid(request.target) or _refuse(UNKNOWN_ORDER)
        order = await self._database.read(partial(reads.order_by_id, scope=request.scope, order=order_id))
        if order is None:
            _refuse(UNKNOWN_ORDER)
        return json_reply(200, views.order_timp(order) if request.timp else views.order_v1(order))

    async def orders_by_reference(self, request: Request) -> Reply:
        """GET: the orders with a purchase order number, which need not be unique."""
        if not _can_be_stored(request.target):
            return json_reply(200, [])
        read = partial(reads.orders_by_reference, scope=request.scope, reference=request.target)
        show = views.order_timp if request.timp else views.order_v1
        return json_reply(200, [show(order) for order in await self._database.read(read)])

    async def log_in(self, body: Any, address: str) -> Reply:
        """POST: a token for a right password. Who guesses has to wait, for the person and address together."""
        message = requests.read(requests.Login, body, timp=False)
        who = f"{address} {message.username.strip().lower()}"
        if not self._failed_logins.allows(who, _LOGIN, self._clock()):
            raise CallError(Problem.RATE_LIMITED, "Too many failed attempts to log in. Wait a minute.")
        user = await self._database.read(partial(parties.find_user, email=message.username))
        if not await asyncio.to_thread(parties.is_password, user, message.password) or user is None:
            raise CallError(Problem.UNAUTHENTICATED, "Unable to log in with provided credentials.")
        self._failed_logins.forget(who, _LOGIN)
        if PartyKind(user.kind) not in _BOTH:
            raise CallError(Problem.WRONG_PARTY, "Only retailers and suppliers can log in here.")
        now, lifetime = self._clock(), self._settings.token_lifetime
        login = await change(
            self._database,
            partial(parties.log_in, ids=self._ids, now=now, user=user, expires_at=now + lifetime if lifetime else None),
        )
        return json_reply(200, views.login(login))

    # How

    async def authenticate(self, scope: Scope) -> Caller:
        """The caller that the Authorization header names.

        Raises:
            CallError: there is no such header, or it names nobody, in DRF's words for each case.
        """
        given = header(scope, b"authorization") or ""
        scheme, _, token = given.strip().partition(" ")
        if scheme.lower() != "token":
            raise CallError(Problem.UNAUTHENTICATED, "Authentication credentials were not provided.")
        token = token.strip()
        if not token:
            raise CallError(Problem.UNAUTHENTICATED, "Invalid token header. No credentials provided.")
        if " " in token:
            raise CallError(Problem.UNAUTHENTICATED, "Invalid token header. Token string should not contain spaces.")
        caller = await self._authenticator.caller(token)
        if caller is None:
            raise CallError(Problem.UNAUTHENTICATED, "Invalid token.")
        return caller

    async def read_body(self, scope: Scope, receive: limits.Receive) -> Any:
        """The JSON that a call carries; nothing at all counts as ``{}``, whatever its type is said to be.

        Raises:
            CallError: it is too large, too slow, of another type, or not JSON.
        """
        try:
            body = await limits.read_body(
                receive, max_bytes=self._settings.body_max_bytes, timeout_s=self._settings.body_timeout_s
            )
        except limits.BodyTooLargeError:
            raise CallError(
                Problem.TOO_LARGE, f"The body is larger than {self._settings.body_max_bytes} bytes."
            ) from None
        except limits.BodyTooSlowError:
            raise CallError(Problem.TOO_SLOW, "The body did not arrive in time.") from None
        if not body:
            return {}
        given = header(scope, b"content-type") or ""
        if given.partition(";")[0].strip().lower() != "application/json":
            raise CallError(Problem.UNSUPPORTED_MEDIA_TYPE, f'Unsupported media type "{given[:200]}" in request.')
        try:
            return limits.parse_json(body)
        except limits.MalformedJsonError as error:
            raise CallError(Problem.MALFORMED, f"JSON parse error - {error}") from None

    async def _done(self, request: Request, command: Command | PlaceOrder) -> Done:
        retailer = request.caller.party if request.caller.kind is PartyKind.RETAILER else None
        outcome = await self._lanes.submit(Call(command=command, door=DOOR, retailer=retailer))
        if isinstance(outcome, Failed):
            raise CallError(Problem.UNAVAILABLE, "The database did not answer. Nothing is lost; repeat the call.")
        if isinstance(outcome, Refused):
            _refuse(outcome.refusal)
        return outcome

    async def _check_suppliers(self, request: Request, message: requests.CreateOrder) -> None:
        wanted = {sku.supplier for sku in message.skus}
        known = await self._database.read(partial(reads.active_suppliers, parties=sorted(wanted)))
        name = "supplier_org_uuid" if request.timp else "supplier_uuid"
        bad = [
            {name: ["There is no such supplier."]}
            if sku.supplier not in known
            or (known[sku.supplier] is not PartyKind.SUPPLIER and sku.supplier != request.caller.party)
            else {}
            for sku in message.skus
        ]
        if any(bad):
            raise requests.FieldErrors({"skus": bad})

    def _place(self, request: Request, message: requests.CreateOrder) -> PlaceOrder:
        return PlaceOrder(
            id=self._ids.new(),
            actor=request.actor,
            retailer=request.caller.party,
            reference=message.reference,
            placed_at=self._clock(),
            currency=CURRENCY,
            lines=tuple(
                NewLine(
                    id=self._ids.new(),
                    fulfiller=sku.supplier,
                    sku=sku.sku_id,
                    units=sku.quantity,
                    unit_price_minor=_minor(sku.cost),
                    details={
                        "cost": _float(sku.cost),
                        "carrier": sku.carrier,
                        "method": sku.method,
                        "instructions": sku.instructions,
                        "attributes": requests.pairs(sku.attributes),
                    },
                )
                for sku in message.skus
            ),
            details={
                "address": message.address.model_dump(),
                "carrier": message.shipping_carrier,
                "method": message.shipping_method,
                "notes": message.notes,
                "order_fee": _float(message.order_fee),
                "tax": _float(message.tax),
                "shipping_cost": _float(message.shipping_cost),
                "dropship_fee": _float(message.dropship_fee),
                "attributes": requests.pairs(message.attributes),
                "submitted_by": {"name": request.caller.user_name, "email": request.caller.email},
            },
        )

    def _page(self, message: requests.ListOrders) -> int:
        if message.limit is None:
            return reads.PAGE_MAX
        end = message.limit if self._settings.crux_limit_is_page_size else message.limit - message.start
        return max(0, min(end, reads.PAGE_MAX))


class _Endpoint:
    """One call as ASGI, with the checks in DRF's order: who, may they, is it their side's, the verb, the body."""

    def __init__(self, door: CruxDoor, operation: Operation, *, timp: bool) -> None:
        self._door = door
        self._operation = operation
        self._timp = timp
        self._allow = f"{operation.method}, OPTIONS".encode()
        self._seed = operation.method == "DELETE" and not timp

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        column = "crux_timp" if self._timp else "crux_seed" if self._seed else "crux_v1"
        reply = await _answer(self._reply(scope, receive), column)
        await send_reply(send, _with_headers(reply, self._allow, scope))

    async def _reply(self, scope: Scope, receive: limits.Receive) -> Reply:
        operation = self._operation
        caller = await self._door.authenticate(scope)
        wrong_party = caller.kind not in operation.kinds
        if not caller.may(operation.permission) and not (wrong_party and operation.is_beyond(caller.kind)):
            raise CallError(Problem.FORBIDDEN, "You do not have permission to perform this action.")
        if wrong_party:
            side = " or a ".join(sorted(kind.value for kind in operation.kinds))
            raise CallError(Problem.WRONG_PARTY, f"Only a {side} can make this call.")
        if scope["method"] == "OPTIONS":
            return json_reply(200, {"parses": ["application/json"], "renders": ["application/json"]})
        if scope["method"] != operation.method:
            raise CallError(Problem.METHOD_NOT_ALLOWED, f'Method "{scope["method"]}" not allowed.')
        body = await self._door.read_body(scope, receive)
        target = str(scope["path_params"].get("target", ""))
        return await operation.answer(Request(caller=caller, timp=self._timp, target=target, body=body))


class _Login:
    """Logging in: no credentials are needed, and those given are ignored (spec/crux.md 3.1)."""

    def __init__(self, door: CruxDoor, path: str) -> None:
        self._door = door
        self.path = path
        self._column = "crux_timp" if path.startswith("/timp") else "crux_v1"

    async def __call__(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        reply = await _answer(self._reply(scope, receive), self._column)
        await send_reply(send, _with_headers(reply, b"POST, OPTIONS", scope))

    async def _reply(self, scope: Scope, receive: limits.Receive) -> Reply:
        if scope["method"] == "OPTIONS":
            return json_reply(200, {"parses": ["application/json"], "renders": ["application/json"]})
        if scope["method"] != "POST":
            raise CallError(Problem.METHOD_NOT_ALLOWED, f'Method "{scope["method"]}" not allowed.')
        address, _ = scope.get("client") or ("", 0)
        return await self._door.log_in(await self._door.read_body(scope, receive), address)


class _NoSuchCall(BaseRoute):
    """A path that begins like CRUX's and is no call, such as one with an empty id: 404, before anybody is asked who.

    It is no pattern, as a pattern's dot matches no line break, and one in the path would get past it.
    """

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """Whether no call before this one had the path."""
        begins = scope["path"].startswith(("/orders/", "/organizations/", "/timp/"))
        return (Match.FULL if begins else Match.NONE), {}

    async def handle(self, scope: Scope, receive: limits.Receive, send: Send) -> None:
        """Say so."""
        reply = json_reply(REPLIES[Problem.NOT_FOUND].crux_v1, {"detail": "Not found."})
        await send_reply(send, _closing(reply, scope))


async def _answer(work: Awaitable[Reply], column: str) -> Reply:
    try:
        return await work
    except requests.FieldErrors as error:
        return json_reply(getattr(REPLIES[Problem.INVALID], column), error.body)
    except CallError as error:
        status = getattr(REPLIES[error.kind], column)
        challenge = ((b"www-authenticate", b"Token"),) if status == 401 else ()
        retry = {503: ((b"retry-after", b"1"),), 429: ((b"retry-after", b"60"),)}.get(status, ())
        return json_reply(status, _detail(error), *challenge, *retry)


def _detail(error: CallError) -> dict[str, str]:
    if isinstance(error.kind, RefusalKind):
        return {"detail": f"{error.kind.value}: {error.detail}", "code": error.kind.value}
    return {"detail": error.detail}


def _with_headers(reply: Reply, allow: bytes, scope: Scope) -> Reply:
    return _closing(replace(reply, headers=(*reply.headers, (b"allow", allow), (b"vary", b"Accept"))), scope)


def _closing(reply: Reply, scope: Scope) -> Reply:
    """The reply, and the end of a connection on which bytes may wait that belong to no call."""
    if not leaves_bytes_unframed(scope):
        return reply
    return replace(reply, headers=(*reply.headers, (b"connection", b"close")))


def _problem_reply(problem: Problem, timp: bool) -> Reply:
    row = REPLIES[problem]
    return json_reply(row.crux_timp if timp else row.crux_v1, {"detail": "Try again."})


def _refuse(refusal: Refusal) -> NoReturn:
    raise CallError(refusal.kind, refusal.detail)


def _uuid(text: str) -> UUID | None:
    return UUID(text) if _UUID.fullmatch(text) else None


def _can_be_stored(text: str) -> bool:
    """Whether a database could hold this text at all: it is Unicode, without the NUL that PostgreSQL refuses."""
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)


def _minor(cost: Decimal | None) -> int | None:
    """A price may have four decimals here; what goes back for a unit has the currency's, half a cent being one."""
    return None if cost is None else rounded(Fraction(cost) * 10 ** digits_of(CURRENCY))


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _allocation_word(outcome: Decision | Refusal) -> str:
    if isinstance(outcome, Decision):
        return views.allocation_reply(outcome.line)
    return _ALLOCATION_WORDS[outcome.kind]


_ALLOCATION_WORDS: Final[Mapping[RefusalKind, str]] = {
    RefusalKind.UNKNOWN_LINE: "Item Not Found",
    RefusalKind.ALREADY_CANCELLED: "Cancelled",
    RefusalKind.REJECTED_BY_FULFILLER: "Rejected",
    RefusalKind.ALREADY_SHIPPED: "Allocated",
}


def _newest_first(sort: requests.Sort | None) -> bool:
    """Without a sort, or by an unknown key: oldest first. By date: ``asc`` ascends, anything else descends."""
    return sort is not None and sort.key == "date" and (sort.dir or "").lower() != "asc"


def _filter(message: requests.ListOrders, *, timp: bool) -> reads.OrderFilter:
    return reads.OrderFilter(
        placed_from=message.start_date,
        placed_to=message.end_date,
        reference=message.po_number or None,
        term=None if timp else message.term or None,
        title_word=(message.term or None) if timp else None,
        parties=tuple(message.org_uuids),
        sent=message.sent_to_supplier,
        allocation=tuple(each for each in message.line_item_allocation_statuses if each),
        designation=tuple(each for each in message.line_item_designation if each),
        statuses=tuple(_snake(each) for each in message.line_item_status if each),
        conjunction=message.status_conjunction,
    )


def _snake(word: str) -> str:
    return "has_tracking" if word in ("HasTracking", "has_tracking") else word.lower()
