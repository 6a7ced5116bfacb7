"""How long every read takes, for each kind of caller, on both engines, with 10,000, 100,000 and 1,000,000 lines.

    python -m bench --reads

The questions are those of the plan test, so none is missing. Each is asked as the doors ask it, in its turn and with
its limit, again and again for a part of a second, always with the same ids: what is measured is warm. Beside the wall
time stands the CPU, of this process and of PostgreSQL's together: on a busy machine the wall time says little.
"""

import argparse
import asyncio
import gc
import json
import pickle
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg
from sqlalchemy import Connection
from tests.store.test_plans import READS, Filled
from tests.support.pgnode import Node
from tests.support.population import Population, populate

from bench.processes import children, countermand, cpu_s
from bench.report import about_here
from countermand.app import Service, opened
from countermand.documents import scorecards
from countermand.documents.scorecards import WEEKS_MAX
from countermand.domain.scoring import Role, Week
from countermand.reads.parties import find_party
from countermand.road import Application
from countermand.settings import Settings
from countermand.store import score_cards
from countermand.store.engines.protocol import TooBroadError
from countermand.store.tables import PARTITIONS
from countermand.worker.score_cards import AT_ONCE

ENGINES: Final = ("sqlite", "postgresql")
SIZES: Final = (10_000, 100_000, 1_000_000)
CHANGES: Final = (
    "service.",
    "admin.endpoints.remove",
    "reads.scores.judge",
    "store.erasure.",
    "store.outbox.bury",
    "store.outbox.note_",
    "store.outbox.recover",
    "store.outbox.replay",
    "store.outbox.settle",
    "store.outbox.stop",
    "store.owner_mails.owe",
    "store.retention.purge",
)
"""What only looks something up to change it."""

EXPORTED: Final = "a long page"
"""Pages of exports: ten times as long as those that have a goal."""

CALLS_MIN: Final = 5
ROUNDS_MAX: Final = 10 * 8 * WEEKS_MAX
"""Far more than the cards of four parties take."""

CALLS_MAX: Final = 200
ZONE: Final = ZoneInfo("Europe/Amsterdam")
START_GOAL_MS: Final = 2_000.0
CARD_GOAL_MS: Final = 50.0
LIST_GOAL_MS: Final = 20.0
KEY_GOAL_MS: Final = 5.0
LISTS: Final = (
    "list",
    "orders",
    "order_page",
    "shipments",
    "overdue",
    "waiting",
    "refunds_to_check",
    "due_refunds",
    # Asked once, at a start.
    "misplaced",
)
ROWS_A_SECOND: Final = 4_000
"""So many lines are made in a second at least; it bounds what is said of the time at the start."""

SERVER_SETTINGS: Final[dict[str, str | int]] = {"shared_buffers": "'512MB'", "max_wal_size": "'8GB'"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One question of one kind of caller. ``stopped``: how often it took longer than a read may."""

    read: str
    case: str
    engine: str
    lines: int
    calls: int
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    goal_ms: float
    stopped: int = 0


def main(arguments: Sequence[str]) -> int:
    """Measure, print one table, and say what missed its goal."""
    options = _options(arguments)
    _say(f"This takes at most {_bound_s(options) / 60:.0f} minutes.")
    found: list[Figures] = []
    for lines in options.lines:
        for engine in options.only:
            try:
                found += _measure(engine, lines, options)
            finally:
                # What is known is kept, whatever happens to the rest.
                if options.json:
                    options.json.write_text(_as_json(found))
    print(_table(found))
    return 0


def _measure(engine: str, lines: int, options: argparse.Namespace) -> list[Figures]:
    with ExitStack() as stack:
        directory = _directory(stack, options.keep, engine, lines)
        url, server = f"sqlite:///{directory}/reads.sqlite3", None
        if engine == "postgresql":
            node = stack.enter_context(Node(durable=True, directory=directory / "server", **SERVER_SETTINGS))
            url, server = node.url(), _postmaster(node.url())
        settings = Settings(database=url, key_file=directory / "keys", worker=False)
        population = _made(directory / "population", url, lines, settings, options)
        starts, used = zip(*(_start_ms(url, directory, number) for number in range(3)), strict=True)
        found = [_figures("start", "until ready", engine, lines, list(starts), min(used), START_GOAL_MS, 0)]
        return found + asyncio.run(_ask_all(settings, Filled(url, population), engine, options, server))


def _directory(stack: ExitStack, keep: Path | None, engine: str, lines: int) -> Path:
    if keep is None:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench_reads_")))
        # PostgreSQL runs under another account.
        directory.chmod(0o711)
        return directory
    directory = keep.resolve() / f"{engine}_{lines}"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _made(path: Path, url: str, lines: int, settings: Settings, options: argparse.Namespace) -> Population:
    """The lines, made now or kept from an earlier run, and brought to the schema of today."""
    if path.exists():
        asyncio.run(_opened_once(settings))
        kept: Population = pickle.loads(path.read_bytes())
        return kept
    began = time.monotonic()
    _say(f"{url}: making {lines:,} lines")
    population = populate(url, lines, keys=settings.key_file, say=_say if options.verbose else _quiet)
    _say(f"made {lines:,} lines in {time.monotonic() - began:.0f} s")
    if url.startswith("postgresql"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
    path.write_bytes(pickle.dumps(population))
    return population


async def _opened_once(settings: Settings) -> None:
    async with opened(settings):
        pass


async def _ask_all(
    settings: Settings, filled: Filled, engine: str, options: argparse.Namespace, server: int | None
) -> list[Figures]:
    found = []
    async with opened(settings) as application:
        await keep_cards(application, filled.population)
        # As the service does at its start.
        gc.collect()
        gc.freeze()
        for name, goal, cases in _questions(filled):
            if options.read and not any(each in name for each in options.read):
                continue
            for case, question in cases.items():
                if case.startswith(EXPORTED) or (options.case and not any(each in case for each in options.case)):
                    continue
                took, cpu, stopped = await _ask(application, question, options.seconds, server)
                found.append(_figures(name, case, engine, filled.population.lines, took, cpu, goal, stopped))
            worst = max((each for each in found if each.read == name), key=lambda each: each.p99_ms, default=None)
            if worst:
                _say(f"{engine}, {filled.population.lines:,}: {name}: at most p99 {worst.p99_ms:.1f} ms ({worst.case})")
    return found


def _questions(filled: Filled) -> Iterator[tuple[str, float, dict[str, Any]]]:
    for name, make in READS.items():
        if not name.startswith(CHANGES):
            yield name, LIST_GOAL_MS if any(each in name for each in LISTS) else KEY_GOAL_MS, make(filled)
    yield "scorecards.scorecards_for", CARD_GOAL_MS, _cards(filled.population)


async def keep_cards(application: Service, p: Population) -> None:
    """Those of the parties that are asked about. A worker keeps everybody's, which takes it a while at first."""
    cards, week = application.worker.score_cards, Week.of(p.now, ZONE)
    asked = (p.big_retailer, p.small_retailer, p.big_supplier, p.small_supplier)

    def plan(connection: Connection) -> None:
        for party in asked:
            score_cards.plan(connection, cards.rows_of(find_party(connection, str(party)), week))

    await application.database.write(plan)
    for _ in range(ROUNDS_MAX):
        await application.worker.renew_leases()
        stale = await application.database.write(partial(score_cards.arm, partitions=range(PARTITIONS), limit=AT_ONCE))
        counted = await application.database.read(cards.counted)
        await application.database.write(partial(score_cards.keep, counted=counted))
        armed = await application.database.read(partial(score_cards.armed, partitions=range(PARTITIONS), limit=1))
        if not stale and not armed:
            break
    await application.worker.stop()


def _cards(p: Population) -> dict[str, Any]:
    parties = {
        "big retailer": (p.big_retailer, Role.RETAILER),
        "small retailer": (p.small_retailer, Role.RETAILER),
        "big supplier": (p.big_supplier, Role.FULFILLER),
        "small supplier": (p.small_supplier, Role.FULFILLER),
    }
    return {
        f"{weeks} weeks, {name}": partial(
            scorecards.scorecards_for,
            name=str(party),
            wanted=scorecards.Wanted(weeks=weeks, role=role),
            zone=ZONE,
            now=p.now,
        )
        for weeks in (6, 52)
        for name, (party, role) in parties.items()
    }


async def _ask(
    application: Application, question: Any, seconds: float, server: int | None
) -> tuple[list[float], float, int]:
    """How long each call took in milliseconds, the CPU of one, and how many were stopped. The first one warms up."""
    await _timed(application, question)
    took: list[float] = []
    stopped, used, end = 0, _cpu_ms(server), time.monotonic() + seconds
    while len(took) < CALLS_MIN or (len(took) < CALLS_MAX and time.monotonic() < end):
        milliseconds, too_broad = await _timed(application, question)
        took.append(milliseconds)
        stopped += too_broad
    return took, (_cpu_ms(server) - used) / len(took), stopped


async def _timed(application: Application, question: Any) -> tuple[float, bool]:
    began = time.perf_counter()
    try:
        await application.database.read(lambda connection: _answer(connection, question))
    except TooBroadError:
        return (time.perf_counter() - began) * 1000, True
    return (time.perf_counter() - began) * 1000, False


def _cpu_ms(server: int | None) -> float:
    """Of this process, and of the server's with all its backends, whose CPU the system tells in hundredths."""
    there = [server, *children(server)] if server else []
    return 1000 * (time.process_time() + sum(cpu_s(pid) for pid in there))


def _postmaster(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
    assert row is not None
    return int(str(row[0]).splitlines()[0])


def _answer(connection: Connection, question: Any) -> None:
    question(connection)


def _start_ms(url: str, directory: Path, number: int) -> tuple[float, float]:
    """How long a server takes from its start until it listens, and what CPU."""
    began = time.perf_counter()
    log = directory / f"start{number}.log"
    service = countermand("reads", url, log, COUNTERMAND_KEY_FILE=str(directory / "keys"), COUNTERMAND_WORKER="false")
    with service:
        return (time.perf_counter() - began) * 1000, service.cpu_s() * 1000


def _figures(
    read: str, case: str, engine: str, lines: int, took: list[float], cpu: float, goal: float, stopped: int
) -> Figures:
    ordered = sorted(took)
    return Figures(
        read=read,
        case=case,
        engine=engine,
        lines=lines,
        calls=len(took),
        p50_ms=round(ordered[len(ordered) // 2], 3),
        p99_ms=round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 3),
        cpu_ms=round(cpu, 3),
        goal_ms=goal,
        stopped=stopped,
    )


# What is printed

_CALLERS: Final = ("platform", "big retailer", "small retailer", "big supplier", "small supplier")


def _table(found: list[Figures]) -> str:
    """A row for each read and kind of caller: of its filters the slowest, by p50."""
    runs = list(dict.fromkeys((each.engine, each.lines) for each in found))
    groups: dict[tuple[str, str], dict[tuple[str, int], Figures]] = {}
    for each in found:
        row = groups.setdefault((each.read, _caller(each.case)), {})
        run = (each.engine, each.lines)
        row[run] = max(row.get(run, each), each, key=lambda one: one.p50_ms)
    head = [f"{engine} {lines:,}" for engine, lines in runs]
    shown = ["p50 / p99 in ms, CPU in brackets; of several filters the slowest. Over the goal: *", ""]
    shown += [f"| Read | Caller | Goal | {' | '.join(head)} |", f"|---|---|---|{'---|' * len(head)}"]
    for (read, caller), row in groups.items():
        goal = next(iter(row.values())).goal_ms
        cells = [_cell(row.get(run)) for run in runs]
        shown.append(f"| {read} | {caller} | {goal:g} | {' | '.join(cells)} |")
    return "\n".join([*shown, "", *_missed(found)])


def _missed(found: list[Figures]) -> Iterator[str]:
    """Every figure over its goal, those first whose CPU alone is: the others waited for the machine."""
    missed = [each for each in found if each.p50_ms > each.goal_ms or each.stopped]
    slow = [each for each in missed if each.cpu_ms > each.goal_ms]
    yield f"{len(found)} figures. Over their goal by p50: {len(missed)}, of which by CPU too: {len(slow)}."
    for each in sorted(missed, key=lambda one: (one.cpu_ms <= one.goal_ms, -one.p50_ms)):
        yield (
            f"- {each.read}, {each.case or 'one'}: {each.engine}, {each.lines:,} lines:"
            f" {each.p50_ms:.1f} / {each.p99_ms:.1f} ms, CPU {each.cpu_ms:.1f} (goal {each.goal_ms:g})"
            f"{', stopped' if each.stopped else ''}"
        )


def _caller(case: str) -> str:
    return next((each for each in _CALLERS if case.endswith(each)), "")


def _cell(figures: Figures | None) -> str:
    if figures is None:
        return ""
    over = "*" if figures.p50_ms > figures.goal_ms else ""
    return f"{figures.p50_ms:.1f} / {figures.p99_ms:.1f} ({figures.cpu_ms:.1f}){over}"


def _as_json(found: list[Figures]) -> str:
    return json.dumps({"about": about_here(), "reads": [asdict(each) for each in found]}, indent=1)


def _bound_s(options: argparse.Namespace) -> float:
    """Each question takes its part of a second, or two calls of five seconds each; few do that."""
    asked = 450 * (options.seconds + 1.0)
    return float(sum(len(options.only) * (lines / ROWS_A_SECOND + asked + 60) for lines in options.lines))


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench --reads", description=__doc__)
    parser.add_argument("--lines", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--read", nargs="+", metavar="NAME", help="only reads whose names have one of these in them")
    parser.add_argument(
        "--case", nargs="+", metavar="WORDS", help="only questions whose names have one of these in them"
    )
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="keep the databases there, or use those kept")
    parser.add_argument("--seconds", type=float, default=0.3, help="for each question")
    parser.add_argument("--verbose", action="store_true", help="also say which table is being filled")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _quiet(text: str) -> None:
    """Say nothing."""
