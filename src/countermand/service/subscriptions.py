"""What is done about subscriptions of bol's Retailer API. Each act leaves a process status, in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin import endpoints
from countermand.admin.audit import Author
from countermand.admin.endpoints import EndpointChange, UnknownEndpointError
from countermand.domain.addresses.address import AddressRules
from countermand.domain.endpoint import Endpoint, EndpointState
from countermand.domain.problems import ProblemError
from countermand.domain.processes import ProcessState
from countermand.domain.subscriptions import PROCESS_FINISHED, Resource, Subscription
from countermand.keyring import Keyring
from countermand.service.notices import notice_row
from countermand.service.numbers import Numbers
from countermand.service.workspace import Row
from countermand.store import statements as sql
from countermand.store.engines.protocol import engine_of

DISABLED: Final = "Disabled through bol's Retailer API."


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """The retailer that calls, by its id and by the number under which bol knows it, and who of it calls when."""

    party: UUID
    number: int
    author: Author


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSubscription:
    """What a subscription shall be."""

    url: str
    resources: tuple[Resource, ...]
    enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriptions:
    """Acts about the subscriptions of a retailer. Each returns the number of its process status, which is final."""

    keyring: Keyring
    rules: AddressRules

    def create(self, connection: Connection, who: Subscriber, wanted: WantedSubscription) -> int:
        """Make one. Its id is the entity of the process status."""

        def act() -> str:
            endpoint = endpoints.add(
                connection,
                who.author,
                self.keyring,
                party=who.party,
                url=wanted.url,
                rules=self.rules,
                subscription=_subscription(who, wanted),
            ).endpoint
            self._enable(connection, endpoint, wanted.enabled, who)
            return str(endpoint.id)

        return self._finished(connection, who, "CREATE_SUBSCRIPTION", "", act)

    def update(self, connection: Connection, who: Subscriber, target: str, wanted: WantedSubscription) -> int:
        """Have one be another. What waits is sent as the new one says."""

        def act() -> str:
            found = find_subscription(connection, who.party, target)
            change = EndpointChange(url=wanted.url, subscription=_subscription(who, wanted))
            changed = endpoints.update_endpoint(connection, who.author, found.id, change, rules=self.rules)
            self._enable(connection, changed, wanted.enabled, who)
            return target

        return self._finished(connection, who, "UPDATE_SUBSCRIPTION", target, act)

    def delete(self, connection: Connection, who: Subscriber, target: str) -> int:
        """Send nothing to one ever again."""

        def act() -> str:
            endpoints.remove(connection, who.author, find_subscription(connection, who.party, target).id)
            return target

        return self._finished(connection, who, "DELETE_SUBSCRIPTION", target, act)

    def tested(self, connection: Connection, who: Subscriber, target: str, wrong: str) -> int:
        """A message was sent to one, or could not be: ``wrong`` says why."""
        return self._record(connection, who, "SEND_SUBSCRIPTION_TST_MSG", target, wrong)

    def _enable(self, connection: Connection, endpoint: Endpoint, enabled: bool, who: Subscriber) -> None:
        if enabled and endpoint.state is not EndpointState.ACTIVE:
            endpoints.resume(connection, who.author, endpoint.id)
        if not enabled and endpoint.state is EndpointState.ACTIVE:
            endpoints.pause(connection, who.author, endpoint.id, reason=DISABLED)

    def _finished(
        self, connection: Connection, who: Subscriber, event: str, target: str, act: Callable[[], str]
    ) -> int:
        try:
            entity, wrong = act(), ""
        except ProblemError as error:
            entity, wrong = target, str(error)
        return self._record(connection, who, event, entity, wrong)

    def _record(self, connection: Connection, who: Subscriber, event: str, entity: str, wrong: str) -> int:
        retailer, now = who.party, who.author.at
        given = {"of_name": Numbers.NAME, "size": 1}
        number: int = connection.execute(sql.TAKE_NUMBERS, given).scalar_one() - 1
        row = {
            "retailer_id": retailer,
            "number": number,
            "event_type": event,
            "entity_id": entity,
            "status": (ProcessState.FAILURE if wrong else ProcessState.SUCCESS).value,
            "error_message": wrong or None,
            "cancellation_id": None,
            "claimed_at": None,
            "created_at": now,
            "settled_at": now,
        }
        notified = [
            each.id
            for each in subscriptions_of(connection, retailer)
            if each.subscription and each.subscription.reports_processes
        ]
        new = {"process_statuses": [row], "notices": [_notice(who, each, number) for each in notified]}
        engine_of(connection).write(connection, {}, {table: rows for table, rows in new.items() if rows}, frozenset())
        return number


def _notice(who: Subscriber, endpoint: UUID, number: int) -> Row:
    new, subject = who.author.ids.new(), who.author.ids.new()
    return notice_row(new, endpoint, who.party, subject, kind=PROCESS_FINISHED, seq=number, now=who.author.at)


def subscriptions_of(connection: Connection, retailer: UUID) -> list[Endpoint]:
    """The subscriptions of a retailer, oldest first."""
    return [each for each in endpoints.of_party(connection, retailer) if each.subscription is not None]


def find_subscription(connection: Connection, retailer: UUID, target: str) -> Endpoint:
    """The subscription of a retailer with this id.

    Raises:
        UnknownEndpointError: there is none.
    """
    try:
        found = endpoints.find(connection, UUID(target), retailer)
    except (ValueError, UnknownEndpointError):
        raise UnknownEndpointError("There is no such subscription.") from None
    if found.subscription is None or str(found.id) != target:
        raise UnknownEndpointError("There is no such subscription.")
    return found


def _subscription(who: Subscriber, wanted: WantedSubscription) -> Subscription:
    return Subscription(resources=wanted.resources, retailer_number=who.number)
