"""Commands about policies."""

import re
from datetime import time
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter
from sqlalchemy import Connection

from countermand.admin import policies
from countermand.cli.durations import as_duration, seconds
from countermand.cli.orders import operator
from countermand.cli.output import Exit, fail, print_json
from countermand.cli.running import DatabaseFlag, JsonFlag, ask_database, read_settings, with_database
from countermand.documents.policies import policy_document
from countermand.domain.policy import Cutoff, Policy, Silence, WholeOrder
from countermand.domain.working_hours import WorkingHours
from countermand.road import Application

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

SupplierFlag = Annotated[str | None, Parameter(help="Name or id; left out: every supplier without terms of its own")]


def policy_show(
    *, retailer: str, supplier: SupplierFlag = None, database: DatabaseFlag = None, json: JsonFlag = False
) -> None:
    """Show what a retailer agreed with a supplier, and since when.

    Parameters
    ----------
    retailer
        Name or id of the retailer.
    """

    def question(connection: Connection) -> Policy:
        seller, holder = policies.pair(connection, retailer, supplier)
        return policies.in_force(connection, seller, holder)

    _print(ask_database(read_settings(database=database), question), json=json)


def policy_set(
    *,
    retailer: str,
    supplier: SupplierFlag = None,
    answer_within: Annotated[str | None, Parameter(help="48h, 30m, 2d, or never")] = None,
    silence: Annotated[Silence | None, Parameter(help="What happens to an ask at its deadline")] = None,
    whole_order: Annotated[WholeOrder | None, Parameter(help="When a line of an order cannot be cancelled")] = None,
    free_window: Annotated[str | None, Parameter(help="For how long after ordering asks are accepted at once")] = None,
    accepts_until: Annotated[Cutoff | None, Parameter(help="Until when the supplier accepts cancellations")] = None,
    accepts_for: Annotated[str | None, Parameter(help="For how long after ordering, or always")] = None,
    customer_asks_retailer_first: bool | None = None,
    proof_within: Annotated[str | None, Parameter(help="Time to name the parcel of a decline, or never")] = None,
    working_hours: Annotated[str | None, Parameter(help="'mon-fri 09:00-17:00 Europe/Amsterdam', or none")] = None,
    holidays: Annotated[str | None, Parameter(help="Country of the holidays in working hours: NL, DE-BY")] = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Save a new version of the policy of a retailer and a supplier. Terms that are not named stay as they were.

    Cancellations that are asked already keep the version they were asked under.

    Parameters
    ----------
    retailer
        Name or id of the retailer.
    customer_asks_retailer_first
        Whether a customer's ask waits for the retailer before it goes to the supplier.
    """
    changes: dict[str, Any] = {
        "silence": silence,
        "whole_order": whole_order,
        "accepts_until": accepts_until,
        "customer_asks_retailer_first": customer_asks_retailer_first,
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    if answer_within is not None:
        changes["answer_within_s"] = None if answer_within == "never" else seconds(answer_within)
    if free_window is not None:
        changes["free_window_s"] = seconds(free_window)
    if accepts_for is not None:
        changes["accepts_for_s"] = None if accepts_for == "always" else seconds(accepts_for)
    if proof_within is not None:
        changes["proof_within_s"] = None if proof_within == "never" else seconds(proof_within)
    changes |= _working_hours(working_hours, holidays)

    async def work(application: Application) -> Policy:
        change = partial(
            policies.change_terms,
            now=application.clock(),
            retailer=retailer,
            supplier=supplier,
            changes=changes,
            by=operator().name,
        )
        return await application.database.write(change)

    policy = with_database(read_settings(database=database), work)
    _print(policy, json=json)


def _print(policy: Policy, *, json: bool) -> None:
    if json:
        print_json(policy_document(policy))
        return
    print(f"version: {policy.version or 'none written down; these are the defaults'}")
    for flag, value in _as_flags(policy).items():
        print(f"{flag}: {value}")


def _as_flags(policy: Policy) -> dict[str, str]:
    """The terms as ``policy set`` takes them."""

    def duration(length_s: int | None, never: str) -> str:
        return never if length_s is None else as_duration(length_s)

    hours = policy.working_hours
    return {
        "answer-within": duration(policy.answer_within_s, "never"),
        "silence": policy.silence.value,
        "whole-order": policy.whole_order.value.replace("_", "-"),
        "free-window": duration(policy.free_window_s, "0s"),
        "accepts-until": policy.accepts_until.value,
        "accepts-for": duration(policy.accepts_for_s, "always"),
        "customer-asks-retailer-first": "yes" if policy.customer_asks_retailer_first else "no",
        "proof-within": duration(policy.proof_within_s, "never"),
        "working-hours": _as_text(hours) if hours else "none",
        "holidays": (hours and hours.holidays_of) or "none",
    }


def _as_text(hours: WorkingHours) -> str:
    days = ",".join(DAYS[day] for day in hours.days)
    for first in hours.days:
        if hours.days == _days(first, last := (first + len(hours.days) - 1) % 7):
            days = f"{DAYS[first]}-{DAYS[last]}"
            break
    return f"{days} {hours.opens:%H:%M}-{hours.closes:%H:%M} {hours.zone}"


def _days(first: int, last: int) -> tuple[int, ...]:
    """From one day to the other, over the end of the week if need be: ``sun-thu``."""
    return tuple(sorted((first + more) % 7 for more in range((last - first) % 7 + 1)))


def _working_hours(text: str | None, holidays: str | None) -> dict[str, WorkingHours | None]:
    if text is None:
        if holidays is not None:
            fail(Exit.USAGE, "bad_working_hours", "--holidays goes with --working-hours.")
        return {}
    if text == "none":
        return {"working_hours": None}
    match = re.fullmatch(r"([a-z]{3})-([a-z]{3}) ([0-9:]{5})-([0-9:]{5}) (\S+)", text)
    try:
        if not match:
            raise ValueError("write them like 'mon-fri 09:00-17:00 Europe/Amsterdam'")
        first, last = DAYS.index(match[1]), DAYS.index(match[2])
        return {
            "working_hours": policies.working_hours(
                days=_days(first, last),
                opens=time.fromisoformat(match[3]),
                closes=time.fromisoformat(match[4]),
                zone=match[5],
                holidays_of=holidays or "",
            )
        }
    except ValueError as error:
        fail(Exit.USAGE, "bad_working_hours", f"{text!r} are no working hours: {error}.")
