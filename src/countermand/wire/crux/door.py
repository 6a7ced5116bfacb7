"""The calls of CRUX: parse, authenticate, one command, one reply, in DRF's shape (docs/crux.md)."""

import asyncio
import re
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from starlette.routing import BaseRoute, Route

from countermand import reads
from countermand.admin import accounts
from countermand.admin.accounts import Permission
from countermand.domain.commands import (
    AcceptCancellation,
    AnswerOrder,
    AskCancellation,
    CancelOrder,
    Command,
    DeclineCancellation,
)
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import PartyKind
from countermand.domain.reasons import DeclineReason
from countermand.domain.refusals import UNKNOWN_ORDER
from countermand.domain.texts import why_unfit
from countermand.service.calls import Call, Done, Failed, Refused
from countermand.store.columns import Record
from countermand.store.engines.transactions import change
from countermand.wire.crux import meaning, messages, views
from countermand.wire.crux.calling import Checks, Endpoint, LoginEndpoint, NoSuchCall, Operation, Request
from countermand.wire.crux.errors import CallError, refuse, throttled
from countermand.wire.crux.passwords import CrowdedError, Passwords
from countermand.wire.replies import Problem
from countermand.wire.response import Reply, json_reply
from countermand.wire.services import Services
from countermand.wire.throttle import ThrottledError

DOOR: Final = "crux"

_RETAILER: Final = frozenset({PartyKind.RETAILER})
_SUPPLIER: Final = frozenset({PartyKind.SUPPLIER})
_BOTH: Final = _RETAILER | _SUPPLIER


class CruxDoor:
    """Every call of both generations, over the same store and the same rules."""

    def __init__(self, behind: Services) -> None:
        self._database, self._lanes = behind.database, behind.lanes
        self._ids, self._clock, self._settings = behind.ids, behind.clock, behind.settings
        self._checks = Checks(behind.authenticator, behind.throttle, behind.settings)
        self._passwords = Passwords(behind.settings, behind.clock)

    def routes(self) -> list[BaseRoute]:
        """Each call under both prefixes, with and without its final slash, and what only looks like one."""
        routes: list[BaseRoute] = []
        for prefix in ("", "/timp"):
            login = LoginEndpoint(self._checks, self.log_in, timp=bool(prefix))
            routes += _both_spellings(prefix + "/organizations/user-login/", login)
            for operation in self._operations():
                endpoint = Endpoint(self._checks, operation, timp=bool(prefix))
                routes += _both_spellings(prefix + operation.path, endpoint)
        return [*routes, NoSuchCall()]

    def _operations(self) -> tuple[Operation, ...]:
        cancel, view, create = Permission.CANCEL_ORDER, Permission.VIEW_ORDER, Permission.CREATE_ORDER
        allocate, track = Permission.ALLOCATE_ORDER, Permission.ADD_ORDER_TRACKING
        return (
            Operation("DELETE", "/orders/items/cancel/{target}/", self.cancel_item, cancel, _RETAILER),
            Operation("PATCH", "/orders/items/cancel/{target}/confirm/", self.confirm_item, cancel, _SUPPLIER),
            Operation("PATCH", "/orders/items/cancel/{target}/reject/", self.reject_item, cancel, _SUPPLIER),
            Operation("PATCH", "/orders/cancel/", self.cancel_order, cancel, _RETAILER),
            Operation("PATCH", "/orders/cancel/{target}/confirm/", self.confirm_order, cancel, _SUPPLIER),
            Operation("PATCH", "/orders/cancel/{target}/reject/", self.reject_order, cancel, _SUPPLIER),
            Operation("PUT", "/orders/allocation/{target}/", self.allocate, allocate, _SUPPLIER, has_lines=True),
            Operation("POST", "/orders/tracking/{target}/", self.track, track, _SUPPLIER, has_lines=True),
            Operation("POST", "/orders/create/", self.create_order, create, _RETAILER, has_lines=True),
            Operation("POST", "/orders/", self.list_orders, view, _BOTH),
            Operation("GET", "/orders/po/{target:path}/", self.orders_by_reference, view, _BOTH),
            Operation("GET", "/orders/{target}/", self.order_detail, view, _BOTH),
        )

    # Cancelling

    async def cancel_item(self, request: Request) -> Reply:
        """DELETE: the retailer asks to cancel what is open of an item. 204: the ask is pending."""
        await self._done(request, AskCancellation(line=request.line, actor=request.caller.actor))
        return Reply(status=204)

    async def confirm_item(self, request: Request) -> Reply:
        """PATCH: the supplier accepts what is asked of an item."""
        await self._done(request, AcceptCancellation(line=request.line, actor=request.caller.actor))
        return Reply(status=204)

    async def reject_item(self, request: Request) -> Reply:
        """PATCH: the supplier declines what is asked of an item. CRUX has no room for a reason."""
        reason = DeclineReason.NOT_STATED
        await self._done(request, DeclineCancellation(line=request.line, actor=request.caller.actor, reason=reason))
        return Reply(status=204)

    async def cancel_order(self, request: Request) -> Reply:
        """PATCH: the retailer asks to cancel every line of an order."""
        message = messages.read(messages.CancelOrder, request.body, timp=request.timp)
        await self._done(request, CancelOrder(order=message.order_uuid, actor=request.caller.actor))
        return Reply(status=204)

    async def confirm_order(self, request: Request) -> Reply:
        """PATCH: the supplier accepts every ask on its lines of an order."""
        await self._done(request, AnswerOrder(order=request.order, actor=request.caller.actor))
        return Reply(status=204)

    async def reject_order(self, request: Request) -> Reply:
        """PATCH: the supplier declines every ask on its lines of an order."""
        reason = DeclineReason.NOT_STATED
        await self._done(request, AnswerOrder(order=request.order, actor=request.caller.actor, decline_reason=reason))
        return Reply(status=204)

    # Fulfilling

    async def allocate(self, request: Request) -> Reply:
        """PUT: the supplier says how much of each line there is. Answers a word per line, in the order given."""
        order = request.order
        message = messages.read(messages.Allocate, request.body, timp=request.timp)
        done = await self._done(request, meaning.allocate(request, message, order))
        return json_reply(200, [{str(fate.line): views.allocation_word(fate.outcome)} for fate in done.fates])

    async def track(self, request: Request) -> Reply:
        """POST: the supplier reports a parcel; its units are shipped."""
        order = request.order
        message = messages.read(messages.Track, request.body, timp=request.timp)
        done = await self._done(request, meaning.ship(request, message, order, self._ids.new()))
        return json_reply(201, {"package_uuid": str(done.parcel)}) if request.timp else Reply(status=204)

    # Orders

    async def create_order(self, request: Request) -> Reply:
        """POST: the retailer orders. v1 answers the whole order, timp its id."""
        message = messages.read(messages.CreateOrder, request.body, timp=request.timp)
        named = sorted({sku.supplier for sku in message.skus})
        known = await self._database.read(partial(reads.active_suppliers, parties=named))
        messages.check_suppliers(message, known, request.caller.party, timp=request.timp)
        command = meaning.place_order(request, message, self._ids.new, self._clock())
        await self._done(request, command)
        if request.timp:
            return json_reply(201, {"order_uuid": str(command.id), "messages": []})
        order = await self._database.read(partial(reads.order_by_id, scope=request.scope, order=command.id))
        if order is None:
            raise CallError(Problem.UNAVAILABLE, "Try again.")
        return json_reply(201, views.order_v1(order))

    async def list_orders(self, request: Request) -> Reply:
        """POST: the caller's orders, filtered, sorted, a page of them."""
        zone = ZoneInfo(self._settings.score_zone)
        message = messages.read(messages.ListOrders, request.body, timp=request.timp, zone=zone)
        total, orders = await self._database.read(
            partial(
                reads.list_orders,
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
        order = await self._database.read(partial(reads.order_by_id, scope=request.scope, order=request.order))
        if order is None:
            refuse(UNKNOWN_ORDER)
        return json_reply(200, views.order_timp(order) if request.timp else views.order_v1(order))

    async def orders_by_reference(self, request: Request) -> Reply:
        """GET: the orders with a purchase order number, which need not be unique, and may hold slashes."""
        if not request.target:
            raise CallError(Problem.NOT_FOUND, "Not found.")
        if why_unfit(request.target):
            return json_reply(200, [])
        read = partial(reads.orders_by_reference, scope=request.scope, reference=request.target)
        show = views.order_timp if request.timp else views.order_v1
        return json_reply(200, [show(order) for order in await self._database.read(read)])

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
                accounts.log_in, ids=self._ids, now=now, user=user, expires_at=now + lifetime if lifetime else None
            ),
        )
        return json_reply(200, views.login(login))

    async def _user(self, message: messages.Login, address: str) -> Record:
        try:
            async with self._passwords.attempt(message.username, address) as attempt:
                user = await self._database.read(partial(accounts.find_user, email=message.username))
                right = await asyncio.to_thread(accounts.is_password, user, message.password)
                if not right or user is None:
                    raise CallError(Problem.UNAUTHENTICATED, "Unable to log in with provided credentials.")
                attempt.succeeded()
                return user
        except ThrottledError as error:
            raise throttled(error.retry_in_s) from None
        except CrowdedError:
            raise CallError(Problem.UNAVAILABLE, "Too many people log in at this moment. Try again.") from None

    async def _done(self, request: Request, command: Command | PlaceOrder) -> Done:
        retailer = request.caller.party if request.caller.kind is PartyKind.RETAILER else None
        outcome = await self._lanes.submit(Call(command=command, door=DOOR, retailer=retailer))
        if isinstance(outcome, Failed):
            raise CallError(Problem.UNAVAILABLE, "The database did not answer. Nothing is lost; repeat the call.")
        if isinstance(outcome, Refused):
            refuse(outcome.refusal)
        return outcome


def _both_spellings(path: str, endpoint: Endpoint | LoginEndpoint) -> list[Route]:
    if path.endswith(":path}/"):
        # A path may hold line breaks, which Starlette's pattern does not match.
        route = Route(path[:-1], endpoint)
        route.path_regex = re.compile(route.path_regex.pattern, re.DOTALL)
        return [route]
    return [Route(path, endpoint), Route(path[:-1], endpoint)]
