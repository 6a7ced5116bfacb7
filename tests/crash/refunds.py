"""Kills the service while it gives money back, and compares its books with those of the payment provider.

    python -m tests.crash.refunds --refunds 20000 --kills 40 --engine sqlite postgresql

The service runs as it is, and so does a provider of our own (tests/support/payments) under a script of faults. In each
round units are cancelled over HTTP, the service is killed with SIGKILL at a random moment, and the clocks of both go
forward by seconds or days before it is started again. In the end there are no faults, and everything has to settle.
"""

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
from bench.calls import http
from bench.processes import ROOT, environment
from sqlalchemy import Connection, func, select

from countermand.admin import credentials, parties
from countermand.app import opened
from countermand.documents.orders import OrderIn, place
from countermand.domain.parties import Actor, PartyKind
from countermand.ids import show
from countermand.observability.logs import configure_logging
from countermand.reads.parties import find_party
from countermand.service.calls import Call, Done
from countermand.settings import Settings
from countermand.store import tables as t
from countermand.store.columns import Record
from countermand.store.engines.opening import open_database
from tests.crash.driver import ENGINES, NoAnswerError, Wire
from tests.support import cluster, templates
from tests.support.payments.server import API_KEY, WEBHOOK_SECRET
from tests.support.pgnode import Node, free_port
from tests.support.waiting import HANGS_S

READY_S = HANGS_S
CALLERS = 3
PRICE_MINOR = 1250
STEPS_S = (5, 150, 700, 4_000, 30_000, 90_000)
"""How far the clocks go forward between two rounds."""
CALM_ROUNDS_MAX = 40
QUIET_S = 60.0
FAULTY_ROUNDS_MAX = 3
SHOWN_MAX = 10
UNDER_WAY = ("due", "sent", "accepted", "unknown")


@dataclass(frozen=True, kw_only=True)
class Paid:
    """An order of some units, paid at one provider, whose payment is for ``more_minor`` of other goods besides."""

    line: UUID
    payment: str
    units: int
    authorised_only: bool
    by_hand: int
    more_minor: int = 0

    @property
    def amount_minor(self) -> int:
        return self.units * PRICE_MINOR

    def at_provider(self) -> dict[str, str]:
        """What the provider has to know of it."""
        amount = decimal(self.amount_minor + self.more_minor)
        captured = "0" if self.authorised_only else amount
        by_hand = decimal(self.by_hand) if self.by_hand else ""
        return {"id": self.payment, "amount": amount, "currency": "EUR", "captured": captured, "by_hand": by_hand}


def decimal(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02}"


@dataclass
class Tally:
    """What a run came to."""

    engine: str
    kills: int = 0
    asked: int = 0
    refunds: int = 0
    releases: int = 0
    calls: int = 0
    joined: int = 0
    sharing: int = 0
    states: Counter[str] = field(default_factory=Counter)
    parked: Counter[str] = field(default_factory=Counter)
    parked_though_moved: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    webhooks: Counter[str] = field(default_factory=Counter)
    double: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    over: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    took_s: float = 0.0

    @property
    def bad(self) -> int:
        return len(self.double) + len(self.lost) + len(self.over) + len(self.unequal)

    def __str__(self) -> str:
        return (
            f"{self.engine}: {self.refunds} refunds and {self.releases} releases, {self.kills} kills,"
            f" {self.took_s:.0f} s: double {len(self.double)}, lost {len(self.lost)}, over captured {len(self.over)},"
            f" differences from the provider's ledger {len(self.unequal)};"
            f" {', '.join(f'{state} {count}' for state, count in sorted(self.states.items()))}"
            f" ({self.parked_though_moved} parked though moved); {self.sharing} shared {self.joined} calls"
        )


class Processes:
    """The provider, and the service that is killed and started again."""

    def __init__(self, directory: Path, url: str, *, seed: int, rate: float) -> None:
        self.port, self._bank = free_port(), free_port()
        self._log = directory / "service.log"
        base = f"http://127.0.0.1:{self._bank}"
        self._env = {
            "COUNTERMAND_DATABASE": url,
            "COUNTERMAND_PORT": str(self.port),
            "COUNTERMAND_KEY_FILE": str(directory / "keys"),
            "COUNTERMAND_PAYMENT_PROVIDERS": '["stripe", "mollie"]',
            "COUNTERMAND_STRIPE_API_KEY": API_KEY,
            "COUNTERMAND_STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "COUNTERMAND_MOLLIE_API_KEY": API_KEY,
            "COUNTERMAND_MOLLIE_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "COUNTERMAND_STRIPE_URL": base,
            "COUNTERMAND_MOLLIE_URL": base,
            "COUNTERMAND_WORKER_LEASE_S": "1",
            "COUNTERMAND_WEBHOOK_INNER_ADDRESSES": '["127.0.0.0/8"]',
        }
        bank = [sys.executable, "-m", "tests.support.payments", "--port", str(self._bank), "--seed", str(seed)]
        news = f"http://127.0.0.1:{self.port}/v1/providers"
        self._output = (directory / "bank.log").open("wb")
        command = [*bank, "--rate", str(rate), "--webhooks", news, "--ledger", str(directory / "ledger")]
        self.bank = subprocess.Popen(command, cwd=ROOT, stdout=self._output, stderr=self._output)
        self._service: subprocess.Popen[bytes] | None = None
        self._client = httpx2.Client(base_url=base, timeout=HANGS_S)
        self._at_bank("/_/time", ahead_s=0)

    def start(self, ahead_s: float) -> None:
        command = [sys.executable, "-m", "tests.crash.ahead", str(ahead_s)]
        with self._log.open("ab") as log:
            self._service = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=environment(**self._env))
        until(self._ready, f"the service did not come back: see {self._log}")

    def kill(self) -> None:
        if self._service:
            self._service.kill()
            self._service.wait(HANGS_S)
            # Whatever the provider has received by then, it has done.
            time.sleep(0.2)

    def pay(self, orders: Sequence[Paid]) -> None:
        self._at_bank("/_/pay", payments=[each.at_provider() for each in orders])

    def set_time(self, ahead_s: float) -> None:
        self._at_bank("/_/time", ahead_s=ahead_s)

    def calm(self) -> None:
        self._at_bank("/_/calm")

    def ledger(self) -> dict[str, Any]:
        return self._at_bank("/_/ledger")

    def end(self) -> None:
        self.kill()
        self.bank.terminate()
        self.bank.wait(HANGS_S)
        self._client.close()
        self._output.close()

    def _at_bank(self, path: str, **given: Any) -> dict[str, Any]:
        end = time.monotonic() + READY_S
        while True:
            try:
                found: dict[str, Any] = self._client.post(path, json=given).json()
            except httpx2.TransportError:
                if self.bank.poll() is not None or time.monotonic() > end:
                    raise
                time.sleep(0.05)
            else:
                return found

    def _ready(self) -> bool:
        assert self._service is not None
        if self._service.poll() is not None:
            raise RuntimeError(self._log.read_text()[-2000:])
        try:
            wire = Wire(self.port)
            status, _ = wire.send(http("GET", "/healthz"))
            wire.close()
        except (OSError, NoAnswerError):
            return False
        return status == 200


def until(holds: Callable[[], Any], sentence: str) -> None:
    """Wait until something holds; if it never does, the sentence says what is wrong."""
    end = time.monotonic() + READY_S
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(sentence)
        time.sleep(0.02)


class Caller(threading.Thread):
    """Cancels unit by unit. A call without an answer is made again later, with the same key."""

    def __init__(self, port: int, token: str, waiting: deque[tuple[str, UUID]], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.done = 0
        self.wrong: list[str] = []
        self._port, self._token, self._waiting, self._stop_asked = port, token, waiting, stop

    def run(self) -> None:
        try:
            wire = Wire(self._port)
        except OSError:
            return
        while not self._stop_asked.is_set():
            try:
                key, line = self._waiting.popleft()
            except IndexError:
                break
            try:
                status, body = wire.send(self._call(key, line))
            except NoAnswerError:
                self._waiting.appendleft((key, line))
                break
            if status == 202:
                self.done += 1
            elif status == 503:
                self._waiting.append((key, line))
            else:
                self.wrong.append(f"{status} {body[:200]!r}")
        wire.close()

    def _call(self, key: str, line: UUID) -> bytes:
        body = json.dumps({"lines": [{"line": str(line), "units": 1}], "asker": "retailer"}).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency_Key": key}
        return http("POST", "/v1/cancellations", body, Content_Type="application/json", **headers)


@dataclass
class Run:
    """One engine, one provider, many kills."""

    url: str
    processes: Processes
    token: str
    orders: list[Paid]
    dice: random.Random
    tally: Tally
    brief: bool
    crash_database: Callable[[], None]
    ahead_s: float = 0.0

    def go(self, kills: int, longest_s: float) -> None:
        asks = [(f"ask-{order.line.hex}-{n}", order.line) for order in self.orders for n in range(order.units)]
        self.dice.shuffle(asks)
        share = -(-len(asks) // kills)
        self.processes.start(self.ahead_s)
        for round_ in range(kills):
            waiting = deque(asks[round_ * share : (round_ + 1) * share])
            self._one_round(waiting, longest_s)
            asks += waiting
        while waiting := deque(asks[kills * share :]):
            self._one_round(waiting, None if self.brief else longest_s)
            asks[kills * share :] = list(waiting)
        self.settle()

    def _one_round(self, waiting: deque[tuple[str, UUID]], longest_s: float | None) -> None:
        """Cancel, kill at some moment or when all is asked for, let time pass, start again."""
        until = time.monotonic() + (self.dice.uniform(longest_s / 4, longest_s) if longest_s else 0)
        stop = threading.Event()
        callers = [Caller(self.processes.port, self.token, waiting, stop) for _ in range(CALLERS)]
        for each in callers:
            each.start()
        time.sleep(max(0.0, until - time.monotonic()))
        if longest_s is None:
            for each in callers:
                each.join(HANGS_S)
        self.crash_database()
        self.processes.kill()
        stop.set()
        for each in callers:
            each.join(HANGS_S)
            self.tally.asked += each.done
            self.tally.lost += each.wrong
        self.tally.kills += 1
        self._pass_time(self.dice.choice(STEPS_S))

    def _pass_time(self, seconds: float) -> None:
        self.ahead_s += seconds
        self.processes.set_time(self.ahead_s)
        self.processes.start(self.ahead_s)

    def settle(self) -> None:
        """No more faults: within some days everything comes to its end, and the last news are heard."""
        self._meet_faults()
        self.processes.calm()
        news_rounds = 1 if self.brief else 3
        for round_ in range(CALM_ROUNDS_MAX):
            self.wait_until_idle()
            if not _under_way(self.url) and not self.processes.ledger()["waiting"] and round_ >= news_rounds:
                return
            self.processes.kill()
            self._pass_time(90_000 if round_ % 2 else 8_000)
        self.tally.lost.append(f"{_under_way(self.url)} refunds are never settled")

    def _meet_faults(self) -> None:
        """All kills may be over before much was due: then time passes until the provider met calls with faults."""
        for _ in range(FAULTY_ROUNDS_MAX):
            if sum(self.processes.ledger()["met"].values()) >= len(self.orders) / 2:
                return
            self.processes.kill()
            self._pass_time(8_000)
            self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Until nothing that is due now is left, and no webhook is on its way; or a while has passed."""
        end = time.monotonic() + QUIET_S
        while time.monotonic() < end:
            time.sleep(0.5)
            if not _due(self.url, self.ahead_s) and not self.processes.ledger()["waiting"]:
                return


def compare(run: Run) -> None:
    """Both books, refund by refund and as sums."""
    tally, ledger = run.tally, run.processes.ledger()
    rows, postings = stored(run.url)
    tally.faults, tally.webhooks = Counter(ledger["met"]), Counter(ledger["sent"])
    tally.states = Counter(row.state for row in rows)
    standing = _standing(tally, rows, ledger)
    released = {each["id"] for each in ledger["payments"] if each["released"]}
    for row in rows:
        tally.calls += row.attempts
        if row.kind == "release":
            tally.releases += 1
            if row.state == "confirmed" and row.payment_reference not in released:
                tally.lost.append(f"{row.payment_reference} was not released: {row.last_result}")
        else:
            tally.refunds += 1
            _compare_refund(tally, row, standing.get(show("rfd", row.id), 0))
        if row.state == "parked":
            tally.parked[_reason(row.last_result)] += 1
    _compare_orders(run, rows, ledger)
    _compare_journal(tally, rows, postings, standing)


def _standing(tally: Tally, rows: Sequence[Record], ledger: dict[str, Any]) -> dict[str, int]:
    """What stands at the provider for each refund; of a call that several share, to each its share."""
    shares: dict[str, list[tuple[str, int, int]]] = {}
    for row in rows:
        if row.joined_lead:
            share = (show("rfd", row.id), row.joined_share_minor, row.joined_total_minor)
            shares.setdefault(_reference(row.joined_lead, row.joined_number), []).append(share)
            tally.joined += row.joined_lead == row.id
            tally.sharing += 1
    standing: dict[str, int] = {}
    times: Counter[str] = Counter()
    for each in ledger["refunds"]:
        reference, amount = each["metadata"].get("countermand_reference", ""), minor(each["amount"])
        if each["status"] != "failed" and reference:
            own = [(reference.partition("-")[0], amount, amount)]
            for refund, share, total in shares.get(reference, own):
                if total != amount:
                    tally.unequal.append(f"{reference} moved {amount} of {total}")
                times[refund] += 1
                standing[refund] = standing.get(refund, 0) + share
    tally.double = [refund for refund, count in times.items() if count > 1]
    return standing


def _reference(refund: UUID, number: int) -> str:
    return show("rfd", refund) + (f"-{number}" if number > 1 else "")


def _compare_refund(tally: Tally, row: Record, moved: int) -> None:
    if row.state == "confirmed" and moved != row.amount_minor - row.elsewhere_minor:
        list_ = tally.lost if moved < row.amount_minor - row.elsewhere_minor else tally.unequal
        list_.append(f"{show('rfd', row.id)} is confirmed, {moved} of {row.amount_minor} moved: {row.last_result}")
    elif row.state == "parked":
        tally.parked_though_moved += bool(moved)
    elif row.state not in ("confirmed", "parked"):
        tally.lost.append(f"{show('rfd', row.id)} is {row.state}: {row.last_result}")


def _compare_orders(run: Run, rows: Sequence[Record], ledger: dict[str, Any]) -> None:
    """Every unit was cancelled, so what is owed for an order is all that was paid; and no payment gave back more."""
    owed: Counter[str] = Counter()
    for row in rows:
        owed[row.payment_reference] += row.amount_minor
    gone = went_back(ledger)
    for order in run.orders:
        if owed[order.payment] != order.amount_minor:
            run.tally.lost.append(f"{order.payment}: {owed[order.payment]} owed for {order.amount_minor}")
        if gone[order.payment] > order.amount_minor:
            run.tally.over.append(f"{order.payment}: {gone[order.payment]} of {order.amount_minor}")


def _compare_journal(
    tally: Tally, rows: Sequence[Record], postings: Sequence[Record], standing: dict[str, int]
) -> None:
    """The accounts sum to zero, and what the providers paid by our books is what they paid by theirs."""
    accounts: Counter[str] = Counter()
    for row in postings:
        accounts[row.debit] -= row.amount
        accounts[row.credit] += row.amount
    if sum(accounts.values()):
        tally.unequal.append(f"the journal does not sum to zero: {dict(accounts)}")
    for provider in ("stripe", "mollie"):
        mine = [row for row in rows if row.provider == provider and row.kind == "refund"]
        theirs = sum(standing.get(show("rfd", row.id), 0) for row in mine if row.state == "confirmed")
        elsewhere = sum(row.elsewhere_minor for row in mine)
        if accounts[f"provider:{provider}"] != theirs + elsewhere:
            ours = accounts[f"provider:{provider}"]
            tally.unequal.append(f"{provider}: {ours} in the journal, {theirs} + {elsewhere} by hand in the ledger")


def not_failed(ledger: dict[str, Any]) -> list[dict[str, Any]]:
    """The refunds of the provider that did not fail."""
    return [each for each in ledger["refunds"] if each["status"] != "failed"]


def went_back(ledger: dict[str, Any]) -> Counter[str]:
    """How much of each payment went back."""
    gone: Counter[str] = Counter()
    for each in not_failed(ledger):
        gone[each["payment"]] += minor(each["amount"])
    return gone


def minor(amount: str) -> int:
    whole, _, cents = amount.partition(".")
    return int(whole) * 100 + int(f"{cents:0<2}"[:2])


def _reason(sentence: str) -> str:
    """Without what differs from one to the next."""
    return " ".join("…" if "_" in word else word for word in sentence.split())[:160]


# What the database says


def stored(url: str) -> tuple[list[Record], list[Record]]:
    """All refunds, and the sum of the journal for each pair of accounts."""
    found: tuple[list[Record], list[Record]] = _read(url, _rows)
    return found


def _rows(connection: Connection) -> tuple[list[Record], list[Record]]:
    journal = t.journal.c
    sums = select(journal.debit, journal.credit, func.sum(journal.amount_minor).label("amount"))
    return (
        list(connection.execute(select(t.refunds))),
        list(connection.execute(sums.group_by(journal.debit, journal.credit))),
    )


def _under_way(url: str) -> int:
    query = select(func.count()).select_from(t.refunds).where(t.refunds.c.state.in_(UNDER_WAY))
    return int(_read(url, lambda connection: connection.execute(query).scalar_one()))


def _due(url: str, ahead_s: float) -> int:
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC) + timedelta(seconds=ahead_s)
    query = select(func.count()).select_from(t.refunds).where(t.refunds.c.due_at <= now)
    return int(_read(url, lambda connection: connection.execute(query).scalar_one()))


def _read(url: str, question: Any) -> Any:
    async def ask() -> Any:
        database = await open_database(url)
        try:
            return await database.read(question)
        finally:
            await database.close()

    return asyncio.run(ask())


# Orders


def plant(url: str, directory: Path, count: int, dice: random.Random) -> tuple[str, list[Paid]]:
    """A retailer with orders of so many units in all, half paid at each provider."""
    return asyncio.run(_plant(Settings(database=url, key_file=directory / "keys"), count, dice))


async def _plant(settings: Settings, count: int, dice: random.Random) -> tuple[str, list[Paid]]:
    async with opened(settings) as application:

        def trader(connection: Connection) -> tuple[UUID, str]:
            ids, now = application.ids, application.clock()
            party = parties.enter(connection, ids, now, kind=PartyKind.RETAILER, name="shop")
            found = find_party(connection, str(party))
            return party, credentials.issue_token(connection, ids, now, party=found, label="refunds")

        retailer, token = await application.database.write(trader)
        orders: list[Paid] = []
        calls = []
        left = count
        while left > 0:
            paid = _paid(len(orders), min(left, dice.randint(1, 5)), dice)
            command = place(
                OrderIn.model_validate(_order(paid, retailer)),
                actor=Actor(party=retailer, kind=PartyKind.RETAILER, name="shop"),
                party=UUID,
                ids=application.ids,
                now=application.clock(),
            )
            left -= paid.units
            orders.append(Paid(**{**paid.__dict__, "line": command.lines[0].id}))
            calls.append(Call(command=command, door="test", retailer=retailer))
        for first in range(0, len(calls), 250):
            done = await asyncio.gather(*(application.lanes.submit(each) for each in calls[first : first + 250]))
            assert all(isinstance(each, Done) for each in done)
        return token, orders


def _paid(number: int, units: int, dice: random.Random) -> Paid:
    """One in twenty is authorised only, of one unit; of one in thirty a unit was refunded by hand before."""
    authorised_only = dice.random() < 0.05
    by_hand = PRICE_MINOR if not authorised_only and dice.random() < 0.033 else 0
    payment = f"{'pi' if number % 2 else 'tr'}_{number:06d}".replace("tr_", "tr_x")
    return Paid(
        line=UUID(int=0),
        payment=payment,
        units=1 if authorised_only else units,
        authorised_only=authorised_only,
        by_hand=by_hand,
    )


def _order(paid: Paid, retailer: UUID) -> dict[str, Any]:
    captured = "0" if paid.authorised_only else decimal(paid.amount_minor)
    authorised = decimal(paid.amount_minor) if paid.authorised_only else "0"
    provider = "stripe" if paid.payment.startswith("pi_") else "mollie"
    return {
        "retailer": str(retailer),
        "reference": paid.payment,
        "lines": [{"sku": "a", "units": paid.units, "unit_price": decimal(PRICE_MINOR)}],
        "payments": [{"provider": provider, "reference": paid.payment, "captured": captured, "authorised": authorised}],
    }


def torture(
    engine: str,
    *,
    refunds: int,
    kills: int,
    seed: int = 1,
    rate: float = 0.3,
    longest_s: float = 6.0,
    brief: bool = False,
    node: Node | None = None,
    crash_database: Callable[[], None] = lambda: None,
) -> Tally:
    """Kill so many times and say what both books say. In each round ``crash_database`` comes before the kill.

    ``brief`` starts the service no more often than that takes: after the kills the rest is asked for in one go, however
    slow the machine is, and late news are awaited once. ``node``: a durable PostgreSQL instead of a fresh one.
    """
    dice, tally, begun = random.Random(seed), Tally(engine), time.monotonic()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="refunds_")))
        if engine == "postgresql":
            url = templates.new_database(node or stack.enter_context(templates.node(durable=True)))
        elif engine == "citus":
            url = cluster.fresh()
        else:
            url = f"sqlite:///{directory}/refunds.sqlite3"
            templates.fill_if_absent(url)
        token, orders = plant(url, directory, refunds, dice)
        processes = stack.enter_context(running(directory, url, seed, rate))
        processes.pay(orders)
        run = Run(url, processes, token, orders, dice, tally, brief, crash_database)
        run.go(kills, longest_s)
        compare(run)
    tally.took_s = time.monotonic() - begun
    return tally


@contextmanager
def running(directory: Path, url: str, seed: int, rate: float) -> Iterator[Processes]:
    processes = Processes(directory, url, seed=seed, rate=rate)
    try:
        yield processes
    finally:
        processes.end()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when money went twice, too much, or not at all, or the books differ."""
    parser = argparse.ArgumentParser(prog="tests.crash.refunds", description=__doc__.partition("\n")[0])
    parser.add_argument("--refunds", type=int, default=2000, help="per engine")
    parser.add_argument("--kills", type=int, default=10, help="per engine")
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=0.3, help="how many calls meet a fault")
    parser.add_argument("--longest", type=float, default=6.0, help="seconds before a kill, at most")
    options = parser.parse_args(arguments)
    configure_logging("error")
    bad = 0
    for engine in options.engine:
        tally = torture(
            engine,
            refunds=options.refunds,
            kills=options.kills,
            seed=options.seed,
            rate=options.rate,
            longest_s=options.longest,
        )
        print(tally, flush=True)
        print("  faults met:", dict(tally.faults), flush=True)
        print("  webhooks answered:", dict(tally.webhooks), flush=True)
        print("  parked:", json.dumps(tally.parked.most_common(), indent=2, ensure_ascii=False), flush=True)
        for problem in (*tally.double, *tally.lost, *tally.over, *tally.unequal)[:SHOWN_MAX]:
            print("  ", problem, flush=True)
        bad += tally.bad
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
