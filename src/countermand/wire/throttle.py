"""Quotas of callers: by credential if there is one, otherwise by address.

A stranger never uses up what a party has. A right token is let in whatever else comes from its address.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from countermand.admin.callers import Caller
from countermand.domain.quotas import Share
from countermand.ids import Clock
from countermand.settings import Settings
from countermand.wire.callers import address_of
from countermand.wire.rates import Rates, SharedQuotas
from countermand.wire.response import Scope

_CALL: Final = "call"
_GUESS: Final = "guess"
_LINK: Final = "link"
_HINT: Final = "hint"

SUSPECTS_MAX: Final = 64
"""The most look-ups that wait from addresses with too many wrong tokens. They are made one at a time."""


class ThrottledError(Exception):
    """The quota is used up. ``retry_in_s`` says when to call again."""

    def __init__(self, retry_in_s: int) -> None:
        super().__init__(retry_in_s)
        self.retry_in_s = retry_in_s


class Throttle:
    """Counts the calls of every door against the quotas of the settings."""

    def __init__(self, settings: Settings, clock: Clock, shared: SharedQuotas | None = None) -> None:
        self._clock = clock
        self._calls = Rates({_CALL: settings.call_limit}, shared)
        self._guesses = Rates({_GUESS: settings.wrong_token_limit}, shared)
        self._links = Rates({_LINK: settings.link_limit}, shared)
        self._hints = Rates({_HINT: settings.provider_hint_limit}, shared)
        self._one_suspect = asyncio.Semaphore()
        self._suspects = 0

    async def call(self, caller: Caller) -> Share | None:
        """Count a call of this credential. Whether it is allowed stands in what is left; ``None`` is no limit."""
        return await self._calls.take(caller.credential, _CALL, self._clock())

    async def check_call(self, caller: Caller) -> None:
        """Count a call of this credential.

        Raises:
            ThrottledError: it has none left.
        """
        _check(await self.call(caller))

    async def check_link(self, link: object) -> None:
        """Count a call by this link.

        Raises:
            ThrottledError: the link was used too often.
        """
        _check(await self._links.take(link, _LINK, self._clock()))

    async def check_hint(self, provider: str, scope: Scope) -> None:
        """Count what the address of a call says in the name of a payment provider.

        Raises:
            ThrottledError: it says too much.
        """
        _check(await self._hints.take((provider, address_of(scope)), _HINT, self._clock()))

    async def wrong(self, scope: Scope) -> None:
        """Count a call with a wrong token, key, link or signature.

        Raises:
            ThrottledError: there were too many from its address.
        """
        _check(await self._guesses.take(address_of(scope), _GUESS, self._clock()))

    @asynccontextmanager
    async def looking_up(self, scope: Scope) -> AsyncIterator[None]:
        """Look up the party of a token. For an address with too many wrong ones, one look-up is made at a time.

        Raises:
            ThrottledError: too many look-ups wait from such addresses.
        """
        share = self._guesses.look(address_of(scope), _GUESS, self._clock())
        if share is None or share.allowed:
            yield
            return
        if self._suspects >= SUSPECTS_MAX:
            raise ThrottledError(share.retry_in_s)
        self._suspects += 1
        try:
            async with self._one_suspect:
                yield
        finally:
            self._suspects -= 1


def _check(share: Share | None) -> None:
    if share is not None and not share.allowed:
        raise ThrottledError(share.retry_in_s)
