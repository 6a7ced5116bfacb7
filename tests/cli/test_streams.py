"""What a command prints arrives whole, whoever shares its standard output and however slowly they read."""

import fcntl
import os
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest

SIZE = 3_000_000
PROGRAM = f"""
import signal, sys
from countermand.cli.output import print_json
from countermand.cli.streams import write_whole
signal.signal(signal.SIGUSR1, lambda *_: None)
write_whole()
print_json(["é" * {SIZE}, "END"])
print("END", file=sys.stderr)
"""
WHOLE = f'[\n  "{"é" * SIZE}",\n  "END"\n]\n'.encode()


@pytest.fixture(params=["blocking", "non-blocking"])
def pipe(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    os.set_blocking(writing, request.param == "blocking")
    yield reading, writing
    os.close(reading)


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("interrupted", [False, True], ids=["", "interrupted"])
def test_all_of_it_arrives(pipe: tuple[int, int], unbuffered: str, interrupted: bool) -> None:
    reading, writing = pipe
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONUTF8": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=writing, stderr=subprocess.PIPE, env=environment
    ) as program:
        os.close(writing)
        _until_full(reading)
        if interrupted:
            program.send_signal(10)
        got = b"".join(iter(lambda: os.read(reading, 1 << 16), b""))
        assert program.stderr is not None
        assert (program.stderr.read(), program.wait()) == (b"END\n", 0)
    assert got == WHOLE


def _until_full(reading: int) -> None:
    """Wait until the program is in the middle of its output."""
    waiting = 0
    deadline = time.monotonic() + 60
    while waiting < 1 << 16 and time.monotonic() < deadline:
        waiting = int.from_bytes(fcntl.ioctl(reading, termios.FIONREAD, b"\0" * 4), sys.byteorder)


@pytest.mark.parametrize("command", [["--help"], ["orders", "--help"], ["no-such-command"]], ids=" ".join)
def test_every_command_writes_so(command: list[str]) -> None:
    program = """
import atexit, os, sys
from countermand.cli import main
atexit.register(lambda: os.write(2, f"{type(sys.stdout.buffer.raw).__name__}".encode()))
main()
"""
    ran = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, check=False)
    assert ran.stderr.endswith(b"_Whole")
