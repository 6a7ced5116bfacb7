"""Who is calling: from a token to a party, remembered for a few seconds so that a busy caller is not looked up anew."""

from collections import OrderedDict
from functools import partial
from typing import Final

from countermand.admin.accounts import Caller, caller_of_token
from countermand.ids import Clock, digest
from countermand.store.engines.protocol import Database
from countermand.store.fair_share import reading_party
from countermand.store.row_security import viewer
from countermand.wire.throttle import Throttle

REMEMBERED_MAX: Final = 10_000


class Authenticator:
    """Finds the caller of a token. A revoked token may be honoured for ``remember_s`` seconds more."""

    def __init__(self, database: Database, clock: Clock, throttle: Throttle, *, remember_s: int) -> None:
        self._database = database
        self._clock = clock
        self._throttle = throttle
        self._remember_s = remember_s
        self._remembered: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    async def caller(self, token: str, address: str) -> Caller | None:
        """The caller, or ``None`` when the token is unknown, was revoked, or has expired.

        What is read from then on counts as the caller's.

        Raises:
            ThrottledError: too many wrong tokens came from this address.
        """
        reading_party.set(None)
        viewer.set(None)
        now = self._clock()
        lookup = digest(token)
        caller, until = self._remembered.get(lookup, (None, 0.0))
        if caller is None or until <= now.timestamp():
            async with self._throttle.looking_up(address):
                caller = await self._database.read(partial(caller_of_token, lookup=lookup))
            self._remember(lookup, caller, now.timestamp() + self._remember_s)
        if caller is None or (caller.expires_at is not None and caller.expires_at <= now):
            self._throttle.wrong(address)
            return None
        reading_party.set(caller.party)
        viewer.set(caller.sees)
        return caller

    def _remember(self, lookup: str, caller: Caller | None, until: float) -> None:
        self._remembered.pop(lookup, None)
        if caller is None or not self._remember_s:
            return
        self._remembered[lookup] = (caller, until)
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
