"""A backup is one file: a ZIP archive of what a database held at one moment, with a manifest of counts and checksums.

It is written beside its place under another name, synced, and then put there whole, for its owner only (mode 0600). So
what has the name of a backup is a whole one. The manifest is its last member.
"""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from countermand.private_files import in_the_making

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
KEYS: Final = "keys"
"""The member with the key file."""

CHUNK: Final = 1 << 20
LEVEL: Final = 1
"""Of deflate. The highest level takes eight times as long and saves a tenth."""


class Progress(Protocol):
    """Is told how far a part is: so much of so much, in whatever unit that has; ``of`` is 0 if nobody knows."""

    def __call__(self, part: str, done: int, of: int = 0) -> None:
        """Say it."""


class ArchiveError(Exception):
    """The file is no backup, is damaged, or is of a later version. The message says which."""


class Member(BaseModel):
    """What a member must be when it is read again."""

    model_config = ConfigDict(frozen=True)

    size: int
    sha256: str


class Manifest(BaseModel):
    """What is in a backup. ``taken_at``: all that was committed by then is in it.

    ``key_file`` is the SHA-256 of the key file, empty if there was none; ``keys_included`` tells whether it is in here.
    """

    model_config = ConfigDict(frozen=True)

    product: Literal["countermand"] = "countermand"
    format: int = FORMAT
    version: str
    revision: str
    engine: str
    taken_at: datetime
    rows: Mapping[str, int]
    members: Mapping[str, Member]
    key_file: str = ""
    keys_included: bool = False


class _Digesting:
    """Passes on what is written, and counts it.

    A failure is told as one of the archive: to whoever reads the database meanwhile, an OSError is one of its own.
    """

    def __init__(self, inner: IO[bytes], path: Path) -> None:
        self._inner, self._path = inner, path
        self._digest = hashlib.sha256()
        self._size = 0

    def write(self, data: bytes) -> None:
        self._digest.update(data)
        self._size += len(data)
        try:
            self._inner.write(data)
        except OSError as error:
            raise ArchiveError(f"{self._path} cannot be written: {error.strerror}.") from error

    @property
    def member(self) -> Member:
        return Member(size=self._size, sha256=self._digest.hexdigest())


class ArchiveWriter:
    """A backup in the making. Leaving the block without ``finish`` leaves nothing behind.

    Raises:
        FileExistsError: there is a file of this name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.members: dict[str, Member] = {}

    def __enter__(self) -> Self:
        if os.path.lexists(self._path):
            raise FileExistsError(
                17, "it is there already, and no backup is written over another file", str(self._path)
            )
        with ExitStack() as stack:
            self._file = stack.enter_context(in_the_making(self._path))
            self._zip = zipfile.ZipFile(self._file.path, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL)
            stack.callback(self._zip.close)
            self._open = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    @property
    def folder(self) -> Path:
        """Where it is written: there is room for what is on its way into it, and nobody else looks."""
        return self._path.parent

    @contextmanager
    def member(self, name: str) -> Iterator[_Digesting]:
        """Write one member."""
        with self._zip.open(name, "w", force_zip64=True) as inner:
            digesting = _Digesting(inner, self._path)
            yield digesting
        self.members[name] = digesting.member

    def finish(self, manifest: Manifest) -> None:
        """Put the archive where it belongs. It is on the disk then.

        Raises:
            FileExistsError: somebody else was quicker.
        """
        self._zip.writestr(MANIFEST, manifest.model_dump_json(indent=2))
        self._zip.close()
        self._file.put_in_place()


class ArchiveReader:
    """A backup that is there. Every member is checked against the manifest while it is read.

    Raises:
        ArchiveError: it is none, or of a later version.
        OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        try:
            self._zip = zipfile.ZipFile(self._path)
        except zipfile.BadZipFile:
            raise ArchiveError(f"{self._path} is no backup, or not a whole one.") from None
        try:
            self.manifest = Manifest.model_validate_json(self._zip.read(MANIFEST))
        except (KeyError, ValidationError, zipfile.BadZipFile, zlib.error) as error:
            self._zip.close()
            raise ArchiveError(
                f"{self._path} is no backup of countermand: it has no manifest that makes sense."
            ) from error
        if self.manifest.format > FORMAT:
            self._zip.close()
            raise ArchiveError(
                f"{self._path} was written by version {self.manifest.version}. Restore it with that one."
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._zip.close()

    def read(self, name: str) -> Iterator[bytes]:
        """A member, piece by piece.

        Raises:
            ArchiveError: it is missing, or not what was written. Raised at the end at the latest.
        """
        meant = self.manifest.members.get(name)
        if meant is None:
            raise ArchiveError(f"{self._path} has no member {name}.")
        digest, size = hashlib.sha256(), 0
        try:
            with self._zip.open(name) as inner:
                while piece := inner.read(CHUNK):
                    digest.update(piece)
                    size += len(piece)
                    yield piece
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise self._damaged(name) from error
        if (size, digest.hexdigest()) != (meant.size, meant.sha256):
            raise self._damaged(name)

    def verify(self, progress: Progress) -> None:
        """Read every member once.

        Raises:
            ArchiveError: one of them is damaged.
        """
        for name in self.manifest.members:
            done = 0
            for piece in self.read(name):
                done += len(piece)
                progress(f"checking {name}", done, self.manifest.members[name].size)

    def _damaged(self, name: str) -> ArchiveError:
        return ArchiveError(f"{self._path} is damaged: {name} is not what was written. Use another backup.")
