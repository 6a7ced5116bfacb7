"""A service on a real port, beside a test that waits for its answers."""

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

import structlog

from countermand.admin import credentials
from countermand.admin.callers import PLATFORM
from countermand.http_server import ConnectionLimits, HttpServer
from countermand.ids import system_clock
from countermand.reads.parties import find_party
from tests.support.logs import log_plainly
from tests.support.pgnode import free_port
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, World, populate, running

T = TypeVar("T")

LIMITS = ConnectionLimits(total=100, per_address=100, idle_s=3600, header_s=3600, write_stall_s=3600)


@dataclass(kw_only=True)
class Listening:
    """A world in an event loop of its own, and the address that it is reached at."""

    url: str
    world: World
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """What work in the world comes to."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(HANGS_S)

    @property
    def tokens(self) -> dict[UUID, str]:
        """Of each party, with the platform."""
        return self.world.tokens


@contextmanager
def listening(database: str, clock: Clock | None = None, **settings: Any) -> Iterator[Listening]:
    """Serve a fresh world. Its clock is the true one unless there is another.

    It logs failures only: the calls of a service in this process would stand among what commands print.
    """
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    ready: Future[tuple[Listening, HttpServer]] = Future()
    work = _serve(database, clock or Clock(system_clock()), ready, settings)
    with ThreadPoolExecutor(1) as thread:
        ended = thread.submit(asyncio.run, work)
        ended.add_done_callback(lambda _: ready.cancel())
        try:
            found, server = ready.result(HANGS_S)
        except CancelledError:
            ended.result()
            raise
        try:
            yield found
        finally:
            found.loop.call_soon_threadsafe(server.stop)
            ended.result(HANGS_S)
            log_plainly()


async def _serve(
    database: str, clock: Clock, ready: "Future[tuple[Listening, HttpServer]]", settings: dict[str, Any]
) -> None:
    port = free_port()
    async with running(database, clock, port=port, **settings) as application:
        world = await populate(application, clock)
        world.tokens[PLATFORM] = await _platform_token(world)
        server = HttpServer(world.asgi, host="127.0.0.1", port=port, limits=LIMITS)
        serving = asyncio.create_task(server.serve())
        async with asyncio.timeout(HANGS_S):
            while not server.started:  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.005)
        loop = asyncio.get_running_loop()
        ready.set_result((Listening(url=f"http://127.0.0.1:{port}", world=world, loop=loop), server))
        await serving


async def _platform_token(world: World) -> str:
    application = world.application
    return await application.database.write(
        lambda connection: credentials.issue_token(
            connection, application.ids, world.clock(), party=find_party(connection, str(PLATFORM)), label="test"
        )
    )
