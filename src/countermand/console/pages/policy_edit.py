"""A policy is changed: what is filled in is shown as sentences first, and what would change; then it is saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import urlencode

from countermand.admin.policies import BadTermsError, KeptTerms, PolicyChangedError, change_terms, in_force, kept_terms
from countermand.console.errors import PageError
from countermand.console.forms import FieldError
from countermand.console.pages.policies import PATH, chosen_party
from countermand.console.rendering import redirect, show_page
from countermand.console.visit import Visit
from countermand.documents.policy_sentences import sentences
from countermand.domain.parties import PartyKind
from countermand.domain.policy import Cutoff, Policy, Silence, WholeOrder
from countermand.reads.policies import ANY_FULFILLER
from countermand.reads.views import PartyView
from countermand.wire.response import Reply

HOUR_S: Final = 3600
MINUTE_S: Final = 60

CHOICES: Final[Mapping[str, tuple[str, Mapping[Any, str]]]] = {
    "silence": (
        "If nobody answers in time",
        {
            Silence.LAPSE: "the ask lapses, and the units are open again",
            Silence.ACCEPT: "the units are cancelled",
            Silence.ESCALATE: "an operator decides",
        },
    ),
    "accepts_until": (
        "Cancellations are accepted",
        {
            Cutoff.SHIPPED: "until the goods are shipped",
            Cutoff.ALLOCATED: "until the goods are allocated",
            Cutoff.NEVER: "never",
        },
    ),
    "whole_order": (
        "An ask for a whole order",
        {
            WholeOrder.WHAT_CAN_BE: "cancels what can be cancelled",
            WholeOrder.ALL_OR_NOTHING: "cancels all of it, or nothing",
        },
    ),
}
LENGTHS: Final = {
    "answer_within_s": ("Hours to answer", HOUR_S, "Leave it empty for no deadline."),
    "free_window_s": (
        "Minutes after ordering in which an ask is accepted at once",
        MINUTE_S,
        "Leave it empty for none.",
    ),
    "accepts_for_s": (
        "Hours after ordering in which cancellations are accepted",
        HOUR_S,
        "Leave it empty for as long as above.",
    ),
    "proof_within_s": (
        "Hours to name the parcel after “already shipped”",
        HOUR_S,
        "Leave it empty if no proof is needed.",
    ),
}


async def _pair(visit: Visit) -> tuple[PartyView, PartyView | None]:
    retailer = await chosen_party(visit, "retailer")
    if retailer is None or retailer.kind != PartyKind.RETAILER.value:
        raise PageError(422, "No retailer is named", "Choose one of the list.", links={PATH: "Policies"})
    return retailer, await chosen_party(visit, "holder")


async def look(visit: Visit) -> Reply:
    """The form, filled with what holds now."""
    return await _page(visit)


async def _page(
    visit: Visit, *, status: int = 200, wrong: FieldError | None = None, proposed: Policy | None = None
) -> Reply:
    retailer, holder = await _pair(visit)
    fulfiller = holder.id if holder else ANY_FULFILLER
    now = await visit.read(in_force, retailer.id, fulfiller)
    kept = await visit.read(kept_terms, retailer=retailer.id, fulfiller=fulfiller) if proposed else []
    names = (retailer.name, holder.name if holder else "whoever holds the goods")
    before = sentences(now, *names)
    after = sentences(proposed, *names) if proposed else []
    return show_page(
        visit,
        "policy_edit.html",
        title=f"Policy of {retailer.name} with {holder.name if holder else 'every supplier without terms of its own'}",
        status=status,
        retailer=retailer,
        holder=holder,
        version=now.version,
        choices=CHOICES,
        lengths=LENGTHS,
        filled=_filled(visit, now),
        asked_first=visit.form.text("first") == "yes" if visit.form.pairs else now.customer_asks_retailer_first,
        keeps_hours=now.working_hours is not None,
        after=after,
        gone=[each for each in before if each not in after] if proposed else [],
        fresh=[each for each in after if each not in before],
        waiting=[_waiting(each, now, after, names) for each in kept],
        asks=sum(each.asks for each in kept),
        back=f"{PATH}?{_query(retailer, holder)}",
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Asks that wait and keep the terms of a version, with what these say that the proposed ones do not."""

    asks: int
    version: str
    says: list[str]


def _waiting(kept: KeptTerms, now: Policy, after: Sequence[str], names: tuple[str, str]) -> Waiting:
    version = f"version {kept.policy.version}" if kept.policy.version else "the defaults"
    return Waiting(
        asks=kept.asks,
        version=f"{version}, which {'hold' if not kept.policy.version else 'holds'} now"
        if kept.policy.version == now.version
        else version,
        says=[each for each in sentences(kept.policy, *names) if each not in after],
    )


def _query(retailer: PartyView, holder: PartyView | None) -> str:
    return urlencode({"retailer": retailer.id, **({"holder": holder.id} if holder else {})})


def _filled(visit: Visit, now: Policy) -> dict[str, str]:
    if visit.form.pairs:
        return {name: visit.form.text(name) for name in (*CHOICES, *LENGTHS)}
    lengths = {name: _shown(getattr(now, name), unit_s) for name, (_, unit_s, _) in LENGTHS.items()}
    return {**{name: getattr(now, name).value for name in CHOICES}, **lengths}


def _shown(seconds: int | None, unit_s: int) -> str:
    return f"{Decimal(seconds) / unit_s:f}" if seconds else ""


def _changes(visit: Visit) -> dict[str, Any]:
    """What the form says.

    Raises:
        FieldError: a field makes no sense.
    """
    found: dict[str, Any] = {"customer_asks_retailer_first": visit.form.text("first") == "yes"}
    for name, (_, choices) in CHOICES.items():
        given = visit.form.text(name)
        if given not in set(choices):
            raise FieldError(name, "Choose one of these.")
        found[name] = next(each for each in choices if each == given)
    for name, (_, unit_s, _) in LENGTHS.items():
        found[name] = _seconds(visit.form.text(name), name, unit_s)
    found["free_window_s"] = found["free_window_s"] or 0
    return found


def _seconds(text: str, name: str, unit_s: int) -> int | None:
    if not text:
        return None
    try:
        seconds = Decimal(text.replace(",", ".")) * unit_s
    except InvalidOperation:
        raise FieldError(name, "Write a number, such as 48 or 0.5.") from None
    if not (seconds.is_finite() and 0 <= seconds < 10**10 and seconds == seconds.to_integral_value()):
        raise FieldError(name, f"Write a number of whole seconds, up to {timedelta(days=3660).days:,} days.")
    return int(seconds)


async def save(visit: Visit) -> Reply:
    """Show what the form says, or save it as the next version."""
    retailer, holder = await _pair(visit)
    try:
        changes = _changes(visit)
        now = await visit.read(in_force, retailer.id, holder.id if holder else ANY_FULFILLER)
        try:
            proposed = replace(now, **changes)
        except ValueError as error:
            raise FieldError("form", f"These terms make no sense: {error}.") from None
        if visit.form.text("do") != "save":
            return await _page(visit, proposed=proposed)
        if visit.form.text("version") != str(now.version):
            raise FieldError("form", f"Somebody else has changed it: version {now.version} holds by now. Look again.")
        await visit.change(
            change_terms,
            visit.author,
            retailer=str(retailer.id),
            supplier=str(holder.id) if holder else None,
            changes=changes,
            based_on=now.version,
        )
    except (BadTermsError, PolicyChangedError) as error:
        return await _page(visit, status=422, wrong=FieldError("form", str(error)))
    except FieldError as error:
        return await _page(visit, status=422, wrong=error)
    return redirect(f"{PATH}?{_query(retailer, holder)}&done=saved")
