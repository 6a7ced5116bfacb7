"""Policies as JSON."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from countermand.documents.parties import PartyOut
from countermand.documents.policy_sentences import WHOEVER, sentences, told_of_term
from countermand.domain.policy import Cutoff, Policy, Silence, WholeOrder
from countermand.domain.policy_terms import terms_of
from countermand.ids import show
from countermand.reads.policies import ANY_FULFILLER, NamedPolicy
from countermand.store.policies import policy_of_terms


class PolicyOut(BaseModel):
    """A version of what a retailer agreed with a supplier, or with every supplier that has no terms of its own."""

    id: Annotated[str | None, Field(description="its id; null for the defaults")]
    version: Annotated[int, Field(description="the number of the version among the retailer's; 0 for the defaults")]
    retailer: PartyOut
    supplier: Annotated[
        PartyOut | None, Field(description="the supplier; null where it is every one without terms of its own")
    ]
    answer_within: str
    answer_within_s: int | None
    silence: Silence
    whole_order: WholeOrder
    free_window: str
    free_window_s: int
    accepts_until: Cutoff
    accepts_for: str
    accepts_for_s: int | None
    customer_asks_retailer_first: bool
    proof_within: str
    proof_within_s: int | None
    working_hours: str
    holidays: str
    created_at: Annotated[datetime | None, Field(description="since when it holds; null for the defaults")]
    sentences: list[str]


class ChangeOut(BaseModel):
    """A term that would be another one."""

    term: str
    from_: Annotated[str | bool, Field(alias="from")]
    to: str | bool
    sentence: Annotated[str, Field(description="what would hold, as a sentence")]


class PolicyPreviewOut(BaseModel):
    """What a new version would be."""

    sentences: list[str]
    changes: list[ChangeOut]
    open_asks: int


def policy_shown(row: NamedPolicy) -> PolicyOut:
    """A version that somebody wrote down."""
    retailer = PartyOut(id=row.retailer_id, name=row.retailer_name)
    every = row.fulfiller_id == ANY_FULFILLER or row.fulfiller_name is None
    supplier = None if every else PartyOut(id=row.fulfiller_id, name=row.fulfiller_name or "")
    policy = policy_of_terms(row.version, row.terms)
    return _shown(policy, retailer, supplier, id=show("plc", row.id), created_at=row.since)


def defaults_shown(policy: Policy, retailer: PartyOut, supplier: PartyOut | None) -> PolicyOut:
    """What holds where nobody wrote anything down."""
    return _shown(policy, retailer, supplier, id=None, created_at=None)


def _shown(policy: Policy, retailer: PartyOut, supplier: PartyOut | None, **more: Any) -> PolicyOut:
    lengths = ("answer_within_s", "free_window_s", "accepts_for_s", "proof_within_s")
    return PolicyOut.model_validate(
        {
            **terms_of(policy),
            **{name: getattr(policy, name) for name in lengths},
            "version": policy.version,
            "retailer": retailer,
            "supplier": supplier,
            "sentences": sentences(policy, retailer.name, supplier.name if supplier else WHOEVER),
            **more,
        }
    )


def preview_shown(
    now: Policy, proposed: Policy, retailer: str, supplier: str | None, open_asks: int
) -> PolicyPreviewOut:
    """What a new version would be, term by term."""
    names = (retailer, supplier or WHOEVER)
    before, after = terms_of(now), terms_of(proposed)
    changes = [
        ChangeOut.model_validate(
            {
                "term": term,
                "from": before[term],
                "to": after[term],
                "sentence": told_of_term(term, proposed, *names),
            }
        )
        for term in after
        if after[term] != before[term]
    ]
    return PolicyPreviewOut(sentences=sentences(proposed, *names), changes=changes, open_asks=open_asks)
