"""Nothing grows for ever: what was kept long enough goes, page by page; events, money and scores stay."""

import itertools
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Table, func, insert, select

from countermand.admin import credentials, jobs
from countermand.domain.jobs import JobFormat, JobKind
from countermand.reads.parties import find_party
from countermand.settings import Settings
from countermand.store import retention
from countermand.store import tables as t
from countermand.store.retention import SWEEPS
from countermand.worker.retention import Retention
from tests.support.world import World

pytestmark = pytest.mark.anyio

DAYS = Settings().retention
KEPT = {"events", "cancellations", "lines", "orders", "refunds", "journal", "order_money", "judgements", "audit"}


def _retention(world: World, **days: int) -> Retention:
    owned = world.application.worker.partitions
    return Retention(world.application.database, world.clock, owned, {**DAYS, **days}, pause_s=0)


async def _swept(world: World, **days: int) -> Mapping[str, int]:
    await world.application.worker.renew_leases()
    return await _retention(world, **days).sweep_all()


async def _count(world: World, table: Table) -> int:
    query = select(func.count()).select_from(table)
    return int(await world.application.database.read(lambda connection: connection.execute(query).scalar_one()))


async def _add(world: World, table: Table, rows: list[dict[str, Any]]) -> None:
    await world.application.database.write(lambda connection: connection.execute(insert(table), rows))


def _keys(world: World, count: int) -> list[dict[str, Any]]:
    return [
        {
            "retailer_id": retailer,
            "caller": "shop",
            "key": f"k{number}",
            "fingerprint": "f",
            "answer": {},
            "created_at": world.clock(),
        }
        for number, retailer in itertools.product(range(count), (world.retailer, world.other_retailer))
    ]


def _statuses(world: World, *statuses: str) -> list[dict[str, Any]]:
    return [
        {
            "retailer_id": world.retailer,
            "number": 9_000_000 + number,
            "event_type": "CANCEL_ORDER",
            "entity_id": "1",
            "status": status,
            "created_at": world.clock(),
            "settled_at": None if status == "PENDING" else world.clock(),
        }
        for number, status in enumerate(statuses)
    ]


async def _notices(world: World, *states: str) -> list[dict[str, Any]]:
    endpoint = world.application.ids.new()
    added = {
        "id": endpoint,
        "party_id": world.supplier,
        "url": "https://hooks.example/in",
        "event_kinds": [],
        "created_at": world.clock(),
    }
    await _add(world, t.endpoints, [added])
    return [
        {
            "retailer_id": world.retailer,
            "id": world.application.ids.new(),
            "partition": 0,
            "endpoint_id": endpoint,
            "event_id": world.application.ids.new(),
            "line_id": world.application.ids.new(),
            "seq": 1,
            "kind": "cancellation.asked",
            "state": state,
            "attempts": 1,
            "due_at": world.clock() + timedelta(days=5000) if state == "due" else None,
            "last_result": "",
            "created_at": world.clock(),
        }
        for state in states
    ]


async def test_idempotency_keys_go_after_their_days_over_all_pages_and_retailers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PAGE", 7)
    await _add(world, t.idempotency_records, _keys(world, 25))
    world.clock.advance(days=DAYS["idempotency_days"])
    assert await _swept(world) == {}
    world.clock.advance(seconds=1)
    await _add(world, t.idempotency_records, [row | {"key": "new"} for row in _keys(world, 1)])
    assert await _swept(world) == {"idempotency_records": 50}
    assert await _count(world, t.idempotency_records) == 2


async def test_sent_notices_go_before_dead_ones_and_one_that_is_due_stays(world: World) -> None:
    await _add(world, t.notices, await _notices(world, "sent", "dead", "due"))
    world.clock.advance(days=DAYS["notice_days"], seconds=1)
    assert await _swept(world) == {"notices": 1}
    world.clock.advance(days=DAYS["dead_notice_days"])
    assert await _swept(world) == {"notices": 1}
    world.clock.advance(days=3650)
    assert await _swept(world) == {}
    assert await _count(world, t.notices) == 1


async def test_ended_process_statuses_go_and_pending_ones_stay(world: World) -> None:
    await _add(world, t.process_statuses, _statuses(world, "SUCCESS", "FAILURE", "PENDING", "TIMEOUT"))
    world.clock.advance(days=DAYS["process_status_days"], seconds=1)
    assert await _swept(world) == {"process_statuses": 3}


async def test_credentials_go_some_time_after_they_ended_and_those_that_count_stay(world: World) -> None:
    before = await _count(world, t.credentials)

    def add(connection: Connection) -> None:
        party = find_party(connection, str(world.retailer))
        for expires_at in (world.clock() + timedelta(days=1), world.clock() + timedelta(days=3000), None):
            credentials.issue_token(
                connection, world.application.ids, world.clock(), party=party, expires_at=expires_at
            )

    await world.application.database.write(add)
    world.clock.advance(days=1 + DAYS["credential_days"])
    assert await _swept(world) == {}
    world.clock.advance(seconds=1)
    assert await _swept(world) == {"credentials": 1}
    assert await _count(world, t.credentials) == before + 2


async def test_jobs_go_some_time_after_they_ended_with_all_their_rows(world: World) -> None:
    ids, retailer = world.application.ids, world.retailer
    file = b"line\nx\ny\n"

    def make(connection: Connection) -> list[UUID]:
        made = []
        for _ in range(3):
            job = jobs.create(
                connection,
                world.author(),
                job=ids.new(),
                party=retailer,
                kind=JobKind.ASK,
                written=JobFormat.CSV,
            )
            jobs.upload(connection, party=retailer, job=job.id, number=1, content=file)
            made.append(job.id)
        return made

    begun, _, _ = await world.application.database.write(make)
    await world.application.database.write(
        lambda connection: jobs.start(connection, world.author(), party=retailer, job=begun, parts=1, rows=2)
    )
    await world.application.worker.do_jobs()
    world.clock.advance(days=DAYS["job_days"])
    assert await _swept(world) == {}
    second = (await world.application.database.write(make))[0]
    world.clock.advance(seconds=1)
    assert await _swept(world) == {"job_rows": 2, "job_parts": 2, "jobs": 3}
    assert await _count(world, t.jobs) == 3
    await world.application.database.write(
        lambda connection: jobs.start(connection, world.author(), party=retailer, job=second, parts=1, rows=2)
    )
    world.clock.advance(days=DAYS["job_days"] + 1)
    # What waits for a worker is not given up.
    assert await _swept(world) == {"job_parts": 2, "jobs": 2}


async def test_customers_of_old_orders_are_erased_only_where_a_setting_says_so(world: World) -> None:
    old = await world.order(1)
    world.clock.advance(days=400)
    new = await world.order(1)
    assert await _swept(world) == {}
    assert await _swept(world, customer_days=365) == {"orders": 1}
    assert await _swept(world, customer_days=365) == {}

    def erased(connection: Connection) -> dict[UUID, Any]:
        return {row.id: row.details.get("erased") for row in connection.execute(select(t.orders)).all()}

    found = await world.application.database.read(erased)
    assert found[new.id] is None
    assert found[old.id]["by"] == "retention"


async def test_a_worker_leaves_alone_what_is_another_ones(world: World) -> None:
    await _add(world, t.idempotency_records, _keys(world, 3))
    world.clock.advance(days=31)
    assert await _retention(world).sweep_all() == {}
    assert await _swept(world) == {"idempotency_records": 6}


def test_every_setting_has_its_sweep_and_what_must_stay_has_none() -> None:
    assert all(sweep.table.name not in KEPT for sweep in SWEEPS)
    assert {sweep.setting for sweep in SWEEPS} | {"customer_days"} == DAYS.keys()
