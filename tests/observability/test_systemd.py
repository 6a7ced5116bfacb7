"""What systemd hears: one datagram for each thing, and a beat from the event loop."""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from countermand.observability.systemd import Systemd
from tests.support.waiting import HANGS_S

pytestmark = pytest.mark.anyio


class Manager:
    """A socket as systemd has it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(HANGS_S)

    def heard(self) -> list[str]:
        return self._socket.recv(4096).decode().splitlines()

    def heard_until_now(self) -> int:
        """How many datagrams wait."""
        self._socket.setblocking(False)
        heard = 0
        with suppress(BlockingIOError):
            while self.heard():
                heard += 1
        return heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """In the file system, and beside it."""
    name = f"countermand-{os.getpid()}-notify"
    made = Manager(f"@{name}" if request.param == "abstract" else str(tmp_path / "notify"))
    yield made
    made.close()


def test_ready_stopping_and_alive_are_told(manager: Manager) -> None:
    systemd = Systemd.from_environment({"NOTIFY_SOCKET": manager.address})
    systemd.ready("Answers calls.")
    systemd.alive()
    systemd.stopping()
    assert manager.heard() == ["READY=1", "STATUS=Answers calls."]
    assert manager.heard() == ["WATCHDOG=1"]
    assert manager.heard()[0] == "STOPPING=1"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_whether_the_watchdog_waits_for_this_process(environment: dict[str, str], expected: float | None) -> None:
    assert Systemd.from_environment({"NOTIFY_SOCKET": "/run/notify", **environment}).watchdog_s == expected
    assert Systemd.from_environment(environment).watchdog_s is None, "there is nobody to tell"


async def test_a_loop_that_turns_beats_and_one_that_hangs_does_not(manager: Manager) -> None:
    systemd = Systemd(address=manager.address, watchdog_s=0.003)
    async with systemd.watched():
        for _ in range(3):
            assert await asyncio.to_thread(manager.heard) == ["WATCHDOG=1"]
        # From here on nothing lets the loop turn. What it said before may still be on its way.
        manager.heard_until_now()
        assert manager.heard_until_now() == 0


def test_without_systemd_nothing_happens_and_a_manager_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    Systemd.from_environment({}).ready("Answers calls.")
    Systemd(address=str(tmp_path / "nobody")).ready("Answers calls.")
    assert list(tmp_path.iterdir()) == []
