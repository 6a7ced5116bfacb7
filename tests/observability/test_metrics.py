"""Every metric moves when that happens which it counts, and none has a label whose values a caller can choose."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx2
import pytest
import structlog
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from countermand.health import Health
from countermand.http_server import ConnectionLimits
from countermand.observability import metrics
from countermand.observability.exposition import exposed
from countermand.observability.instruments import OTHER, VALUES_MAX, Counter, Gauge, Histogram, label
from countermand.observability.logs import configure_logging
from countermand.observability.metrics import METRICS
from countermand.observed import watch
from countermand.outlets.event_stream import Message, Published, StreamState
from countermand.outlets.http.client import NoAnswerError
from countermand.payments.client import Api
from countermand.service.calls import Call
from countermand.service.lanes import QUEUE_MAX
from countermand.serving import watch_connections
from countermand.store import fair_share
from countermand.store import tables as t
from countermand.store.engines.postgresql.standby import Standby
from countermand.store.engines.protocol import UnavailableError, ping
from countermand.worker.pace import StalledError, repeat
from tests.money.test_settling import Desk, desk
from tests.observability.numbers import numbers
from tests.store.holding import agree
from tests.store.speaking import new_sale
from tests.store.watching import lane_of
from tests.support.logs import log_plainly
from tests.support.world import START, World
from tests.test_http_server import echo, served, words
from tests.worker.station import ERROR, GONE, Station, change_endpoint, endpoint, station
from tests.worker.test_jobs import started

pytestmark = pytest.mark.anyio

Move = Callable[[World], Awaitable[None]]
MOVES: dict[str, Move] = {}


def moves(*moved: Any) -> Callable[[Move], Move]:
    """What a function moves."""

    def register(move: Move) -> Move:
        MOVES.update({each.name: move for each in moved})
        return move

    return register


def test_every_metric_has_something_that_moves_it() -> None:
    assert MOVES.keys() == {each.name for each in METRICS}


@pytest.mark.parametrize("metric", METRICS, ids=lambda each: each.name)
async def test_a_metric_moves(sqlite_world: World, metric: Any) -> None:
    if isinstance(metric, Gauge):
        # What another test has left says nothing.
        metric.values.clear()
        metric.forget_source()
    before = numbers(metric)
    await MOVES[metric.name](sqlite_world)
    after = numbers(metric)
    assert after != before
    if metric.kind != "gauge":
        assert all(after[sample] >= value for sample, value in before.items()), "it only grows"


# Calls


async def cancel(world: World, line: UUID | None = None) -> httpx2.Response:
    sale = line or (await new_sale(world, 1)).line
    async with world.client() as client:
        return await client.delete(f"/orders/items/cancel/{sale}/", headers=world.token(world.retailer))


@moves(metrics.STANDBY_READS)
async def _a_list_at_a_standby(world: World) -> None:
    async def answer(question: object) -> int:
        return 1

    await Standby(answer, answer, 5.0).read(ping)


@moves(
    metrics.HTTP_REQUESTS,
    metrics.HTTP_REQUEST_SECONDS,
    metrics.BATCH_CALLS,
    metrics.BATCHES,
    metrics.DB_COMMIT_SECONDS,
    metrics.DB_READ_SECONDS,
    metrics.CANCELLATIONS,
    metrics.EVENTS,
)
async def _(world: World) -> None:
    assert (await cancel(world)).status_code == 204


@moves(metrics.REFUSALS)
async def _(world: World) -> None:
    assert (await cancel(world, UUID(int=9))).status_code == 422


@asynccontextmanager
async def busy_server() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A server that answers one call at once, and is doing so until the event is set."""
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await goes_on.wait()
        await echo(scope, receive, send)

    limits = ConnectionLimits(total=2, per_address=2, idle_s=3600, header_s=3600, write_stall_s=3600, calls=1)
    async with served(slow, limits) as (server, port):
        watch_connections(server.guard)
        first = asyncio.create_task(words(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        await begun.wait()
        yield port, goes_on
        goes_on.set()
        await first


@moves(metrics.CONNECTIONS, metrics.CONNECTIONS_MAX, metrics.CALLS_IN_PROGRESS)
async def _(world: World) -> None:
    async with busy_server():
        assert metrics.CALLS_IN_PROGRESS.read() == {(): 1}
        assert metrics.CONNECTIONS.read() == {(): 1}
        assert metrics.CONNECTIONS_MAX.read() == {(): 2}


@moves(metrics.SHED_CALLS)
async def _(world: World) -> None:
    async with busy_server() as (port, _):
        answer = await words(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 503 ")


@moves(metrics.CONNECTIONS_REFUSED)
async def _(world: World) -> None:
    async with busy_server() as (port, _):
        _, kept = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(0)
        while (await words(port, b"")) == b"":
            continue
        kept.close()


# The write road


@moves(metrics.LANE_DEPTH, metrics.LANE_DEPTH_MAX)
async def _(world: World) -> None:
    sales = [await new_sale(world, 1) for _ in range(3)]
    lane, database = await lane_of(world)
    metrics.LANE_DEPTH.read_from(lambda: lane.depth)
    database.hold()
    asks = [asyncio.create_task(lane.submit(Call(command=each.ask(1), door="test"))) for each in sales]
    await database.held.wait()
    more = asyncio.create_task(lane.submit(Call(command=sales[0].ask(1), door="test")))
    await asyncio.sleep(0)
    assert metrics.LANE_DEPTH.read()[()] >= 1
    watch(world.application)
    assert metrics.LANE_DEPTH_MAX.read() == {(): QUEUE_MAX}
    database.release()
    await asyncio.gather(*asks, more)


@moves(metrics.READERS, metrics.READERS_MAX, metrics.READS_WAITING)
async def _(world: World) -> None:
    turns = fair_share.FairShare(4)
    metrics.READERS.read_from(lambda: turns.taken)
    metrics.READERS_MAX.read_from(lambda: turns.places)
    metrics.READS_WAITING.read_from(lambda: turns.waiting)
    for _ in range(4):
        await turns.acquire(None)
    waiting = asyncio.create_task(turns.acquire(None))
    await asyncio.sleep(0)
    assert [each.read()[()] for each in (metrics.READERS, metrics.READERS_MAX, metrics.READS_WAITING)] == [4, 4, 1]
    turns.release(None)
    await waiting


@moves(metrics.DB_UNAVAILABLE)
async def _(world: World) -> None:
    class FullError(Exception):
        sqlite_errorcode = 13

    def full(_: Any) -> None:
        raise OperationalError("SELECT", {}, FullError())

    with pytest.raises(UnavailableError):
        await world.application.database.read(full)


# What the service is for


@moves(metrics.DECISION_SECONDS)
async def _(world: World) -> None:
    sale = await new_sale(world, 1)
    await sale.done(sale.ask(1))
    world.clock.advance(hours=1)
    await sale.done(sale.accept())


# Notices and e-mails


async def told(world: World, **more: Any) -> tuple[Station, UUID]:
    """A worker, and an endpoint for which a notice waits."""
    working = station(world)
    where = await endpoint(world, world.supplier, **more)
    sale = await new_sale(world, 1)
    await sale.done(sale.ask(1))
    return working, where


@moves(metrics.DELIVERY_ATTEMPTS, metrics.DELIVERY_SECONDS)
async def _(world: World) -> None:
    working, _ = await told(world)
    await working.worker.once()


@moves(metrics.NOTICES_DEAD)
async def _(world: World) -> None:
    working, where = await told(world)
    working.postman.otherwise[where] = ERROR
    await world.application.database.write(
        lambda connection: connection.execute(update(t.notices).values(attempts=9)).rowcount
    )
    await working.worker.once()


@moves(metrics.MAIL_ATTEMPTS)
async def _(world: World) -> None:
    await endpoint(world, world.supplier, "mailto:owner@alpine.example")
    working, where = await told(world)
    working.postman.otherwise[where] = GONE
    await working.worker.once()


@moves(metrics.OUTBOX_OLDEST_SECONDS, metrics.BACKLOG_READ)
async def _(world: World) -> None:
    working, _ = await told(world)
    world.clock.advance(seconds=77)
    await working.worker.backlog.read()
    assert metrics.OUTBOX_OLDEST_SECONDS.read() == {(): 77}


@moves(metrics.ENDPOINT_PAUSED)
async def _(world: World) -> None:
    where = await endpoint(world, world.supplier)
    await change_endpoint(world, where, state="paused")
    await station(world).worker.backlog.read()
    assert metrics.ENDPOINT_PAUSED.read() == {(): 1}


# The stream of a broker


class Broker:
    """A stream that takes everything."""

    name = "EVENTS"

    def __init__(self) -> None:
        self.last = 0

    async def open(self) -> StreamState:
        return StreamState(made_at=START, last_sequence=self.last)

    async def publish(self, messages: Sequence[Message]) -> Published:
        first = self.last + 1
        self.last += len(messages)
        return Published(new=range(first, self.last + 1))

    async def after_of(self, sequence: int) -> str | None:
        return None

    async def problems(self) -> list[str]:
        return []

    async def close(self) -> None:
        pass


@moves(metrics.STREAM_EVENTS, metrics.STREAM_REFILLS)
async def _(world: World) -> None:
    await world.order(1)
    worker = station(world, stream=Broker()).worker
    await worker.renew_leases()
    assert worker.stream is not None
    assert await worker.stream.publish_all() == 1


@moves(metrics.STREAM_OLDEST_SECONDS)
async def _(world: World) -> None:
    await world.order(1)
    world.clock.advance(seconds=78)
    await station(world, stream=Broker()).worker.backlog.read()
    assert metrics.STREAM_OLDEST_SECONDS.read() == {(): 78}


# Refunds


async def owing(world: World, *script: str) -> Desk:
    """A refund that the worker has worked on once, while the bank did as the script says."""
    here = await desk(world)
    here.bank.script.extend(script)
    await here.owed()
    await here.work()
    return here


@moves(metrics.REFUND_ATTEMPTS, metrics.REFUND_SECONDS)
async def _(world: World) -> None:
    assert await (await owing(world)).states() == ["confirmed"]


@moves(metrics.REFUND_IN_DOUBT)
async def _(world: World) -> None:
    await (await owing(world, "after")).worker.backlog.read()
    assert metrics.REFUND_IN_DOUBT.read() == {(): 1}


@moves(metrics.REFUND_PARKED)
async def _(world: World) -> None:
    await (await owing(world, "refused")).worker.backlog.read()
    assert metrics.REFUND_PARKED.read() == {(): 1}


@moves(metrics.PROVIDER_CALLS, metrics.PROVIDER_SECONDS)
async def _(world: World) -> None:
    class Gone:
        async def call(self, *_: Any, **__: Any) -> None:
            raise NoAnswerError("The host cannot be reached.", sent=False)

    gone: Any = Gone()
    with pytest.raises(NoAnswerError):
        await Api("stripe", gone, "https://api.stripe.example", {}, world.clock).call("GET", "/v1/refunds")


# The worker


async def overdue(world: World, silence: str) -> Station:
    """A worker, and a deadline that passed an hour ago."""
    await agree(world, None, 1, answer_within_s=3600, silence=silence)
    sale = await new_sale(world, 1)
    await sale.done(sale.ask(1))
    world.clock.advance(hours=2)
    return station(world)


@moves(metrics.DEADLINE_OLDEST_SECONDS)
async def _(world: World) -> None:
    await (await overdue(world, "lapse")).worker.backlog.read()
    assert metrics.DEADLINE_OLDEST_SECONDS.read() == {(): 3600}


@moves(metrics.DEADLINE_MISSED)
async def _(world: World) -> None:
    assert await (await overdue(world, "lapse")).worker.fire_deadlines() == 1


@moves(metrics.ESCALATED)
async def _(world: World) -> None:
    working = await overdue(world, "escalate")
    await working.worker.fire_deadlines()
    await working.worker.backlog.read()
    assert metrics.ESCALATED.read() == {(): 1}


@moves(metrics.JOBS_OPEN)
async def _(world: World) -> None:
    await started(world, [(await new_sale(world, 1)).line])
    await station(world).worker.backlog.read()
    assert metrics.JOBS_OPEN.read() == {(): 1}


@moves(metrics.WORKER_PASSES, metrics.WORKER_LAG_SECONDS)
async def _(world: World) -> None:
    passes = world.application.worker.passes
    watch(world.application)

    async def stalled() -> None:
        raise StalledError("Nothing gets on.")

    async def no_more(_: float) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await repeat("deadlines", 1.0, stalled, passes=passes, sleep=no_more)
    assert metrics.WORKER_PASSES.values["deadlines", "failed"] >= 1
    assert metrics.WORKER_LAG_SECONDS.read()["deadlines",] >= 0


@moves(metrics.LEASE_CHANGES, metrics.PARTITIONS_OWNED)
async def _(world: World) -> None:
    await world.application.worker.renew_leases()
    watch(world.application)
    assert metrics.PARTITIONS_OWNED.read() == {(): 32}


@moves(metrics.RETENTION_ROWS)
async def _(world: World) -> None:
    await cancel(world)
    world.clock.advance(days=4000)
    working = station(world, keep_days={"customer_days": 1})
    await working.worker.renew_leases()
    assert await working.worker.retention.sweep_all()


# The process


@moves(metrics.READY)
async def _(world: World) -> None:
    application = world.application
    await Health(application.database, application.keyring, application.settings).checks()
    assert set(metrics.READY.read().values()) == {1}


@moves(metrics.DISK_FREE_BYTES, metrics.BUILD_INFO, metrics.STARTED)
async def _(world: World) -> None:
    watch(world.application)
    assert metrics.DISK_FREE_BYTES.read()[()] > 0
    assert [labels[1] for labels in metrics.BUILD_INFO.read()] == ["sqlite"]
    assert metrics.STARTED.read()[()] > 0


@moves(metrics.LOG_LINES)
async def _(world: World) -> None:
    try:
        configure_logging("info")
        structlog.get_logger().info("happened")
    finally:
        log_plainly()


# What is shown


async def test_prometheus_reads_them_over_http(sqlite_world: World) -> None:
    watch(sqlite_world.application)
    await cancel(sqlite_world)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=exposed()), base_url="http://test") as client:
        shown = await client.get("/metrics")
        elsewhere = await client.get("/")
    assert (shown.status_code, elsewhere.status_code) == (200, 404)
    assert 'countermand_http_requests_total{door="crux",operation="cancel_item",status="204"}' in shown.text
    assert "process_resident_memory_bytes" in shown.text


def test_a_value_that_no_list_has_is_another_one() -> None:
    counter = Counter("countermand_test_total", "A test.", (label("kind", "which", ("a", "b")),))
    for value in ("a", "b", "c", "d"):
        counter.add(value)
    assert counter.values == {("a",): 1, ("b",): 1, (OTHER,): 2}


def test_the_values_that_the_code_gives_are_bounded_too() -> None:
    gauge = Gauge("countermand_test", "A test.", (label("kind", "which"),))
    for value in range(2 * VALUES_MAX):
        gauge.set(1, str(value))
    assert len(gauge.values) == VALUES_MAX + 1
    assert (OTHER,) in gauge.values


def test_an_observation_counts_in_every_bound_that_it_is_within() -> None:
    histogram = Histogram("countermand_test_seconds", "A test.", bounds=(1, 2, 4))
    for value in (0.5, 1, 1.5, 4, 5):
        histogram.observe(value)
    assert dict(histogram.buckets(histogram.values[()])) == {"1.0": 2, "2.0": 3, "4.0": 4, "+Inf": 5}
    assert histogram.values[()].total == 12


def test_a_metric_says_what_each_of_its_labels_is() -> None:
    assert len({each.name for each in METRICS}) == len(METRICS)
    for each in METRICS:
        assert each.meaning.endswith("."), each.name
        assert (each.kind == "counter") == each.name.endswith("_total"), each.name
        assert all(of.meaning for of in each.labels), each.name
