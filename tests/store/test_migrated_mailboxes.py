"""Mailboxes of before count as confirmed, and go on getting what they got."""

import pytest
from sqlalchemy import Connection, select

from countermand.domain.events import EventKind
from countermand.store import tables as t
from tests.support.migrating import run_migration
from tests.support.world import World
from tests.worker.station import endpoint

pytestmark = pytest.mark.anyio

SINCE = {EventKind.LINE_RELEASED}
"""Kinds that came after that migration."""

ALL = [kind.value for kind in EventKind if kind not in SINCE]


def again(connection: Connection) -> None:
    """Take back what the migration adds, and run it on the rows that are there."""
    for index in ("ix_endpoints_unconfirmed", "ix_owner_mails_confirmations"):
        connection.exec_driver_sql(f"DROP INDEX {index}")
    connection.exec_driver_sql("ALTER TABLE endpoints DROP COLUMN unconfirmed_since")
    connection.exec_driver_sql("ALTER TABLE owner_mails DROP COLUMN recipient")
    run_migration(connection, "0017")


async def test_mailboxes_of_before_are_confirmed_and_keep_their_kinds(world: World) -> None:
    wanted = {
        await endpoint(world, world.retailer, "mailto:a@shop.example"): ALL,
        await endpoint(world, world.retailer, "MAILTO:b@shop.example"): ALL,
        await endpoint(world, world.retailer, "mailto:c@shop.example", event_kinds=["line.placed"]): ["line.placed"],
        await endpoint(world, world.retailer, "https://shop.example/mailto:x"): [],
    }
    await world.application.database.write(again)
    rows = await world.application.database.read(lambda c: c.execute(select(t.endpoints)).all())
    assert {row.id: row.event_kinds for row in rows} == wanted
    assert {row.unconfirmed_since for row in rows} == {None}
