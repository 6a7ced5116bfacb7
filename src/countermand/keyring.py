"""Secrets that must be known again are kept encrypted; the key that opens them is in a file outside the database."""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class KeyringError(Exception):
    """A secret cannot be opened with the keys of this installation. The message names the file."""


class Keyring:
    """Fernet keys from a file, one per line: the first one encrypts, all of them open. Made at first use."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys: MultiFernet | None = None

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

    def _opened(self) -> MultiFernet:
        if self._keys is None:
            self._keys = MultiFernet([Fernet(line) for line in self._read().split()])
        return self._keys

    def _read(self) -> bytes:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return self._path.read_bytes()
        with os.fdopen(handle, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        return self._path.read_bytes()
