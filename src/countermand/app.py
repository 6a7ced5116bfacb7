"""All wiring: what is built from the settings, in which order, and how it is served and let go."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from starlette.routing import Mount, Router

from countermand.ids import Clock, Ids, system_clock
from countermand.keyring import Keyring
from countermand.lanes import Lane, Lanes
from countermand.settings import Settings
from countermand.store.engine import Database, FileLock, UnsafeDatabaseError, open_database
from countermand.store.migrations import current_revision, latest_revision, migrate
from countermand.wire.auth import Authenticator
from countermand.wire.bol_plaza import PlazaDoor, PlazaKeys
from countermand.wire.crux import CruxDoor
from countermand.wire.native import native_api
from countermand.wire.replying import json_reply, send_reply
from countermand.worker import Worker

Asgi = Callable[[Any, Any, Any], Awaitable[None]]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A running service without its sockets."""

    asgi: Asgi
    database: Database
    lanes: Lanes
    ids: Ids
    clock: Clock
    keyring: Keyring
    worker: Worker


@asynccontextmanager
async def opened(settings: Settings, clock: Clock = system_clock) -> AsyncIterator[Application]:
    """The database and the write road, without a door: what a one-shot command needs.

    Raises:
        UnsafeDatabaseError: the database would lose what was acknowledged, or its schema is not this version's.
    """
    database = await open_database(
        settings.database, lanes=settings.lanes, allow_weak_durability=settings.allow_losing_acknowledged_calls
    )
    try:
        await _make_current(database)
        ids = Ids(clock)
        lanes = Lanes(lambda: Lane(database, clock, ids.new), settings.lanes if database.dialect != "sqlite" else 1)
        keyring = Keyring(settings.keys)
        yield Application(
            asgi=_build(settings, database, lanes, ids, clock, keyring),
            database=database,
            lanes=lanes,
            ids=ids,
            clock=clock,
            keyring=keyring,
            worker=Worker(database, lanes, clock),
        )
        await lanes.drain()
    finally:
        await database.close()


async def serve(settings: Settings, ready: Callable[[str], None] = lambda url: None) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way. ``ready`` is called with the base URL.

    Raises:
        UnsafeDatabaseError: as ``opened``; or another process serves the same SQLite file.
    """
    lock = FileLock(str(settings.sqlite_path)) if settings.sqlite_path else None
    if lock:
        lock.acquire()
    try:
        async with opened(settings) as application:
            await _serve(settings, application, ready)
    finally:
        if lock:
            lock.release()


async def _serve(settings: Settings, application: Application, ready: Callable[[str], None]) -> None:
    server = Server(
        application.asgi,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=30_000),
        websockets=False,
        backlog=1024,
        log_enabled=False,
    )
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, server.stop)
    serving = asyncio.create_task(server.serve())
    await _until_listening(settings.host, settings.port, serving)
    ready(f"http://{settings.host}:{settings.port}")
    working = asyncio.create_task(application.worker.run())
    try:
        await serving
    finally:
        working.cancel()


async def _until_listening(host: str, port: int, serving: asyncio.Task[None]) -> None:
    while not serving.done():
        try:
            _, writer = await asyncio.open_connection(host, port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return


async def _make_current(database: Database) -> None:
    """Fill an empty database; refuse one whose schema is another version's."""
    revision = await database.read(current_revision)
    if revision is None:
        await database.write(migrate)
    elif revision != latest_revision():
        raise UnsafeDatabaseError(
            f"The schema of this database is at {revision}, this version needs {latest_revision()}."
            " Run `countermand migrate` first."
        )


def _build(settings: Settings, database: Database, lanes: Lanes, ids: Ids, clock: Clock, keyring: Keyring) -> Asgi:
    authenticator = Authenticator(database, clock, remember_s=settings.credential_cache_s)
    crux = CruxDoor(
        database=database, lanes=lanes, authenticator=authenticator, ids=ids, clock=clock, settings=settings
    )
    keys = PlazaKeys(database, keyring, clock, remember_s=settings.credential_cache_s)
    plaza = PlazaDoor(database=database, lanes=lanes, keys=keys, ids=ids, clock=clock, settings=settings)
    native = native_api(database=database, lanes=lanes, authenticator=authenticator, settings=settings)
    routes = [*crux.routes(), *plaza.routes(), Mount("/", native)]
    return _guarded(Router(routes=routes, redirect_slashes=False))


def _guarded(app: Asgi) -> Asgi:
    """An error of ours reaches the log in full and the caller as one bland sentence, never as a stack trace."""

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        started = False

        async def sending(message: Any) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, receive, sending)
        except Exception:
            log.exception("unexpected_error", method=scope["method"], path=scope["path"])
            if not started:
                await send_reply(send, json_reply(500, {"detail": "Something went wrong here. It was logged."}))

    return guarded


def configure_logging(level: str) -> None:
    """One JSON line per event, on standard error; values of locals are never logged."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
