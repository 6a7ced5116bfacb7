"""Endpoints: where a party is notified, and of which kinds of events. ``domain/addresses/`` has what they may be."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from countermand.domain.addresses.address import AddressKind
from countermand.domain.addresses.kinds import kind_of
from countermand.domain.events import EventKind
from countermand.domain.problems import UnfitError
from countermand.domain.subscriptions import Subscription

WAITS_UNCONFIRMED: Final = timedelta(days=30)
"""How long a notice waits until its mailbox is confirmed. Then it is given up."""

UNCONFIRMED: Final = "This mailbox is not confirmed yet. Until it is, notices wait."
"""Why nothing is sent to a mailbox that is not confirmed."""


class EndpointState(StrEnum):
    """The state of an endpoint. Only ``ACTIVE`` ones are notified; ``REMOVED`` is final.

    ``UNCONFIRMED`` is a mailbox whose owner has not agreed to e-mails yet. The others can be resumed.
    """

    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An address of a party, the kinds of events it wants there, and how sending to it goes.

    Where no kind is named, a webhook wants all; a mailbox wants what asks for its party's answer. ``state_reason`` says
    in words why it is not active. ``failing_since`` is when the first of an unbroken row of failures was. ``secrets``
    is encrypted; ``None`` for a mailbox. ``unconfirmed_since`` is when a mailbox was added that nobody has confirmed.
    A ``subscription`` gets messages in bol's words instead, signed with the keys of this service.
    """

    id: UUID
    party: UUID
    url: str
    label: str
    event_kinds: tuple[EventKind, ...]
    state: EndpointState
    state_reason: str
    created_at: datetime
    failing_since: datetime | None
    secrets: bytes | None
    unconfirmed_since: datetime | None = None
    subscription: Subscription | None = None

    @property
    def kind(self) -> AddressKind:
        """What holds for all endpoints with such an address."""
        return kind_of(self.url)


class UnknownKindError(UnfitError):
    """There is no such kind of event. The message lists all kinds."""

    code = "unknown_kind"


def check_kinds(kinds: Collection[str]) -> tuple[EventKind, ...]:
    """The kinds of events with these names, each once, in the order in which all are listed.

    Raises:
        UnknownKindError: one of them is not the name of a kind.
    """
    known = {kind.value for kind in EventKind}
    unknown = sorted(set(kinds) - known)
    if unknown:
        raise UnknownKindError(
            f"There is no kind of event {', '.join(map(repr, unknown))}. There are {', '.join(EventKind)}."
        )
    return tuple(kind for kind in EventKind if kind.value in kinds)
