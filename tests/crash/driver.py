"""Kills the service, or PostgreSQL, under load, again and again, and looks whether anything acknowledged is gone.

    python -m tests.crash.driver --kills 20 --engine sqlite postgresql
    python -m tests.crash.driver --kills 10 --crash postgres

Every caller has orders of its own, so it knows what each must look like: as after the last call that was answered, or
as after the one call that was not. Anything else is a loss (an answered call is gone) or a half transaction.
"""

import argparse
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from types import TracebackType
from typing import Any, Self

import psycopg
from bench.processes import environment
from bench.seeding import plant

from tests.crash.story import Order, Step, cancellations, detail
from tests.crash.truth import broken, read_facts
from tests.support import templates
from tests.support.pgnode import Node, free_port
from tests.support.waiting import HANGS_S

ENGINES = ("sqlite", "postgresql")
ANSWER_S = HANGS_S
READY_S = HANGS_S
RETRY_AFTER_S = 0.05
NOBODY_KNOWS = (502, 504)
"""A proxy says that a service is gone: the call may have had its effect."""
SHOWN_MAX = 10
LOOKED_UP_BY_API = 40
ORDERS_A_KILL = 700
ANSWERS_A_KILL = 2000


class NoAnswerError(Exception):
    """The connection ended before the answer was whole."""


@dataclass
class Tally:
    """What a run came to."""

    engine: str
    kills: int = 0
    acknowledged: int = 0
    refused: int = 0
    in_doubt: int = 0
    in_doubt_stored: int = 0
    unavailable: int = 0
    lost: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    by_api: int = 0
    ready_s: list[float] = field(default_factory=list)
    slowest_503_s: float = 0.0
    steps: Counter[str] = field(default_factory=Counter)

    @property
    def bad(self) -> int:
        """How many things must not be."""
        return len(self.lost) + len(self.half) + len(self.wrong)

    def __str__(self) -> str:
        ready = f"ready p50 {median(self.ready_s):.2f} s, max {max(self.ready_s):.2f} s" if self.ready_s else ""
        return (
            f"{self.engine}: {self.kills} kills, {self.acknowledged} acknowledged calls, {len(self.lost)} lost,"
            f" {len(self.half)} half, {len(self.wrong)} wrong answers; {self.refused} refused rightly,"
            f" {self.unavailable} answered 503 (slowest {self.slowest_503_s:.2f} s), {self.in_doubt} in doubt of which"
            f" {self.in_doubt_stored} were stored; {self.by_api} orders also compared by API; {ready}"
        )


class Wire:
    """One keep-alive connection that sends prepared bytes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            self._socket.close()
            raise

    def send(self, call: bytes) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            NoAnswerError: there was none.
        """
        try:
            self._socket.sendall(call)
            return self._answer()
        except OSError as error:
            raise NoAnswerError from error

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _answer(self) -> tuple[int, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more()
        head, _, body = received.partition(b"\r\n\r\n")
        length = next((int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")), 0)
        while len(body) < length:
            body += self._more()
        return int(head[9:12]), body

    def _more(self) -> bytes:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise NoAnswerError
        return chunk


class Program:
    """A command of ``countermand`` as a process, which is killed and started again."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._command = [str(Path(sys.executable).parent / "countermand"), *arguments]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def launch(self) -> subprocess.Popen[bytes]:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment())
        return self._process

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait(HANGS_S)


class Service(Program):
    """``countermand serve``, which comes back on the same port."""

    def __init__(self, url: str, log: Path, processes: int = 1) -> None:
        self.port = free_port()
        several = ["--processes", str(processes)] if processes > 1 else []
        super().__init__(log, "serve", "--database", url, "--host", "127.0.0.1", "--port", str(self.port), *several)

    def start(self, probe: bytes) -> float:
        """Start it; how long until a read of the database was answered."""
        begun = time.monotonic()
        process = self.launch()
        while not self._answers(probe):
            if process.poll() is not None or time.monotonic() > begun + READY_S:
                raise RuntimeError(f"the service did not come back:\n{_last_words(self._log)}")
            time.sleep(0.005)
        return time.monotonic() - begun

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def _answers(self, probe: bytes) -> bool:
        try:
            wire = Wire(self.port)
        except OSError:
            return False
        try:
            return wire.send(probe)[0] == 200
        except NoAnswerError:
            return False
        finally:
            wire.close()


class Answers:
    """Counts the answers of all callers, so that a kill comes after so many of them, however busy the machine is."""

    def __init__(self) -> None:
        self._new = threading.Semaphore(0)

    def one_more(self) -> None:
        """An answer came."""
        self._new.release()

    def wait_for(self, count: int, callers: Sequence[threading.Thread]) -> bool:
        """Whether so many more came, before every caller was done and before a hang."""
        end = time.monotonic() + HANGS_S
        while count and time.monotonic() < end:
            if self._new.acquire(timeout=0.5):
                count -= 1
            elif not any(each.is_alive() for each in callers):
                break
        return not count

    def forget(self) -> None:
        """Count anew."""
        while self._new.acquire(blocking=False):
            pass


class Caller(threading.Thread):
    """Plays the stories of its orders, one call after the other, until it is told to stop or the service is gone."""

    def __init__(
        self,
        port: int,
        waiting: deque[Order],
        tally: Tally,
        dice: Random,
        stop: threading.Event,
        answers: Answers,
        pause_s: float = 0.0,
    ) -> None:
        super().__init__(daemon=True)
        self._pause_s = pause_s
        self.tally = Tally(tally.engine)
        self.touched: list[Order] = []
        self._answers = answers
        self._port = port
        self._waiting = waiting
        self._dice = dice
        self._stop_asked = stop

    def run(self) -> None:
        """Call until stopped. An order whose call is in doubt is put aside."""
        try:
            wire = Wire(self._port)
        except OSError:
            return
        with suppress_no_answer():
            while self._waiting and not self._stop_asked.is_set():
                order = self._waiting.popleft()
                self.touched.append(order)
                self._play(wire, order)
        wire.close()

    def _play(self, wire: Wire, order: Order) -> None:
        while not self._stop_asked.is_set():
            step = order.next_step(self._dice)
            if step is None or not self._take(wire, order, step):
                return
            if self._pause_s:
                self._stop_asked.wait(self._pause_s)
        self._waiting.appendleft(order)

    def _take(self, wire: Wire, order: Order, step: Step) -> bool:
        """Call until there is an answer that says what happened; false when the call stays in doubt."""
        order.doubt = step
        tries = 0
        while True:
            tries += 1
            sent_at = time.monotonic()
            status, body = wire.send(step.call)
            if status in NOBODY_KNOWS:
                return False
            if status != 503:
                note_answer(self.tally, order, step, status, body, stored=tries > 1)
                self._answers.one_more()
                return status < 500
            self.tally.unavailable += 1
            self.tally.slowest_503_s = max(self.tally.slowest_503_s, time.monotonic() - sent_at)
            if self._stop_asked.wait(RETRY_AFTER_S):
                return False


def note_answer(tally: Tally, order: Order, step: Step, status: int, body: bytes, *, stored: bool = False) -> None:
    """An answer other than 503 says what the order is like from now on, or it is wrong.

    ``stored``: the call was made before, and that one may be stored.
    """
    if not step.is_answered_by(status, stored=stored):
        tally.wrong.append(f"{step.name} was answered {status} {body[:200]!r} after {order.reported} at {order.state}")
        return
    tally.steps[step.name.split(" item")[0]] += 1
    if status < 300 and step.name != "read":
        tally.acknowledged += 1
    elif status >= 300:
        tally.refused += 1
    order.heed(step, str(status))


@contextmanager
def suppress_no_answer() -> Iterator[None]:
    """The service is gone: that is what this is about."""
    try:
        yield
    except NoAnswerError:
        return


@dataclass
class Torture:
    """One engine, one service, many kills."""

    url: str
    service: Service
    waiting: deque[Order]
    tally: Tally
    dice: Random
    callers: int
    moment: tuple[int, int]
    """A kill comes after so many answers, at least and at most."""
    node: Node | None = None
    pause_s: float = 0.0
    """Between two calls of a caller, where what happens meanwhile takes long."""
    touched: list[Order] = field(default_factory=list)
    answers: Answers = field(default_factory=Answers)

    def kill_service(self) -> None:
        """Load, SIGKILL at a random moment, start again, compare."""
        stop, threads = self._load()
        self._await_moment(threads)
        self.service.kill()
        self._end(stop, threads)
        self.tally.ready_s.append(self.service.start(self._probe()))
        self._compare([order for thread in threads for order in thread.touched])

    def crash_postgres(self) -> None:
        """Load, crash the database server, start it again; the service has to manage by itself."""
        assert self.node is not None
        self.disturb(partial(crash_for_a_moment, self.node, self.dice), "PostgreSQL's return")

    def disturb(self, disturbance: Callable[[], None], what: str) -> None:
        """Load, and something happens to the database meanwhile; the service has to manage by itself."""
        stop, threads = self._load()
        self._await_moment(threads)
        disturbance()
        begun = time.monotonic()
        self.answers.forget()
        if not self.answers.wait_for(1, threads):
            self.tally.wrong.append(f"nothing was answered after {what}")
        self.tally.ready_s.append(time.monotonic() - begun)
        self.answers.wait_for(self.moment[0], threads)
        self._end(stop, threads)
        self._compare([order for thread in threads for order in thread.touched])

    def compare_everything(self) -> None:
        """At the end: every order that was ever touched."""
        self._compare(self.touched)

    def _await_moment(self, callers: Sequence[Caller]) -> None:
        """Until a random number of answers came, and then until somewhere in the next calls."""
        self.answers.wait_for(self.dice.randint(*self.moment), callers)
        time.sleep(self.dice.uniform(0, 0.02))

    def _load(self) -> tuple[threading.Event, list[Caller]]:
        stop = threading.Event()
        self.answers.forget()
        threads = [
            Caller(
                self.service.port,
                self.waiting,
                self.tally,
                Random(self.dice.getrandbits(64)),
                stop,
                self.answers,
                self.pause_s,
            )
            for _ in range(self.callers)
        ]
        for thread in threads:
            thread.start()
        return stop, threads

    def _end(self, stop: threading.Event, threads: list[Caller]) -> None:
        stop.set()
        for thread in threads:
            thread.join(2 * ANSWER_S)
            if thread.is_alive():
                self.tally.wrong.append("a call had neither an answer nor an end")
            self._add(thread.tally)
            self.touched += thread.touched
        self.tally.kills += 1

    def _add(self, other: Tally) -> None:
        self.tally.acknowledged += other.acknowledged
        self.tally.refused += other.refused
        self.tally.unavailable += other.unavailable
        self.tally.slowest_503_s = max(self.tally.slowest_503_s, other.slowest_503_s)
        self.tally.wrong += other.wrong
        self.tally.steps += other.steps

    def _compare(self, touched: list[Order]) -> None:
        """By the database; then the doubts are settled by repeating the calls; then by the API."""
        orders = list({id(order): order for order in touched}.values())
        facts = read_facts(self.url, orders)
        self.tally.half += broken(facts, orders)
        doubtful = []
        for order in orders:
            found = facts.state(order)
            if order.doubt is None and found != order.state:
                self.tally.lost.append(f"{order.reported} should be {order.state}, is {found}")
            elif order.doubt is not None and found not in (order.state, order.doubt.after):
                kind = self.tally.half if _is_mixture(order, found) else self.tally.lost
                kind.append(f"{order.reported} then perhaps {order.doubt.name}: from {order.state} to {found}")
            elif order.doubt is not None:
                doubtful.append((order, order.doubt, found != order.state))
        self._settle(doubtful)
        self._compare_by_api(self.dice.sample(orders, min(len(orders), LOOKED_UP_BY_API)))

    def _settle(self, doubtful: list[tuple[Order, Step, bool]]) -> None:
        """Repeat what nobody answered: it must be answered as if for the first time, and act once."""
        wire = Wire(self.service.port)
        for order, step, stored in doubtful:
            self.tally.in_doubt += 1
            self.tally.in_doubt_stored += stored
            status, body = wire.send(step.call)
            note_answer(self.tally, order, step, status, body, stored=stored)
            order.doubt = None
        wire.close()
        settled = [order for order, _, _ in doubtful]
        facts = read_facts(self.url, settled)
        self.tally.half += broken(facts, settled)
        self.tally.lost += [
            f"after repeating: {order.reported} should be {order.state}, is {facts.state(order)}"
            for order in settled
            if facts.state(order) != order.state
        ]

    def _compare_by_api(self, orders: list[Order]) -> None:
        wire = Wire(self.service.port)
        for order in orders:
            seen = _seen_by_api(wire, order)
            expected = [(units.asked, units.cancelled, units.shipped) for units in order.state]
            if seen != expected:
                self.tally.lost.append(f"{order.reported} should be {expected} by API, is {seen}")
            self.tally.by_api += 1
        wire.close()

    def _probe(self) -> bytes:
        return detail((self.touched or self.waiting)[0].planted)


def _last_words(log: Path) -> str:
    return "\n".join(line[:400] + " ... " + line[-300:] for line in log.read_text().splitlines()[-SHOWN_MAX:])


def faults(log: Path) -> list[str]:
    """What the service logged of each error that no door knows: a caller was told that something went wrong."""
    return [line for line in log.read_text().splitlines() if '"unexpected_error"' in line]


def _is_mixture(order: Order, found: Any) -> bool:
    """Whether some lines are as before the call in doubt and some as after it."""
    after = order.doubt.after if order.doubt else order.state
    return all(each in pair for each, *pair in zip(found, order.state, after, strict=True))


def _seen_by_api(wire: Wire, order: Order) -> list[tuple[int, int, int]]:
    shown = json.loads(wire.send(detail(order.planted))[1])
    parcels = {line["uuid"]: sum(p["quantity"] for p in line["tracking_numbers"]) for line in shown["line_items"]}
    seen = []
    for line in order.planted.lines:
        listed = json.loads(wire.send(cancellations(order.planted, line))[1])["cancellations"]
        asked = sum(each["units"] for each in listed if each["state"] == "asked")
        seen.append((asked, sum(each["accepted_units"] for each in listed), parcels[str(line)]))
    return seen


def crash_for_a_moment(node: Node, dice: Random) -> None:
    """Crash it in one of the ways that there are, and start it again."""
    crash(node, dice.choice(("immediate", "kill", "backend")))
    time.sleep(dice.uniform(0.1, 1.0))
    revive(node)


def crash(node: Node, how: str) -> None:
    """``immediate``: SIGQUIT; ``kill``: SIGKILL; ``backend``: SIGKILL to one server process, which restarts all."""
    if how == "backend":
        os.kill(_a_backend(node), signal.SIGKILL)
    else:
        node.stop(how)


def revive(node: Node) -> None:
    """Start it again. Processes left over from a killed one may hold the data directory for a moment."""
    end = time.monotonic() + READY_S
    while node.process is None or node.process.poll() is not None:
        try:
            node.start()
        except RuntimeError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _a_backend(node: Node) -> int:
    """The process that serves the service's writer."""
    query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'countermand' ORDER BY xact_start NULLS LAST"
    with psycopg.connect(node.url()) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def torture(
    engine: str,
    *,
    kills: int,
    crashed: str = "service",
    seed: int = 1,
    callers: int = 16,
    moment: tuple[int, int] = (100, ANSWERS_A_KILL),
    orders_a_kill: int = ORDERS_A_KILL,
    node: Node | None = None,
) -> Tally:
    """Kill so many times and say what was found. ``node``: a durable PostgreSQL to use instead of a fresh one."""
    dice = Random(seed)
    tally = Tally(engine if crashed == "service" else f"{engine}, itself crashed")
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crash_")))
        if engine == "postgresql":
            node = node or stack.enter_context(templates.node(durable=True))
            url = templates.new_database(node)
        else:
            url = f"sqlite:///{directory}/crash.sqlite3"
            templates.fill_if_absent(url)
        count = min(kills, 40) * orders_a_kill
        orders = plant(url, orders=count, lines=3, retailers=10, suppliers=4, units_max=3, seed=seed)
        service = stack.enter_context(Service(url, directory / "service.log"))
        waiting = deque(map(Order.of, orders))
        run = Torture(url, service, waiting, tally, dice, callers, moment, node)
        service.start(detail(orders[0]))
        for _ in range(kills):
            if crashed == "service":
                run.kill_service()
            else:
                run.crash_postgres()
            if tally.bad:
                break
        run.compare_everything()
        if not waiting:
            print(f"{engine}: the orders ran out; give more --orders", file=sys.stderr)
        if tally.bad:
            print(_last_words(directory / "service.log"), file=sys.stderr)
    return tally


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 when anything was lost, half done, or wrongly answered."""
    parser = argparse.ArgumentParser(prog="tests.crash.driver", description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="per engine")
    parser.add_argument("--engine", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--crash", choices=("service", "postgres"), default="service")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--callers", type=int, default=16)
    parser.add_argument("--longest", type=int, default=ANSWERS_A_KILL, help="answers before a kill, at most")
    parser.add_argument("--orders", type=int, default=ORDERS_A_KILL, help="placed per kill")
    options = parser.parse_args(arguments)
    engines = ["postgresql"] if options.crash == "postgres" else options.engine
    passed = failed = 0
    for engine in engines:
        tally = torture(
            engine,
            kills=options.kills,
            crashed=options.crash,
            seed=options.seed,
            callers=options.callers,
            moment=(min(100, options.longest), options.longest),
            orders_a_kill=options.orders,
        )
        print(tally, flush=True)
        print("  calls:", ", ".join(f"{name} {count}" for name, count in sorted(tally.steps.items())), flush=True)
        for problem in itertools.islice((*tally.lost, *tally.half, *tally.wrong), SHOWN_MAX):
            print("  ", problem, flush=True)
        failed += min(tally.bad, tally.kills)
        passed += tally.kills - min(tally.bad, tally.kills)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
