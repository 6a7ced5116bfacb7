"""The RSA keys that sign messages to subscriptions. One signs; those that it replaced stay published for a day."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sqlalchemy import Connection, delete, insert, select, update

from countermand.admin.audit import Action, Author, Change, record
from countermand.admin.callers import PLATFORM
from countermand.domain.problems import RefusedError
from countermand.ids import Ids
from countermand.keyring import Keyring
from countermand.store import tables as t
from countermand.store.changes import change_any
from countermand.store.revisions import agreements_changed

BITS: Final = 2048
OVERLAP: Final = timedelta(hours=24)
"""How long a key that was replaced is still published, for receivers that check messages late."""

KEYS_MAX: Final = 5
"""So many keys may be published at once."""

log = structlog.get_logger()


class TooManyKeysError(RefusedError):
    """So many keys were replaced lately that no other one is made. The message says when the next one can be."""

    code = "no_rotation"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureKey:
    """The public half of a key: ``public`` is its DER. ``replaced_at`` is when another one took its place."""

    id: UUID
    public: bytes
    created_at: datetime
    replaced_at: datetime | None

    @property
    def public_base64(self) -> str:
        """As bol's API shows it."""
        return base64.b64encode(self.public).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """The key that signs at present."""

    id: UUID
    private: rsa.RSAPrivateKey


def generate_key() -> rsa.RSAPrivateKey:
    """A new key. This takes a tenth of a second or so: call it before a transaction, and beside the event loop."""
    return rsa.generate_private_key(public_exponent=65537, key_size=BITS)


def published_keys(connection: Connection, now: datetime) -> list[SignatureKey]:
    """The key that signs, then those that did until lately."""
    rows = connection.execute(select(t.signature_keys).order_by(t.signature_keys.c.created_at.desc())).all()
    keys = [
        SignatureKey(id=row.id, public=row.public, created_at=row.created_at, replaced_at=row.replaced_at)
        for row in rows
    ]
    valid = [key for key in keys if key.replaced_at is None or now < key.replaced_at + OVERLAP]
    return sorted(valid, key=lambda key: key.replaced_at is not None)


def signing_key(connection: Connection, keyring: Keyring) -> SigningKey | None:
    """The key that signs at present; ``None`` before the first one is made.

    Raises:
        KeyringError: it cannot be opened with the keys of this installation.
    """
    row = connection.execute(select(t.signature_keys).where(t.signature_keys.c.replaced_at.is_(None))).first()
    if row is None:
        return None
    private = serialization.load_der_private_key(keyring.decrypt(row.private), password=None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return SigningKey(id=row.id, private=private)


def add_first(connection: Connection, ids: Ids, keyring: Keyring, now: datetime, made: rsa.RSAPrivateKey) -> None:
    """Have ``made`` sign from now on, unless there is a key. This is nobody's change: a subscription needs a key."""
    # Two that add the first one wait for each other here, and the second one finds it.
    agreements_changed(connection)
    if signing_key(connection, keyring) is None:
        _add(connection, ids, keyring, now, made)


def rotate(connection: Connection, author: Author, keyring: Keyring, made: rsa.RSAPrivateKey) -> Sequence[SignatureKey]:
    """Have ``made`` sign from now on. The one that it replaces stays published for ``OVERLAP``. Returns what is.

    Raises:
        TooManyKeysError: ``KEYS_MAX`` would be exceeded.
    """
    agreements_changed(connection)
    published, now = published_keys(connection, author.at), author.at
    if len(published) >= KEYS_MAX:
        next_at = min(key.replaced_at for key in published if key.replaced_at) + OVERLAP
        raise TooManyKeysError(
            f"{KEYS_MAX} keys are published, and no more are. The next one can be made at {next_at:%Y-%m-%d %H:%M} UTC."
        )
    keys = t.signature_keys
    change_any(connection, delete(keys).where(keys.c.replaced_at <= now - OVERLAP))
    change_any(connection, update(keys).where(keys.c.replaced_at.is_(None)).values(replaced_at=now, private=None))
    new = _add(connection, author.ids, keyring, now, made)
    detail = {"replaced": str(published[0].id)} if published else {}
    record(connection, author, Change(action=Action.SIGNATURE_KEY_ROTATED, party=PLATFORM, target=new, detail=detail))
    log.info("signature_key_rotated", by=author.name)
    return published_keys(connection, now)


def _add(connection: Connection, ids: Ids, keyring: Keyring, now: datetime, made: rsa.RSAPrivateKey) -> UUID:
    private = made.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = made.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    new = ids.new()
    row = {"id": new, "public": public, "private": keyring.encrypt(private), "created_at": now}
    connection.execute(insert(t.signature_keys).values(**row, replaced_at=None))
    return new
