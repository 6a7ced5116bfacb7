"""What a call needs, wired from the settings: the database, the write road and what works behind it, without a door."""

import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog

from countermand.ids import Clock, Ids, system_clock
from countermand.keyring import Keyring
from countermand.lanes import Lane, Lanes
from countermand.providers.choice import open_providers
from countermand.providers.provider import Provider
from countermand.reads import closed_secrets
from countermand.sending.http import Outbound, Webhooks
from countermand.sending.links import Links
from countermand.sending.mail import Mail
from countermand.settings import Settings
from countermand.store import feed
from countermand.store.engine import Database, UnsafeDatabaseError, open_database
from countermand.store.migrations import LATEST, bring_up_to_date, current_revision, refuse_incomplete, refuse_newer
from countermand.worker import Worker
from countermand.worker.courier import Couriers
from countermand.worker.notices import Courier


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """A running service without its doors and sockets."""

    settings: Settings
    database: Database
    lanes: Lanes
    ids: Ids
    clock: Clock
    keyring: Keyring
    links: Links
    worker: Worker
    providers: Mapping[str, Provider]

    async def check_keys(self) -> None:
        """The key file is the one that this database needs: to be asked before keys are used or made.

        Raises:
            KeyringError: the key file cannot be used, or it is not the one that closed the secrets in the database.
        """
        self.keyring.check(await self.database.read(closed_secrets))


@asynccontextmanager
async def opened(
    settings: Settings,
    clock: Clock = system_clock,
    *,
    creates: bool = True,
    dry_run: bool = False,
    courier: Courier | None = None,
) -> AsyncIterator[Application]:
    """Open the database and the write road; let go of both at the end, when every call has its outcome.

    With ``creates`` a database that is not there, or empty, is made; with ``dry_run`` it never is.
    ``courier`` takes notices to where they go, if not over the network.

    Raises:
        UnsafeDatabaseError: the database would lose what was acknowledged, or its schema is not this version's.
    """
    creates = creates and not dry_run
    if not creates and settings.sqlite_path and not settings.sqlite_path.exists():
        raise UnsafeDatabaseError(f"There is no database {settings.sqlite_path} yet. `countermand migrate` makes it.")
    database = await open_database(
        settings.database,
        lanes=settings.lanes,
        allow_weak_durability=settings.allow_losing_acknowledged_calls,
        dry_run=dry_run,
        timeout_s=settings.database_timeout_s or None,
        pooled=settings.database_pooler,
        read_timeout_s=settings.read_timeout_s or None,
    )
    providers = open_providers(settings, clock)
    try:
        await _make_current(database, creates=creates)
        await _place_new_events_last(database)
        application, network = _wired(settings, database, clock, providers, courier)
        yield application
        await application.lanes.drain()
        await network.close()
    finally:
        for provider in providers.values():
            await provider.close()
        await database.close()


def _wired(
    settings: Settings, database: Database, clock: Clock, providers: Mapping[str, Provider], courier: Courier | None
) -> tuple[Application, Couriers]:
    ids, keyring = Ids(clock), Keyring(settings.keys)
    links = Links(keyring, settings.base_url, days=settings.answer_link_days)
    network = Couriers(
        webhooks=Webhooks(Outbound.by(settings), clock),
        mail=Mail.by(settings, clock),
        keyring=keyring,
        links=links,
        clock=clock,
        source=settings.base_url,
    )
    lanes = Lanes(
        lambda: Lane(database, clock, ids.new, wake=lambda pairs: worker.hear(pairs)),
        settings.lanes if database.dialect != "sqlite" else 1,
    )
    worker = Worker(
        database,
        lanes,
        courier or network,
        clock,
        at_once=settings.worker_sends,
        lease_s=settings.worker_lease_s,
        providers=providers,
        watch_refunds=timedelta(days=settings.refund_check_days),
        keep_days=settings.retention,
    )
    application = Application(
        settings=settings,
        database=database,
        lanes=lanes,
        ids=ids,
        clock=clock,
        keyring=keyring,
        links=links,
        worker=worker,
        providers=providers,
    )
    return application, network


async def work(settings: Settings, ready: Callable[[], None] = lambda: None) -> None:
    """Be a worker and nothing else, until SIGTERM or SIGINT; then finish what is under way.

    Raises:
        UnsafeDatabaseError: as ``opened``.
        KeyringError: as ``Application.check_keys``.
    """
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, told.set)
    async with opened(settings) as application:
        await application.check_keys()
        working = asyncio.create_task(application.worker.run())
        ready()
        await told.wait()
        await application.worker.stop()
        working.cancel()


async def _place_new_events_last(database: Database) -> None:
    """A database that was restored into another server has events beyond the transactions of that one."""
    position = await database.read(feed.misplaced)
    if position is not None:
        await database.write(lambda connection: feed.move(connection, position))


async def _make_current(database: Database, *, creates: bool) -> None:
    """Fill an empty database; refuse one whose schema is another version's."""
    revision = await database.read(current_revision)
    refuse_newer(revision)
    if revision is None and not creates:
        raise UnsafeDatabaseError("This database is empty, and stays so. Run `countermand migrate` first.")
    if revision is None:
        await database.write(bring_up_to_date)
    elif revision != LATEST:
        raise UnsafeDatabaseError(
            f"The schema of this database is at {revision}, this version needs {LATEST}."
            " Run `countermand migrate` first."
        )
    else:
        await database.read(refuse_incomplete)


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
