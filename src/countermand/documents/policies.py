"""Policies as JSON."""

from typing import Any

from countermand.domain.policy import Policy
from countermand.store.policies import terms_of_policy


def policy_document(policy: Policy) -> dict[str, Any]:
    """The version of a policy, and its terms as they are stored."""
    return {"version": policy.version, **terms_of_policy(policy)}
