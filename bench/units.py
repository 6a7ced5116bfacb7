"""What one order, ask, answer, notice and refund cost: CPU by the clock of the processes, bytes by table.

    python -m bench.units --number 2000 --json bench/unit_costs.json

Commands go down the write road in batches, without HTTP; notices and refunds leave over HTTP to processes of their own.
CPU of a busy machine is higher than that of an idle one, as caches are shared. Bytes are those of PostgreSQL, with
indexes.
"""

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from pydantic import SecretStr
from sqlalchemy import Connection, text
from tests.crash.driver import Wire
from tests.support import templates
from tests.support.money import order_json
from tests.support.payments.server import API_KEY, WEBHOOK_SECRET
from tests.support.pgnode import Node, free_port
from tests.support.waiting import HANGS_S
from tests.support.world import World, author_at, populate

from bench.processes import ROOT, children, countermand, cpu_s
from countermand.admin import endpoints
from countermand.app import Service, opened
from countermand.documents.orders import OrderIn, place
from countermand.domain.addresses.address import AddressRules
from countermand.domain.commands import AcceptCancellation, AskCancellation
from countermand.domain.orders import PlaceOrder
from countermand.ids import Ids
from countermand.observability.logs import configure_logging
from countermand.service.calls import Done
from countermand.settings import Settings
from countermand.store.engines.protocol import Database

AT_ONCE = 64
LINES = 2
WARM, CALLS = 100, 2000
TEMPORARY = ("notices", "attempts", "idempotency_records", "process_statuses")
"""Tables whose rows are deleted after some days."""

COMMAND = "python -m bench.units --number {number} --json bench/unit_costs.json"

Step = Callable[[], Awaitable[int]]


class Measuring:
    """One engine: runs steps, and says what each cost."""

    def __init__(self, world: World, node: Node | None) -> None:
        self.world, self.node = world, node
        self.costs: dict[str, dict[str, float]] = {}

    async def step(self, name: str, work: Step) -> None:
        """Do it, and keep what one of it cost."""
        sizes, ours, theirs = await self._sizes(), time.process_time(), _cpu_of(self.node)
        number = await work()
        found = {
            "cpu_us": (time.process_time() - ours) / number * 1e6,
            "database_cpu_us": (_cpu_of(self.node) - theirs) / number * 1e6,
        }
        if self.node:
            now = await self._sizes()
            grown = {table: (size - sizes.get(table, 0)) / number for table, size in now.items()}
            found["kept_bytes"] = sum(size for table, size in grown.items() if table not in TEMPORARY)
            found["temporary_bytes"] = sum(size for table, size in grown.items() if table in TEMPORARY)
        self.costs[name] = {name: round(value, 1) for name, value in found.items()}
        print(name, self.costs[name], flush=True)

    async def _sizes(self) -> dict[str, int]:
        return await self.world.application.database.read(_sizes) if self.node else {}


def _cpu_of(node: Node | None) -> float:
    """What PostgreSQL has used, in seconds. What a backend used stays with its parent when it ends."""
    process = node.process if node else None
    return sum(cpu_s(each, ended_children=True) for each in [process.pid, *children(process.pid)]) if process else 0.0


def _sizes(connection: Connection) -> dict[str, int]:
    query = text(
        "SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200"
    )
    return {row.relname: row.pg_total_relation_size for row in connection.execute(query)}


async def _all(calls: Sequence[Awaitable[Any]]) -> int:
    for first in range(0, len(calls), AT_ONCE):
        for outcome in await asyncio.gather(*calls[first : first + AT_ONCE]):
            assert isinstance(outcome, Done), outcome
    return len(calls)


async def measure(
    settings: Settings, node: Node | None, number: int, bank: int, receiver: int, prefix: str
) -> tuple[dict[str, dict[str, float]], str, str]:
    """All steps on one database."""
    async with opened(settings) as application:
        world = await populate(application, application.clock)  # type: ignore[arg-type]
        measuring, worker = Measuring(world, node), application.worker
        # Nothing leaves before its step.
        application.lanes.report_to(wake=lambda pairs: None, committed=application.arrivals.announce)
        await worker.renew_leases()
        orders = await _handed_in(world, [f"{prefix}{each}" for each in range(number)], bank)
        await measuring.step("order", lambda: _all([world.submit(each, retailer=world.retailer) for each in orders]))
        lines = [line.id for order in orders for line in order.lines]
        await _registered(application, world, receiver)

        async def asks() -> int:
            actor = world.actor(world.retailer)
            return await _all(
                [world.submit(AskCancellation(line=x, actor=actor), retailer=world.retailer) for x in lines]
            )

        async def answers() -> int:
            actor = world.actor(world.supplier)
            return await _all([world.submit(AcceptCancellation(line=x, actor=actor)) for x in lines])

        async def notices() -> int:
            count = await _count(application.database, "notices")
            while await _count(application.database, "notices", "state = 'due'"):
                await worker.once()
            return count

        async def refunds() -> int:
            count = await _count(application.database, "refunds")
            while await _count(application.database, "refunds", "state NOT IN ('confirmed', 'parked')"):
                assert await worker.settle_refunds()
            return count

        await measuring.step("ask", asks)
        await measuring.step("answer", answers)
        await measuring.step("notice", notices)
        await measuring.step("refund", refunds)
        found = await application.database.read(
            lambda connection: connection.execute(text("SELECT id FROM cancellations LIMIT 1")).scalar_one()
        )
        return measuring.costs, f"/v1/cancellations/can_{UUID(str(found)).hex}", world.tokens[world.retailer]


async def _count(database: Database, table: str, where: str = "1 = 1") -> int:
    query = text(f"SELECT count(*) FROM {table} WHERE {where}")
    return int(await database.read(lambda connection: connection.execute(query).scalar_one()))


async def _handed_in(world: World, names: Sequence[str], bank: int) -> list[PlaceOrder]:
    """Orders of two lines, each paid by a payment of its own."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{bank}", timeout=HANGS_S) as client:
        paid = [{"id": name, "amount": "20.00", "currency": "EUR", "captured": "20.00"} for name in names]
        (await client.post("/_/pay", json={"payments": paid})).raise_for_status()
    lines = [
        {
            "sku": f"SKU-{number}",
            "title": "A good pair of shoes",
            "units": 1,
            "unit_price": "10.00",
            "supplier": str(world.supplier),
        }
        for number in range(LINES)
    ]
    ids = Ids()
    return [
        place(
            OrderIn.model_validate(
                order_json(
                    world,
                    reference=f"PO-{name}",
                    lines=lines,
                    discounts=[],
                    payments=[{"provider": "stripe", "reference": name, "captured": "20.00"}],
                )
            ),
            actor=world.actor(world.retailer),
            party=UUID,
            ids=ids,
            now=world.clock(),
        )
        for name in names
    ]


async def _registered(application: Service, world: World, port: int) -> None:
    """The supplier has a webhook, which hears of everything."""

    def add(connection: Connection) -> None:
        endpoints.add(
            connection,
            author_at(application),
            application.keyring,
            party=world.supplier,
            url=f"http://127.0.0.1:{port}/hook",
            rules=AddressRules(http=True, ports=()),
        )

    await application.database.write(add)


@contextmanager
def _running(*command: str) -> Iterator[int]:
    """A process of ours that listens on a port, which stands for ``{port}`` in the command."""
    port = free_port()
    process = subprocess.Popen([sys.executable, *(each.format(port=port) for each in command)], cwd=ROOT)
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
            except OSError:
                time.sleep(0.05)
            else:
                break
        yield port
    finally:
        process.kill()
        process.wait()


def _settings(url: str, keys: Path, bank: int) -> Settings:
    return Settings(
        database=url,
        key_file=keys,
        read_timeout_s=0,
        webhook_inner_addresses=["127.0.0.0/8"],
        webhook_http=True,
        webhook_ports=[],
        payment_providers=["stripe"],
        stripe_api_key=SecretStr(API_KEY),
        stripe_webhook_secret=SecretStr(WEBHOOK_SECRET),
        stripe_url=f"http://127.0.0.1:{bank}",
    )


def _over_http(
    url: str, directory: Path, settings: Settings, node: Node | None, path: str, token: str
) -> dict[str, dict[str, float]]:
    """What a call costs that does nothing, and one that reads one cancellation by its id."""
    found = {}
    # Its worker would work meanwhile, and count.
    env = {"COUNTERMAND_KEY_FILE": str(settings.keys), "COUNTERMAND_WORKER": "false"}
    with countermand("units", url, directory / "serve.log", None, **env) as server:
        for name, target in (("call", "/healthz"), ("read", path)):
            wire = Wire(server.port)
            call = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            for _ in range(WARM):
                assert wire.send(call)[0] == 200, target
            before, theirs = server.cpu_s(), _cpu_of(node)
            for _ in range(CALLS):
                wire.send(call)
            used = {"cpu_us": server.cpu_s() - before, "database_cpu_us": _cpu_of(node) - theirs}
            found[name] = {what: round(seconds / CALLS * 1e6, 1) for what, seconds in used.items()}
            print(name, found[name], flush=True)
            wire.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=1000, help="how many orders")
    parser.add_argument("--json", type=Path, help="where the figures go")
    given = parser.parse_args()
    configure_logging("error")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="units_")))
        receiver = stack.enter_context(
            _running("-m", "bench.receiver", "{port}", str(free_port()), str(directory / "received"))
        )
        bank = stack.enter_context(_running("-m", "tests.support.payments", "--port", "{port}"))
        node = stack.enter_context(templates.node(durable=True))
        load = os.getloadavg()[0]
        measured = {}
        for engine, url, server in (
            ("postgresql", templates.new_database(node), node),
            ("sqlite", f"sqlite:///{directory}/units.sqlite3", None),
        ):
            print(engine)
            templates.fill_if_absent(url)
            settings = _settings(url, directory / f"{engine}.keys", bank)
            prefix = f"pi_{engine}_"
            measured[engine], path, token = asyncio.run(measure(settings, server, given.number, bank, receiver, prefix))
            measured[engine] |= _over_http(url, directory, settings, server, path, token)
    if given.json:
        found = {"command": COMMAND.format(number=given.number), "load": round(load, 1), "measured": measured}
        given.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
