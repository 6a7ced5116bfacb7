"""The journal goes to a stream of a real NATS server: all of it, once, each line in order, again after a loss."""

import json
import shutil
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js.api import StreamConfig
from nats.js.client import JetStreamContext
from sqlalchemy import update

from countermand.checks.configuration import check
from countermand.checks.finding import Finding, Level
from countermand.checks.service import LATE, examine
from countermand.documents.events import Envelope
from countermand.domain.commands import AskCancellation, DeclineCancellation
from countermand.domain.reasons import DeclineReason
from countermand.outlets.event_stream import EventStream, Message, Published, StreamError, StreamState
from countermand.outlets.nats import JetStream
from countermand.reads.event_stream import oldest_unpublished
from countermand.service.calls import Done
from countermand.settings import Settings
from countermand.store import event_streams, outbox
from countermand.store import tables as t
from countermand.store.changes import LostRaceError
from countermand.worker.event_stream import LOOK_AGAIN_S, EventStreamPublisher
from countermand.worker.leases import LEASE_S, Partitions
from countermand.worker.pace import StalledError
from tests.support.certificates import Authority
from tests.support.natsnode import NatsNode
from tests.support.world import World, running
from tests.worker.station import Elapsed, wait_for

pytestmark = pytest.mark.anyio

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def shared() -> Iterator[NatsNode]:
    with NatsNode() as node:
        yield node


@pytest.fixture
def server() -> Iterator[NatsNode]:
    """One that a test may stop."""
    with NatsNode() as node:
        yield node


@pytest.fixture
async def node(shared: NatsNode) -> NatsNode:
    """The server of all tests, without the streams of others."""
    async with broker(shared) as found:
        for each in await found.streams_info():
            await found.delete_stream(str(each.config.name))
    return shared


@asynccontextmanager
async def broker(node: NatsNode) -> AsyncIterator[JetStreamContext]:
    async with await nats.connect(node.url, allow_reconnect=False) as client:
        yield client.jetstream()


def settings(node: NatsNode, **more: Any) -> Settings:
    return Settings(nats_urls=[node.url], **more)


class Publishing:
    """A publisher whose clocks stand still, and what it has published."""

    def __init__(self, world: World, node: NatsNode, **options: Any) -> None:
        self.world, self.node = world, node
        self.database = world.application.database
        self.elapsed: Elapsed = options.pop("elapsed", None) or Elapsed()
        self.leases = Partitions(
            self.database,
            world.clock,
            alone=options.pop("alone", True),
            monotonic=self.elapsed,
            name=options.pop("name", "here"),
        )
        self.stream: EventStream = options.pop("stream", None) or JetStream(settings(node))
        given = {"source": "http://test", "keep": None, "monotonic": self.elapsed, **options}
        self.publisher = EventStreamPublisher(self.database, world.clock, self.leases, self.stream, **given)

    async def publish(self) -> int:
        await self.leases.renew_leases()
        return await self.publisher.publish_all()

    async def later(self, seconds: float = LOOK_AGAIN_S) -> int:
        self.elapsed.now += seconds
        return await self.publish()


@asynccontextmanager
async def publishing(world: World, node: NatsNode, **options: Any) -> AsyncIterator[Publishing]:
    found = Publishing(world, node, **options)
    try:
        yield found
    finally:
        await found.stream.close()


async def published(node: NatsNode, stream: str = "COUNTERMAND") -> Rows:
    """Every message, in the order of the stream."""
    async with broker(node) as found:
        info = await found.stream_info(stream)
        messages = [await found.get_msg(stream, n) for n in range(info.state.first_seq, info.state.last_seq + 1)]
    return [
        {"to": each.subject, "under": (each.headers or {})["Nats-Msg-Id"], **json.loads(each.data or b"")}
        for each in messages
    ]


async def journal(world: World) -> list[str]:
    """The ids of all events."""
    rows = await world.application.database.read(
        lambda connection: connection.execute(t.events.select().order_by(t.events.c.position, t.events.c.id)).all()
    )
    return [f"evt_{row.id.hex}" for row in rows]


async def history(world: World, rounds: int = 3) -> None:
    """Two lines of different retailers, each with an event when it was placed and two a round."""
    for retailer in (world.retailer, world.other_retailer):
        order = await world.order(4, retailer=retailer)
        for _ in range(rounds):
            line = order.lines[0].id
            ask = AskCancellation(line=line, actor=world.actor(retailer))
            decline = DeclineCancellation(line=line, actor=world.actor(world.supplier), reason=DeclineReason.NOT_STATED)
            for command in (ask, decline):
                assert isinstance(await world.submit(command, retailer=retailer), Done)


def in_order(rows: Rows) -> bool:
    """Whether the events of each line come in their order."""
    lines: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        lines[row["data"]["line"]].append(row["data"]["seq"])
    return all(seqs == sorted(seqs) for seqs in lines.values())


# What is published


async def test_every_event_is_published_once_under_its_id_and_each_line_in_order(world: World, node: NatsNode) -> None:
    await history(world)
    async with publishing(world, node) as here:
        assert await here.publish() == len(await journal(world)) == 14
        assert await here.publish() == 0
        await history(world, rounds=1)
        assert await here.publish() == 6
    rows = await published(node)
    assert sorted(row["id"] for row in rows) == sorted(await journal(world))
    assert in_order(rows)
    for row in rows:
        subject, under = row.pop("to"), row.pop("under")
        document = Envelope.model_validate(row)
        assert under == document.id
        kind = document.type.removeprefix("countermand.").removesuffix(".v1")
        assert subject == f"countermand.events.{document.data.retailer.id}.{kind}"


@pytest.mark.parametrize("page", [1, 2, 5])
async def test_pages_of_any_size_come_to_the_same(sqlite_world: World, node: NatsNode, page: int) -> None:
    await history(sqlite_world)
    async with publishing(sqlite_world, node, page=page) as here:
        await here.publish()
    rows = await published(node)
    assert sorted(row["id"] for row in rows) == sorted(await journal(sqlite_world))
    assert in_order(rows)


@pytest.mark.parametrize("page", [1, 2, 50])
async def test_a_line_is_in_order_though_the_later_transaction_began_earlier(
    world: World, node: NatsNode, page: int
) -> None:
    """Of two transactions on one line the later one can have the lower number: then the feed shows it first."""
    await history(world)
    events = t.events.c
    turned = update(t.events).values(position=1_000_000_000 - events.position)
    async with publishing(world, node, page=page) as here:
        await world.application.database.write(lambda connection: connection.execute(turned))
        await world.application.database.write(
            lambda connection: connection.exec_driver_sql("UPDATE feed SET position = 2000000000")
        )
        await here.publish()
    rows = await published(node)
    assert sorted(row["id"] for row in rows) == sorted(await journal(world)), "none is missing, none is stored twice"
    assert in_order(rows)


# What goes wrong


async def test_what_was_published_before_a_crash_is_dropped_the_second_time(world: World, node: NatsNode) -> None:
    await history(world)
    async with publishing(world, node) as here:
        await here.publish()
    cursors = t.event_streams.c
    forgotten = update(t.event_streams).values(position=0, sequence=0)
    await world.application.database.write(lambda connection: connection.execute(forgotten.where(cursors.position > 0)))
    async with publishing(world, node, elapsed=Elapsed()) as again:
        assert await again.publish() == 14
    assert len(await published(node)) == 14


async def test_a_server_that_is_away_delays_and_loses_nothing(sqlite_world: World, server: NatsNode) -> None:
    async with publishing(sqlite_world, server) as here:
        await history(sqlite_world)
        assert await here.publish() == 14
        server.stop()
        await history(sqlite_world, rounds=1)
        for _ in range(3):
            with pytest.raises(StalledError, match="NATS cannot be used"):
                await here.publish()
        server.start()
        assert await here.publish() == 6
    rows = await published(server)
    assert sorted(row["id"] for row in rows) == sorted(await journal(sqlite_world))
    assert in_order(rows)


async def test_a_stream_that_was_deleted_is_filled_again(world: World, node: NatsNode) -> None:
    async with publishing(world, node) as here:
        await history(world)
        await here.publish()
        async with broker(node) as found:
            await found.delete_stream("COUNTERMAND")
        # It has just been heard of, so the next event is what shows it.
        await history(world, rounds=0)
        with pytest.raises(StalledError, match="No stream takes the messages"):
            await here.publish()
        assert await here.publish() == 16
        rows = await published(node)
        assert sorted(row["id"] for row in rows) == sorted(await journal(world))
        assert in_order(rows)
        # And without any event, after some seconds.
        async with broker(node) as found:
            await found.delete_stream("COUNTERMAND")
        assert await here.publish() == 0
        assert await here.later() == 16
    assert len(await published(node)) == 16


async def test_a_stream_that_somebody_made_anew_is_filled_again(sqlite_world: World, node: NatsNode) -> None:
    async with publishing(sqlite_world, node) as here:
        await history(sqlite_world)
        await here.publish()
        async with broker(node) as found:
            await found.delete_stream("COUNTERMAND")
            await found.add_stream(StreamConfig(name="COUNTERMAND", subjects=["countermand.>"]))
        assert await here.later() == 14
    assert len(await published(node)) == 14


@pytest.mark.parametrize("looks", [True, False])
async def test_a_stream_that_lost_its_end_gets_it_again(sqlite_world: World, server: NatsNode, *, looks: bool) -> None:
    """As after a power cut of servers that did not sync: their stream is of a moment before."""
    async with publishing(sqlite_world, server, page=3) as here:
        await history(sqlite_world)
        await here.publish()
        server.stop()
        shutil.copytree(server.store, server.dir / "kept")
        server.start()
        await history(sqlite_world)
        await here.later()
        assert len(await published(server)) == 28
        server.stop()
        shutil.rmtree(server.store)
        shutil.move(server.dir / "kept", server.store)
        server.start()
        assert len(await published(server)) == 14
        if not looks:
            # As if nothing had been noticed: what it answers to the next event shows it.
            await here.stream.open()
            await sqlite_world.order(1)
        await (here.later() if looks else here.publish())
    rows = await published(server)
    assert sorted({row["id"] for row in rows}) == sorted(await journal(sqlite_world))


async def test_a_stream_that_was_emptied_on_purpose_stays_so(sqlite_world: World, node: NatsNode) -> None:
    async with publishing(sqlite_world, node) as here:
        await history(sqlite_world)
        await here.publish()
        async with broker(node) as found:
            await found.purge_stream("COUNTERMAND")
        assert await here.later() == 0
        await sqlite_world.order(1)
        assert await here.publish() == 1


async def test_a_new_stream_begins_with_the_days_that_it_is_to_hold(sqlite_world: World, node: NatsNode) -> None:
    await history(sqlite_world)
    sqlite_world.clock.advance(days=10)
    await sqlite_world.order(1)
    async with publishing(sqlite_world, node, keep=timedelta(days=2)) as here:
        assert await here.publish() == 1


async def test_a_stream_without_room_is_told_of_and_goes_on_when_there_is(sqlite_world: World, node: NatsNode) -> None:
    async with broker(node) as found:
        small = StreamConfig(name="COUNTERMAND", subjects=["countermand.events.>"], max_msgs=5, discard="new")  # type: ignore[arg-type]
        await found.add_stream(small)
        async with publishing(sqlite_world, node) as here:
            await history(sqlite_world)
            with pytest.raises(StalledError, match="maximum messages exceeded"):
                await here.publish()
            await found.update_stream(small.evolve(max_msgs=100))
            await here.publish()
    rows = await published(node)
    assert sorted(row["id"] for row in rows) == sorted(await journal(sqlite_world))
    assert len(rows) == 14


async def test_messages_that_another_stream_takes_are_told_of(sqlite_world: World, node: NatsNode) -> None:
    async with broker(node) as found:
        await found.add_stream(StreamConfig(name="OTHER", subjects=["countermand.>"]))
        await found.add_stream(StreamConfig(name="COUNTERMAND", subjects=["elsewhere.>"]))
        async with publishing(sqlite_world, node) as here:
            await sqlite_world.order(1)
            with pytest.raises(StalledError, match="expected stream does not match"):
                await here.publish()
    [finding] = await findings(sqlite_world, node)
    assert (finding.level, "go to the stream OTHER" in finding.sentence) == (Level.WARNING, True)


# Who publishes


async def test_another_process_takes_over_where_the_first_one_was(world: World, node: NatsNode) -> None:
    elapsed = Elapsed()
    both = {"elapsed": elapsed, "alone": False}
    async with (
        publishing(world, node, name="first", **both) as first,
        publishing(world, node, name="second", **both) as second,
    ):
        await history(world)
        assert (await first.publish(), await second.publish()) == (14, 0)
        await history(world, rounds=0)
        # The first one is no more.
        for _ in range(3):
            elapsed.now += LEASE_S / 2
            await second.publish()
        await wait_for(lambda: second.leases.fence(0) is not None)
        # It comes back, and finds that it is not its turn.
        assert await first.publish() == 0
        assert sorted(each["id"] for each in await published(node)) == sorted(await journal(world))


class Slow:
    """A stream that does something else before it takes what it is given."""

    def __init__(self, stream: JetStream, before: Callable[[], Any]) -> None:
        self.name, self._stream, self._before = stream.name, stream, before

    async def publish(self, messages: Sequence[Message]) -> Published:
        await self._before()
        return await self._stream.publish(messages)

    async def open(self) -> StreamState:
        return await self._stream.open()

    async def after_of(self, sequence: int) -> str | None:
        return await self._stream.after_of(sequence)

    async def problems(self) -> list[str]:
        return await self._stream.problems()

    async def close(self) -> None:
        await self._stream.close()


async def test_a_former_owner_does_not_move_the_place_of_the_next_one(world: World, node: NatsNode) -> None:
    async def taken() -> None:
        await world.application.database.write(
            lambda connection: outbox.take(connection, "another", world.clock() + timedelta(minutes=1), [0])
        )

    await history(world)
    slow = Slow(JetStream(settings(node)), taken)
    async with publishing(world, node, stream=slow) as here:
        with pytest.raises(LostRaceError):
            await here.publish()
        cursor = await here.database.read(lambda connection: event_streams.cursor_of(connection, "COUNTERMAND"))
        assert cursor is not None
        assert cursor.position == 0
    async with publishing(world, node) as again:
        await again.publish()
    assert len(await published(node)) == 14, "what the former owner published counts, and once"


async def test_a_service_publishes_to_whichever_server_answers(
    sqlite_world: World, tmp_path: Path, node: NatsNode
) -> None:
    url = f"sqlite:///{tmp_path}/serving.sqlite3"
    more = {"nats_urls": ["nats://127.0.0.1:1", node.url]}
    async with running(url, sqlite_world.clock, **more) as application:
        stream = application.worker.stream
        assert stream is not None
        await application.worker.renew_leases()
        assert await stream.publish_all() == 0
    async with broker(node) as found:
        assert (await found.stream_info("COUNTERMAND")).config.num_replicas == 1


# What people see


async def findings(world: World, node: NatsNode, **more: Any) -> list[Finding]:
    database = str(world.application.settings.database)
    found = await check(settings(node, database=database, **more), ())
    return [each for each in found if each.name == "nats"]


async def test_check_says_whether_the_stream_can_be_used_and_makes_nothing(
    sqlite_world: World, server: NatsNode
) -> None:
    [fine] = await findings(sqlite_world, server)
    assert fine.level is Level.FINE
    async with broker(server) as found:
        assert await found.streams_info() == []
        short = StreamConfig(name="COUNTERMAND", subjects=["countermand.events.>"], duplicate_window=1)
        await found.add_stream(short)
    [warned] = await findings(sqlite_world, server)
    assert (warned.level, "drops what comes twice" in warned.sentence) == (Level.WARNING, True)
    server.stop()
    [away] = await findings(sqlite_world, server)
    assert away.level is Level.WRONG


async def test_doctor_and_metrics_say_how_old_the_oldest_event_is_that_waits(world: World, node: NatsNode) -> None:
    application = world.application

    async def told() -> Level:
        found = await examine(settings(node, database=application.settings.database), application.database, world.clock)
        [finding] = [each for each in found if each.name == "stream"]
        return finding.level

    assert await told() is Level.FINE
    await history(world)
    assert await told() is Level.FINE
    world.clock.advance(seconds=LATE.total_seconds())
    assert await told() is Level.WRONG
    question = partial(oldest_unpublished, stream="COUNTERMAND", now=world.clock(), keep=timedelta(days=1))
    oldest = await application.database.read(question)
    assert oldest == world.clock() - LATE
    async with publishing(world, node) as here:
        await here.publish()
    assert await told() is Level.FINE


# How it connects


async def test_without_tls_nobody_says_who_it_is_where_tls_is_wanted(node: NatsNode) -> None:
    stream = JetStream(Settings(nats_urls=[node.url.replace("nats:", "tls:")], nats_user="u", nats_password="p"))
    with pytest.raises(StreamError, match="has no TLS"):
        await stream.open()


async def test_over_tls_with_a_password(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    authority.server("localhost")
    both = f'"{tmp_path}/localhost.pem"'
    more = f"tls {{ cert_file: {both}, key_file: {both} }}\nauthorization {{ user: u, password: p }}\n"
    root = tmp_path / "root.pem"
    root.write_text(authority.pem())
    with NatsNode(more=more) as node:
        given: dict[str, Any] = {
            "nats_urls": [f"tls://localhost:{node.port}"],
            "nats_ca_file": root,
            "nats_user": "u",
            "nats_password": "p",
        }
        stream = JetStream(Settings(**given))
        assert (await stream.open()).last_sequence == 0
        await stream.close()
        for wrong in ({"nats_password": "wrong"}, {"nats_ca_file": None}):
            with pytest.raises(StreamError) as refused:
                await JetStream(Settings(**{**given, **wrong})).open()
            assert "wrong" not in str(refused.value)
