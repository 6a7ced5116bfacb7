"""How long pages of the console take: of the server, and until a browser paints, with 10,000 and 1,000,000 lines.

    python -m bench --pages

Every page of the console's table is asked for, as each role that may see it: so none is missing. The server is a
process as its users start it, over loopback; pages are warm. The pages of the operator are then opened in chromium,
and the time of its first paint is that of the browser itself, from the start of the navigation.
"""

import argparse
import asyncio
import json
import pickle
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import UUID

import httpx2
from playwright.async_api import async_playwright
from sqlalchemy import Connection, Engine, event
from tests.support.pgnode import Node
from tests.support.population import Population, populate

from bench.processes import ServerProcess, countermand
from bench.reads import ENGINES, SERVER_SETTINGS, keep_cards
from bench.report import about_here
from countermand.admin import jobs, users, web_sessions
from countermand.admin.audit import Author
from countermand.admin.callers import PERMISSIONS
from countermand.app import Service, opened
from countermand.console.login import SESSION_COOKIE
from countermand.console.routes import ROUTES, Route
from countermand.domain.jobs import JobFormat, JobKind
from countermand.domain.parties import PartyKind
from countermand.ids import Ids, show
from countermand.reads.parties import find_party
from countermand.serving import doors
from countermand.settings import Settings

SIZES: Final = (10_000, 1_000_000)
GOAL_MS: Final = 300.0
PAINT: Final = """() => new Promise((found) => new PerformanceObserver((list) => {
    const paint = list.getEntries().find((each) => each.name === "first-contentful-paint");
    if (paint) found(paint.startTime);
}).observe({ type: "paint", buffered: true }))"""
"""When the page was painted first. It waits for that."""

MORE: Final = (
    "/console/cancellations?view=all",
    "/console/cancellations?view=asked",
    "/console/cancellations?view=accepted",
    "/console/cancellations?view=late",
    "/console/orders?q=nothing",
    "/console/refunds?state=all",
    "/console/refunds?state=confirmed",
)
"""Lists with filters, which ask other questions than the list without."""

NEED_A_QUERY: Final = {
    "/console/cancellations/bulk": "?do=accept&id={cancellation}",
    "/console/refunds/bulk": "?id={refund}",
    "/console/policies/edit": "?retailer={retailer}",
    "/console/search": "?q={order}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One page as one role sees it. ``cpu_ms`` is what it takes of the server's CPU, ``statements`` what it asks of the
    database; ``paint_ms`` is only of the operator's.
    """

    page: str
    role: str
    engine: str
    lines: int
    status: int
    size: int
    p50_ms: float
    max_ms: float
    cpu_ms: float
    statements: int
    paint_ms: float | None = None


def main(arguments: Sequence[str]) -> int:
    """Measure, print one table, and fail where a page missed its goal."""
    options = _options(arguments)
    found: list[Figures] = []
    for lines in options.lines:
        for engine in options.only:
            found += _measure(engine, lines, options)
            if options.json:
                text = json.dumps({"about": about_here(), "pages": [asdict(each) for each in found]}, indent=1)
                options.json.write_text(text)
    print(_table(found))
    return 1 if any(_is_late(each) for each in found) else 0


def _measure(engine: str, lines: int, options: argparse.Namespace) -> list[Figures]:
    with ExitStack() as stack:
        directory = options.keep and options.keep.resolve() / f"pages_{engine}_{lines}"
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench_pages_")))
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o711)
        url = f"sqlite:///{directory}/pages.sqlite3"
        if engine == "postgresql":
            node = stack.enter_context(Node(durable=True, directory=directory / "server", **SERVER_SETTINGS))
            url = node.url()
        settings = Settings(database=url, key_file=directory / "keys", worker=False)
        population = _made(directory / "population", url, lines, settings)
        stage, asked = asyncio.run(_prepared(settings, population, kept=not options.no_cards))
        environment = {"COUNTERMAND_KEY_FILE": str(directory / "keys"), "COUNTERMAND_WORKER": "false"}
        environment["COUNTERMAND_CALL_LIMIT"] = ""
        with countermand("pages", url, directory / "server.log", None, **environment) as server:
            address = f"http://127.0.0.1:{server.port}"
            return asyncio.run(_pages(address, server, stage, asked, engine, lines, options))


def _made(path: Path, url: str, lines: int, settings: Settings) -> Population:
    if path.exists():
        kept: Population = pickle.loads(path.read_bytes())
        return kept
    _say(f"{url}: making {lines:,} lines")
    population = populate(url, lines, now=datetime.now(UTC), keys=settings.key_file, say=_say)
    path.write_bytes(pickle.dumps(population))
    return population


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Who is logged in, by role, and what the parts of paths stand for."""

    secrets: Mapping[str, str]
    kinds: Mapping[str, PartyKind]
    names: Mapping[str, Mapping[str, str]]


Asked = Mapping[tuple[str, str], int]
"""How many statements a page takes, by role and page."""


async def _prepared(settings: Settings, p: Population, *, kept: bool) -> tuple[Stage, Asked]:
    roles = {"operator": p.platform, "retailer": p.big_retailer, "supplier": p.big_supplier}
    kinds = dict(zip(roles, (PartyKind.PLATFORM, PartyKind.RETAILER, PartyKind.SUPPLIER), strict=True))
    async with opened(settings) as application:
        if kept:
            await keep_cards(application, p)
        people = {
            role: await application.database.write(partial(log_in, application, party)) for role, party in roles.items()
        }
        names = {role: _names(p, role, roles[role], *people[role][1:]) for role in roles}
        stage = Stage(secrets={role: each[0] for role, each in people.items()}, kinds=kinds, names=names)
        return stage, await _asked(application, stage)


async def _asked(application: Service, stage: Stage) -> Asked:
    """Ask for every page once within this process, and count what it asks of the database."""
    found: dict[tuple[str, str], int] = {}
    number = 0

    def count(*_: Any) -> None:
        nonlocal number
        number += 1

    event.listen(Engine, "before_cursor_execute", count)
    transport = httpx2.ASGITransport(app=doors(application))
    try:
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            for role, secret in stage.secrets.items():
                for name, path in _paths(stage, role).items():
                    number = 0
                    await client.get(path, headers={"cookie": f"{SESSION_COOKIE}={secret}"})
                    found[role, name] = number
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    return found


def log_in(application: Service, party: UUID, connection: Connection) -> tuple[str, UUID, UUID, UUID]:
    """A session of somebody new of a party; the user, a job and the session itself."""
    ids, now = application.ids, application.clock()
    email = f"{ids.new().hex}@example.com"
    user = users.enter(
        connection,
        ids,
        now,
        party=find_party(connection, str(party)),
        email=email,
        name="Ada",
        password=ids.token("pw"),
        permissions=None,
    )
    secret = web_sessions.open_session(connection, ids, now, user=user, party=party, label="bench")
    job = ids.new()
    author = Author(name="bench", door="bench", at=now, ids=Ids())
    jobs.create(connection, author, job=job, party=party, kind=JobKind.ASK, written=JobFormat.CSV)
    return secret, user, job, user


def _names(p: Population, role: str, party: UUID, user: UUID, job: UUID, credential: UUID) -> dict[str, str]:
    """What the parts of paths stand for. Parties look at the big supplier's or at their own."""
    asked, line, refund = (p.samples[name] for name in ("asked", "line", "refund"))
    shown = p.big_supplier if role == "operator" else party
    return {
        "cancellation": show("can", asked.id),
        "order": show("ord", asked.order_id),
        "line": show("lin", line.id),
        "refund": show("rfd", refund.id),
        "party": show("pty", shown),
        "retailer": show("pty", p.big_retailer),
        "endpoint": show("ept", p.endpoint),
        "job": show("job", job),
        "user": show("usr", user),
        "credential": show("crd", credential),
        "notice": show("ntc", p.samples["notice"].id),
        "event": show("evt", p.samples["event"].id),
        # None was made: the page that says so.
        "attempt": show("att", p.samples["notice"].id),
    }


def _may(kind: PartyKind, route: Route) -> bool:
    return kind in route.kinds and (route.permission is None or route.permission in PERMISSIONS[kind])


def _paths(stage: Stage, role: str) -> dict[str, str]:
    """Every page that a role may see: its name in the table of routes, and an address of it."""
    kind, names = stage.kinds[role], stage.names[role]
    found = {}
    for route in ROUTES:
        if route.method == "GET" and _may(kind, route):
            found[route.path] = (route.path + NEED_A_QUERY.get(route.path, "")).format(**names)
    supplier = kind is PartyKind.SUPPLIER
    return found | {each: each for each in MORE if not (supplier and "refunds" in each)}


async def _pages(
    address: str,
    server: ServerProcess,
    stage: Stage,
    asked: Asked,
    engine: str,
    lines: int,
    options: argparse.Namespace,
) -> list[Figures]:
    found: list[Figures] = []
    for role, secret in stage.secrets.items():
        paths = {name: path for name, path in _paths(stage, role).items() if not options.page or options.page in name}
        headers = {"cookie": f"{SESSION_COOKIE}={secret}"}
        async with httpx2.AsyncClient(base_url=address, headers=headers, timeout=60, trust_env=False) as client:
            for name, path in paths.items():
                statements = asked[role, name]
                more = {"role": role, "engine": engine, "lines": lines, "statements": statements}
                found.append(await _served(client, server, name, path, options.rounds, **more))
    if shutil.which("chromium") and not options.no_paint:
        painted = await _painted(address, stage.secrets["operator"], _paths(stage, "operator"), options)
        found = [
            Figures(**{**asdict(each), "paint_ms": painted.get(each.page)}) if each.role == "operator" else each
            for each in found
        ]
    return found


async def _served(
    client: httpx2.AsyncClient, server: ServerProcess, name: str, path: str, rounds: int, **more: Any
) -> Figures:
    await client.get(path)
    took, cpu = [], server.cpu_s()
    for _ in range(rounds):
        began = time.perf_counter()
        reply = await client.get(path)
        took.append((time.perf_counter() - began) * 1000)
    cpu_ms = (server.cpu_s() - cpu) * 1000 / rounds
    told = f"{reply.status_code}, {median(took):.1f} ms, {cpu_ms:.1f} ms of CPU, {more['statements']} statements"
    _say(f"{more['engine']}, {more['lines']:,}, {more['role']}: {name}: {told}")
    return Figures(
        page=name,
        status=reply.status_code,
        size=len(reply.content),
        p50_ms=round(median(took), 1),
        max_ms=round(max(took), 1),
        cpu_ms=round(cpu_ms, 1),
        **more,
    )


async def _painted(
    address: str, secret: str, paths: Mapping[str, str], options: argparse.Namespace
) -> dict[str, float]:
    """The first paint of each page, the median of some loads."""
    found = {}
    async with async_playwright() as playwright:
        program = shutil.which("chromium")
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        context = await browser.new_context(base_url=address, viewport={"width": 1440, "height": 900})
        secure = address.replace("http:", "https:")
        cookie: Any = {"name": SESSION_COOKIE, "value": secret, "url": secure, "secure": True, "httpOnly": True}
        await context.add_cookies([cookie])
        page = await context.new_page()
        for name, path in paths.items():
            if name.endswith(".csv") or (options.page and options.page not in name):
                continue
            took = []
            for number in range(options.paints + 1):
                await page.goto(path)
                paint = await page.evaluate(PAINT)
                if number:
                    took.append(paint)
            found[name] = round(median(took), 1)
            _say(f"{name}: painted after {found[name]:.0f} ms")
        await browser.close()
    return found


def _is_late(each: Figures) -> bool:
    return each.p50_ms > GOAL_MS or (each.paint_ms or 0) > GOAL_MS


def _table(found: list[Figures]) -> str:
    """A row for each page; of the roles the slowest."""
    runs = list(dict.fromkeys((each.engine, each.lines) for each in found))
    head = [f"{engine} {lines:,}" for engine, lines in runs]
    head_line = (
        "ms at the server, p50, and of its CPU / statements, of the slowest role / first paint of the operator's."
    )
    shown = [f"{head_line} Over 300 ms: *", ""]
    shown += [f"| Page | {' | '.join(head)} |", f"|---|{'---|' * len(head)}"]
    for name in dict.fromkeys(each.page for each in found):
        cells = []
        for engine, lines in runs:
            of_page = [each for each in found if (each.page, each.engine, each.lines) == (name, engine, lines)]
            paint = next((each.paint_ms for each in of_page if each.paint_ms), None)
            slowest = max(of_page, key=attrgetter("p50_ms"), default=None)
            over = "*" if any(_is_late(each) for each in of_page) else ""
            if slowest is None:
                cells.append("")
                continue
            served = f"{slowest.p50_ms:.0f}, {slowest.cpu_ms:.0f} / {slowest.statements}"
            cells.append(f"{served} / {'–' if paint is None else f'{paint:.0f}'}{over}")
        shown.append(f"| `{name}` | {' | '.join(cells)} |")
    odd = [each for each in found if each.status not in (200, 303)]
    shown += ["", f"{len(found)} figures; the slowest took {max(each.p50_ms for each in found):.0f} ms."]
    shown += [f"- {each.role}: {each.page} answered {each.status}" for each in odd]
    return "\n".join(shown)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench --pages", description=__doc__)
    parser.add_argument("--lines", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--only", nargs="+", choices=ENGINES, default=["sqlite"])
    parser.add_argument("--page", metavar="WORDS", help="only pages whose paths have this in them")
    parser.add_argument("--rounds", type=int, default=7, help="how often each page is asked for")
    parser.add_argument("--paints", type=int, default=3, help="how often each page is painted")
    parser.add_argument("--no-paint", action="store_true", help="without a browser")
    parser.add_argument("--no-cards", action="store_true", help="where no worker has kept figures of scorecards yet")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="keep the databases there, or use those kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
