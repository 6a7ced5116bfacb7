"""What a call of Plaza's asks for, and which calls are one.

A signature does not cover the body (docs/plaza.md): it is good for one body about one item, and no other.

What was sent under a signature is kept with its effect, as under an idempotency key. So a client that repeats a call
gets the same process status, and the same signature with another body is refused, also after a restart and by every
other process. Of a cancellation only the reason counts: its time is a claim that decides nothing, and a client that
tries again in the same second claims another.

A date has seconds, and the item of a shipment is in its body: a client that reports several parcels in one second signs
them all alike. These are let in while they can be of one second.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Final
from uuid import UUID

from countermand.admin.callers import Caller
from countermand.domain.idempotency import IdempotencyKey
from countermand.store.engines.protocol import Database
from countermand.store.idempotency import first_use
from countermand.wire.bol.meaning import NUMBER_MAX
from countermand.wire.bol_plaza.vocabulary import Version
from countermand.wire.replies import CallError, Problem

SECOND: Final = timedelta(seconds=5)
"""How far apart calls of one second arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One authenticated call."""

    caller: Caller
    target: str
    version: Version
    query: dict[str, list[str]]
    body: bytes
    authorization: str

    @staticmethod
    def number(text: str, name: str) -> int:
        """A number of bol's; one that is too large to be ours is read as one that nobody has.

        Raises:
            CallError: it is none.
        """
        if not _NUMBER.fullmatch(text):
            raise CallError(Problem.MALFORMED, f"{name} is not a number")
        return min(int(text), NUMBER_MAX)

    @property
    def target_number(self) -> int | None:
        """The number in the path, if it can be one of ours."""
        fits = _NUMBER.fullmatch(self.target) and int(self.target) <= NUMBER_MAX
        return int(self.target) if fits else None

    @property
    def page(self) -> int:
        """Which page of a list is wanted.

        Raises:
            CallError: none that there can be.
        """
        text = self.query.get("page", ["1"])[0] or "1"
        if not re.fullmatch("[0-9]{1,7}", text) or int(text) < 1:
            raise CallError(Problem.MALFORMED, "page is not a number from 1 on")
        return int(text)

    def by_retailer(self, name: str) -> bool:
        """Whether what the retailer fulfils is wanted, which is everything here; bol's own warehouse holds nothing.

        Raises:
            CallError: the parameter ``name`` says neither.
        """
        wanted = self.query.get(name, ["FBR"])[0].upper()
        if wanted not in ("FBR", "FBB", "ALL", ""):
            raise CallError(Problem.MALFORMED, f"{name} must be FBR or FBB")
        return wanted != "FBB"


_NUMBER: Final = re.compile("[0-9]{1,18}")
_CALLER: Final = "plaza signature"


def used_signature(authorization: str) -> str:
    """What is kept of a signature."""
    return sha256(authorization.encode("utf-8", "surrogatepass")).hexdigest()


def once_for(used: str, signed: bytes, entity: str) -> IdempotencyKey:
    """What makes a repeat of a call the same call: its signature, and the item that it is about."""
    return IdempotencyKey(caller=_CALLER, key=f"{used} {entity}", fingerprint=sha256(signed).hexdigest())


async def is_of_another_second(database: Database, retailer: UUID, used: str, entity: str, now: datetime) -> bool:
    """Whether a signature that does not name its item was first used about another one, too long ago."""
    first = await database.read(partial(first_use, retailer=retailer, caller=_CALLER, beginning=used))
    return first is not None and first.key != f"{used} {entity}" and now - first.created_at > SECOND
