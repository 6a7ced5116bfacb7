"""Commands about policies."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

from cyclopts import Parameter
from sqlalchemy import Connection

from countermand.admin import policies
from countermand.cli.durations import seconds
from countermand.cli.orders import operator
from countermand.cli.output import Exit, fail, print_json
from countermand.cli.running import DatabaseFlag, JsonFlag, ask_database, read_settings, with_database
from countermand.documents.policies import policy_document
from countermand.domain.policy import Cutoff, Policy, Silence, WholeOrder
from countermand.domain.policy_terms import LENGTHS, changes_of, terms_of
from countermand.road import Application

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
    changes = _changes({term: value for term, value in said.items() if value is not None})

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
    for term, value in terms_of(policy).items():
        print(f"{term.replace('_', '-')}: {_as_flag(term, value)}")


def _as_flag(term: str, value: str | bool) -> str:
    """A term as ``policy set`` takes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.replace("_", "-") if term == "whole_order" else value


def _changes(said: Mapping[str, Any]) -> dict[str, Any]:
    for term in LENGTHS.keys() & said.keys():
        if said[term] != LENGTHS[term]:
            seconds(said[term])
    try:
        return changes_of(said)
    except ValueError as error:
        fail(Exit.USAGE, "bad_working_hours", f"These are no working hours or holidays: it {error}.")
