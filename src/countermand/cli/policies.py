"""Commands about policies."""

from collections.abc import Mapping
from typing import Annotated, Any

from cyclopts import Parameter

from countermand.cli import nouns
from countermand.cli.durations import seconds
from countermand.cli.nouns import Document
from countermand.cli.output import Exit, fail, manners, print_json, say
from countermand.cli.running import DatabaseFlag, JsonFlag
from countermand.domain.policy import Cutoff, Silence, WholeOrder
from countermand.domain.policy_terms import LENGTHS, TERMS, changes_of

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
    _print(nouns.policies(database).in_force(retailer, supplier), json=json)


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
    said = {
        "answer_within": answer_within,
        "silence": silence,
        "whole_order": whole_order,
        "free_window": free_window,
        "accepts_until": accepts_until,
        "accepts_for": accepts_for,
        "customer_asks_retailer_first": customer_asks_retailer_first,
        "proof_within": proof_within,
        "working_hours": working_hours,
        "holidays": holidays,
    }
    terms = {term: value for term, value in said.items() if value is not None}
    _check(terms)
    found = nouns.policies(database)
    if manners.dry_run:
        _print_preview(found.preview(retailer, supplier, terms), json=json)
    else:
        _print(found.change(retailer, supplier, terms), json=json)


def _print(policy: Document, *, json: bool) -> None:
    if json:
        print_json(policy)
        return
    print(f"version: {policy['version'] or 'none written down; these are the defaults'}")
    for term in TERMS:
        print(f"{term.replace('_', '-')}: {_as_flag(term, policy[term])}")


def _print_preview(preview: Document, *, json: bool) -> None:
    """What would change, a sentence each."""
    if json:
        print_json(preview)
        return
    for change in preview["changes"]:
        print(change["sentence"])
    if not preview["changes"]:
        say("Nothing would change.")
    elif preview["open_asks"]:
        say(f"{preview['open_asks']} asks wait for an answer and keep their terms.")


def _as_flag(term: str, value: str | bool) -> str:
    """A term as ``policy set`` takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.replace("_", "-") if term == "whole_order" else value


def _check(terms: Mapping[str, Any]) -> None:
    for term in LENGTHS.keys() & terms.keys():
        if terms[term] != LENGTHS[term]:
            seconds(terms[term])
    try:
        changes_of(terms)
    except ValueError as error:
        fail(Exit.USAGE, "bad_working_hours", f"These are no working hours or holidays: it {error}.")
