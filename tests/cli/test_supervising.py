"""`countermand serve --processes`: several processes on one port, and their parent."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from tests.seeds.serving import PROGRAM, clean_environment, port_when_ready
from tests.support import templates
from tests.support.pgnode import Node, free_port
from tests.support.waiting import HANGS_S

WATCHDOG_S = 15


@dataclass
class Service:
    """A service of several processes, and what systemd hears of it."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int = 0
    heard: list[tuple[int, str]] = field(default_factory=list)

    def children(self) -> list[int]:
        """Those that run."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return sorted(map(int, path.read_text().split()))

    def events(self, name: str) -> list[dict[str, object]]:
        """Lines of the log."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [each for each in lines if each["event"] == name]

    def answers(self) -> int:
        """The status of a call on a connection of its own."""
        return httpx2.get(f"http://127.0.0.1:{self.port}/readyz", trust_env=False, timeout=HANGS_S).status_code


def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + HANGS_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def supervised(url: str, folder: Path, *flags: str, port: int = 0, **environment: str) -> Iterator[Service]:
    """The service from when all of its processes serve until it was told to stop."""
    log = folder / f"{free_port()}.log"
    given = {
        "COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true",
        "COUNTERMAND_KEY_FILE": str(folder / "keys"),
        **environment,
    }
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [PROGRAM, "serve", "--port", str(port), "--database", url, *flags],
            stderr=stderr,
            env=clean_environment(**given),
        )
    service = Service(process, log)
    try:
        service.port = port_when_ready(process, log)
        yield service
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(HANGS_S)


@contextmanager
def manager(service_heard: list[tuple[int, list[str]]], folder: Path) -> Iterator[str]:
    """A socket as systemd has it, which notes who says what."""
    address = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        listening.bind(address)
        listening.settimeout(0.1)
        done = threading.Event()

        def hear() -> None:
            while not done.is_set():
                try:
                    told, ancillary, _, _ = listening.recvmsg(4096, socket.CMSG_SPACE(12))
                except TimeoutError:
                    continue
                service_heard.append((int.from_bytes(ancillary[0][2][:4], "little"), told.decode().splitlines()))

        thread = threading.Thread(target=hear)
        thread.start()
        try:
            yield address
        finally:
            done.set()
            thread.join()


@pytest.fixture
def url(postgres: Node) -> str:
    return templates.new_database(postgres)


def test_one_that_dies_or_hangs_is_replaced_while_others_answer_and_all_finish_at_sigterm(
    url: str, tmp_path: Path
) -> None:
    heard: list[tuple[int, list[str]]] = []
    with (
        manager(heard, tmp_path) as address,
        supervised(
            url,
            tmp_path,
            "--processes",
            "2",
            NOTIFY_SOCKET=address,
            WATCHDOG_USEC=str(WATCHDOG_S * 1_000_000),
        ) as service,
    ):
        assert f"({url}, 2 processes)" in service.log.read_text()
        first, second = service.children()
        assert {service.answers() for _ in range(8)} == {200}
        os.kill(first, signal.SIGKILL)
        until(lambda: service.events("process_ended"))
        assert {service.answers() for _ in range(8)} == {200}
        until(lambda: len(service.children()) == 2)
        assert (service.events("process_ended")[0]["pid"], service.events("process_ended")[0]["code"]) == (first, -9)
        os.kill(second, signal.SIGSTOP)
        until(lambda: service.events("process_hangs"))
        assert service.events("process_hangs")[0]["pid"] == second
        until(lambda: len(service.events("process_ended")) == 2)
        until(lambda: len(service.children()) == 2)
        assert {service.answers() for _ in range(8)} == {200}
        assert not {first, second} & set(service.children())
        # A log-in for the first operator is offered by one process, and lines of the log say whose they are.
        assert service.log.read_text().count("Nobody can log in yet.") <= 2
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(HANGS_S) == 0
        assert "Traceback" not in service.log.read_text()
        until(lambda: any(told[0] == "STOPPING=1" for _, told in heard))
    assert {sender for sender, _ in heard} == {service.process.pid}
    assert heard[0][1] == ["READY=1", f"STATUS=Answers calls on 127.0.0.1:{service.port} by 2 processes."]
    assert ["WATCHDOG=1"] in [told for _, told in heard]


def test_processes_whose_parent_was_killed_end_and_free_the_port(url: str, tmp_path: Path) -> None:
    with supervised(url, tmp_path, "--processes", "2") as service:
        children = service.children()
        assert len(children) == 2
        service.process.kill()
        service.process.wait(HANGS_S)
        until(lambda: not any(_runs(each) for each in children))
        with supervised(url, tmp_path, port=service.port) as again:
            assert again.answers() == 200


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_the_port_is_for_its_own_processes_and_nobody_elses(url: str, tmp_path: Path) -> None:
    with supervised(url, tmp_path, COUNTERMAND_PROCESSES="2") as service:
        for flags in ((), ("--processes", "2")):
            other = _refused("--port", str(service.port), "--database", url, *flags)
            assert other[0] == 75
            assert f"Port {service.port} of 127.0.0.1 cannot be used: Address already in use." in other[1]
        assert service.answers() == 200


def test_each_process_shows_its_own_metrics(url: str, tmp_path: Path) -> None:
    port = _two_free_ports()
    with supervised(url, tmp_path, "--processes", "2", COUNTERMAND_METRICS_PORT=str(port)) as service:
        own = [
            httpx2.get(f"http://127.0.0.1:{port + number}/metrics", trust_env=False, timeout=HANGS_S).text
            for number in range(2)
        ]
        assert all("countermand_build_info{" in each for each in own)
        started = [line for each in own for line in each.splitlines() if line.startswith("countermand_start")]
        assert len(set(started)) == 2
        assert service.answers() == 200


def _two_free_ports() -> int:
    while True:
        port = free_port()
        with socket.socket() as probe:
            if port < 65535 and probe.connect_ex(("127.0.0.1", port + 1)) != 0:
                return port


def _refused(*flags: str, **environment: str) -> tuple[int, str]:
    given = {"COUNTERMAND_ALLOW_LOSING_ACKNOWLEDGED_CALLS": "true", **environment}
    done = subprocess.run(
        [PROGRAM, "serve", *flags], capture_output=True, text=True, timeout=HANGS_S, env=clean_environment(**given)
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("database", "environment", "code", "sentence"),
    [
        ("sqlite:///{folder}/x.sqlite3", {}, 78, "A SQLite file belongs to one process"),
        ("postgresql://h/x", {"COUNTERMAND_METRICS_PORT": "65535"}, 78, "2 processes need as many ports"),
        ("postgresql://shop:canary@127.0.0.1:1/orders", {}, 75, "The database cannot be used"),
    ],
)
def test_several_processes_that_cannot_be_are_refused_once(
    tmp_path: Path, database: str, environment: dict[str, str], code: int, sentence: str
) -> None:
    flags = ("--database", database.format(folder=tmp_path), "--port", "0", "--processes", "2")
    ended, told = _refused(*flags, **environment)
    assert ended == code
    assert told.count(sentence) == 1
    assert "canary" not in told
    assert "Traceback" not in told
    assert not list(tmp_path.iterdir())
