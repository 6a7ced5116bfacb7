"""A real bash for the snippets of the pages, in which ``countermand`` is the real program, started at once.

A process of the program takes a second for its imports. Here one process imports, and each command runs in a copy of
it, with the arguments, the folder, the environment and the open files of its caller.
"""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Final

from tests.seeds.serving import clean_environment
from tests.support.waiting import HANGS_S

_MESSAGE_MAX: Final = 1 << 17
_CALLER: Final = """\
#!{python} -ISE
import json, os, signal, socket, sys

service = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
service.connect({address!r})
call = {{"arguments": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
socket.send_fds(service, [json.dumps(call).encode()], [0, 1, 2])
process = int(service.recv(64))
for name in (signal.SIGINT, signal.SIGTERM):
    signal.signal(name, lambda number, _: os.kill(process, number))
sys.exit(int(service.recv(64) or 70))
"""

_CURL: Final = """\
#!/bin/sh
# What is refused fails, which curl itself only says when asked.
exec {curl} --fail-with-body --no-progress-meter "$@"
"""

_PRELUDE: Final = """\
trap 'echo "FAILED in line $LINENO: $BASH_COMMAND" >&2' ERR
# A reader ends with Ctrl-C what stays up. Here it is told to end once it says that it is ready.
countermand() {
    case $1 in serve|worker) ;; *) command countermand "$@"; return ;; esac
    : > stays.log
    command countermand "$@" 2> stays.log &
    until grep -q "^countermand \\(is ready\\|works\\)" stays.log; do
        kill -0 $! 2> /dev/null || { cat stays.log >&2; return 1; }
        sleep 0.05
    done
    kill $!
    wait $!
}
"""


class Shell:
    """Runs scripts in which ``countermand`` is found in the folder ``programs``."""

    def __init__(self, programs: Path) -> None:
        self.programs = programs

    def run(self, script: str, folder: Path, environment: Mapping[str, str], *, bare: bool = False) -> str:
        """What a script said. Each of its commands must succeed. A ``bare`` shell knows nothing of the program."""
        said, prelude = folder / "said.log", "" if bare else _PRELUDE
        given = clean_environment(HOME=str(folder), **environment)
        if not bare:
            given["PATH"] = f"{self.programs}:{given['PATH']}"
        with said.open("w") as out:
            done = subprocess.run(
                ["bash", "-eEu", "-o", "pipefail", "-c", prelude + script],
                cwd=folder,
                env=given,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=HANGS_S,
                check=False,
            )
        assert done.returncode == 0, f"{script}\n--- ended with {done.returncode} and said:\n{said.read_text()}"
        return said.read_text()


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """A shell, as long as this lasts. What its scripts left running is ended."""
    programs, address = folder / "programs", str(folder / "calls")
    programs.mkdir()
    _write_program(programs / "countermand", _CALLER.format(python=sys.executable, address=address))
    _write_program(programs / "curl", _CURL.format(curl=shutil.which("curl")))
    with (folder / "service.log").open("w") as log:
        service = subprocess.Popen(
            [sys.executable, "-m", "tests.docs.shell", address],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=clean_environment(),
            start_new_session=True,
        )
    try:
        end = time.monotonic() + HANGS_S
        while not Path(address).exists():
            assert service.poll() is None, (folder / "service.log").read_text()
            assert time.monotonic() < end
            time.sleep(0.05)
        yield Shell(programs)
    finally:
        os.killpg(service.pid, signal.SIGTERM)
        service.wait(HANGS_S)


def _write_program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def _serve(address: str) -> None:
    """Run each command that is called for, in a process of its own."""
    from countermand import cli

    for module in ("countermand.serving", *(f"countermand.cli.{each.name}" for each in iter_modules(cli.__path__))):
        import_module(module)
    # Nobody waits for the commands: how they ended they say themselves.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    calls = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # Whoever finds the address can call there.
    calls.bind(f"{address}.new")
    calls.listen(64)
    os.rename(f"{address}.new", address)
    while True:
        caller, _ = calls.accept()
        message, files, _, _ = socket.recv_fds(caller, _MESSAGE_MAX, 3)
        if os.fork() == 0:
            calls.close()
            _become(json.loads(message), files)
            caller.send(str(os.getpid()).encode())
            code = 70
            try:
                cli.main()
            except SystemExit as ended:
                code = int(ended.code or 0)
            except Exception:  # noqa: BLE001 - told as the interpreter would
                sys.excepthook(*sys.exc_info())
            caller.send(str(code).encode())
            os._exit(code)
        for file in files:
            os.close(file)
        caller.close()


def _become(call: Mapping[str, object], files: list[int]) -> None:
    """Be the process that the caller would have started."""
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    os.chdir(str(call["folder"]))
    os.environ.clear()
    os.environ.update(call["environment"])  # type: ignore[call-overload]
    sys.argv = ["countermand", *call["arguments"]]  # type: ignore[misc]
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # A process in the background of a script is started with SIGINT ignored; this one's caller passes it on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()


if __name__ == "__main__":
    _serve(sys.argv[1])
