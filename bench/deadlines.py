"""How late deadlines fire, and whether one fires twice: real clocks, two workers on PostgreSQL.

python -m bench.deadlines --asks 5000
"""

import argparse
import asyncio
from collections import Counter
from functools import partial
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, select
from tests.support.pgnode import Node

from bench.seeding import plant
from countermand.admin import policies
from countermand.app import opened
from countermand.domain.commands import AskCancellation
from countermand.domain.parties import Actor, PartyKind
from countermand.domain.policy import Policy, Silence
from countermand.observability.logs import configure_logging
from countermand.reads.policies import ANY_FULFILLER
from countermand.service.calls import Call, Done
from countermand.settings import Settings
from countermand.store import tables as t

WITHIN_S = 3


async def fire(url: str, asks: int, keys: Path) -> str:
    """Ask, let the deadlines pass under two workers, and count what the database says happened."""
    planted = await asyncio.to_thread(partial(plant, url, orders=asks, lines=1, keys=keys))
    settings = Settings(database=url, key_file=keys)
    async with opened(settings) as first, opened(settings) as second:

        def agree(connection: Connection) -> None:
            policy = Policy(answer_within_s=WITHIN_S, silence=Silence.LAPSE)
            for retailer in {order.retailer.party for order in planted}:
                policies.put_in_force(
                    connection,
                    first.clock(),
                    retailer=retailer,
                    fulfiller=ANY_FULFILLER,
                    policy=policy,
                    by="bench",
                )

        await first.database.write(agree)
        # A SQLite file has one worker: the server's.
        workers = (first, second) if first.database.engine.name == "postgresql" else (first,)
        working = [asyncio.create_task(each.worker.run()) for each in workers]
        for order in planted:
            actor = Actor(party=order.retailer.party, kind=PartyKind.RETAILER, name="bench")
            ask = AskCancellation(line=order.lines[0], actor=actor)
            outcome = await first.lanes.submit(Call(command=ask, door="bench", retailer=actor.party))
            assert isinstance(outcome, Done)
        while await first.database.read(_open):  # noqa: ASYNC110 - the condition is the database's
            await asyncio.sleep(0.5)
        told = await first.database.read(_lapses)
        for each in workers:
            await each.worker.stop()
        await asyncio.gather(*working, return_exceptions=True)
    return _report(told, asks)


def _open(connection: Connection) -> bool:
    return (
        connection.execute(select(t.cancellations.c.id).where(t.cancellations.c.state == "asked")).first() is not None
    )


def _lapses(connection: Connection) -> list[tuple[str, float]]:
    """Each lapse: of which cancellation, and how many seconds after it was due."""
    lapsed = t.events.alias()
    query = select(lapsed.c.cancellation_id, lapsed.c.at, t.cancellations.c.asked_at).join(
        t.cancellations, t.cancellations.c.id == lapsed.c.cancellation_id
    )
    rows = connection.execute(query.where(lapsed.c.kind == "cancellation.lapsed"))
    return [(row.cancellation_id.hex, (row.at - row.asked_at).total_seconds() - WITHIN_S) for row in rows]


def _report(told: list[tuple[str, float]], asks: int) -> str:
    late = sorted(seconds for _, seconds in told)
    twice = sum(count > 1 for count in Counter(each for each, _ in told).values())
    cuts = quantiles(late, n=100)
    return (
        f"{asks} deadlines: fired {len(told)}, twice {twice}, early {sum(each < 0 for each in late)},"
        f" more than 60 s late {sum(each > 60 for each in late)};"
        f" after the due time p50 {cuts[49]:.1f} s, p99 {cuts[98]:.1f} s, at most {late[-1]:.1f} s"
    )


def main() -> None:
    """Both engines, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--asks", type=int, default=5000)
    given = parser.parse_args()
    configure_logging("error")
    with TemporaryDirectory() as folder, Node() as node:
        keys = Path(folder, "keys")
        for name, url in (("sqlite", f"sqlite:///{folder}/deadlines.sqlite3"), ("postgresql", node.url())):
            print(f"{name}: {asyncio.run(fire(url, given.asks, keys))}", flush=True)


if __name__ == "__main__":
    main()
