"""Checking a password is slow on purpose and takes 64 MiB: how many are checked at once, and who may try how often.

A stranger must not lock a person out. So who failed too often waits by person and address together. When a person is
guessed at from everywhere, each address may still try once a minute, and with it the one that the person is at.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from countermand.admin.sessions import LoginUser, find_user, is_password
from countermand.ids import Clock, digest
from countermand.settings import Settings
from countermand.store.engines.protocol import Database
from countermand.wire.rates import Rates, SharedQuotas
from countermand.wire.throttle import ThrottledError

AT_ONCE: Final = 2
WAITING_MAX: Final = 32
WAITING_OF_ADDRESS_MAX: Final = 4
"""So that one address does not fill the queue."""

_PAIR: Final = "person and address"
_ADDRESS: Final = "address"
_PERSON: Final = "person"
_BESIEGED: Final = "address of a besieged person"


class CrowdedError(Exception):
    """Too many passwords wait to be checked."""


@dataclass(slots=True)
class Attempt:
    """One password that is being checked."""

    right: bool = False

    def succeeded(self) -> None:
        """The password was right."""
        self.right = True


class Passwords:
    """Lets passwords be checked, a few at once."""

    def __init__(self, settings: Settings, clock: Clock, shared: SharedQuotas | None = None) -> None:
        self._clock = clock
        self._failed = Rates(
            {
                _PAIR: settings.login_limit,
                _ADDRESS: settings.login_address_limit,
                _PERSON: settings.login_person_limit,
                _BESIEGED: "1/minute",
            },
            shared,
        )
        self._places = asyncio.Semaphore(AT_ONCE)
        self._waiting: Counter[str] = Counter()

    @asynccontextmanager
    async def attempt(self, username: str, address: str) -> AsyncIterator[Attempt]:
        """Wait for a place. An attempt counts as failed until it is marked as successful.

        Raises:
            ThrottledError: too many attempts failed.
            CrowdedError: too many wait.
        """
        # Names can be long, and what is kept of each shall not be.
        person = digest(username.strip().lower())
        if self._waiting.total() >= WAITING_MAX or self._waiting[address] >= WAITING_OF_ADDRESS_MAX:
            raise CrowdedError
        besieged = await self._count(person, address)
        self._waiting[address] += 1
        attempt = Attempt()
        try:
            async with self._places:
                yield attempt
        finally:
            self._waiting -= Counter((address,))
            if attempt.right:
                self._forgive(person, address)
                if not besieged:
                    self._failed.give_back(person, _PERSON, self._clock())

    async def user(self, database: Database, email: str, password: str, address: str) -> LoginUser | None:
        """The user with this e-mail address, if the password is right.

        Raises:
            ThrottledError: too many attempts failed.
            CrowdedError: too many wait.
        """
        async with self.attempt(email, address) as attempt:
            user = await database.read(partial(find_user, email=email))
            if not await asyncio.to_thread(is_password, user, password):
                return None
            attempt.succeeded()
            return user

    async def _count(self, person: str, address: str) -> bool:
        """Count the attempt as failed. Whether the person is guessed at from everywhere."""
        await self._take((person, address), _PAIR)
        await self._take(address, _ADDRESS)
        share = await self._failed.take(person, _PERSON, self._clock())
        besieged = share is not None and not share.allowed
        if besieged:
            await self._take((person, address), _BESIEGED)
        return besieged

    async def _take(self, key: object, kind: str) -> None:
        share = await self._failed.take(key, kind, self._clock())
        if share is not None and not share.allowed:
            raise ThrottledError(share.retry_in_s)

    def _forgive(self, person: str, address: str) -> None:
        now = self._clock()
        self._failed.forget((person, address), _PAIR, now)
        self._failed.forget((person, address), _BESIEGED, now)
        self._failed.give_back(address, _ADDRESS, now)
