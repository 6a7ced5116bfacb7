"""Kills whoever does a job, again and again, and looks whether every row was done once and has its one result.

    python -m tests.crash.jobs --kills 40 --rows 20000

On SQLite the server is the worker. On PostgreSQL a server and two workers run, and workers are killed: one, or both.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from bench.bulk import Caller
from bench.seeding import PlantedOrder, plant
from sqlalchemy import Connection, func, select

from countermand.app import opened
from countermand.observability.logs import configure_logging
from countermand.settings import Settings
from countermand.store import tables as t
from tests.crash.driver import ENGINES, Program, Service
from tests.crash.notices import LEASE_S, started_with
from tests.crash.story import detail
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.waiting import HANGS_S

WORKERS = 2
ASKS_A_LINE = 3
BAD_EVERY = 50
LOOK_EVERY_S = 0.003


@dataclass
class Finished:
    """What a run came to: ``wrong`` are rows without their one result, or with another effect than they tell."""

    engine: str
    rows: int
    kills: int = 0
    in_the_middle: int = 0
    ok: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.engine}: {self.rows} rows, {self.kills} kills of which {self.in_the_middle} in the middle,"
            f" {self.ok} rows asked, {len(self.wrong)} wrong"
        )


def do_job(engine: str, *, rows: int, kills: int, seed: int = 1, node: Node | None = None) -> Finished:
    """Do a job of so many rows, whose workers are killed so often."""
    dice, found = Random(seed), Finished(engine, rows)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jobs_")))
        if engine == "postgresql":
            node = node or stack.enter_context(templates.node(durable=True))
            url = templates.new_database(node)
        else:
            url = f"sqlite:///{directory}/crash.sqlite3"
            templates.fill_if_absent(url)
        keys = directory / "keys"
        environment = {"COUNTERMAND_WORKER_LEASE_S": str(LEASE_S), "COUNTERMAND_KEY_FILE": str(keys)}
        stack.enter_context(started_with(environment, engine))
        planted = plant(url, orders=-(-rows // ASKS_A_LINE), lines=1, retailers=1, suppliers=2, units_max=1, keys=keys)
        service = stack.enter_context(Service(url, directory / "service.log"))
        workers = [Program(directory / f"w{n}.log", "worker", "--database", url) for n in range(WORKERS)]
        service.start(detail(planted[0]))
        if engine == "postgresql":
            for worker in workers:
                stack.callback(worker.kill)
                worker.launch()
        job = _begin(service.port, planted, _file(planted, rows, dice))
        for number in range(kills):
            _await(service.port, planted, job, rows * (number + 1) // (kills + 1), found)
            if engine == "sqlite":
                service.kill()
                service.start(detail(planted[0]))
            else:
                victims = workers if number % 2 else [workers[number // 2 % WORKERS]]
                for worker in victims:
                    worker.kill()
                for worker in victims:
                    worker.launch()
            found.kills += 1
        results = _end(service.port, planted, job, found)
        asyncio.run(_compare(url, keys, results, found))
    return found


def _file(planted: Sequence[PlantedOrder], rows: int, dice: Random) -> str:
    """Rows in any order; each line is asked for once, and named by rows that are refused or make no sense as well."""
    lines = [order.lines[0] for order in planted]
    given = [(lines[number // ASKS_A_LINE], "1" if number % BAD_EVERY else "none") for number in range(rows)]
    dice.shuffle(given)
    return "line,units\n" + "".join(f"{line},{units}\n" for line, units in given)


def _calling(port: int, planted: Sequence[PlantedOrder]) -> closing[Caller]:
    return closing(Caller(port, planted[0].retailer.token))


def _begin(port: int, planted: Sequence[PlantedOrder], file: str) -> str:
    with _calling(port, planted) as caller:
        job: str = caller.call("POST", "/v1/jobs", b'{"kind": "ask", "format": "csv"}')["id"]
        caller.call("PUT", f"/v1/jobs/{job}/input?part=1", file.encode(), "text/csv")
        caller.call("POST", f"/v1/jobs/{job}/start", b'{"parts": 1}')
        return job


def _await(port: int, planted: Sequence[PlantedOrder], job: str, done: int, found: Finished) -> None:
    """Until so many rows are done."""
    end = time.monotonic() + HANGS_S
    with _calling(port, planted) as caller:
        while (seen := caller.call("GET", f"/v1/jobs/{job}"))["rows"]["done"] < done:
            assert time.monotonic() < end, f"the job does not go on: {seen}"
            time.sleep(LOOK_EVERY_S)
    found.in_the_middle += seen["state"] == "running"


def _end(port: int, planted: Sequence[PlantedOrder], job: str, found: Finished) -> list[dict[str, Any]]:
    _await(port, planted, job, found.rows, Finished(found.engine, found.rows))
    end = time.monotonic() + HANGS_S
    with _calling(port, planted) as caller:
        while (seen := caller.call("GET", f"/v1/jobs/{job}"))["state"] != "done":
            assert time.monotonic() < end, seen
            time.sleep(LOOK_EVERY_S)
        content = caller.file(f"/v1/jobs/{job}/results", "application/jsonl")
    results = [json.loads(line) for line in content.decode().splitlines()]
    counts = Counter(each["result"] for each in results)
    told = {name: seen["rows"][name] for name in ("ok", "refused", "invalid", "cancelled") if seen["rows"][name]}
    if counts != told:
        found.wrong.append(f"the job says {told}, its rows {dict(counts)}")
    return results


async def _compare(url: str, keys: Path, results: Sequence[dict[str, Any]], found: Finished) -> None:
    if [each["row"] for each in results] != list(range(1, found.rows + 1)):
        found.wrong.append("not every row has one result")
    asked = {UUID(each["id"].removeprefix("can_")): each["input"]["line"] for each in results if each["result"] == "ok"}
    found.ok = len(asked)

    def stored(connection: Connection) -> tuple[dict[UUID, str], int]:
        columns = t.cancellations.c
        rows = connection.execute(select(columns.id, columns.line_id, columns.units)).all()
        units = connection.execute(select(func.sum(t.lines.c.asked))).scalar_one()
        return {row.id: str(row.line_id) for row in rows if row.units == 1}, int(units)

    async with opened(Settings(database=url, key_file=keys)) as application:
        there, units = await application.database.read(stored)
    if there != asked:
        none, more = len(asked.keys() - there.keys()), len(there.keys() - asked.keys())
        found.wrong.append(f"{none} rows had no effect, {more} effects have no row")
    if units != len(asked):
        found.wrong.append(f"{units} units are asked for by {len(asked)} rows")
    refused = {each["code"] for each in results if each["result"] == "refused"}
    if refused - {"already_asked"}:
        found.wrong.append(f"rows were refused for {refused}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when a row was lost or done twice."""
    parser = argparse.ArgumentParser(prog="tests.crash.jobs", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=40, help="per engine")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=list(ENGINES))
    options = parser.parse_args(arguments)
    configure_logging("error")
    failed = 0
    for engine in options.engine:
        found = do_job(engine, rows=options.rows, kills=options.kills)
        print(found, *found.wrong, sep="\n  ", flush=True)
        failed += bool(found.wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
