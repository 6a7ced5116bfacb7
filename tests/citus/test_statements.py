"""Every statement that the package sends in its forms for Citus keeps to the rules that Citus has.

The statements are those of the questions in ``tests/store/test_plans.py``, where every function that takes a connection
has its own. They are sent on plain PostgreSQL, and judged by its own parser.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import pytest
from sqlalchemy import Connection

from countermand.store import tables as t
from countermand.store.engines.opening import open_database
from tests.store.test_plans import READS, Filled
from tests.support import templates
from tests.support.citus import stand_in
from tests.support.pgnode import Node
from tests.support.plans import statements_of
from tests.support.population import populate
from tests.support.spreading import Verdict, judged

LINES: Final = 12_000

FAULTS: Final = {
    "admin.endpoints.remove": {"notices is changed on several servers"},
    "store.outbox.recover": {"notices is changed on several servers"},
    "store.erasure.erase_customer": {"idempotency_records is changed on several servers"},
}
"""What all servers carry out, by who sends it: calls of an operator about notices and replies of any retailer."""

OF_ONE_SERVER: Final = {
    "service.batch.run_batch",
    "reads.cancellations.cancellation_for_customer",
    "reads.cancellations.cancellation_to_answer",
    "reads.events.event_keys_shown",
    "reads.events.events_for_sending",
    "reads.line_lists.place_of_line",
    "reads.lines.line_by_id",
    "reads.lines.line_of_bol_number",
    "reads.lines.line_of_number",
    "reads.lines.line_view",
    "reads.lines.lines_of_numbers",
    "reads.order_summaries.order_summary",
    "reads.order_summaries.order_with_lines",
    "reads.order_summaries.stored_order",
    "reads.orders.order_by_id",
    "reads.process_statuses.process_status",
    "reads.process_statuses.process_statuses",
    "reads.refunds.account_by_order",
    "reads.refunds.quote_order",
    "reads.seller_orders.seller_order",
    "reads.subjects.subjects_of",
    "store.outbox.mark_dead",
    "store.outbox.replay",
    "store.outbox.settle",
    "store.recovery.recover_some",
    "store.refunds.counted_elsewhere",
    "store.refunds.refunds_of_payment",
    "store.refunds.refunds_sharing",
    "store.refunds.released_before",
    "store.refunds.was_parked_for",
    "store.retention.orders_with_customer",
    "store.retention.purge",
}
"""The road, what workers save, and reads by an id whose retailer a map knows. What a worker has to do is looked for on
all servers, as are lists, and cancellations, refunds and parcels by their ids, whose retailer no map knows."""


@dataclass(frozen=True)
class Sent:
    """A statement, who sends it, and what was found out about it."""

    text: str
    names: Sequence[str]
    verdict: Verdict


@pytest.fixture
def statements_keep_the_rules() -> None:
    """They are judged here one by one."""


@pytest.fixture(scope="module")
async def sent(postgres: Node, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Sequence[Sent]]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COUNTERMAND_KEY_FILE", str(tmp_path_factory.mktemp("statements") / "keys"))
        url = templates.new_database(postgres)
        population = await asyncio.to_thread(populate, url, LINES)
        stand_in(url, is_spread=True)
        database = await open_database(url, allow_weak_durability=True)
        names: dict[str, set[str]] = defaultdict(set)
        given: dict[str, Any] = {}

        def ask(connection: Connection, name: str) -> None:
            for question in READS[name](Filled(url, population)).values():
                for each in statements_of(connection, question):
                    names[each.statement].add(name)
                    given.setdefault(each.statement, each.given or ())

        for name in READS:
            await database.write(partial(ask, name=name))
        await database.close()
        yield [Sent(text, sorted(names[text]), judged(text, given[text])) for text in names]


@pytest.mark.anyio
async def test_no_other_statement_is_one_that_citus_refuses(sent: Sequence[Sent]) -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for each in sent:
        for name in each.names if each.verdict.faults else ():
            found[name].update(each.verdict.faults)
    assert found == FAULTS
    assert len(sent) > 900
    assert sum(bool(each.verdict.tables) for each in sent) > 700


@pytest.mark.anyio
async def test_the_road_workers_and_reads_by_id_ask_one_server(sent: Sequence[Sent]) -> None:
    asked = [each for each in sent if each.verdict.tables - t.BY_OWN_KEY.keys()]
    several = {name for each in asked if not each.verdict.is_of_one for name in each.names}
    assert several & OF_ONE_SERVER == set()
    assert {name for each in asked for name in each.names} >= OF_ONE_SERVER


BROKEN: Final = {
    "a lock of several retailers": (
        "SELECT id FROM lines WHERE retailer_id = ANY ($1) AND id = ANY ($2) FOR UPDATE",
        "FOR UPDATE of rows of several servers",
    ),
    "a change without its retailer": ("UPDATE lines SET open = 1 WHERE id = $1", "lines is changed on several servers"),
    "a deletion without its retailer": ("DELETE FROM notices WHERE id = $1", "notices is changed on several servers"),
    "a row that changes its retailer": (
        "UPDATE lines SET retailer_id = $1 WHERE retailer_id = $2",
        "retailer_id of lines is changed",
    ),
    "a row without a retailer": ("INSERT INTO lines (id) VALUES ($1)", "a row of lines without retailer_id"),
    "a time in DO UPDATE": (
        "INSERT INTO orders (retailer_id, id) VALUES ($1, $2) ON CONFLICT (retailer_id, id)"
        " DO UPDATE SET placed_at = now()",
        "a function in DO UPDATE",
    ),
    "a join by another column": (
        "SELECT 1 FROM lines JOIN orders ON orders.id = lines.order_id",
        "lines and orders are not joined by their key",
    ),
    "a look-up by another column": (
        "SELECT 1 FROM orders WHERE EXISTS (SELECT 1 FROM lines WHERE lines.order_id = orders.id)",
        "lines is looked up by another column than its key",
    ),
    "a limit in a look-up": (
        "SELECT (SELECT id FROM lines WHERE lines.retailer_id = orders.retailer_id LIMIT 1) FROM orders",
        "LIMIT or OFFSET in a query that is looked up row by row",
    ),
    "a look-up from found rows": (
        "SELECT 1 FROM (SELECT retailer_id, id FROM orders LIMIT 9) AS first"
        " WHERE EXISTS (SELECT 1 FROM lines WHERE lines.retailer_id = first.retailer_id)",
        "what every server has is looked up in spread tables, row by row",
    ),
    "a look-up that leaves whose it is to what is around": (
        "SELECT 1 FROM parties WHERE parties.id = $1 AND (parties.kind = 'platform' OR"
        " EXISTS (SELECT 1 FROM connections WHERE connections.retailer_id = parties.id))",
        "what every server has is looked up in spread tables, row by row",
    ),
    "a lock with a look-up": (
        "SELECT (SELECT kind FROM orders WHERE orders.retailer_id = lines.retailer_id) FROM lines"
        " WHERE lines.retailer_id = $1 FOR UPDATE",
        "FOR UPDATE, and orders is looked up",
    ),
    "a recursive query": (
        "WITH RECURSIVE r(id) AS (SELECT id FROM notices UNION ALL SELECT id FROM r) SELECT * FROM r",
        "a recursive query",
    ),
    "a change as a part": (
        "WITH gone AS (DELETE FROM lines WHERE retailer_id = $1 RETURNING id) SELECT * FROM gone",
        "a change as a part of another statement",
    ),
    "a table of the coordinator": (
        "SELECT 1 FROM events, feed WHERE events.retailer_id = $1",
        "feed stands at the coordinator only",
    ),
    "documents as a table": (
        "SELECT 1 FROM lines JOIN json_array_elements($1) AS given(value) ON lines.id = value",
        "json_array_elements in FROM",
    ),
}


@pytest.mark.parametrize(("statement", "fault"), BROKEN.values(), ids=BROKEN.keys())
def test_a_statement_that_breaks_a_rule_is_noticed(statement: str, fault: str) -> None:
    assert fault in judged(statement).faults


KEPT: Final = {
    "one retailer": "SELECT id FROM lines WHERE retailer_id = $1 AND id = ANY ($2) ORDER BY id FOR UPDATE",
    "joined by the key": "SELECT 1 FROM lines JOIN orders ON orders.retailer_id = lines.retailer_id"
    " AND orders.id = lines.order_id WHERE lines.retailer_id = $1",
    "a look-up that is a join": "SELECT 1 FROM parties WHERE parties.id = $1 AND EXISTS (SELECT 1 FROM connections"
    " WHERE connections.retailer_id = parties.id)",
    "rows of an array": "UPDATE lines SET open = r.open FROM unnest($2, $3) AS r(id, open)"
    " WHERE lines.retailer_id = $1 AND lines.id = r.id",
}


@pytest.mark.parametrize("statement", KEPT.values(), ids=KEPT.keys())
def test_a_statement_of_one_server_is_taken_for_one(statement: str) -> None:
    verdict = judged(statement)
    assert (verdict.is_of_one, verdict.faults) == (True, ())


def test_two_values_of_a_key_are_two_servers() -> None:
    statement = "INSERT INTO order_keys (retailer_id, key) VALUES ($1, $2), ($3, $4)"
    assert judged(statement, ("one", "a", "one", "b")).is_of_one
    assert not judged(statement, ("one", "a", "two", "b")).is_of_one
