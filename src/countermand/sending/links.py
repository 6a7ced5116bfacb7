"""Links by which a person answers one cancellation for one party, without an account: signed, and they expire."""

import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from countermand.keyring import Keyring
from countermand.store.columns import Record

PATH: Final = "/answer/"
_PURPOSE: Final = "link to answer one cancellation, version 1"
_PACKED: Final = struct.Struct(">16s16s16s16sIHx")
_WITHOUT_STEP: Final = struct.Struct(">16s16s16s16sI")
"""Links of before 0.2, and of events of before it, name no step."""
_MAC_BYTES: Final = 16
"""Half of an HMAC-SHA256, the least that RFC 2104 (section 5) has: nobody guesses 128 bits at a web server."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{112}|[A-Za-z0-9_-]{116}", re.ASCII)


class UnknownLinkError(Exception):
    """No link of ours: mistyped, cut off, or made up."""


class ExpiredLinkError(Exception):
    """The link was ours, and its time is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What a link opens, for whom, and until when: the cancellation as it stood at ``step``, if it names one."""

    retailer: UUID
    line: UUID
    cancellation: UUID
    party: UUID
    expires_at: datetime
    step: int | None = None


class Links:
    """Makes and reads links. Their key is derived from the key file: a new key at its top keeps older links valid."""

    def __init__(self, keyring: Keyring, base_url: str, *, days: int) -> None:
        self._keyring = keyring
        self._base_url = base_url
        self._lifetime = timedelta(days=days)

    def page(
        self,
        *,
        retailer: UUID,
        line: UUID,
        cancellation: UUID,
        party: UUID,
        at: datetime,
        step: int | None = None,
    ) -> str:
        """The link by which this party answers this step. The same for the same ``at``, the time of the event."""
        expires_at = at + self._lifetime
        return self._url(
            Ticket(
                retailer=retailer, line=line, cancellation=cancellation, party=party, expires_at=expires_at, step=step
            )
        )

    def at_step(self, ticket: Ticket, step: int) -> str:
        """The link by which whoever has this one answers another step. It expires with it."""
        return self._url(replace(ticket, step=step))

    def _url(self, ticket: Ticket) -> str:
        ids = [each.bytes for each in (ticket.retailer, ticket.line, ticket.cancellation, ticket.party)]
        expires = int(ticket.expires_at.timestamp())
        step = ticket.step
        packed = _WITHOUT_STEP.pack(*ids, expires) if step is None else _PACKED.pack(*ids, expires, step)
        token = urlsafe_b64encode(packed + _macs(self._keyring, packed)[0])
        return f"{self._base_url}{PATH}{token.decode()}"

    def page_of(self, event: Record, party: UUID) -> str:
        """The link in what a party is told of an event that waits for its answer."""
        return self.page(
            retailer=event.retailer_id,
            line=event.line_id,
            cancellation=event.cancellation_id,
            party=party,
            at=event.at,
            step=event.facts.get("step"),
        )

    def read(self, token: str, now: datetime) -> Ticket:
        """What the last part of a link opens.

        Raises:
            UnknownLinkError: it was not made by us.
            ExpiredLinkError: it was, and has expired.
        """
        if not _TOKEN.fullmatch(token):
            raise UnknownLinkError
        data = urlsafe_b64decode(token)
        packed, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
        if not any([hmac.compare_digest(mac, mine) for mine in _macs(self._keyring, packed)]):  # noqa: C419
            raise UnknownLinkError
        step: int | None = None
        if len(packed) == _PACKED.size:
            *ids, expires, step = _PACKED.unpack(packed)
        else:
            *ids, expires = _WITHOUT_STEP.unpack(packed)
        retailer, line, cancellation, party = (UUID(bytes=each) for each in ids)
        expires_at = datetime.fromtimestamp(expires, UTC)
        if now >= expires_at:
            raise ExpiredLinkError
        return Ticket(
            retailer=retailer, line=line, cancellation=cancellation, party=party, expires_at=expires_at, step=step
        )


def _macs(keyring: Keyring, packed: bytes) -> list[bytes]:
    return [hmac.digest(key, packed, "sha256")[:_MAC_BYTES] for key in keyring.derived(_PURPOSE)]
