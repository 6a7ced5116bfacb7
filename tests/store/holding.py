"""What a database holds, and what must hold in it whatever happened."""

import asyncio
from collections import defaultdict
from itertools import pairwise
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Table, insert, select

from countermand.domain.money.pricing import returned
from countermand.store import tables as t
from countermand.store.engines.protocol import Database
from countermand.store.money import money_of_terms, units_of
from countermand.store.revisions import agreements_changed
from tests.support.waiting import HANGS_S
from tests.support.world import World

Rows = list[dict[str, Any]]

ANY_FULFILLER = UUID(int=0)


async def rows(database: Database, table: Table, *where: ColumnElement[bool]) -> Rows:
    """The rows of a table, in the order of its primary key."""

    def question(connection: Connection) -> Rows:
        found = connection.execute(select(table).where(*where).order_by(*table.primary_key.columns))
        return [dict(row._mapping) for row in found]

    return await database.read(question)


NOTES = {"cancellation.late_answer", "cancellation.case_opened", "cancellation.noted"}
"""Events that change no cancellation, and can follow its last change."""


async def everything(database: Database) -> dict[str, Rows]:
    """All that is stored."""
    return {table.name: await rows(database, table) for table in t.metadata.sorted_tables}


async def assert_sound(database: Database) -> None:
    """The invariants that need no knowledge of what was done."""
    held = await everything(database)
    events: dict[UUID, Rows] = defaultdict(list)
    for event in held["events"]:
        events[event["line_id"]].append(event)
    cancellations: dict[UUID, Rows] = defaultdict(list)
    for cancellation in held["cancellations"]:
        cancellations[cancellation["line_id"]].append(cancellation)
    for line in held["lines"]:
        _assert_line(line, cancellations[line["id"]], sorted(events[line["id"]], key=lambda event: event["seq"]))
    _assert_holders(held, events)
    _assert_tenants(held)
    _assert_money(held)
    numbers = [row["number"] for name in ("orders", "lines", "shipments", "process_statuses") for row in held[name]]
    assert len(set(numbers)) == len(numbers)
    assert all(0 < number < 2**31 for number in numbers)
    asked = {row["id"] for row in held["cancellations"] if row["state"] == "asked"}
    for process in held["process_statuses"]:
        assert (process["status"] == "PENDING") == (process["settled_at"] is None)
        assert process["status"] != "PENDING" or process["cancellation_id"] in asked


def _assert_holders(held: dict[str, Rows], events: dict[UUID, Rows]) -> None:
    """Each event names who held the goods just after it: whoever gave them away next, or who holds them."""
    for line in held["lines"]:
        moves = sorted((each for each in held["reassignments"] if each["line_id"] == line["id"]), key=_seq)
        for event in events[line["id"]]:
            later = [each["former_id"] for each in moves if each["seq"] > event["seq"]]
            assert event["fulfiller_id"] == (later or [line["fulfiller_id"]])[0]


def _seq(row: dict[str, Any]) -> int:
    return int(row["seq"])


def _assert_line(line: dict[str, Any], cancellations: Rows, events: Rows) -> None:
    buckets = {name: line[name] for name in ("open", "asked", "cancelled", "shipped")}
    assert sum(buckets.values()) == line["ordered"]
    assert min(buckets.values()) >= 0
    assert line["asked"] == sum(each["units"] for each in cancellations if each["state"] == "asked")
    assert line["cancelled"] == sum(each["accepted_units"] for each in cancellations)
    assert [event["seq"] for event in events] == list(range(1, line["seq"] + 1)), "one event for each change"
    assert buckets == {name: events[-1]["facts"][name] for name in buckets}
    assert line["shipped"] == sum(each["facts"]["units"] for each in events if each["kind"] == "line.shipped")
    for before, after in pairwise(events):
        assert before["at"] <= after["at"], "no event is earlier than its cause"
    for cancellation in cancellations:
        reported = [event["kind"] for event in events if event["cancellation_id"] == cancellation["id"]]
        reported = [kind for kind in reported if kind not in NOTES]
        assert reported[-1] == f"cancellation.{cancellation['state']}" or cancellation["state"] == "asked", reported
        assert cancellation["answered_at"] is None or cancellation["answered_at"] >= cancellation["asked_at"]
        assert cancellation["awaiting"] is None or cancellation["state"] == "asked"


def _assert_tenants(held: dict[str, Rows]) -> None:
    home = {row["id"]: row["retailer_id"] for row in held["id_directory"]}
    assert set(home) == {row["id"] for name in ("orders", "lines") for row in held[name]}
    for name in ("orders", "lines"):
        assert all(home[row["id"]] == row["retailer_id"] for row in held[name])
    for name in ("cancellations", "events", "shipment_lines"):
        assert all(home[row["line_id"]] == row["retailer_id"] for row in held[name])
    of_number = {row["number"]: (row["retailer_id"], row["line_id"]) for row in held["line_numbers"]}
    assert of_number == {row["number"]: (row["retailer_id"], row["id"]) for row in held["lines"]}


def _assert_money(held: dict[str, Rows]) -> None:
    """I5 and I6: what goes back follows from what is cancelled, and the journal says the same as the refunds."""
    cancelled = {row["id"]: row["cancelled"] for row in held["lines"]}
    refunds: dict[tuple[UUID, str, str], int] = defaultdict(int)
    for row in held["refunds"]:
        refunds[row["order_id"], row["payment_id"], row["kind"]] += row["amount_minor"]
    for row in held["order_money"]:
        money, counted = money_of_terms(row["terms"]), units_of(row["cancelled"])
        units = {line.id: cancelled[line.id] for line in money.lines}
        assert {line: n for line, n in units.items() if n} == counted
        for part, payment in zip(returned(money, units).payments, money.payments, strict=True):
            given_back = row["given_back"].get(part.payment, [0, 0])
            kinds = [refunds[row["id"], part.payment, kind] for kind in ("refund", "release")]
            assert kinds == given_back == [part.refund_minor, part.release_minor]
            assert part.refund_minor <= payment.captured_minor
            assert part.release_minor <= payment.authorised_minor
    _assert_journal(held)


def _assert_journal(held: dict[str, Rows]) -> None:
    balances: dict[UUID, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in held["journal"]:
        if row["refund_id"]:
            balances[row["refund_id"]][row["debit"]] -= row["amount_minor"]
            balances[row["refund_id"]][row["credit"]] += row["amount_minor"]
    for refund in held["refunds"]:
        assert {name: n for name, n in balances[refund["id"]].items() if n} == _books(refund)


def _books(refund: dict[str, Any]) -> dict[str, int]:
    """What the accounts say of a refund: what went back, and what of the rest is still owed."""
    if refund["kind"] == "release":
        return {}
    amount, gone = refund["amount_minor"], refund["elsewhere_minor"] + refund["paid_minor"]
    if refund["state"] == "confirmed":
        gone = max(gone, amount)
    owed = 0 if refund["state"] == "closed" else max(0, amount - gone)
    accounts = {"retailer": -gone - owed, "refunds_due": owed, f"provider:{refund['provider']}": gone}
    return {name: n for name, n in accounts.items() if n}


async def all_given_back(database: Database) -> None:
    """Wait until no connection is in use: what goes on beside the calls may not have ended yet."""
    async with asyncio.timeout(HANGS_S):
        while connections_in_use(database):  # noqa: ASYNC110 - a pool tells nobody
            await asyncio.sleep(0.005)


def connections_in_use(database: Database) -> int:
    """How many connections are out of their pools: none, once nothing is under way."""
    engines: Any = database
    return int(engines._writer.pool.checkedout() + engines._readers.pool.checkedout())


async def agree(world: World, fulfiller: UUID | None, version: int, **terms: Any) -> None:
    """Write down what the retailer agreed with one fulfiller, or with all others."""
    values = {
        "retailer_id": world.retailer,
        "fulfiller_id": fulfiller or ANY_FULFILLER,
        "version": version,
        "terms": terms,
        "since": world.clock(),
        "set_by": "test",
    }

    def agree(connection: Connection) -> None:
        connection.execute(insert(t.policies).values(values))
        agreements_changed(connection)

    await world.application.database.write(agree)
