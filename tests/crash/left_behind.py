"""The primary is lost, and the standby that takes its place lacks the last calls. No refund is paid twice.

    python -m tests.crash.left_behind --refunds 400

What an operator does stands in docs/how-to/standbys.md and docs/how-to/back-up.md: the statements are taken from there.
Money went back for cancellations that are lost. They are asked for again, and the provider must pay nothing again.
"""

import argparse
import random
import re
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any
from uuid import UUID

import httpx2
import psycopg
from bench.processes import ROOT
from bench.seeding import platform_token

from countermand.ids import show
from countermand.observability.logs import configure_logging
from tests.crash.refunds import (
    CALLERS,
    SHOWN_MAX,
    Caller,
    Paid,
    Run,
    Tally,
    compare,
    decimal,
    minor,
    not_failed,
    plant,
    running,
    stored,
    until,
    went_back,
)
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.waiting import HANGS_S

Asks = Sequence[tuple[str, UUID]]

PAGE = ROOT / "docs" / "how-to" / "back-up.md"


def leave_behind(*, refunds: int, seed: int = 1) -> tuple[Tally, int]:
    """What both books say in the end, and how many cancellations the standby lacked."""
    dice, tally = random.Random(seed), Tally("postgresql, its asynchronous standby promoted")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="left_behind_")))
        primary = stack.enter_context(templates.node(durable=True))
        standby = Node(durable=True)
        stack.callback(standby.destroy)
        name = templates.new_database(primary).rpartition("/")[2]
        url = f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{standby.port}/{name}"
        token, orders = plant(url, directory, refunds, dice)
        standby.follow(primary, synchronous=False)
        processes = stack.enter_context(running(directory, url, seed, 0.0))
        orders = [_with_room(each) for each in orders]
        processes.pay(orders)
        run = Run(url, processes, token, orders, dice, tally, True, lambda: None)
        asks = [(f"ask-{order.line.hex}-{n}", order.line) for order in orders for n in range(order.units)]
        dice.shuffle(asks)
        half = len(asks) // 2
        processes.start(0)
        _ask(run, asks[:half])
        run.wait_until_idle()
        standby.catch_up(primary)
        _cut_off(standby)
        at = datetime.now(UTC)
        _ask(run, asks[half:])
        run.wait_until_idle()
        made = _cancellations(primary, name)
        processes.kill()
        primary.stop("kill")
        standby.promote()
        lost = made - _cancellations(standby, name)
        _say_restored(standby.url(name), at)
        processes.start(0)
        _ask(run, asks)
        run.settle()
        _sort_out(run, platform_token(standby.url(name), directory / "keys"))
        run.settle()
        compare(run)
        _compare_payments(run)
    return tally, lost


def _with_room(paid: Paid) -> Paid:
    """The payment was for as much again, so no limit of the provider's hides what is paid twice.

    Not where that would be another case: a part of an authorisation, and a refund by hand that was for other goods.
    """
    return paid if paid.authorised_only or paid.by_hand else replace(paid, more_minor=paid.amount_minor)


def _sort_out(run: Run, token: str) -> None:
    """What the page leaves to a person: correct what is parked by what the provider has for it, or have it tried."""
    rows, _ = stored(run.url)
    known = {show("rfd", row.id) for row in rows}
    unknown: Counter[str] = Counter()
    for each in not_failed(run.processes.ledger()):
        if each["metadata"].get("countermand_reference", "").partition("-")[0] not in {"", *known}:
            unknown[each["payment"]] += minor(each["amount"])
    address = f"http://127.0.0.1:{run.processes.port}"
    with httpx2.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=HANGS_S) as client:
        for row in rows:
            if row.state != "parked":
                continue
            path, note = f"/v1/refunds/{show('rfd', row.id)}", "Compared with the list of the provider."
            if unknown[row.payment_reference] >= row.amount_minor:
                unknown[row.payment_reference] -= row.amount_minor
                correction = {"refunded_elsewhere": decimal(row.amount_minor), "step": row.step, "note": note}
                client.post(f"{path}/correct", json=correction).raise_for_status()
            else:
                client.post(f"{path}/retry", json={"note": note}).raise_for_status()


def _compare_payments(run: Run) -> None:
    """Every unit was cancelled before or after: all of it went back once, or is parked, so that a person knows."""
    gone = went_back(run.processes.ledger())
    parked: Counter[str] = Counter()
    for row in stored(run.url)[0]:
        parked[row.payment_reference] += row.amount_minor if row.state == "parked" else 0
    for order in run.orders:
        went, waits = gone[order.payment], parked[order.payment]
        if order.more_minor and not went <= order.amount_minor <= went + waits:
            run.tally.unequal.append(f"{order.payment}: {went} of {order.amount_minor} went back, {waits} are parked")


def _ask(run: Run, asks: Asks) -> None:
    """All of it, each under its key, until all is answered."""
    waiting = deque(asks)
    callers = [Caller(run.processes.port, run.token, waiting, Event()) for _ in range(CALLERS)]
    for each in callers:
        each.start()
    for each in callers:
        each.join(HANGS_S)
        run.tally.lost += each.wrong
    run.tally.lost += [f"{key} was not answered" for key, _ in waiting]


def _cut_off(standby: Node) -> None:
    """What the primary writes from now on does not reach it."""
    query = "SELECT count(*) = 0 FROM pg_stat_wal_receiver"
    with psycopg.connect(standby.url(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
        connection.execute("SELECT pg_reload_conf()")
        until(lambda: _one(connection, query), "the standby goes on following")


def _cancellations(node: Node, name: str) -> int:
    with psycopg.connect(node.url(name)) as connection:
        return int(_one(connection, "SELECT count(*) FROM cancellations"))


def _say_restored(url: str, at: datetime) -> None:
    """As the page says, with the time of the last transaction that the standby has."""
    [statements] = re.findall(r"```sql\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in filter(str.strip, statements.split(";")):
            connection.execute(re.sub(r"'20\d\d-[^']*'", f"'{at.isoformat()}'", statement).encode())


def _one(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when money went twice, too much, or not at all, or the books differ."""
    parser = argparse.ArgumentParser(prog="tests.crash.left_behind", description=__doc__.partition("\n")[0])
    parser.add_argument("--refunds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    configure_logging("error")
    tally, lost = leave_behind(refunds=options.refunds, seed=options.seed)
    print(tally, flush=True)
    print(f"  the standby lacked {lost} cancellations", flush=True)
    for problem in (*tally.double, *tally.lost, *tally.over, *tally.unequal)[:SHOWN_MAX]:
        print("  ", problem, flush=True)
    return 1 if tally.bad or not lost else 0


if __name__ == "__main__":
    sys.exit(main())
