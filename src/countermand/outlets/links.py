"""Links by which a person without an account does one thing: signed, and they expire.

By one kind a cancellation is answered for one party, by another a mailbox is confirmed, and a third shows a customer
what became of a cancellation. Each has a key of its own.
"""

import hashlib
import hmac
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from countermand.keyring import Keyring
from countermand.reads.events import EventView

PATH: Final = "/answer/"
_ANSWERING: Final = "link to answer one cancellation, version 1"
_PACKED: Final = struct.Struct(">16s16s16s16sIHx")
_WITHOUT_STEP: Final = struct.Struct(">16s16s16s16sI")
"""Links of before 0.2, and of events of before it, name no step."""
_CONFIRMING: Final = "link to confirm a mailbox, version 1"
_MAILBOX: Final = struct.Struct(">16s16sI")
MAILBOX: Final = "mailbox-"
"""How the last part of a link begins that confirms a mailbox. No other link has it and the right length, too."""
STATUS: Final = "/status/"
_SHOWING: Final = "link to show a customer one cancellation, version 1"
_SHOWN: Final = struct.Struct(">16s16sI")
_STATUS_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{69}[AQgw]", re.ASCII)
CONFIRMATION: Final = timedelta(days=7)
"""How long a link to confirm a mailbox can be used."""
_MAC_BYTES: Final = 16
"""Half of an HMAC-SHA256, the least that RFC 2104 (section 5) has: nobody guesses 128 bits at a web server."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{112}|[A-Za-z0-9_-]{116}", re.ASCII)
_MAILBOX_TOKEN: Final = re.compile(r"mailbox-([A-Za-z0-9_-]{69}[AQgw])", re.ASCII)
"""Of 52 bytes the last character has two bits; the others are zero, so that each link has one spelling."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusTicket:
    """The cancellation that a link shows to its customer."""

    retailer: UUID
    cancellation: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxTicket:
    """The mailbox that a link confirms: an endpoint, as long as it has the address that the link was sent to."""

    endpoint: UUID
    expires_at: datetime
    address: bytes

    def fits(self, address: str) -> bool:
        """Whether it was sent to this address."""
        return hmac.compare_digest(self.address, _digest(address))


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
        """The link to another step, for the holder of this link. It expires with this one."""
        return self._url(replace(ticket, step=step))

    def status(self, *, retailer: UUID, cancellation: UUID, at: datetime) -> str:
        """The link by which a customer sees what became of a cancellation. It changes nothing."""
        packed = _SHOWN.pack(retailer.bytes, cancellation.bytes, int((at + self._lifetime).timestamp()))
        return f"{self._base_url}{STATUS}{_sealed(self._keyring, packed, _SHOWING)}"

    def read_status(self, token: str, now: datetime) -> StatusTicket:
        """What the last part of a link shows.

        Raises:
            UnknownLinkError: it was not made by us.
            ExpiredLinkError: it was, and has expired.
        """
        if not _STATUS_TOKEN.fullmatch(token):
            raise UnknownLinkError
        retailer, cancellation, expires = _SHOWN.unpack(_unsealed(self._keyring, token, _SHOWING))
        expires_at = _checked_expiry(expires, now)
        return StatusTicket(retailer=UUID(bytes=retailer), cancellation=UUID(bytes=cancellation), expires_at=expires_at)

    def confirmation(self, endpoint: UUID, address: str, at: datetime) -> str:
        """The link by which a mailbox is confirmed. The same for the same ``at``, when it was asked to."""
        expires_at = int((at + CONFIRMATION).timestamp())
        packed = _MAILBOX.pack(endpoint.bytes, _digest(address), expires_at)
        return f"{self._base_url}{PATH}{MAILBOX}{_sealed(self._keyring, packed, _CONFIRMING)}"

    def read_confirmation(self, token: str, now: datetime) -> MailboxTicket:
        """What the last part of a link confirms.

        Raises:
            UnknownLinkError: it was not made by us.
            ExpiredLinkError: it was, and has expired.
        """
        found = _MAILBOX_TOKEN.fullmatch(token)
        if found is None:
            raise UnknownLinkError
        endpoint, address, expires = _MAILBOX.unpack(_unsealed(self._keyring, found[1], _CONFIRMING))
        expires_at = _checked_expiry(expires, now)
        return MailboxTicket(endpoint=UUID(bytes=endpoint), expires_at=expires_at, address=address)

    def _url(self, ticket: Ticket) -> str:
        ids = [each.bytes for each in (ticket.retailer, ticket.line, ticket.cancellation, ticket.party)]
        expires = int(ticket.expires_at.timestamp())
        step = ticket.step
        packed = _WITHOUT_STEP.pack(*ids, expires) if step is None else _PACKED.pack(*ids, expires, step)
        return f"{self._base_url}{PATH}{_sealed(self._keyring, packed, _ANSWERING)}"

    def page_of(self, event: EventView, party: UUID) -> str:
        """The link in a notice of an event that waits for the party's answer."""
        assert event.cancellation_id is not None
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
        packed = _unsealed(self._keyring, token, _ANSWERING)
        step: int | None = None
        if len(packed) == _PACKED.size:
            *ids, expires, step = _PACKED.unpack(packed)
        else:
            *ids, expires = _WITHOUT_STEP.unpack(packed)
        retailer, line, cancellation, party = (UUID(bytes=each) for each in ids)
        expires_at = _checked_expiry(expires, now)
        return Ticket(
            retailer=retailer, line=line, cancellation=cancellation, party=party, expires_at=expires_at, step=step
        )


def _sealed(keyring: Keyring, packed: bytes, purpose: str) -> str:
    """A text that nobody else can make (docs/decisions/0026)."""
    return urlsafe_b64encode(packed + _macs(keyring, packed, purpose)[0]).decode().rstrip("=")


def _unsealed(keyring: Keyring, token: str, purpose: str) -> bytes:
    """The content of such a text. All keys are tried, so that the time reveals nothing.

    Raises:
        UnknownLinkError: none of them made it.
    """
    data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    packed, mac = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
    if not any([hmac.compare_digest(mac, mine) for mine in _macs(keyring, packed, purpose)]):  # noqa: C419
        raise UnknownLinkError
    return packed


def _macs(keyring: Keyring, packed: bytes, purpose: str) -> list[bytes]:
    return [hmac.digest(key, packed, "sha256")[:_MAC_BYTES] for key in keyring.derived(purpose)]


def _checked_expiry(expires: int, now: datetime) -> datetime:
    expires_at = datetime.fromtimestamp(expires, UTC)
    if now >= expires_at:
        raise ExpiredLinkError
    return expires_at


def _digest(address: str) -> bytes:
    return hashlib.sha256(address.encode()).digest()[:16]
