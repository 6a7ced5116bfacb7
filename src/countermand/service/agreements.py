"""Policies and the endpoints to notify. They seldom change, so a lane reads them once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.addresses.kinds import kind_of
from countermand.domain.events import Event
from countermand.domain.line import Cancellation, Line
from countermand.domain.policy import DEFAULT_POLICY, Policy
from countermand.domain.subscriptions import Subscription, subscription_of
from countermand.reads.policies import ANY_FULFILLER
from countermand.store import statements as sql
from countermand.store.policies import policy_of_terms
from countermand.store.views import views

PARTIES_KEPT: Final = 20_000
"""For how many parties the agreements are kept, before a lane drops them all."""


@dataclass(frozen=True, slots=True)
class _Version:
    policy: Policy
    since: datetime


@dataclass(frozen=True, slots=True)
class _Subscription:
    endpoint: UUID
    party: UUID
    is_platform: bool
    kinds: frozenset[str]
    asks_only: bool
    subscription: Subscription | None = None

    def wants(self, event: Event, retailer: UUID) -> bool:
        if self.subscription is not None:
            return self.party == retailer and self.subscription.reports(event.kind)
        if self.asks_only:
            return event.asks and (self.is_platform if event.awaiting is None else event.awaiting == self.party)
        return not self.kinds or event.kind in self.kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoint:
    id: UUID
    party_id: UUID
    url: str
    event_kinds: Sequence[str]
    subscription: Mapping[str, Any] | None
    kind: str


class Agreements:
    """Policies, endpoints and inactive parties (``gone``): read once, and kept until their revision changes.

    Source: docs/decisions/0013.
    """

    def __init__(self) -> None:
        self._revision: int | None = None
        self._policies: dict[UUID, dict[UUID, dict[int, _Version]]] = {}
        self._endpoints: dict[UUID, list[_Subscription]] = {}
        self._platform: list[_Subscription] = []
        self.gone: frozenset[UUID] = frozenset()

    def learn(self, connection: Connection, revision: int, retailers: set[UUID], parties: set[UUID]) -> None:
        """Read the policies of these retailers and the endpoints of these parties, unless they were read before."""
        fresh = revision != self._revision
        if fresh or len(self._policies) + len(self._endpoints) > PARTIES_KEPT:
            self._revision, self._policies, self._endpoints = revision, {}, {}
            self.gone = frozenset(connection.execute(sql.GONE).scalars())
        self._learn_policies(connection, retailers - self._policies.keys())
        self._learn_endpoints(connection, parties - self._endpoints.keys(), fresh)

    def policy(self, line: Line) -> Policy:
        """The present policy between the retailer and the fulfiller of this line."""
        agreed = self._policies.get(line.retailer, {})
        for fulfiller in (line.fulfiller, ANY_FULFILLER):
            versions = agreed.get(fulfiller)
            if versions:
                return versions[max(versions)].policy
        return DEFAULT_POLICY

    def policy_asked_under(self, line: Line, asked: Cancellation) -> Policy:
        """The policy when this cancellation was asked (EC-33)."""
        agreed = self._policies.get(line.retailer, {})
        for fulfiller in (line.fulfiller, ANY_FULFILLER):
            version = agreed.get(fulfiller, {}).get(asked.policy_version)
            # A version that is newer than the ask is another one with the same number.
            if version and version.since <= (asked.moved_at or asked.asked_at):
                return version.policy
        return DEFAULT_POLICY

    def endpoints(self, notified: Iterable[UUID], event: Event, retailer: UUID) -> list[UUID]:
        """The endpoints to notify of an event at a line of this retailer: the platform's and those of ``notified``.

        A mailbox that has named no kinds gets only events that ask for its party's answer.
        """
        if not (self._platform or any(self._endpoints.get(party) for party in notified)):
            return []
        wanted = [*self._platform, *(each for party in notified for each in self._endpoints.get(party, ()))]
        return [each.endpoint for each in wanted if each.wants(event, retailer)]

    def reporting_processes(self, retailer: UUID) -> list[UUID]:
        """The subscriptions of this retailer that are told when a process status has become final."""
        mine = self._endpoints.get(retailer, ())
        return [each.endpoint for each in mine if each.subscription and each.subscription.reports_processes]

    def _learn_policies(self, connection: Connection, retailers: set[UUID]) -> None:
        if not retailers:
            return
        self._policies |= {retailer: {} for retailer in retailers}
        for row in connection.execute(sql.POLICIES, {"retailers": sorted(retailers)}):
            versions = self._policies[row.retailer_id].setdefault(row.fulfiller_id, {})
            versions[row.version] = _Version(policy_of_terms(row.version, row.terms), row.since)

    def _learn_endpoints(self, connection: Connection, parties: set[UUID], fresh: bool) -> None:
        if not parties and not fresh:
            return
        self._platform = []
        self._endpoints |= {party: [] for party in parties}
        for row in views(_Endpoint, connection.execute(sql.ENDPOINTS, {"parties": sorted(parties)})):
            known = self._platform if row.kind == "platform" else self._endpoints[row.party_id]
            known.append(_subscription(row))


def _subscription(row: _Endpoint) -> _Subscription:
    return _Subscription(
        endpoint=row.id,
        party=row.party_id,
        is_platform=row.kind == "platform",
        kinds=frozenset(row.event_kinds),
        asks_only=not row.event_kinds and kind_of(row.url).asks_only,
        subscription=subscription_of(row.subscription) if row.subscription else None,
    )
