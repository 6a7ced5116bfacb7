"""Policies and judgements of before get ids of their time."""

from datetime import UTC
from typing import Final

import pytest
from sqlalchemy import Connection, select

from countermand.admin.policies import put_in_force
from countermand.admin.scores import Appeal, judged
from countermand.domain.commands import CancelOwn
from countermand.domain.policy import DEFAULT_POLICY
from countermand.domain.reasons import CancelReason
from countermand.ids import moment_of
from countermand.service.calls import Done
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


def migrate(connection: Connection) -> None:
    as_it_was(connection)
    run_migration(connection, REVISION)


async def test_judgements_of_before_have_ids_of_their_time(world: World) -> None:
    line = (await world.order(1, fulfillers=(world.supplier,))).lines[0].id
    done = await world.submit(CancelOwn(line=line, actor=world.actor(world.supplier), reason=CancelReason.OUT_OF_STOCK))
    assert isinstance(done, Done)

    def judge(connection: Connection) -> None:
        for party in (world.retailer, world.supplier):
            for excluded in (True, False):
                appeal = Appeal(cancellation=done.cancellations[0], party=str(party), reason="x", excluded=excluded)
                judged(connection, world.author(), appeal, zone=UTC)

    def read(connection: Connection) -> list[tuple[object, ...]]:
        query = select(t.judgements.c.version, t.judgements.c.id, t.judgements.c.at)
        mine = query.where(t.judgements.c.cancellation_id == done.cancellations[0])
        return [tuple(row) for row in connection.execute(mine.order_by(t.judgements.c.id))]

    await world.application.database.write(judge)
    await world.application.database.write(migrate)
    rows = await world.application.database.read(read)
    assert [row[0] for row in rows] == [1, 1, 2, 2]
    for _, named, at in rows:
        assert abs((moment_of(named) - at).total_seconds()) < 0.002  # type: ignore[arg-type, operator]


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
