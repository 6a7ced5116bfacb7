"""Files that are whole and private: written beside their place under another name, and put there once they are synced.

Whatever crashes when, what has the name of such a file is all of it. Only its owner may read it (mode 0600).
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_BESIDE: Final = ("", "-wal", "-shm")
"""What SQLite puts beside a file goes with it."""


class FileInTheMaking:
    """A file that is not yet where it belongs: it is written at ``path``."""

    def __init__(self, path: Path, place: Path) -> None:
        self.path = path
        self._place = place

    def put_in_place(self) -> None:
        """Give it its name. It is on the disk then, and so is the name, whoever gave it.

        Raises:
            FileExistsError: there is a file of that name.
        """
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        try:
            os.link(self.path, self._place)
        finally:
            _sync_folder(self._place.parent)


@contextmanager
def in_the_making(place: Path) -> Iterator[FileInTheMaking]:
    """A new, empty file beside ``place``. If it is not put in place, nothing of it is left."""
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    os.close(handle)
    try:
        yield FileInTheMaking(Path(name), place)
    finally:
        for each in _BESIDE:
            Path(f"{name}{each}").unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Have the disk know what the files in a folder are called."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
