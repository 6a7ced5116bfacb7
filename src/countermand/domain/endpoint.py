"""Endpoints: where a party is notified, and of which kinds of events. ``domain/addresses/`` has what they may be."""

from collections.abc import Collection
from datetime import timedelta
from enum import StrEnum
from typing import Final

from countermand.domain.events import EventKind
from countermand.domain.problems import UnfitError

WAITS_UNCONFIRMED: Final = timedelta(days=30)
"""How long a notice waits until its mailbox is confirmed. Then it is given up."""


class EndpointState(StrEnum):
    """The state of an endpoint. Only ``ACTIVE`` ones are notified; ``REMOVED`` is final.

    ``UNCONFIRMED`` is a mailbox whose owner has not agreed to e-mails yet. The others can be resumed.
    """

    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    REMOVED = "removed"


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
