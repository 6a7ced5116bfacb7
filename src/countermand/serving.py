"""The doors of a service, and the sockets in front of them: what listens, until when, and how it is let go."""

import asyncio
import gc
import resource
import signal
from collections.abc import Callable
from functools import partial
from typing import Final
from uuid import UUID

from countermand.admin import web_sessions
from countermand.admin.callers import PLATFORM
from countermand.app import Service, opened
from countermand.console import console_door
from countermand.console.login import ONCE
from countermand.health import Health
from countermand.http_server import ConnectionGuard, ConnectionLimits, HttpServer, free_port
from countermand.observability import metrics
from countermand.observability.systemd import Systemd
from countermand.observed import observed
from countermand.settings import Settings
from countermand.store.engines.sqlite.file import FileLock
from countermand.supervising import Child
from countermand.wire.answer import answer_door
from countermand.wire.auth import Authenticator
from countermand.wire.bol_plaza import plaza_door
from countermand.wire.bol_retailer import retailer_door
from countermand.wire.callers import Proxies
from countermand.wire.crux import crux_door
from countermand.wire.native import native_door
from countermand.wire.passwords import Passwords
from countermand.wire.provider_webhooks import payment_door
from countermand.wire.router import Routed
from countermand.wire.services import Services
from countermand.wire.throttle import Throttle
from countermand.worker.leases import worker_name

DESCRIPTORS_KEPT: Final = 200
"""Descriptors that connections of callers leave to the database, to webhooks and to files."""


def _nobody(text: str) -> None:
    """Nobody wants to know."""


async def serve(
    settings: Settings,
    ready: Callable[[str], None] = _nobody,
    invite: Callable[[str], None] | None = None,
    child: Child | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is under way. ``ready`` is called with the base URL.

    While nobody can log in for the platform, ``invite`` is called with a link that makes the first operator.
    ``child`` is this process where it is one of several that a supervisor has started.

    Raises:
        UnsafeDatabaseError: as ``opened``; or another process serves the same SQLite file.
        KeyringError: as ``Service.check_keys``.
        OSError: the port cannot be listened on, or another server does.
        UnobservableError: as ``observed``.
    """
    lock = FileLock(str(settings.sqlite_path)) if settings.sqlite_path else None
    if lock:
        lock.acquire()
    try:
        if child is None:
            settings = settings.model_copy(update={"port": free_port(settings.host, settings.port)})
        name = worker_name(chance=child.chance) if child else ""
        former = worker_name(child.former_pid, child.chance) if child and child.former_pid else ""
        async with opened(settings, worker=name, former_worker=former) as application:
            await application.check_keys()
            await _serve(settings, application, ready, invite, child)
    finally:
        if lock:
            lock.release()


async def _serve(
    settings: Settings,
    application: Service,
    ready: Callable[[str], None],
    invite: Callable[[str], None] | None,
    child: Child | None,
) -> None:
    answering, manager = doors(application), child or Systemd.from_environment()
    server = HttpServer(
        answering,
        host=settings.host,
        port=settings.port,
        limits=connection_limits(settings),
        busy=answering.busy,
        # A stream of events has no end of its own.
        on_stop=application.arrivals.close,
    )
    if settings.worker:
        await application.worker.catch_up()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        manager.stopping()
        server.stop()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    serving = asyncio.create_task(server.serve([child.socket] if child else None))
    await _until_listening(server, serving)
    # The objects that exist now stay, so the collector need not scan them while calls are served.
    gc.collect()
    gc.freeze()
    if invite and not await application.database.read(web_sessions.has_operator):
        invite(await login_link(application))
    watch_connections(server.guard)
    async with observed(settings, application), manager.watched():
        ready(f"http://{settings.host}:{settings.port}")
        manager.ready(f"Answers calls on {settings.host}:{settings.port}.")
        working = asyncio.create_task(application.worker.run()) if settings.worker else None
        try:
            await serving
        finally:
            if working is not None:
                await application.worker.stop()
                working.cancel()


def watch_connections(guard: ConnectionGuard) -> None:
    """Let the metrics read what the server counts."""
    metrics.CONNECTIONS.read_from(lambda: guard.open)
    metrics.CONNECTIONS_MAX.read_from(lambda: guard.limits.total)
    metrics.CALLS_IN_PROGRESS.read_from(lambda: len(guard.answering))


async def login_link(application: Service, user: UUID | None = None, party: UUID = PLATFORM) -> str:
    """A link that logs in once: as this user of a party, or to make the first operator."""
    ids, now = application.ids, application.clock()
    secret = await application.database.write(
        partial(web_sessions.issue_link, ids=ids, now=now, user=user, party=party)
    )
    return f"{application.settings.base_url}{ONCE}{secret}"


def connection_limits(settings: Settings) -> ConnectionLimits:
    """The limits of the settings, within what descriptors this process may have."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ConnectionLimits(
        total=max(1, min(settings.connections_max, descriptors - DESCRIPTORS_KEPT)),
        per_address=settings.connections_per_address,
        idle_s=settings.connection_idle_s,
        header_s=settings.header_timeout_s,
        write_stall_s=settings.write_stall_s,
        unlimited=tuple(settings.trusted_proxies),
        calls=settings.calls_max,
    )


async def _until_listening(server: HttpServer, serving: asyncio.Task[None]) -> None:
    while not (server.started or serving.done()):  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)


def doors(application: Service, authenticator: Authenticator | None = None) -> Routed:
    """All APIs of the service as one ASGI application. ``authenticator`` finds callers in another way than usual."""
    settings = application.settings
    throttle = Throttle(settings, application.clock, application.shared_quotas)
    services = Services(
        database=application.database,
        lanes=application.lanes,
        authenticator=authenticator
        or Authenticator(
            application.database, application.clock, throttle, application.uses, remember_s=settings.credential_cache_s
        ),
        uses=application.uses,
        throttle=throttle,
        passwords=Passwords(settings, application.clock, application.shared_quotas),
        ids=application.ids,
        clock=application.clock,
        keyring=application.keyring,
        settings=settings,
        arrivals=application.arrivals,
        outlets=application.outlets,
        shared_quotas=application.shared_quotas,
        health=Health(
            application.database,
            application.keyring,
            settings,
            application.worker.passes.lags_s if settings.worker else None,
        ),
    )
    proxies = Proxies(settings.trusted_proxies) if settings.trusted_proxies else None
    return Routed(
        (
            payment_door(
                providers=application.providers,
                follow=application.worker.refunds.follow,
                throttle=throttle,
                settings=settings,
            ),
            answer_door(services, application.links),
            console_door(services),
            plaza_door(services),
            retailer_door(services),
            crux_door(services),
        ),
        otherwise=native_door(services),
        proxies=proxies,
    )
