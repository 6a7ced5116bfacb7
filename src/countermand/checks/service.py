"""What is not well with a service that runs, and which command shows more of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import httpx2
from sqlalchemy import Connection

from countermand.admin.finding import EVERYTHING
from countermand.checks.finding import Finding, fine, warning, wrong
from countermand.checks.standby import standby
from countermand.domain.dates import write_moment
from countermand.ids import Clock, system_clock
from countermand.reads.event_stream import oldest_unpublished
from countermand.reads.waiting import Waiting, counted, waiting_for
from countermand.settings import Settings
from countermand.store.engines.protocol import Database
from countermand.store.outbox import workers

WITHIN_S: Final = 10.0
"""How long the service may take to say whether it is ready."""
ALIVE: Final = timedelta(minutes=2)
"""A worker that was not seen for so long is gone."""
LATE: Final = timedelta(minutes=5)
"""Deadlines fire within seconds; after so long, nobody fires them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Waiting:
    """What should not be there for long: how it is counted, how it is called, and what shows it."""

    name: str
    count: Callable[[Waiting], int]
    one: str
    many: str
    none: str
    remedy: str
    is_wrong: bool = False

    def found(self, waiting: Waiting) -> Finding:
        number = self.count(waiting)
        if not number:
            return fine(self.name, self.none)
        sentence = f"{counted(number)} {self.one if number == 1 else self.many}"
        return (wrong if self.is_wrong else warning)(self.name, sentence, self.remedy)


async def examine(settings: Settings, database: Database, clock: Clock = system_clock) -> list[Finding]:
    """Ask the service whether it is ready, and its database what waits. Changes nothing."""
    found = await _ready(settings)
    # A file is worked on by the service that has it open, and /readyz says how that gets on.
    if not database.engine.one_writer:
        found.append(await database.read(lambda connection: _worker(connection, clock())))
    if settings.standby is not None:
        found.append(await standby(database))
    if settings.nats_urls:
        found.append(await database.read(lambda connection: _stream(connection, settings, clock())))
    waiting = await database.read(lambda connection: waiting_for(connection, EVERYTHING, clock(), grace=LATE))
    return [*found, *(each.found(waiting) for each in _KINDS)]


async def _ready(settings: Settings) -> list[Finding]:
    url = f"{settings.base_url}/readyz"
    remedy = "See that `countermand serve` runs, and that public_url leads to it."
    try:
        async with httpx2.AsyncClient(timeout=WITHIN_S, trust_env=False) as http:
            answer = await http.get(url)
            checks = answer.json()["checks"]
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return [wrong("service", f"{url} does not answer: {str(error) or type(error).__name__}.", remedy)]
    except (ValueError, KeyError, TypeError):
        return [wrong("service", f"{url} answers {answer.status_code}, and not as this service does.", remedy)]
    bad = [each for each in checks if not each["ok"]]
    told = [wrong(each["name"], each["detail"], "See docs/how-to/watch.md.") for each in bad]
    return told or [fine("service", f"{settings.base_url} is ready.")]


def _worker(connection: Connection, now: datetime) -> Finding:
    alive = sum(now - each.seen_at < ALIVE for each in workers(connection))
    if alive:
        return fine("worker", "1 worker is alive." if alive == 1 else f"{alive} workers are alive.")
    return wrong(
        "worker",
        "No worker was seen in the last two minutes: no notice is sent and no deadline fires.",
        "Run `countermand serve` with the setting worker, or `countermand worker`.",
    )


def _stream(connection: Connection, settings: Settings, now: datetime) -> Finding:
    oldest = oldest_unpublished(connection, settings.nats_stream, now, settings.nats_keep)
    if oldest is None or now - oldest < LATE:
        return fine("stream", f"The events of the last minutes are in the stream {settings.nats_stream}.")
    return wrong(
        "stream",
        f"An event of {write_moment(oldest, 'seconds')} is not in the stream {settings.nats_stream} yet.",
        "Run `countermand check`, and look for worker_stalled in the log of the worker.",
    )


_KINDS: Final = (
    _Waiting(
        name="deadlines",
        count=lambda waiting: waiting.late,
        one="deadline passed more than five minutes ago and has not fired.",
        many="deadlines passed more than five minutes ago and have not fired.",
        none="Every deadline that has passed has fired.",
        remedy="countermand cancellations --late",
        is_wrong=True,
    ),
    _Waiting(
        name="escalated",
        count=lambda waiting: waiting.escalated,
        one="ask waits for an operator.",
        many="asks wait for an operator.",
        none="No ask waits for an operator.",
        remedy="countermand cancellations --state escalated",
    ),
    _Waiting(
        name="parked refunds",
        count=lambda waiting: waiting.parked.number,
        one="refund cannot be settled by itself.",
        many="refunds cannot be settled by themselves.",
        none="No refund is parked.",
        remedy="countermand refunds --state parked",
    ),
    _Waiting(
        name="money in doubt",
        count=lambda waiting: waiting.in_doubt.number,
        one="refund is with a provider that has not said whether it moved.",
        many="refunds are with providers that have not said whether they moved.",
        none="Providers have answered every call.",
        remedy="countermand refunds --state unknown",
    ),
    _Waiting(
        name="refunds by hand",
        count=lambda waiting: waiting.by_hand.number,
        one="refund waits for a person to pay it.",
        many="refunds wait for a person to pay them.",
        none="No refund waits for a person.",
        remedy="countermand refunds --state by_hand",
    ),
    _Waiting(
        name="dead notices",
        count=lambda waiting: waiting.dead,
        one="notice could not be delivered and is not tried again.",
        many="notices could not be delivered and are not tried again.",
        none="Every notice arrived, or is still being tried.",
        remedy="countermand notices --state dead",
    ),
    _Waiting(
        name="failing endpoints",
        count=lambda waiting: waiting.failing,
        one="endpoint does not accept what it is sent.",
        many="endpoints do not accept what they are sent.",
        none="Every endpoint accepts what it is sent.",
        remedy="countermand endpoint list",
    ),
    _Waiting(
        name="stopped endpoints",
        count=lambda waiting: waiting.stopped,
        one="endpoint is paused or disabled: nothing is sent there.",
        many="endpoints are paused or disabled: nothing is sent there.",
        none="No endpoint is stopped.",
        remedy="countermand endpoint list",
    ),
)
