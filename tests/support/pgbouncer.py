"""Debian's PgBouncer in front of a throw-away PostgreSQL, in transaction mode with few server connections."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.pgnode import Node, free_port, unprivileged
from tests.support.waiting import HANGS_S


def pgbouncer() -> str:
    """The program; skips the test where it is not installed, unless nothing may be skipped."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not found and os.environ.get("COUNTERMAND_TEST_SKIP_NOTHING"):
        pytest.fail("pgbouncer is not installed")
    if not found:
        pytest.skip("pgbouncer is not installed")
    return found


class Pooler:
    """A pooler that gives each transaction any of three server connections.

    With a ``certificate`` it speaks TLS and nothing else, which the PostgreSQL of the tests is built without.
    """

    def __init__(self, node: Node, *, certificate: Path | None = None, user: str = "postgres") -> None:
        self.port = free_port()
        self._program = pgbouncer()
        self._folder = Path(tempfile.mkdtemp(prefix="pgbouncer_"))
        (self._folder / "pgbouncer.ini").write_text(
            f"""
[databases]
* = host=127.0.0.1 port={node.port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 200
{self._tls(certificate)}
"""
        )
        for path in (self._folder, *self._folder.iterdir()):
            shutil.chown(path, **_owner())

    def _tls(self, certificate: Path | None) -> str:
        if certificate is None:
            return ""
        own = self._folder / "server.pem"
        own.write_bytes(certificate.read_bytes())
        own.chmod(0o600)
        return f"client_tls_sslmode = require\nclient_tls_cert_file = {own}\nclient_tls_key_file = {own}"

    def url(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [self._program, "-q", self._folder / "pgbouncer.ini"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **unprivileged(),
        )
        end = time.monotonic() + HANGS_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("PgBouncer did not start")
            self._process.poll()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _owner() -> dict[str, int]:
    account = unprivileged()
    return {"user": account.get("user", os.getuid()), "group": account.get("group", os.getgid())}
