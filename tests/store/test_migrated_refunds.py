"""Refunds of before: what they have been through is kept, counted in steps, and told by the journal."""

from typing import Any, Final

import pytest
from sqlalchemy import Connection, delete, insert, inspect, update

from countermand.domain.money.commands import CloseRefund
from countermand.store import tables as t
from countermand.store.migrations import LATEST
from tests.money.test_settling import desk
from tests.store.holding import assert_sound
from tests.store.speaking import OPERATOR
from tests.support.migrating import run_migration
from tests.support.money import rows_of
from tests.support.world import World

pytestmark = pytest.mark.anyio

REVISION: Final = "0007"
AFTER: Final = ("0009", "0015")
"""Those after it that change the table: the code of today needs what they add."""
LATER: Final = (
    "paid_minor",
    "moved_minor",
    "step",
    "corrected_step",
    "parked_at",
    "no_provider",
    "waiting_for",
    "joined_lead",
    "joined_number",
    "joined_round",
    "joined_share_minor",
    "joined_total_minor",
)


def as_it_was(connection: Connection) -> None:
    """The table without what came later."""
    kept = [column.name for column in t.refunds.columns if column.name not in LATER]
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"CREATE TABLE was AS SELECT {', '.join(kept)} FROM refunds")
        connection.exec_driver_sql("DROP TABLE refunds")
        connection.exec_driver_sql("ALTER TABLE was RENAME TO refunds")
        return
    for name in LATER:
        connection.exec_driver_sql(f"ALTER TABLE refunds DROP COLUMN {name}")
    connection.exec_driver_sql("DROP INDEX ix_refunds_retailer_id_cancellation_id")
    for rule in (
        "ck_refunds_amount CHECK (amount_minor > 0)",
        "ck_refunds_state CHECK (round > 0)",
        "uq_refunds_retailer_id_cancellation_id_payment_id_kind"
        " UNIQUE (retailer_id, cancellation_id, payment_id, kind)",
    ):
        connection.exec_driver_sql(f"ALTER TABLE refunds ADD CONSTRAINT {rule}")


async def test_refunds_of_before_keep_what_they_went_through(world: World) -> None:
    assert int(LATEST) >= int(REVISION)
    here = await desk(world)
    await here.owed()
    await here.work()
    here.bank.script.extend(["refused", "refused"])
    for _ in range(2):
        world.clock.advance(seconds=1)
        await here.owed()
        await here.work()
    rows = sorted(await rows_of(world, "refunds"), key=lambda row: row.created_at)
    done, missing, closed = (row.id for row in rows)
    await here.sale.done(CloseRefund(line=here.sale.line, refund=closed, actor=OPERATOR, paid=False, note="kept"))

    def before(connection: Connection) -> None:
        words = {"last_result": "No provider stripe is set up here.", "elsewhere_minor": 300}
        connection.execute(update(t.refunds).where(t.refunds.c.id == missing).values(words))
        connection.execute(update(t.refunds).where(t.refunds.c.id == closed).values(elsewhere_minor=200))
        as_it_was(connection)
        run_migration(connection, REVISION)
        for each in AFTER:
            run_migration(connection, each)

    await world.application.database.write(before)
    after = {row.id: row for row in await rows_of(world, "refunds")}
    assert {id_: (row.state, row.step, row.round) for id_, row in after.items()} == {
        done: ("confirmed", 2, 1),
        missing: ("parked", 2, 1),
        closed: ("closed", 2, 1),
    }
    row = after[missing]
    assert (row.movement, row.no_provider, row.parked_at) == ("unknown", True, row.created_at), "it was no refusal"
    await assert_sound(world.application.database)


async def test_a_cancellation_may_owe_one_payment_twice_from_then_on(world: World) -> None:
    here = await desk(world)
    await here.owed()

    def twice(connection: Connection) -> Any:
        as_it_was(connection)
        run_migration(connection, REVISION)
        for each in AFTER:
            run_migration(connection, each)
        row = dict(connection.execute(t.refunds.select()).one()._mapping)
        other = world.application.ids.new()
        connection.execute(insert(t.refunds).values({**row, "id": other}))
        found = {index["name"] for index in inspect(connection).get_indexes("refunds")}
        connection.execute(delete(t.refunds).where(t.refunds.c.id == other))
        return found

    assert "ix_refunds_retailer_id_cancellation_id" in await world.application.database.write(twice)
