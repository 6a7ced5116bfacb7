"""Kills the primary PostgreSQL under load and promotes its synchronous standby, again and again.

    python -m tests.crash.failover --promotions 10

The service has the addresses of both, and is not started again. Whatever was acknowledged must be there afterwards, and
calls must be answered soon after the promotion.
"""

import argparse
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bench.seeding import plant

from tests.crash.driver import Service, Tally, Torture
from tests.crash.story import Order, detail
from tests.support import templates
from tests.support.pgnode import Node


@dataclass
class Failover(Torture):
    """A run whose database server is killed, and whose standby takes its place."""

    standby: Node | None = None

    def fail_over(self) -> None:
        """Load, SIGKILL of the primary, promotion of its standby; the service has to find it by itself."""
        self.disturb(self._promote, "the promotion")

    def _promote(self) -> None:
        assert self.node is not None
        assert self.standby is not None
        self.node.stop("kill")
        self.standby.promote()

    def destroy(self) -> None:
        """Both servers, whichever they are by now."""
        for node in filter(None, (self.node, self.standby)):
            node.destroy()

    def follow_again(self) -> None:
        """The new primary gets a standby, where the old primary was."""
        assert self.node is not None
        assert self.standby is not None
        port = self.node.port
        self.node.destroy()
        self.node, self.standby = self.standby, follower(self.standby, port)


def follower(primary: Node, port: int | None = None) -> Node:
    """A synchronous standby, on a port if one is given."""
    standby = Node(durable=True)
    if port is not None:
        standby.port = port
        standby.settings["port"] = port
    return standby.follow(primary)


def fail_over(
    *, promotions: int, seed: int = 1, callers: int = 8, moment: tuple[int, int] = (100, 1000), orders_each: int = 300
) -> Tally:
    """Promote so many times and say what was found."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="failover_")))
        primary = stack.enter_context(templates.node(durable=True))
        name = templates.new_database(primary).rpartition("/")[2]
        standby = follower(primary)
        url = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/{name}"
        orders = plant(url, orders=promotions * orders_each, lines=3, retailers=10, suppliers=4, units_max=3, seed=seed)
        service = stack.enter_context(Service(url, directory / "service.log"))
        tally = Tally("postgresql, its standby promoted")
        run = Failover(url, service, deque(map(Order.of, orders)), tally, Random(seed), callers, moment, primary)
        run.standby = standby
        stack.callback(run.destroy)
        service.start(detail(orders[0]))
        for number in range(promotions):
            if number:
                run.follow_again()
            run.fail_over()
        run.compare_everything()
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when anything was lost, half done, or wrongly answered."""
    parser = argparse.ArgumentParser(prog="tests.crash.failover", description=__doc__.partition("\n")[0])
    parser.add_argument("--promotions", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    tally = fail_over(promotions=options.promotions, seed=options.seed)
    print(tally, flush=True)
    for problem in [*tally.lost, *tally.half, *tally.wrong][:10]:
        print("  ", problem, flush=True)
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
