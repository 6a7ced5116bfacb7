"""The policies of retailers with the holders of their goods."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Connection,
    func,
    or_,
    select,
)

from countermand.domain.policy import DEFAULT_POLICY, Policy
from countermand.store import tables as t
from countermand.store.policies import policy_of_terms
from countermand.store.views import view

ANY_FULFILLER: Final = UUID(int=0)
"""Under this id stands what a retailer agreed with every fulfiller that has no agreement of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """One version of what a retailer agreed with a fulfiller."""

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
