"""What the calls of the native API have in common in what they mean: what a caller sees, and when two calls are one."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from countermand.admin.callers import Caller
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.ids import read
from countermand.reads.order_lists import PlaceInTime
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.reads.scope import Scope
from countermand.service.calls import Call, Done
from countermand.wire.native.errors import invalid
from countermand.wire.pipeline import submitted
from countermand.wire.replies import CallError
from countermand.wire.services import Services

DOOR: Final = "native"


async def submit(services: Services, call: Call, *, unknown: Refusal) -> Done:
    """What a command came to. ``unknown`` says of what the caller named that it is not the caller's.

    Raises:
        CallError: it was refused, or the database did not answer.
    """
    try:
        return await submitted(services.lanes, call)
    except CallError as error:
        if error.kind in _UNKNOWN:
            raise CallError.of(unknown) from None
        raise


_UNKNOWN: Final = frozenset({RefusalKind.UNKNOWN_LINE, RefusalKind.UNKNOWN_ORDER, RefusalKind.UNKNOWN_CANCELLATION})
"""If the rules find one of them unknown, the answer is about the one that the caller named."""


def scope_of(who: Caller) -> Scope:
    """What the caller may see."""
    return Scope(party=who.party, kind=who.kind)


def former_fingerprint(what: str, body: BaseModel | None) -> Callable[[], str]:
    """Makes what 0.1 made of a call and what it says, so that its keys still find their calls."""

    def fingerprint() -> str:
        new = {name for name in _SINCE_0_2 if body and not getattr(body, name, None)}
        words = body.model_dump_json(exclude=new) if body else ""
        return hashlib.sha256(f"{what}\n{words}".encode()).hexdigest()

    return fingerprint


_SINCE_0_2: Final = ("step", "party")
"""Members that came with 0.2."""


def moment_of(
    services: Services, text: str | None, read: Callable[[object, tzinfo], datetime], name: str
) -> datetime | None:
    """The time in a query; a day is one of the zone that the settings name."""
    if text is None:
        return None
    try:
        return read(text, ZoneInfo(services.settings.score_zone))
    except ValueError as error:
        raise invalid(f"{name} {error}.", "query", name) from None


async def party_named(services: Services, text: str | None) -> UUID | None:
    """The party that a filter names by its id or its name; one that does not exist has nothing.

    A name that several have is as unknown as one that none has.
    """
    if text is None:
        return None
    try:
        return (await services.database.read(partial(find_party, text=text))).id
    except UnknownPartyError:
        return NOBODY


NOBODY: Final = UUID(int=0)
"""The id that no party has: what is looked for matches nothing."""


def place_in_time(row_placed_at: datetime, row_id: UUID) -> str:
    """``next`` of a page that ends with an order."""
    return f"{row_placed_at:%Y%m%dT%H%M%S.%f}_{row_id.hex}"


def read_place(after: str) -> PlaceInTime | None:
    """The place that ``next`` of a page names; ``None`` if it is no such text."""
    moment, _, name = after.rpartition("_")
    found = read("ord", name)
    try:
        at = datetime.strptime(moment, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    except ValueError:
        return None
    return PlaceInTime(at, found) if found else None
