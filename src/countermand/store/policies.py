"""Policies as they are kept: a document of terms, of which any may be missing."""

from dataclasses import asdict
from enum import Enum
from typing import Any

from countermand.domain.policy import Cutoff, Policy, Silence, WholeOrder

_ENUMS = {"silence": Silence, "whole_order": WholeOrder, "accepts_until": Cutoff}


def policy_of_terms(version: int, terms: dict[str, Any]) -> Policy:
    """The policy that these terms state; what they leave out has the default.

    Raises:
        ValueError, TypeError: the document holds something that is no term.
    """
    values: dict[str, Any] = {name: _ENUMS[name](value) if name in _ENUMS else value for name, value in terms.items()}
    return Policy(version=version, **values)


def terms_of_policy(policy: Policy) -> dict[str, Any]:
    """The document for a policy, without its version."""
    terms = {name: value.value if isinstance(value, Enum) else value for name, value in asdict(policy).items()}
    del terms["version"]
    return terms
