"""Whether a service could start and work as it is configured: settings, files, database, clock, mail, providers, NATS.

Nothing is written, sent or paid. Every other party is asked something that changes nothing there.
"""

import asyncio
import resource
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import ArgumentError, DBAPIError

from countermand.checks.connections import connections
from countermand.checks.finding import Finding, fine, warning, wrong
from countermand.checks.settings_rules import judge_settings
from countermand.checks.standby import standby
from countermand.domain.dates import write_moment
from countermand.ids import Clock, moment_of, system_clock
from countermand.keyring import Keyring, KeyringError
from countermand.outlets.event_stream import StreamError
from countermand.outlets.registry import open_event_stream
from countermand.outlets.smtp import Mail
from countermand.payments.provider import ProviderResult
from countermand.payments.registry import open_providers
from countermand.reads.events import newest_place
from countermand.reads.secrets import closed_secrets
from countermand.road import opened_database
from countermand.settings import BESIDES, PREFIX, Settings, config_file, origins, secret_names
from countermand.store.engines.opening import shown
from countermand.store.engines.protocol import Database, UnavailableError, UnsafeDatabaseError

WITHIN_S: Final = 30.0
"""How long the database, the mail server and each provider may take."""
OFF_MAX: Final = timedelta(seconds=30)
"""How far the clock may be behind the newest event: processes that write together differ a little."""
FILES_BESIDE: Final = 256
"""Open files that a service needs besides its connections."""
PRIVATE: Final = 0o077

_NOBODYS: Final = {"stripe": "pi_countermand_check", "mollie": "tr_countermandcheck"}
"""Names of payments that no account has."""


async def check(settings: Settings, environment: Iterable[str], clock: Clock = system_clock) -> list[Finding]:
    """Look at everything. Never raises for what is found."""
    found = [*_variables(environment), *judge_settings(settings), *_files(settings)]
    found += [each async for each in _database(settings, clock)]
    found += [each async for each in _mail(settings)]
    found += [each async for each in _providers(settings)]
    found += [each async for each in _stream(settings)]
    return found


def _variables(environment: Iterable[str]) -> Iterator[Finding]:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | BESIDES
    for name in sorted(environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            yield warning("environment", f"{name} is no setting, so it has no effect.", "Remove it, or correct it.")


def _files(settings: Settings) -> Iterator[Finding]:
    yield from _private("key_file", settings.keys)
    decided = origins()
    if any(decided[name] == str(config_file()) for name in {*secret_names(), "database"}):
        yield from _private("config", config_file())
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY and most < settings.connections_max + FILES_BESIDE:
        yield warning(
            "connections_max",
            f"{settings.connections_max} connections are allowed, and this system allows {most} open files.",
            f"Allow {settings.connections_max + FILES_BESIDE} (LimitNOFILE of systemd), or set connections_max lower.",
        )


def _private(name: str, path: Path) -> Iterator[Finding]:
    if not path.exists():
        return
    if path.stat().st_mode & PRIVATE:
        yield wrong(name, f"Others on this machine may read {path}, which holds secrets.", f"chmod 600 {path}")
    else:
        yield fine(name, f"Only its owner may read {path}.")


async def _database(settings: Settings, clock: Clock) -> AsyncIterator[Finding]:
    path = settings.sqlite_path
    if path and not path.exists():
        yield warning("database", f"There is no {path} yet.", "`countermand migrate` makes it, and `serve` too.")
        return
    try:
        async with asyncio.timeout(WITHIN_S), opened_database(settings, creates=False, dry_run=True) as database:
            yield fine(
                "database", f"{shown(settings.database)} answers, keeps what it acknowledges, and is up to date."
            )
            if settings.standby is not None:
                yield await standby(database)
            if room := await connections(settings, database):
                yield room
            yield await _keys(settings, database)
            yield await database.read(lambda connection: _clock(connection, clock()))
    except UnsafeDatabaseError as error:
        yield wrong("database", str(error), "See docs/storage.md, and docs/how-to/upgrade.md for its schema.")
    except TimeoutError:
        yield wrong("database", f"It does not answer within {WITHIN_S:.0f} s.", "See that it runs and can be reached.")
    except (ArgumentError, DBAPIError, UnavailableError, OSError) as error:
        why = getattr(error.__cause__ or error, "orig", None) or error.__cause__ or error
        yield wrong("database", f"It cannot be used: {why}", "See that it runs and can be reached.")


async def _keys(settings: Settings, database: Database) -> Finding:
    try:
        Keyring(settings.keys).check(await database.read(closed_secrets))
    except KeyringError as error:
        return wrong("keys", str(error), "Restore the key file from a backup.")
    return fine("keys", "The key file opens the secrets in the database.")


def _clock(connection: Connection, now: datetime) -> Finding:
    newest = newest_place(connection)
    at = moment_of(newest.id) if newest else now
    if at - now > OFF_MAX:
        return wrong(
            "clock",
            f"It is {write_moment(now, 'seconds')} here, and the newest event is of {write_moment(at, 'seconds')}.",
            "Set the clock, by NTP: deadlines and signatures depend on it.",
        )
    return fine("clock", f"It is {write_moment(now, 'seconds')}.")


async def _mail(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.smtp_host:
        yield fine("mail", "No mail server is set, so no mailbox can be registered.")
        return
    problem = await Mail.from_settings(settings).why_not()
    if problem:
        yield wrong("mail", problem, "Look at smtp_host, smtp_port, smtp_tls, smtp_user and smtp_password.")
    else:
        yield fine("mail", f"{settings.smtp_host} lets this service in.")


async def _providers(settings: Settings) -> AsyncIterator[Finding]:
    for name, provider in open_providers(settings).items():
        try:
            async with asyncio.timeout(WITHIN_S):
                found = await provider.find_payment(_NOBODYS[name])
        except TimeoutError:
            yield wrong(name, f"It does not answer within {WITHIN_S:.0f} s.", "See whether this machine can reach it.")
            continue
        finally:
            await provider.close()
        if isinstance(found, ProviderResult):
            yield wrong(name, found.result, f"Look at {name}_api_key, and whether this machine can reach the provider.")
        else:
            yield fine(name, "The key is good for looking at payments.")


async def _stream(settings: Settings) -> AsyncIterator[Finding]:
    stream = open_event_stream(settings)
    if stream is None:
        return
    try:
        problems = await stream.problems()
    except StreamError as error:
        yield wrong("nats", str(error), "Look at nats_urls, at who may log in there, and whether JetStream is on.")
        return
    finally:
        await stream.close()
    for problem in problems:
        yield warning("nats", problem, "See docs/how-to/nats.md.")
    if not problems:
        yield fine("nats", f"The stream {stream.name} can be used.")
