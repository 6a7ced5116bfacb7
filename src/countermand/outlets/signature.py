"""Signatures of notices, by the convention Standard Webhooks: receivers check them with a library they have already."""

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from random import Random, SystemRandom
from typing import Final

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

ID: Final = "webhook-id"
TIMESTAMP: Final = "webhook-timestamp"
SIGNATURE: Final = "webhook-signature"
TOLERANCE_S: Final = 300
"""How far the clocks of sender and receiver may be apart."""
SECRET_BYTES: Final = 32


class SignatureError(Exception):
    """A notice is not what its headers say, or not of this time. The message says what is wrong."""


def new_secret(source: Random | None = None) -> str:
    """A secret of 256 random bits, as Standard Webhooks writes them: ``whsec_`` and base64."""
    return f"whsec_{b64encode((source or SystemRandom()).randbytes(SECRET_BYTES)).decode()}"


def sign(secrets: Sequence[str], id: str, at: datetime, body: bytes) -> dict[str, str]:  # noqa: A002
    """The three headers of a notice. While a secret is being replaced there are several, and a signature by each.

    Raises:
        ValueError: there is no secret, or one that is not base64.
    """
    if not secrets:
        raise ValueError("there is no secret to sign with")
    at = at.astimezone(UTC)
    return {
        ID: id,
        TIMESTAMP: str(int(at.timestamp())),
        SIGNATURE: " ".join(_signature(secret, id, at, body) for secret in secrets),
    }


def verify(
    secrets: Sequence[str], headers: Mapping[str, str], body: bytes, *, now: datetime, tolerance_s: int = TOLERANCE_S
) -> None:
    """Check that a notice was signed with one of these secrets, lately. Names of headers may be in any case.

    Raises:
        SignatureError: it was not. Nothing else is raised, whatever the headers and the body are.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        id, timestamp, signatures = given[ID], given[TIMESTAMP], given[SIGNATURE]  # noqa: A001
    except KeyError as missing:
        raise SignatureError(f"There is no header {missing.args[0]}.") from None
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        raise SignatureError(f"{TIMESTAMP} is not a number of seconds.")
    if abs(now.timestamp() - int(timestamp)) > tolerance_s:
        raise SignatureError(f"The notice is more than {tolerance_s} seconds away from now.")
    at = datetime.fromtimestamp(int(timestamp), UTC)
    try:
        expected = [_signature(secret, id, at, body).encode() for secret in secrets]
    except ValueError:
        raise SignatureError("The notice or a secret is not as it should be.") from None
    sent = [each.encode("utf-8", "replace") for each in signatures.split(" ")[:20]]
    # Each is compared with each, so that the time it takes says nothing of which one was near.
    if not any([hmac.compare_digest(mine, theirs) for mine in expected for theirs in sent]):  # noqa: C419
        raise SignatureError("No signature is by a secret of this endpoint.")


@lru_cache(maxsize=1024)
def _signer(secret: str) -> Webhook:
    return Webhook(secret)


def _signature(secret: str, id: str, at: datetime, body: bytes) -> str:  # noqa: A002
    try:
        signed: str = _signer(secret).sign(id, at, body.decode())
    except EmptyWebhookSecretError:
        raise ValueError("a secret is empty") from None
    return signed
