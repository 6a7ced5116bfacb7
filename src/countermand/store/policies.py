"""Policies as they are kept: a document of terms, of which any may be missing."""

from collections.abc import Container, Mapping
from dataclasses import fields
from datetime import date, time
from enum import Enum
from functools import cache
from typing import Any

from countermand.domain.policy import Cutoff, Policy, Silence, WholeOrder
from countermand.domain.working_hours import WorkingHours

_ENUMS = {"silence": Silence, "whole_order": WholeOrder, "accepts_until": Cutoff}


def policy_of_terms(version: int, terms: Mapping[str, Any]) -> Policy:
    """The policy that these terms state; what they leave out has the default.

    Raises:
        ValueError, TypeError: the document holds something that is no term.
    """
    values: dict[str, Any] = {name: _ENUMS[name](value) if name in _ENUMS else value for name, value in terms.items()}
    if values.get("working_hours"):
        values["working_hours"] = hours_of_terms(values["working_hours"])
    return Policy(version=version, **values)


def terms_of_policy(policy: Policy) -> dict[str, Any]:
    """The document for a policy, without its version."""
    hours = policy.working_hours
    values = {each.name: getattr(policy, each.name) for each in fields(policy) if each.name != "version"}
    terms: dict[str, Any] = {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}
    terms["working_hours"] = hours and {
        "zone": hours.zone,
        "days": list(hours.days),
        "opens": hours.opens.isoformat("minutes"),
        "closes": hours.closes.isoformat("minutes"),
        "holidays_of": hours.holidays_of,
    }
    return terms


def hours_of_terms(terms: dict[str, Any]) -> WorkingHours:
    """``holidays_of`` is a country, or a country and its part: ``NL``, ``DE-BY``."""
    named = terms.get("holidays_of", "")
    return WorkingHours(
        zone=terms["zone"],
        days=tuple(terms["days"]),
        opens=time.fromisoformat(terms["opens"]),
        closes=time.fromisoformat(terms["closes"]),
        holidays_of=named,
        holidays=_calendar(named) if named else frozenset(),
    )


@cache
def _calendar(name: str) -> Container[date]:
    # Its data takes a fifth of a second to import, which only those who use it shall wait for.
    from holidays import country_holidays

    country, _, part = name.partition("-")
    try:
        return country_holidays(country, subdiv=part or None)
    except NotImplementedError as error:
        raise ValueError(f"there is no holiday calendar {name}") from error
