"""Calls about subscriptions: where a seller is told that an order or a process status has changed."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from countermand.admin import signature_keys
from countermand.admin.audit import Author
from countermand.admin.endpoints import UnknownEndpointError
from countermand.domain.addresses.address import AddressRules, BadAddressError
from countermand.domain.addresses.kinds import check_address, kind_of
from countermand.domain.endpoint import Endpoint
from countermand.service.subscriptions import (
    Subscriber,
    Subscriptions,
    WantedSubscription,
    find_subscription,
    subscriptions_of,
)
from countermand.store.attempts import AttemptRow, record
from countermand.store.engines.transactions import change
from countermand.store.row_security import viewer
from countermand.wire.bol_retailer import messages, views
from countermand.wire.bol_retailer.errors import Violation, invalid, missing
from countermand.wire.bol_retailer.meaning import Request
from countermand.wire.bol_retailer.messages import read
from countermand.wire.bol_retailer.views import answer
from countermand.wire.bol_retailer.vocabulary import ProcessEvent
from countermand.wire.endpoint_tests import send_test
from countermand.wire.response import Reply
from countermand.wire.services import Services

DOOR: Final = "bol_retailer"
WHAT: Final = "Subscription for subscription"


class SubscriptionCalls:
    """The calls, over endpoints of the retailer that calls."""

    def __init__(self, services: Services, process_url: str) -> None:
        self._services = services
        self._process_url = process_url
        rules = services.settings.address_rules
        self._subscriptions = Subscriptions(keyring=services.keyring, rules=rules)

    async def list_subscriptions(self, request: Request) -> Reply:
        """GET: the seller's own."""
        found = await self._services.database.read(partial(subscriptions_of, retailer=request.caller.party))
        return answer(200, {"subscriptions": [views.subscription(each) for each in found]})

    async def get_subscription(self, request: Request) -> Reply:
        """GET: one of them."""
        return answer(200, views.subscription(await self._found(request)))

    async def create_subscription(self, request: Request) -> Reply:
        """POST: the seller wants to be told."""
        wanted = wanted_subscription(request.body, self._services.settings.address_rules)
        await self._have_key()
        act = partial(self._subscriptions.create, who=self._who(request), wanted=wanted)
        return await self._queued(act, ProcessEvent.CREATE_SUBSCRIPTION, "")

    async def update_subscription(self, request: Request) -> Reply:
        """PUT: the seller changes the resources of a subscription or its URL, or switches it off or on."""
        wanted, target = wanted_subscription(request.body, self._services.settings.address_rules), _target(request)
        act = partial(self._subscriptions.update, who=self._who(request), target=target, wanted=wanted)
        return await self._queued(act, ProcessEvent.UPDATE_SUBSCRIPTION, target)

    async def delete_subscription(self, request: Request) -> Reply:
        """DELETE: the seller does not want to be told any more."""
        target = _target(request)
        act = partial(self._subscriptions.delete, who=self._who(request), target=target)
        return await self._queued(act, ProcessEvent.DELETE_SUBSCRIPTION, target)

    async def test_subscription(self, request: Request) -> Reply:
        """POST: send a message now. The process fails where the receiver does not take it."""
        target, tried = _target(request), None
        try:
            found = await self._services.database.read(
                partial(find_subscription, retailer=request.caller.party, target=target)
            )
        except UnknownEndpointError as error:
            wrong = str(error)
        else:
            tried = await send_test(self._services, found, None)
            wrong = "" if tried.ok else tried.error or f"The receiver answered {tried.status}."
        act = partial(self._tested, who=self._who(request), target=target, tried=tried, wrong=wrong)
        return await self._queued(act, ProcessEvent.SEND_SUBSCRIPTION_TST_MSG, target)

    async def list_signature_keys(self, request: Request) -> Reply:
        """GET: the public keys by which a receiver checks who sends."""
        await self._have_key()
        now = self._services.clock()
        keys = await self._services.database.read(partial(signature_keys.published_keys, now=now))
        return answer(200, {"signatureKeys": [views.signature_key(each.id, each.public_base64) for each in keys]})

    def _tested(self, connection: Any, who: Subscriber, target: str, tried: AttemptRow | None, wrong: str) -> int:
        record(connection, [tried] if tried else [])
        return self._subscriptions.tested(connection, who, target, wrong)

    async def _found(self, request: Request) -> Endpoint:
        find = partial(find_subscription, retailer=request.caller.party, target=_target(request))
        try:
            return await self._services.database.read(find)
        except UnknownEndpointError:
            raise missing(WHAT, request.target) from None

    async def _have_key(self) -> None:
        """Make the first key, if there is none. The keys are the service's, and no party's."""
        viewer.set(None)
        services, keyring = self._services, self._services.keyring
        if await services.database.read(partial(signature_keys.signing_key, keyring=keyring)) is None:
            made = await asyncio.to_thread(signature_keys.generate_key)
            add = partial(signature_keys.add_first, ids=services.ids, keyring=keyring, now=services.clock(), made=made)
            await change(services.database, add)

    async def _queued(self, act: Callable[..., int], event: ProcessEvent, entity: str) -> Reply:
        number = await change(self._services.database, act)
        return answer(202, views.pending(number, event, entity, self._services.clock(), self._process_url))

    def _who(self, request: Request) -> Subscriber:
        caller, services = request.caller, self._services
        author = Author(name=caller.name, door=DOOR, at=services.clock(), ids=services.ids)
        return Subscriber(party=caller.party, number=caller.party_number, author=author)


def wanted_subscription(body: bytes, rules: AddressRules) -> WantedSubscription:
    """The subscription that a body asks for.

    Raises:
        RetailerError: it cannot be read, or nothing can be sent to its address.
    """
    wanted = read(messages.Subscription, body)
    try:
        if not _is_web(wanted.url):
            raise BadAddressError("The address does not start with https://.")
        url = check_address(wanted.url, rules)
    except BadAddressError as error:
        raise invalid(Violation(name="url", reason=str(error)), body=True) from None
    resources = tuple(dict.fromkeys(wanted.resources))
    return WantedSubscription(url=url, resources=resources, enabled=wanted.enabled is not False)


def _is_web(url: str) -> bool:
    try:
        return kind_of(url).is_signed
    except BadAddressError:
        return False


def _target(request: Request) -> str:
    return request.target[: messages.ID_CHARS_MAX]
