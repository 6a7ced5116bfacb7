"""Policies: what a retailer agreed with whoever holds its goods, in plain sentences, version by version."""

from typing import Final

from countermand.admin.callers import Permission
from countermand.admin.policies import in_force
from countermand.console.errors import PageError
from countermand.console.pages.parties import choices
from countermand.console.rendering import Note, show_page
from countermand.console.visit import Visit
from countermand.documents.policy_sentences import sentences
from countermand.domain.parties import PartyKind
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.reads.policies import ANY_FULFILLER, PolicyView, policy_history
from countermand.reads.views import PartyView
from countermand.store.policies import policy_of_terms
from countermand.wire.response import Reply

PATH: Final = "/console/policies"


async def look(visit: Visit) -> Reply:
    """What holds between a retailer and a holder of goods, and what held before."""
    retailers = await choices(visit, PartyKind.RETAILER)
    suppliers = await choices(visit, PartyKind.SUPPLIER)
    retailer = await chosen_party(visit, "retailer")
    if retailer is None:
        return show_page(
            visit,
            "policies.html",
            title="Policies",
            retailers=retailers,
            suppliers=suppliers,
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
        suppliers=suppliers,
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
