"""The file of a SQLite database: private to its owner, and served by one process."""

import contextlib
import fcntl
import os
from pathlib import Path

from countermand.store.engines.protocol import UnsafeDatabaseError


class FileLock:
    """Held by the one process that serves a SQLite file, and freed by the system when that process ends."""

    def __init__(self, database: str) -> None:
        # One file has one lock, by whatever path or link it is named.
        self._path = Path(f"{Path(database).resolve()}.lock")
        self._file: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            UnsafeDatabaseError: another process serves this file.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = os.read(handle, 20).decode(errors="replace") or "unknown"
            os.close(handle)
            raise UnsafeDatabaseError(
                f"Another countermand (process {owner}) is using {self._path.with_suffix('')}."
                " Stop it first, or give this one a database of its own."
            ) from None
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        self._file = handle

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def make_private(file: Path) -> None:
    """Make the file for nobody but its owner, if it is not there yet. SQLite gives its WAL the same permissions."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
