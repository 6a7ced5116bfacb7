"""Commands that run the service."""

import asyncio
import errno
import gc
import importlib
import logging
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

from cyclopts import Parameter
from pydantic import ValidationError
from sqlalchemy import Connection
from sqlalchemy.exc import ArgumentError, DBAPIError

from countermand.cli.inputs import Whole
from countermand.cli.output import Exit, UnwritableError, fail, manners, report, say, writing
from countermand.cli.problems import as_command_error
from countermand.domain.problems import ProblemError
from countermand.keyring import KeyringError
from countermand.observability import UnobservableError
from countermand.observability.logs import configure_logging
from countermand.road import Application, opened, opened_database
from countermand.settings import CONFIG, Settings, config_file, misspelt
from countermand.store.engines.opening import open_database, shown
from countermand.store.engines.protocol import CommitUnknownError, TooBroadError, UnavailableError, UnsafeDatabaseError
from countermand.store.engines.sqlite.file import FileLock
from countermand.store.migrations import LATEST, bring_to, bring_up_to_date, current_revision, steps_after

if TYPE_CHECKING:
    from countermand.supervising import Child

T = TypeVar("T")

PORT_MAX = 65_535
M_ARENA_MAX: Final = -8
"""As ``malloc.h`` of glibc has it."""
TRIM_EVERY_S: Final = 60.0
PAGE_ROWS = 200
"""So many rows of a long list are read at once."""

DatabaseFlag = Annotated[str | None, Parameter(name="--database", help="SQLAlchemy URL; default from the settings")]
CsvFlag = Annotated[bool, Parameter(name="--csv", negative=(), help="As a file for a spreadsheet, with every row")]
JsonFlag = Annotated[bool, Parameter(name="--json", negative=(), help="Print one JSON document")]


def serve(
    *,
    database: DatabaseFlag = None,
    host: str | None = None,
    port: Whole | None = None,
    processes: Whole | None = None,
) -> None:
    """Run the service until it gets a signal to stop.

    Parameters
    ----------
    database
        SQLAlchemy URL; the default is a SQLite file in the user's data directory.
    host
        Address to listen on, 127.0.0.1 by default.
    port
        Port to listen on, 8765 by default.
    processes
        Processes that serve the port together, 1 by default. PostgreSQL only.
    """
    settings = read_settings(database=database, host=host, port=port, processes=processes)
    _check_processes(settings)
    configure_logging(settings.log_level, settings.log_format)
    allow_many_files()
    share_freed_memory()
    # Only this command needs the web server and the doors, which take a while to import.
    from countermand.serving import serve as serve_doors

    if settings.processes == 1:
        give_back_freed_memory()
        run(_serve_alone(settings))
        return
    settings = on_free_port(settings)
    child = _supervised(settings)
    if child is not None:
        configure_logging(settings.log_level, settings.log_format, process=child.number)
        give_back_freed_memory()
        run(serve_doors(settings.of_process(child.number), invite=None if child.number else _say_link, child=child))


async def _serve_alone(settings: Settings) -> None:
    from countermand.serving import serve as serve_doors

    free = on_free_port(settings)
    await serve_doors(free, lambda url: _say_ready(free, url), _say_link)


def _say_ready(settings: Settings, url: str) -> None:
    several = f", {settings.processes} processes" if settings.processes > 1 else ""
    say(f"countermand is ready on {url} ({shown(settings.database)}{several})")


def _say_link(link: str) -> None:
    say(f"Nobody can log in yet. This link makes the first operator, within an hour: {link}")


def _check_processes(settings: Settings) -> None:
    if settings.processes == 1:
        return
    if settings.sqlite_path:
        why = "A SQLite file belongs to one process, so there cannot be several that serve."
        hint = "Leave processes at 1, or use PostgreSQL."
        fail(Exit.BAD_CONFIGURATION, "needs_postgresql", why, hint)
    if settings.metrics_port and settings.metrics_port + settings.processes - 1 > PORT_MAX:
        why = f"{settings.processes} processes need as many ports from metrics_port on, and ports end at {PORT_MAX}."
        fail(Exit.BAD_CONFIGURATION, "bad_configuration", why)


def _supervised(settings: Settings) -> "Child | None":
    """Start the processes. Returns in each of them as what it is, and in their parent when all have ended.

    Raises:
        CommandError: the processes could not begin. They have said why.
    """
    from countermand.http_server import shared_sockets
    from countermand.observability.systemd import Systemd
    from countermand.supervising import Child, Supervisor

    manager, url = Systemd.from_environment(), f"http://{settings.host}:{settings.port}"

    def ready() -> None:
        _say_ready(settings, url)
        manager.ready(f"Answers calls on {settings.host}:{settings.port} by {settings.processes} processes.")

    try:
        sockets = shared_sockets(settings.host, settings.port, settings.processes)
    except OSError as error:
        _fail_by_port(settings, error)
    # What exists now is never changed, so the processes go on sharing its memory.
    gc.collect()
    gc.freeze()
    found = Supervisor(sockets, ready, manager).run()
    if isinstance(found, Child):
        return found
    if found:
        sys.exit(found)
    return None


def worker(*, database: DatabaseFlag = None) -> None:
    """Send notices and fire deadlines until a signal to stop comes, beside a server or without one."""
    from countermand.working import work

    settings = read_settings(database=database)
    if settings.sqlite_path:
        why = "A SQLite file belongs to one process: `countermand serve` does what is due there."
        fail(Exit.BAD_CONFIGURATION, "needs_postgresql", why)
    configure_logging(settings.log_level, settings.log_format)
    allow_many_files()
    share_freed_memory()
    give_back_freed_memory()
    run(work(settings, lambda: say(f"countermand works ({shown(settings.database)})")))


def allow_many_files() -> None:
    """As many open files as the system permits: a thousand receivers that hang are a thousand sockets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def share_freed_memory() -> None:
    """Have all threads use one heap, where the C library is glibc; call it before there are threads.

    By itself each thread gets a heap of its own and keeps what it has freed from the others. After 30,000 calls on
    SQLite those kept 14 MB, and more with every hour.
    """
    _with_glibc(lambda library: library.mallopt(M_ARENA_MAX, 1))


def give_back_freed_memory(every_s: float = TRIM_EVERY_S) -> None:
    """Have what a burst of calls has freed go back to the system, in a thread that goes with the process.

    By itself the library keeps all that lies below the last block in use. Call it in each process that serves: threads
    do not outlive a fork.
    """

    def trim_again_and_again(library: Any) -> NoReturn:
        while True:
            time.sleep(every_s)
            library.malloc_trim(0)

    Thread(target=_with_glibc, args=(trim_again_and_again,), name="heap", daemon=True).start()


def _with_glibc(work: Callable[[Any], object]) -> None:
    # Other commands need not import it.
    import ctypes

    with suppress(AttributeError, OSError):
        work(ctypes.CDLL(None))


def migrate(*, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Bring the schema of the database up to date."""
    before, after = run(_migrate(read_settings(database=database)))
    outcome = f"would be at {after}; nothing was written" if manners.dry_run else f"is at {after}"
    report(f"The schema was at {before or 'nothing'} and {outcome}.", json=json, before=before, after=after)


async def _migrate(settings: Settings) -> tuple[str | None, str]:
    """The revisions before and after."""
    if manners.dry_run and settings.sqlite_path and not settings.sqlite_path.exists():
        return None, LATEST
    weak = settings.allow_losing_acknowledged_calls
    handle = await open_database(
        settings.database, allow_weak_durability=weak, dry_run=manners.dry_run, read_timeout_s=None
    )
    try:
        before = await handle.read(current_revision)
        # A dry run is one transaction: the steps after the first need what those before made.
        for step in () if manners.dry_run else steps_after(before)[:-1]:
            await handle.write(partial(bring_to, step=step))
            say(f"The schema is at {step}.")
        await handle.write(bring_up_to_date)
    finally:
        await handle.close()
    return before, LATEST


def what_is_wrong(error: ValidationError) -> list[str]:
    """What a check found, one sentence each, after the name of the member if it is about a single one."""
    return [
        ": ".join([*filter(None, [".".join(map(str, each["loc"]))]), each["msg"].removeprefix("Value error, ")])
        for each in error.errors()
    ]


def read_settings(**flags: object) -> Settings:
    """The settings, with the flags that were given on top. Ends the command when they make no sense."""
    for name, meant in misspelt(os.environ).items():
        problem = f"{name} is no setting. Did you mean {meant}?"
        fail(Exit.BAD_CONFIGURATION, "bad_configuration", problem, "docs/settings.md lists every setting.")
    if CONFIG in os.environ and not config_file().is_file():
        problem = f"The file of settings {config_file()} cannot be read: it is not there."
        fail(Exit.BAD_CONFIGURATION, "bad_configuration", problem)
    try:
        settings = Settings(**{name: value for name, value in flags.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        problems = "; ".join(what_is_wrong(error))
        fail(Exit.BAD_CONFIGURATION, "bad_configuration", f"The settings make no sense: {problems}.")
    except (ValueError, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        fail(Exit.BAD_CONFIGURATION, "bad_configuration", f"{config_file()} cannot be read: {why}.")
    if settings.log_level.upper() not in logging.getLevelNamesMapping():
        problem = f"log_level: {settings.log_level!r} is no level"
        fail(Exit.BAD_CONFIGURATION, "bad_configuration", f"The settings make no sense: {problem}.")
    return settings


def on_free_port(settings: Settings) -> Settings:
    """The settings, with a port that nobody listens on: the requested one, or any for 0. Ends the command otherwise.

    Raises:
        UnsafeDatabaseError: the port is taken by the service that serves the same SQLite file.
    """
    if settings.port > PORT_MAX:
        fail(Exit.BAD_CONFIGURATION, "bad_configuration", f"{settings.port} is no port: ports end at {PORT_MAX}.")
    from countermand.http_server import free_port

    try:
        return settings.model_copy(update={"port": free_port(settings.host, settings.port)})
    except OSError as error:
        if error.errno == errno.EADDRINUSE and settings.sqlite_path:
            lock = FileLock(str(settings.sqlite_path))
            lock.acquire()
            lock.release()
        _fail_by_port(settings, error)


def _fail_by_port(settings: Settings, error: OSError) -> NoReturn:
    why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
    problem = f"Port {settings.port} of {settings.host} cannot be used: {why}."
    fail(Exit.TRY_LATER, "port_unavailable", problem, "Name another one with --port; 0 takes any that is free.")


def with_database(
    settings: Settings,
    work: Callable[[Application], Awaitable[T]],
    *,
    uses_keys: bool = False,
    creates: bool = True,
) -> T:
    """Run ``work`` on the opened database and write road; if it opens or closes secrets, with the right key file.

    Unless it ``creates``, there has to be a database.
    """

    async def job() -> T:
        async with opened(settings, creates=creates, dry_run=manners.dry_run) as application:
            if uses_keys:
                await application.check_keys()
            return await work(application)

    configure_logging("error")
    return _told_if_dry(run(job()))


def ask_database(settings: Settings, question: Callable[[Connection], T]) -> T:
    """Read one answer from the database, which has to be there."""

    async def job() -> T:
        async with opened_database(settings, creates=False, dry_run=manners.dry_run) as database:
            return await database.read(question)

    return _told_if_dry(run(job()))


def read_pages(
    settings: Settings,
    page: Callable[[Connection, int, T | None], Sequence[T]],
    take: Callable[[Sequence[T]], None],
    most: int | None = None,
) -> bool:
    """Hand ``take`` a list page by page, at most so many rows in all. Returns whether there are more.

    ``page`` reads so many rows after the last one of the page before, each page on a snapshot of its own: however
    long the list is, one page is held, and no read takes long.
    """

    async def job() -> bool:
        async with opened_database(settings, creates=False, dry_run=manners.dry_run) as database:
            last, left = None, most
            while True:
                count = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
                rows = await database.read(partial(_page, page, count + 1, last))
                with writing():
                    take(rows[:count])
                left = None if left is None else left - count
                if len(rows) <= count or left == 0:
                    return len(rows) > count
                last = rows[count - 1]

    return _told_if_dry(run(job()))


def _page(
    page: Callable[[Connection, int, T | None], Sequence[T]], count: int, last: T | None, connection: Connection
) -> Sequence[T]:
    return page(connection, count, last)


def _told_if_dry(result: T) -> T:
    if manners.dry_run:
        say("Dry run: nothing was written.")
    return result


def run(job: Coroutine[Any, Any, T]) -> T:
    """Run ``job`` in an event loop; what goes wrong with the database ends the command with a sentence."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(job)
    except UnwritableError as error:
        raise error.reason from error
    except ProblemError as error:
        raise as_command_error(error) from error
    except UnsafeDatabaseError as error:
        fail(Exit.BAD_CONFIGURATION, "unsafe_database", str(error))
    except UnobservableError as error:
        fail(Exit.BAD_CONFIGURATION, "bad_configuration", str(error))
    except KeyringError as error:
        fail(Exit.BAD_CONFIGURATION, "bad_key_file", str(error))
    except ArgumentError as error:
        fail(Exit.BAD_CONFIGURATION, "bad_database_url", f"The database URL cannot be read: {error}.")
    except TooBroadError as error:
        hint = "Name a party, a period or a state, or a smaller --limit; the setting read_timeout_s allows more time."
        fail(Exit.REFUSED, "too_broad", str(error), hint)
    except (DBAPIError, UnavailableError, CommitUnknownError, OSError) as error:
        cause = error.__cause__ or error
        why = getattr(cause, "orig", None) or cause
        fail(Exit.TRY_LATER, "database_unavailable", f"The database cannot be used: {why}")


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        return importlib.import_module("uvloop").new_event_loop  # type: ignore[no-any-return]
    except ImportError:
        return None
