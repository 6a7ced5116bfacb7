"""What retailers and fulfillers agreed on, version by version. Changed by operators, not on the write road."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert

from countermand.admin.finding import find_party, find_retailer
from countermand.domain.parties import PartyKind
from countermand.domain.policy import DEFAULT_POLICY, Policy
from countermand.domain.problems import UnfitError
from countermand.domain.working_hours import WorkingHours
from countermand.reads import policies as policy_reads
from countermand.reads.policies import ANY_FULFILLER
from countermand.store import tables as t
from countermand.store.policies import hours_of_terms, policy_of_terms, terms_of_policy
from countermand.store.revisions import agreements_changed


def in_force(connection: Connection, retailer: UUID, fulfiller: UUID) -> Policy:
    """What holds now between the two: their own terms, else those with every fulfiller, else the defaults."""
    for holder in (fulfiller, ANY_FULFILLER):
        history = policy_reads.policy_history(connection, retailer, holder)
        if history:
            return policy_of_terms(history[0].version, history[0].terms)
    return DEFAULT_POLICY


def put_in_force(
    connection: Connection, now: datetime, *, retailer: UUID, fulfiller: UUID, policy: Policy, by: str
) -> Policy:
    """Write down the next of the retailer's versions. Cancellations asked before keep theirs (EC-33)."""
    version = policy_reads.last_policy_version(connection, retailer) + 1
    connection.execute(
        insert(t.policies).values(
            retailer_id=retailer,
            fulfiller_id=fulfiller,
            version=version,
            terms=terms_of_policy(policy),
            since=now,
            set_by=by,
        )
    )
    agreements_changed(connection)
    return replace(policy, version=version)


class NoSupplierError(UnfitError):
    """The party holds no goods of others."""

    code = "no_supplier"


class BadTermsError(UnfitError):
    """These terms contradict each other, or are none."""

    code = "bad_terms"


def pair(connection: Connection, retailer: str, supplier: str | None) -> tuple[UUID, UUID]:
    """Who agrees with whom; without a supplier with every one that has no terms of its own.

    Raises:
        UnknownPartyError: there is no such party.
        NoRetailerError: the first is no retailer.
        NoSupplierError: the second is neither a supplier nor the retailer itself.
    """
    seller: UUID = find_retailer(connection, retailer).id
    if not supplier:
        return seller, ANY_FULFILLER
    holder = find_party(connection, supplier)
    if holder.id != seller and holder.kind != PartyKind.SUPPLIER.value:
        raise NoSupplierError(f"{holder.name} is a {holder.kind}, not a supplier.")
    return seller, holder.id


def change_terms(
    connection: Connection,
    now: datetime,
    *,
    retailer: str,
    supplier: str | None,
    changes: Mapping[str, Any],
    by: str,
) -> Policy:
    """Write down a new version of what two agreed. What ``changes`` does not name stays as it was.

    Raises:
        BadTermsError: the terms make no sense together.
        UnknownPartyError, NoRetailerError, NoSupplierError: as ``pair``.
    """
    seller, holder = pair(connection, retailer, supplier)
    try:
        policy = replace(in_force(connection, seller, holder), **changes)
    except ValueError as error:
        raise BadTermsError(f"These terms make no sense: {error}.") from error
    return put_in_force(connection, now, retailer=seller, fulfiller=holder, policy=policy, by=by)


def working_hours(*, days: tuple[int, ...], opens: time, closes: time, zone: str, holidays_of: str) -> WorkingHours:
    """Working hours with their holiday calendar.

    Raises:
        ValueError: there is no such zone or calendar, or the hours make no sense.
    """
    return hours_of_terms(
        {
            "zone": zone,
            "days": days,
            "opens": opens.isoformat("minutes"),
            "closes": closes.isoformat("minutes"),
            "holidays_of": holidays_of,
        }
    )
