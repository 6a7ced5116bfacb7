"""What a retailer and a holder of its goods agreed on, in plain sentences."""

from datetime import timedelta
from typing import Final

from countermand.documents.sentences import span
from countermand.domain.policy import Cutoff, Policy, Silence, WholeOrder

WHOEVER: Final = "whoever holds the goods"
"""Who holds them, where it is every supplier without terms of its own."""


def sentences(policy: Policy, retailer: str, holder: str) -> list[str]:
    """A policy in plain sentences."""
    return list(told(policy, retailer, holder).values())


def told(policy: Policy, retailer: str, holder: str) -> dict[str, str]:
    """The sentence of each term that has something to say."""
    hours = " of working time" if policy.working_hours else ""
    found = {
        "customer_asks_retailer_first": f"{retailer} answers a customer's ask first, then {holder}."
        if policy.customer_asks_retailer_first
        else f"A customer's ask goes to {holder} at once.",
        "answer_within": f"Each has {_length(policy.answer_within_s)}{hours} to answer."
        if policy.answer_within_s is not None
        else "An answer has no deadline.",
        "silence": _SILENCE[policy.silence],
        "accepts_until": _upper(_ACCEPTS[policy.accepts_until].format(holder=holder)),
    }
    if policy.accepts_for_s is not None:
        limit = _length(policy.accepts_for_s)
        found["accepts_for"] = _upper(f"{holder} accepts none later than {limit} after ordering.")
    if policy.free_window_s:
        found["free_window"] = f"Within {_length(policy.free_window_s)} after ordering an ask is accepted at once."
    found["whole_order"] = _WHOLE[policy.whole_order]
    if policy.proof_within_s is not None:
        within = _length(policy.proof_within_s)
        found["proof_within"] = f"Who declines as already shipped names the parcel within {within}{hours}."
    if each := policy.working_hours:
        found["working_hours"] = f"Working time is from {each.opens:%H:%M} to {each.closes:%H:%M} in {each.zone}."
        if each.holidays_of:
            found["holidays"] = f"Nobody works on holidays of {each.holidays_of}."
    return found


def told_of_term(term: str, policy: Policy, retailer: str, holder: str) -> str:
    """The sentence of one term, also of one that sets nothing."""
    return told(policy, retailer, holder).get(term) or _upper(_UNSET[term].format(holder=holder))


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
_UNSET: Final = {
    "accepts_for": "{holder} accepts cancellations however long after ordering.",
    "free_window": "no ask is accepted at once.",
    "proof_within": "who declines as already shipped needs no proof.",
    "working_hours": "time to answer passes at all hours.",
    "holidays": "holidays are days as any other.",
}
"""What it means that a policy does not set a term."""
