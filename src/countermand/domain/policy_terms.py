"""The terms of a policy as people and programs write them: ``48h``, ``never``, ``mon-fri 09:00-17:00 Europe/Paris``."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any, Final

from countermand.domain.durations import as_duration, seconds
from countermand.domain.policy import Policy
from countermand.domain.working_hours import WorkingHours

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

LENGTHS: Final = {"answer_within": "never", "free_window": "", "accepts_for": "always", "proof_within": "never"}
"""The terms that are durations, and the word for one without end, where there can be one."""

TERMS: Final = (
    *("answer_within", "silence", "whole_order", "free_window", "accepts_until", "accepts_for"),
    *("customer_asks_retailer_first", "proof_within", "working_hours", "holidays"),
)
"""The terms of a policy, in the order in which they are shown."""

NONE: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Working hours, of which the holidays are said elsewhere."""

    days: tuple[int, ...]
    opens: time
    closes: time
    zone: str


def read_length(term: str, text: str) -> int | None:
    """The duration of a term in seconds; ``None`` for one without end.

    Raises:
        ValueError: it is none.
    """
    endless = LENGTHS[term]
    return None if endless and text == endless else seconds(text)


def read_hours(text: str) -> Hours | None:
    """Working hours as ``mon-fri 09:00-17:00 Europe/Amsterdam``, or ``none``. Days can be listed: ``mon,wed``.

    Raises:
        ValueError: they are written otherwise.
    """
    if text == NONE:
        return None
    match = re.fullmatch(r"([a-z,-]+) ([0-2][0-9]:[0-5][0-9])-([0-2][0-9]:[0-5][0-9]) (\S{1,100})", text)
    if not match:
        raise ValueError("must be like 'mon-fri 09:00-17:00 Europe/Amsterdam', or none")
    opens, closes = time.fromisoformat(match[2]), time.fromisoformat(match[3])
    return Hours(days=_read_days(match[1]), opens=opens, closes=closes, zone=match[4])


def read_holidays(text: str) -> str:
    """Whose holidays nobody works on: a country, or a country and its part; empty for ``none``.

    Raises:
        ValueError: it is no country.
    """
    if text == NONE:
        return ""
    if not re.fullmatch(r"[A-Z]{2,3}(-[A-Za-z0-9]{1,10})?", text):
        raise ValueError("must be a country such as NL, or a country and its part such as DE-BY, or none")
    return text


def changes_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """What these terms change of a policy, for ``admin.policies``: members of it, ``hours`` and ``holidays``.

    Raises:
        ValueError: a term is not written as it has to be.
    """
    changes: dict[str, Any] = {}
    for term, value in said.items():
        if term in LENGTHS:
            changes[f"{term}_s"] = read_length(term, value)
        elif term == "working_hours":
            changes["hours"] = read_hours(value)
        elif term == "holidays":
            changes["holidays"] = read_holidays(value)
        else:
            changes[term] = value
    return changes


def terms_of(policy: Policy) -> dict[str, str | bool]:
    """The terms as they are written."""
    hours = policy.working_hours
    return {
        "answer_within": _length(policy.answer_within_s, "never"),
        "silence": policy.silence.value,
        "whole_order": policy.whole_order.value,
        "free_window": as_duration(policy.free_window_s),
        "accepts_until": policy.accepts_until.value,
        "accepts_for": _length(policy.accepts_for_s, "always"),
        "customer_asks_retailer_first": policy.customer_asks_retailer_first,
        "proof_within": _length(policy.proof_within_s, "never"),
        "working_hours": _hours(hours) if hours else NONE,
        "holidays": (hours and hours.holidays_of) or NONE,
    }


def _length(length_s: int | None, endless: str) -> str:
    return endless if length_s is None else as_duration(length_s)


def _hours(hours: WorkingHours) -> str:
    days = ",".join(DAYS[day] for day in hours.days)
    for first in hours.days:
        if hours.days == _from_to(first, last := (first + len(hours.days) - 1) % 7):
            days = f"{DAYS[first]}-{DAYS[last]}"
            break
    return f"{days} {hours.opens:%H:%M}-{hours.closes:%H:%M} {hours.zone}"


def _from_to(first: int, last: int) -> tuple[int, ...]:
    """From one day to the other, over the end of the week if need be: ``sun-thu``."""
    return tuple(sorted((first + more) % 7 for more in range((last - first) % 7 + 1)))


def _read_days(text: str) -> tuple[int, ...]:
    first, dash, last = text.partition("-")
    named = [first, last] if dash else text.split(",")
    unknown = [each for each in named if each not in DAYS]
    if unknown or len(set(named)) < len(named) - (1 if dash else 0):
        raise ValueError("must name each of its days once, as mon-fri or mon,wed")
    found = [DAYS.index(each) for each in named]
    return _from_to(found[0], found[1]) if dash else tuple(sorted(found))
