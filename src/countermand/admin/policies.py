"""What retailers and fulfillers agreed on, version by version. Changed by operators, not on the write road."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, select

from countermand.admin.audit import Action, Author, Change, differences, record
from countermand.admin.finding import find_party, find_retailer
from countermand.documents.parties import PartyOut
from countermand.documents.policies import PolicyOut, defaults_shown, policy_shown
from countermand.domain.parties import PartyKind
from countermand.domain.policy import DEFAULT_POLICY, Policy
from countermand.domain.policy_terms import Hours, terms_of
from countermand.domain.problems import RefusedError, UnfitError
from countermand.domain.working_hours import WorkingHours
from countermand.ids import made_at
from countermand.reads import policies as policy_reads
from countermand.reads.parties import UnknownPartyError, find_seen, party_name
from countermand.reads.policies import ANY_FULFILLER, NamedPolicy
from countermand.reads.scope import Scope
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
    """Write down the next of the retailer's versions, in no audit trail. Asks of before keep theirs (EC-33)."""
    version = policy_reads.last_policy_version(connection, retailer) + 1
    connection.execute(
        insert(t.policies).values(
            id=made_at(now),
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


def in_force_seen(connection: Connection, scope: Scope, *, retailer: str, supplier: str | None) -> PolicyOut:
    """What holds now between two parties that this one may see, of which it is one unless it is the platform.

    Raises:
        UnknownPartyError: there is no such party that it sees.
    """
    seller = find_seen(connection, scope, retailer)
    holder = find_seen(connection, scope, supplier) if supplier is not None else None
    if scope.kind is not PartyKind.PLATFORM and scope.party not in (seller.id, holder and holder.id):
        raise UnknownPartyError("There is no such party.")
    policy = in_force(connection, seller.id, holder.id if holder else ANY_FULFILLER)
    row = policy_reads.named_version(connection, seller.id, policy.version)
    if row is not None:
        return policy_shown(row)
    named_holder = PartyOut(id=holder.id, name=holder.name) if holder else None
    return defaults_shown(policy, PartyOut(id=seller.id, name=seller.name), named_holder)


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


class BadHoursError(BadTermsError):
    """There are no such working hours or holidays."""

    code = "bad_working_hours"


class PolicyChangedError(RefusedError):
    """Another version holds than the one that was seen."""

    code = "state_changed"


def change_terms(
    connection: Connection,
    author: Author,
    *,
    retailer: str,
    supplier: str | None,
    changes: Mapping[str, Any],
    based_on: int | None = None,
) -> NamedPolicy:
    """Write down a new version of what two agreed, and give it back. What ``changes`` does not name stays as it was.

    ``based_on`` is the version that was seen, if somebody saw one.

    Raises:
        BadTermsError: the terms make no sense together.
        PolicyChangedError: another version holds than ``based_on``.
        UnknownPartyError, NoRetailerError, NoSupplierError: as ``pair``.
    """
    seller, holder = pair(connection, retailer, supplier)
    # Two at once would take the same number.
    connection.execute(select(t.parties.c.id).where(t.parties.c.id == seller).with_for_update(key_share=True))
    before = _as_seen(in_force(connection, seller, holder), based_on)
    policy = amended(before, changes)
    new = put_in_force(connection, author.at, retailer=seller, fulfiller=holder, policy=policy, by=author.name)
    found = policy_reads.named_version(connection, seller, new.version)
    assert found is not None
    detail = {
        "supplier": found.fulfiller_name or "every supplier",
        **differences({"version": before.version}, {"version": new.version}),
        **differences(terms_of(before), terms_of(new)),
    }
    record(connection, author, Change(action=Action.POLICY_CREATED, party=seller, target=found.id, detail=detail))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What holds, what would hold, between whom, and how many asks wait that keep their terms."""

    now: Policy
    proposed: Policy
    retailer: str
    supplier: str | None
    open_asks: int


def preview(
    connection: Connection, *, retailer: str, supplier: str | None, changes: Mapping[str, Any], based_on: int
) -> Preview:
    """What a new version would be. Nothing changes.

    Raises:
        BadTermsError, PolicyChangedError, UnknownPartyError, NoRetailerError, NoSupplierError: as ``change_terms``.
    """
    seller, holder = pair(connection, retailer, supplier)
    now = _as_seen(in_force(connection, seller, holder), based_on)
    return Preview(
        now=now,
        proposed=amended(now, changes),
        retailer=party_name(connection, seller) or "",
        supplier=party_name(connection, holder),
        open_asks=sum(policy_reads.open_asks(connection, seller, holder).values()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptTerms:
    """Terms that so many asks keep which wait."""

    policy: Policy
    asks: int


def kept_terms(connection: Connection, *, retailer: UUID, fulfiller: UUID) -> list[KeptTerms]:
    """What the asks keep that wait between the two when a new version is written, the latest version first (EC-33)."""
    counted = policy_reads.open_asks(connection, retailer, fulfiller)
    return [
        KeptTerms(policy=_version(connection, retailer, version), asks=counted[version])
        for version in sorted(counted, reverse=True)
    ]


def _version(connection: Connection, retailer: UUID, version: int) -> Policy:
    row = policy_reads.named_version(connection, retailer, version)
    return policy_of_terms(row.version, row.terms) if row else DEFAULT_POLICY


def _as_seen(policy: Policy, based_on: int | None) -> Policy:
    if based_on is not None and policy.version != based_on:
        raise PolicyChangedError(f"Version {policy.version} holds by now. Read it, and decide again.")
    return policy


def amended(policy: Policy, changes: Mapping[str, Any]) -> Policy:
    """A policy with other terms: members of it; ``hours`` without holidays, and ``holidays`` by the name of a calendar.

    Raises:
        BadTermsError: the terms make no sense together.
    """
    members = dict(changes)
    if members.keys() & {"hours", "holidays"}:
        members["working_hours"] = _hours(policy.working_hours, members)
    try:
        return replace(policy, **members)
    except ValueError as error:
        raise BadTermsError(f"These terms make no sense: {error}.") from error


def _hours(now: WorkingHours | None, members: dict[str, Any]) -> WorkingHours | None:
    holidays = members.pop("holidays", None)
    hours: Hours | WorkingHours | None = members.pop("hours", now)
    if hours is None:
        if holidays:
            raise BadHoursError("Holidays go with working hours, and there are none.")
        return None
    if holidays is None:
        holidays = now.holidays_of if now else ""
    try:
        return working_hours(
            days=hours.days, opens=hours.opens, closes=hours.closes, zone=hours.zone, holidays_of=holidays
        )
    except ValueError as error:
        raise BadHoursError(f"There are no such working hours: {error}.") from error


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
