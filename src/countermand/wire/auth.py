"""Who is calling: from a token to a party, remembered for a few seconds so that a busy caller is not looked up anew."""

import asyncio
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Final
from uuid import UUID

from cachetools import TTLCache

from countermand.admin.callers import Caller, caller_of_token
from countermand.ids import Clock, digest
from countermand.store.credential_uses import save_uses
from countermand.store.engines.protocol import Database, UnavailableError
from countermand.store.engines.transactions import change
from countermand.store.fair_share import reading_party
from countermand.store.row_security import viewer
from countermand.wire.response import Scope
from countermand.wire.throttle import Throttle

REMEMBERED_MAX: Final = 10_000

NOTED_EVERY_S: Final = 60
"""So often, at most, it is saved that a credential is in use."""
NOTED_MAX: Final = 50_000
SAVED_AT_ONCE: Final = 200
"""So many rows one transaction locks, as calls of the write road wait behind it on SQLite."""


def remembered(clock: Clock, seconds: int) -> TTLCache[str, Any]:
    """What a credential was found to be, for so many seconds; with 0 of them it is looked up each time."""
    return TTLCache(REMEMBERED_MAX, seconds, timer=lambda: clock().timestamp())


class CredentialUses:
    """Keeps when each credential was used last. No call waits for it, and what cannot be saved is left out."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._noted: TTLCache[UUID, None] = TTLCache(NOTED_MAX, NOTED_EVERY_S, timer=lambda: clock().timestamp())
        self._waiting: dict[UUID, datetime] = {}
        self._saving: asyncio.Task[Any] | None = None

    def note(self, credential: UUID) -> None:
        """It is used now."""
        if credential in self._noted:
            return
        self._noted[credential] = None
        self._waiting[credential] = self._clock()
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save())

    async def settle(self) -> None:
        """Wait until all that was noted is saved."""
        if self._saving is not None:
            await self._saving

    async def _save(self) -> None:
        while self._waiting:
            some = dict(islice(self._waiting.items(), SAVED_AT_ONCE))
            for credential in some:
                del self._waiting[credential]
            try:
                await change(self._database, partial(save_uses, used=some))
            except UnavailableError:
                self._waiting.clear()


class Authenticator:
    """Finds the caller of a token. A revoked token may be honoured for ``remember_s`` seconds more."""

    def __init__(
        self, database: Database, clock: Clock, throttle: Throttle, uses: CredentialUses, *, remember_s: int
    ) -> None:
        self._database = database
        self._clock = clock
        self._throttle = throttle
        self._uses = uses
        self._remembered: TTLCache[str, Caller] = remembered(clock, remember_s)

    async def caller(self, token: str, scope: Scope) -> Caller | None:
        """The caller, or ``None`` when the token is unknown, was revoked, or has expired.

        What is read from then on counts as the caller's.

        Raises:
            ThrottledError: too many wrong tokens came from the address of the call.
        """
        reading_party.set(None)
        viewer.set(None)
        lookup = digest(token)
        caller = self._remembered.get(lookup)
        if caller is None:
            async with self._throttle.looking_up(scope):
                caller = await self._database.read(partial(caller_of_token, lookup=lookup))
            if caller is not None:
                self._remembered[lookup] = caller
        if caller is None or (caller.expires_at is not None and caller.expires_at <= self._clock()):
            await self._throttle.wrong(scope)
            return None
        self._uses.note(caller.credential)
        reading_party.set(caller.party)
        viewer.set(caller.sees)
        return caller


class AlwaysThis(Authenticator):
    """Takes every call as one caller's: for calls that an operator makes in the place of a party, in this process."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def caller(self, token: str, scope: Scope) -> Caller | None:
        """The caller, whatever the token."""
        reading_party.set(self._caller.party)
        viewer.set(self._caller.sees)
        return self._caller
