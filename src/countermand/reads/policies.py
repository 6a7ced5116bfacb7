"""The policies of retailers with the holders of their goods."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, and_, exists, func, or_, select, true

from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.domain.policy import DEFAULT_POLICY, Policy
from countermand.reads.filters import given
from countermand.reads.scope import Scope
from countermand.store import tables as t
from countermand.store.policies import policy_of_terms
from countermand.store.views import view, view_or_none

ANY_FULFILLER: Final = UUID(int=0)
"""Under this id stands what a retailer agreed with every fulfiller that has no agreement of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """One version of what a retailer agreed with a fulfiller."""

    id: UUID
    retailer_id: UUID
    fulfiller_id: UUID
    version: int
    terms: Mapping[str, Any]
    since: datetime
    set_by: str


def policy_history(connection: Connection, retailer: UUID, fulfiller: UUID) -> list[PolicyView]:
    """Every version of what this retailer agreed with this fulfiller, newest first."""
    query = select(t.policies).where(t.policies.c.retailer_id == retailer, t.policies.c.fulfiller_id == fulfiller)
    return [view(PolicyView, row) for row in connection.execute(query.order_by(t.policies.c.version.desc()))]


def zone_between(connection: Connection, retailer: UUID, fulfiller: UUID) -> str:
    """The time zone of the working hours that hold now between the two; empty if they agreed on none (EC-30)."""
    for holder in (fulfiller, ANY_FULFILLER):
        history = policy_history(connection, retailer, holder)
        if history:
            hours = policy_of_terms(history[0].version, history[0].terms).working_hours
            return hours.zone if hours else ""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedPolicy(PolicyView):
    """A version with the names of the two; that of the fulfiller is missing where it is every one."""

    retailer_name: str
    fulfiller_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFilter:
    """Which versions to list: the newest of each pair, or with ``history`` all."""

    retailer: UUID | None = None
    fulfiller: UUID | None = None
    history: bool = False
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    limit: int = 50


def list_policies(connection: Connection, scope: Scope, wanted: PolicyFilter) -> list[NamedPolicy]:
    """Versions that a party sees, newest first."""
    policies, newer = t.policies.c, t.policies.alias("newer").c
    same = (newer.retailer_id == policies.retailer_id, newer.fulfiller_id == policies.fulfiller_id)
    query = _named().where(
        _seen_by(scope),
        *given(
            (policies.retailer_id.__eq__, wanted.retailer),
            (policies.fulfiller_id.__eq__, wanted.fulfiller),
            (policies.since.__ge__, wanted.since),
            (policies.since.__lt__, wanted.until),
            (policies.id.__lt__, wanted.after),
        ),
    )
    if not wanted.history:
        query = query.where(~exists().where(*same, newer.version > policies.version))
    rows = connection.execute(query.order_by(policies.id.desc()).limit(wanted.limit))
    return [view(NamedPolicy, row) for row in rows]


def policy_seen(connection: Connection, scope: Scope, policy: UUID) -> NamedPolicy | None:
    """One version, if this party sees it."""
    query = _named().where(t.policies.c.id == policy, _seen_by(scope))
    return view_or_none(NamedPolicy, connection.execute(query).first())


def named_version(connection: Connection, retailer: UUID, version: int) -> NamedPolicy | None:
    """A version of a retailer's, each of which has its own number; ``None`` for 0, which nobody wrote down."""
    query = _named().where(t.policies.c.retailer_id == retailer, t.policies.c.version == version)
    return view_or_none(NamedPolicy, connection.execute(query).first())


def policies_by_id(connection: Connection, policies: Collection[UUID]) -> dict[UUID, Policy]:
    """These versions, each by its id."""
    if not policies:
        return {}
    columns = t.policies.c
    query = select(columns.id, columns.version, columns.terms).where(columns.id.in_(sorted(policies)))
    return {row.id: policy_of_terms(row.version, row.terms) for row in connection.execute(query)}


def open_asks(connection: Connection, retailer: UUID, fulfiller: UUID) -> dict[int, int]:
    """How many asks wait for which what these two agree on would have held, by the version that they keep."""
    cancellations, policies = t.cancellations.c, t.policies.c
    own_terms = exists().where(policies.retailer_id == retailer, policies.fulfiller_id == cancellations.fulfiller_id)
    of_pair = ~own_terms if fulfiller == ANY_FULFILLER else cancellations.fulfiller_id == fulfiller
    query = select(cancellations.policy_version, func.count().label("asks")).where(
        cancellations.retailer_id == retailer, cancellations.state == State.ASKED.value, of_pair
    )
    counted = connection.execute(query.group_by(cancellations.policy_version).order_by(cancellations.policy_version))
    return {row.policy_version: row.asks for row in counted}


def _named() -> Select[Any]:
    sellers, holders = t.parties.alias("sellers"), t.parties.alias("holders")
    return (
        select(t.policies, sellers.c.name.label("retailer_name"), holders.c.name.label("fulfiller_name"))
        .join(sellers, sellers.c.id == t.policies.c.retailer_id)
        .outerjoin(holders, holders.c.id == t.policies.c.fulfiller_id)
    )


def _seen_by(scope: Scope) -> ColumnElement[bool]:
    """A retailer sees what it agreed on, a supplier what holds for it: with it, or with every supplier."""
    policies, links = t.policies.c, t.connections.c
    match scope.kind:
        case PartyKind.PLATFORM:
            return true()
        case PartyKind.RETAILER:
            return or_(policies.retailer_id == scope.party, policies.fulfiller_id == scope.party)
        case PartyKind.SUPPLIER:
            partner = exists().where(links.retailer_id == policies.retailer_id, links.supplier_id == scope.party)
            return or_(policies.fulfiller_id == scope.party, and_(policies.fulfiller_id == ANY_FULFILLER, partner))


def last_policy_version(connection: Connection, retailer: UUID) -> int:
    """The number of the retailer's latest version with any fulfiller; 0 before the first."""
    query = select(func.max(t.policies.c.version)).where(t.policies.c.retailer_id == retailer)
    return connection.execute(query).scalar_one() or 0


def policy_asked_under(
    connection: Connection, *, retailer: UUID, fulfiller: UUID, version: int, asked_at: datetime
) -> Policy:
    """The policy of a cancellation that was asked at a time under a version (EC-33)."""
    policies = t.policies.c
    query = select(t.policies).where(
        policies.retailer_id == retailer,
        or_(policies.fulfiller_id == fulfiller, policies.fulfiller_id == ANY_FULFILLER),
        policies.version == version,
        policies.since <= asked_at,
    )
    found = {row.fulfiller_id: row for row in connection.execute(query)}
    row = found.get(fulfiller) or found.get(ANY_FULFILLER)
    return policy_of_terms(row.version, row.terms) if row else DEFAULT_POLICY
