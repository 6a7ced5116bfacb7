"""Policies as JSON."""

from collections.abc import Sequence
from typing import TypedDict

from countermand.domain.policy import Policy
from countermand.domain.working_hours import WorkingHours


class HoursDocument(TypedDict):
    """The hours in which an answer can be expected."""

    zone: str
    days: Sequence[int]
    opens: str
    closes: str
    holidays_of: str


class PolicyDocument(TypedDict):
    """A version of a policy, with its terms."""

    version: int
    answer_within_s: int | None
    silence: str
    whole_order: str
    free_window_s: int
    accepts_until: str
    accepts_for_s: int | None
    customer_asks_retailer_first: bool
    working_hours: HoursDocument | None
    proof_within_s: int | None


def policy_document(policy: Policy) -> PolicyDocument:
    """One version of a policy."""
    return {
        "version": policy.version,
        "answer_within_s": policy.answer_within_s,
        "silence": policy.silence.value,
        "whole_order": policy.whole_order.value,
        "free_window_s": policy.free_window_s,
        "accepts_until": policy.accepts_until.value,
        "accepts_for_s": policy.accepts_for_s,
        "customer_asks_retailer_first": policy.customer_asks_retailer_first,
        "working_hours": _hours(policy.working_hours) if policy.working_hours else None,
        "proof_within_s": policy.proof_within_s,
    }


def _hours(hours: WorkingHours) -> HoursDocument:
    return {
        "zone": hours.zone,
        "days": list(hours.days),
        "opens": hours.opens.isoformat("minutes"),
        "closes": hours.closes.isoformat("minutes"),
        "holidays_of": hours.holidays_of,
    }
