"""Policies: what a retailer agreed with whoever holds its goods, in plain sentences, version by version."""

from datetime import timedelta
from typing import Final

from countermand.admin.callers import Permission
from countermand.admin.policies import in_force
from countermand.console.errors import PageError
from countermand.console.markup import span
from countermand.console.rendering import Note, show_page
from countermand.console.visit import Visit
from countermand.domain.parties import PartyKind
from countermand.domain.policy import Cutoff, Policy, Silence, WholeOrder
from countermand.reads.parties import UnknownPartyError, find_party, list_parties
from countermand.reads.policies import ANY_FULFILLER, PolicyView, policy_history
from countermand.reads.views import PartyView
from countermand.store.policies import policy_of_terms
from countermand.wire.response import Reply

PATH: Final = "/console/policies"


async def look(visit: Visit) -> Reply:
    """What holds between a retailer and a holder of goods, and what held before."""
    parties = await visit.read(list_parties)
    retailers = [each for each in parties if each.kind == PartyKind.RETAILER.value]
    retailer = await chosen_party(visit, "retailer")
    if retailer is None:
        return show_page(
            visit,
            "policies.html",
            title="Policies",
            retailers=retailers,
            suppliers=parties,
            retailer=None,
            holder=None,
            may_change=False,
        )
    holder = await chosen_party(visit, "holder")
    policy = await visit.read(in_force, retailer.id, holder.id if holder else ANY_FULFILLER)
    history = await visit.read(policy_history, retailer.id, holder.id if holder else ANY_FULFILLER)
    name = holder.name if holder else "whoever holds the goods"
    return show_page(
        visit,
        "policies.html",
        title=f"Policy of {retailer.name} with {name}",
        note=Note(title="The new version is saved.", text="It holds for what is asked from now on.", mood="good")
        if visit.query.get("done") == "saved"
        else None,
        may_change=visit.may(Permission.MANAGE_POLICIES),
        retailers=retailers,
        suppliers=parties,
        retailer=retailer,
        holder=holder,
        version=policy.version,
        sentences=sentences(policy, retailer.name, holder.name if holder else "whoever holds the goods"),
        history=[(each, _changes(each, history, retailer.name, name)) for each in history],
    )


async def chosen_party(visit: Visit, name: str) -> PartyView | None:
    """The party that the address names under ``name``, if it does."""
    text = visit.query.get(name, "")
    if not text:
        return None
    try:
        return await visit.read(find_party, text)
    except UnknownPartyError:
        raise PageError(404, "There is no such party", "Choose one of the list.", links={PATH: "Policies"}) from None


def _changes(row: PolicyView, history: list[PolicyView], retailer: str, holder: str) -> list[str]:
    """What this version says that the one before did not."""
    older = [each for each in history if each.version < row.version]
    now = sentences(policy_of_terms(row.version, row.terms), retailer, holder)
    before = sentences(policy_of_terms(older[0].version, older[0].terms), retailer, holder) if older else []
    return [each for each in now if each not in before]


def sentences(policy: Policy, retailer: str, holder: str) -> list[str]:
    """A policy in plain sentences."""
    hours = " of working time" if policy.working_hours else ""
    found = [
        f"{retailer} answers a customer's ask first, then {holder}."
        if policy.customer_asks_retailer_first
        else f"A customer's ask goes to {holder} at once.",
        f"Each has {_length(policy.answer_within_s)}{hours} to answer."
        if policy.answer_within_s is not None
        else "An answer has no deadline.",
        _SILENCE[policy.silence],
        _upper(_ACCEPTS[policy.accepts_until].format(holder=holder)),
    ]
    if policy.accepts_for_s is not None:
        found.append(_upper(f"{holder} accepts none later than {_length(policy.accepts_for_s)} after ordering."))
    if policy.free_window_s:
        found.append(f"Within {_length(policy.free_window_s)} after ordering an ask is accepted at once.")
    found.append(_WHOLE[policy.whole_order])
    if policy.proof_within_s is not None:
        within = _length(policy.proof_within_s)
        found.append(f"Who declines as already shipped names the parcel within {within}{hours}.")
    if policy.working_hours:
        each = policy.working_hours
        found.append(f"Working time is from {each.opens:%H:%M} to {each.closes:%H:%M} in {each.zone}.")
    return found


def _upper(sentence: str) -> str:
    return f"{sentence[0].upper()}{sentence[1:]}"


def _length(seconds: int | None) -> str:
    return span(timedelta(seconds=seconds or 0))


_SILENCE: Final = {
    Silence.ACCEPT: "Silence means yes: the units are cancelled.",
    Silence.LAPSE: "Silence means no: the ask lapses, and the units are open again.",
    Silence.ESCALATE: "Silence means that an operator decides.",
}
_ACCEPTS: Final = {
    Cutoff.SHIPPED: "{holder} accepts cancellations until the goods are shipped.",
    Cutoff.ALLOCATED: "{holder} accepts cancellations until it has allocated the goods.",
    Cutoff.NEVER: "{holder} accepts no cancellations.",
}
_WHOLE: Final = {
    WholeOrder.ALL_OR_NOTHING: "An ask for a whole order cancels all of it, or nothing.",
    WholeOrder.WHAT_CAN_BE: "An ask for a whole order cancels what can be cancelled.",
}
