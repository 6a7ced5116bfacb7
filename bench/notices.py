"""How fast notices leave: a backlog sent to a local receiver, and the delay of each under load, alone and with 1,000
dead endpoints beside, of which half refuse connections and half never answer.

    python -m bench --notices
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from tests.support.pgnode import Node, free_port

from bench import calls as wire
from bench.client import Client, choose
from bench.processes import ServerProcess
from bench.report import about_here
from bench.seeding import PlantedOrder, plant
from bench.stamping import commits
from countermand.admin import endpoints
from countermand.admin.audit import Author
from countermand.app import opened
from countermand.domain.addresses.address import AddressRules
from countermand.domain.commands import AskCancellation
from countermand.domain.parties import Actor, PartyKind
from countermand.observability.logs import configure_logging
from countermand.service.calls import Call, Done
from countermand.settings import Settings
from countermand.store.engines.protocol import Database

RETAILERS = 50
DEAD_AN_ENDPOINT = 10
ENGINES = ("postgresql", "sqlite")
WAIT_S = 180.0
ANY = AddressRules(http=True, ports=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One engine with so many dead endpoints.

    Delays are from the decision, whose commit follows, to the receipt. Lags are from when the commit had returned to
    when the first attempt reached the receiver.
    """

    engine: str
    dead: int
    backlog: int
    per_second: float
    cpu_us_per_notice: float
    calls_per_second: float
    heard: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    lag_p50_ms: float
    lag_p99_ms: float
    received_twice: int


class Received:
    """What the receiver's file holds so far."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self.rows: list[list[Any]] = []

    def more(self) -> int:
        """Read on; how many there are."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._at)
                whole, _, _ = file.read().rpartition(b"\n")
            if whole:
                self._at += len(whole) + 1
                self.rows += [json.loads(line) for line in whole.split(b"\n")]
        return len(self.rows)

    def wait(self, count: int) -> None:
        """Until there are so many, with a limit."""
        end = time.monotonic() + WAIT_S
        while self.more() < count:
            if time.monotonic() > end:
                raise RuntimeError(f"only {len(self.rows)} of {count} notices came")
            time.sleep(0.05)


def measure(engine: str, dead: int, *, backlog: int, seconds: float, clients: int, client: Client) -> Figures:
    """Plant, let the backlog be sent, then load the service and see when each notice comes."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="notices_")))
        keys, record, hanging = directory / "keys", directory / "received", free_port()
        url = f"sqlite:///{directory}/bench.sqlite3"
        if engine == "postgresql":
            url = stack.enter_context(Node(durable=True)).url()
        command = [sys.executable, "-m", "bench.receiver", "{port}", str(hanging), str(record)]
        receiver = stack.enter_context(ServerProcess("receiver", command, directory / "receiver.log"))
        live = int(seconds * 2500)
        waiting = _orders_of_dead(dead) + backlog // 4 + 1
        orders = plant(url, orders=waiting + live // 4 + RETAILERS, lines=4, retailers=RETAILERS, keys=keys)
        _say(f"{engine}, {dead} dead endpoints: planting a backlog of {backlog:,}")
        due = asyncio.run(prepare_backlog(url, keys, orders, receiver.port, hanging, dead, backlog))
        if engine == "postgresql":
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")
        received = Received(record)
        env = {
            "COUNTERMAND_KEY_FILE": str(keys),
            "COUNTERMAND_WEBHOOK_INNER_ADDRESSES": '["127.0.0.0/8"]',
            "COUNTERMAND_WEBHOOK_PORTS": "[]",
        }
        stamps = directory / "commits"
        service = stack.enter_context(_stamped(url, directory / "service.log", stamps, env))
        received.wait(1)
        sent, cpu = len(received.rows), service.cpu_s()
        received.wait(due)
        cpu_us = 1e6 * (service.cpu_s() - cpu) / max(1, len(received.rows) - sent)
        came = [row[0] for row in received.rows]
        rate = len(came) / (max(came) - min(came))
        path = directory / "calls"
        wire.write(path, wire.of_orders("crux", orders[waiting:]))
        load = client.run(service.port, clients, seconds, path, 0)
        before = len(received.rows)
        received.wait(before + load.ok)
        first = _first_attempts(received.rows[before:])
        delays = sorted(came - decided for came, decided in first)
        committed = commits(stamps)
        lags = sorted(came - committed[f"{decided:.6f}"] for came, decided in first)
        return Figures(
            engine=engine,
            dead=dead,
            backlog=due,
            per_second=rate,
            cpu_us_per_notice=cpu_us,
            calls_per_second=load.rate,
            heard=len(delays),
            p50_ms=1e3 * delays[len(delays) // 2],
            p99_ms=1e3 * delays[len(delays) * 99 // 100],
            max_ms=1e3 * delays[-1],
            lag_p50_ms=1e3 * lags[len(lags) // 2],
            lag_p99_ms=1e3 * lags[len(lags) * 99 // 100],
            received_twice=len(received.rows) - len({(row[2], row[3]) for row in received.rows}),
        )


def _orders_of_dead(dead: int) -> int:
    """How many orders make notices for endpoints that are dead."""
    return RETAILERS * DEAD_AN_ENDPOINT if dead else 0


def _stamped(url: str, log: Path, stamps: Path, env: dict[str, str]) -> ServerProcess:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "bench.stamping",
        stamps,
        "serve",
        "--database",
        url,
        "--port",
        "{port}",
    ]
    return ServerProcess("service", command, log, env)


def _first_attempts(rows: Sequence[list[Any]]) -> list[tuple[float, float]]:
    """When the first attempt of each notice came, and when what it tells of was decided."""
    first: dict[tuple[str, str], tuple[float, float]] = {}
    for came, _, path, name, _, _, decided, _ in rows:
        first.setdefault((path, name), (came, datetime.fromisoformat(decided).timestamp()))
    return list(first.values())


async def prepare_backlog(
    url: str, keys: Path, orders: Sequence[PlantedOrder], port: int, hanging: int, dead: int, backlog: int
) -> int:
    """Endpoints for every retailer, and asks of which nobody was told yet; how many notices wait for living ones."""
    retailers = list({order.retailer.party: None for order in orders})
    gone = free_port()
    async with opened(Settings(database=url, key_file=keys)) as application:

        def add(where: Sequence[str]) -> Any:
            def work(connection: Any) -> None:
                for place, address in enumerate(where):
                    endpoints.add(
                        connection,
                        Author(name="bench", door="bench", at=application.clock(), ids=application.ids),
                        application.keyring,
                        party=retailers[place % RETAILERS],
                        url=address,
                        kinds=["cancellation.asked"],
                        rules=ANY,
                    )

            return work

        asked = _orders_of_dead(dead)
        if dead:
            where = [f"http://127.0.0.1:{(gone, hanging)[number % 2]}/{number}" for number in range(dead)]
            await application.database.write(add(where))
            first = [(order, order.lines[0]) for order in orders[:asked]]
            await _ask(application, first)
            # No further event makes a thousand notices: what is measured is who waits for whom.
            await application.database.write(_deafen)
        await application.database.write(add([f"http://127.0.0.1:{port}/{number}" for number in range(RETAILERS)]))
        lines = [(order, line) for order in orders[asked : asked + backlog // 4 + 1] for line in order.lines]
        await _ask(application, lines[:backlog])
        return await _due(application.database, port)


async def _ask(application: Any, lines: Sequence[tuple[PlantedOrder, Any]]) -> None:
    for first in range(0, len(lines), 256):
        outcomes = await asyncio.gather(
            *(
                application.lanes.submit(
                    Call(
                        command=AskCancellation(
                            line=line,
                            actor=Actor(party=order.retailer.party, kind=PartyKind.RETAILER, name="bench"),
                        ),
                        door="bench",
                        retailer=order.retailer.party,
                    )
                )
                for order, line in lines[first : first + 256]
            )
        )
        if not all(isinstance(each, Done) for each in outcomes):
            raise RuntimeError("an ask was refused")


def _deafen(connection: Any) -> None:
    from sqlalchemy import update

    from countermand.store import tables as t
    from countermand.store.revisions import agreements_changed

    connection.execute(update(t.endpoints).values(event_kinds=["line.transport_changed"]))
    agreements_changed(connection)


async def _due(database: Database, port: int) -> int:
    from sqlalchemy import func, select

    from countermand.store import tables as t

    living = select(t.endpoints.c.id).where(t.endpoints.c.url.startswith(f"http://127.0.0.1:{port}/"))
    query = select(func.count()).select_from(t.notices).where(t.notices.c.endpoint_id.in_(living))
    count: int = await database.read(lambda connection: connection.execute(query).scalar_one())
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="bench --notices", description=__doc__)
    parser.add_argument("--backlog", type=int, default=12_000)
    parser.add_argument("--dead", type=int, nargs="+", default=[0, 1000])
    parser.add_argument("--engine", choices=ENGINES, nargs="+", default=list(ENGINES))
    parser.add_argument("--seconds", type=float, default=6.0, help="of load")
    parser.add_argument("--clients", type=int, default=4, help="that cancel during it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep every figure")
    options = parser.parse_args(arguments)
    configure_logging("error")
    with tempfile.TemporaryDirectory(prefix="client_") as directory:
        client = choose(Path(directory))
        more: dict[str, Any] = {"backlog": options.backlog, "seconds": options.seconds, "clients": options.clients}
        found = [measure(engine, dead, client=client, **more) for engine in options.engine for dead in options.dead]
    columns = ("engine", "dead endpoints", "notices per second", "CPU µs a notice", "under load: calls per second")
    print(f"| {' | '.join(columns)} | p50 ms | p99 ms | max ms | lag p50 ms | lag p99 ms |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for each in found:
        told = (each.per_second, each.cpu_us_per_notice, each.calls_per_second)
        delays = (each.p50_ms, each.p99_ms, each.max_ms, each.lag_p50_ms, each.lag_p99_ms)
        print(f"| {each.engine} | {each.dead:,} | {' | '.join(f'{cell:,.0f}' for cell in (*told, *delays))} |")
    about = about_here()
    print("\n" + "\n".join(f"- {name}: {value}" for name, value in about.items()))
    if options.json:
        options.json.write_text(
            json.dumps({"about": about, "figures": [asdict(each) for each in found]}, indent=2) + "\n"
        )
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
