"""Policies and judgements of before get ids of their time."""

from typing import Final

import pytest
from sqlalchemy import Connection, select

from countermand.admin.policies import put_in_force
from countermand.domain.policy import DEFAULT_POLICY
from countermand.ids import moment_of
from countermand.store import tables as t
from tests.support.migrating import run_migration
from tests.support.world import World

pytestmark = pytest.mark.anyio

REVISION: Final = "0026"


def as_it_was(connection: Connection) -> None:
    """The tables without what came then."""
    for name in (
        *("ix_policies_id", "ix_policies_fulfiller_id_id"),
        *("ix_judgements_id", "ix_judgements_party_id_id", "ix_judgements_cancellation_id"),
    ):
        connection.exec_driver_sql(f"DROP INDEX {name}")
    for table in ("policies", "judgements"):
        connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN id")


async def test_policies_of_before_have_ids_in_their_order(world: World) -> None:
    def fill(connection: Connection) -> None:
        for _ in range(3):
            put_in_force(
                connection,
                world.clock(),
                retailer=world.retailer,
                fulfiller=world.supplier,
                policy=DEFAULT_POLICY,
                by="test",
            )

    def migrate(connection: Connection) -> None:
        as_it_was(connection)
        run_migration(connection, REVISION)

    def read(connection: Connection) -> list[tuple[object, ...]]:
        query = select(t.policies.c.version, t.policies.c.id, t.policies.c.since)
        mine = query.where(t.policies.c.retailer_id == world.retailer)
        return [tuple(row) for row in connection.execute(mine.order_by(t.policies.c.id))]

    await world.application.database.write(fill)
    await world.application.database.write(migrate)
    rows = await world.application.database.read(read)
    versions = [row[0] for row in rows]
    assert versions == sorted(versions)  # type: ignore[type-var]
    assert len(versions) >= 3
    for _, named, since in rows:
        assert abs((moment_of(named) - since).total_seconds()) < 0.002  # type: ignore[arg-type, operator]
