"""Secrets that must be known again are kept encrypted; the key that opens them is in a file outside the database."""

import hmac
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from countermand.private_files import in_the_making

_REMEDY: Final = (
    "Restore it from its backup, or set key_file to where it is. If it is lost, revoke the Plaza keys and remove the"
    " webhooks, then make new ones."
)


class KeyringError(Exception):
    """A secret cannot be opened with the keys of this installation. The message names the file."""


class Keyring:
    """Fernet keys from a file, one per line: the first one encrypts, all of them open. Made at first use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: MultiFernet | None = None
        self._lines: list[bytes] = []

    def check(self, closed: Sequence[bytes]) -> None:
        """A file that is there can be used, and opens these secrets. Reported before the first call, not by it.

        A lost file is not replaced while there are secrets that it closed.

        Raises:
            KeyringError: it cannot be read, does not hold keys, or not those of these secrets.
        """
        if self._path.exists():
            self._opened()
        elif closed:
            raise KeyringError(
                f"The key file {self._path} is missing, and the database holds secrets that only its keys open."
                f" {_REMEDY}"
            )
        try:
            for each in closed:
                self.decrypt(each)
        except KeyringError:
            raise KeyringError(
                f"The keys in {self._path} do not open the secrets in the database:"
                f" it is another file, or a key was taken out. {_REMEDY}"
            ) from None

    def encrypt(self, secret: bytes) -> bytes:
        """Close a secret."""
        return self._opened().encrypt(secret)

    def decrypt(self, closed: bytes) -> bytes:
        """Open a secret.

        Raises:
            KeyringError: it was closed with a key that is not in the file.
        """
        try:
            return self._opened().decrypt(closed)
        except InvalidToken:
            raise KeyringError(f"A stored secret cannot be opened with the keys in {self._path}.") from None

    def derived(self, purpose: str) -> tuple[bytes, ...]:
        """Keys for another use than closing secrets, one for each in the file: the first one signs, all of them verify.

        Raises:
            KeyringError: the file does not hold keys.
        """
        self._opened()
        return tuple(hmac.digest(urlsafe_b64decode(line), purpose.encode(), "sha256") for line in self._lines)

    def _opened(self) -> MultiFernet:
        if self._keys is None:
            try:
                self._lines = self._read().split()
                self._keys = MultiFernet([Fernet(line) for line in self._lines])
            except ValueError:
                raise KeyringError(f"{self._path} does not hold keys, one per line. Restore it.") from None
            except OSError as error:
                raise KeyringError(f"The key file {self._path} cannot be used: {error.strerror}.") from error
        return self._keys

    def _read(self) -> bytes:
        if not self._path.exists():
            self._make()
        return self._path.read_bytes()

    def _make(self) -> None:
        """A file that is there is whole, whatever crashed when, and of two that are made at once the first one counts.

        What it closed would be lost with it, so it is on the disk before anything is closed.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with in_the_making(self._path) as file, suppress(FileExistsError):
            file.path.write_bytes(Fernet.generate_key())
            file.put_in_place()
