"""Whose key signed a call. A refused call costs the same look-up and the same signature, whatever was wrong with it."""

from datetime import timedelta
from functools import partial

from cachetools import TTLCache

from countermand.admin.callers import Caller, plaza_key
from countermand.ids import Clock
from countermand.keyring import Keyring
from countermand.store.engines.protocol import Database
from countermand.store.fair_share import reading_party
from countermand.store.row_security import viewer
from countermand.wire.auth import remembered
from countermand.wire.bol_plaza.signature import Denial, SignedHeaders, check_key, read_headers
from countermand.wire.throttle import Throttle


class PlazaKeys:
    """Judges signatures. A key that once signed rightly is remembered for ``remember_s`` seconds.

    A remembered key only makes right signatures quick: a wrong one is always judged by the database, so that the time
    of a refusal does not reveal whether the key exists (docs/plaza.md).
    """

    def __init__(
        self,
        database: Database,
        keyring: Keyring,
        clock: Clock,
        throttle: Throttle,
        *,
        remember_s: int,
        window: timedelta,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._throttle = throttle
        self._window = window
        self._remembered: TTLCache[str, tuple[Caller, bytes]] = remembered(clock, remember_s)
        self._decoy: bytes | None = None

    async def caller(
        self,
        *,
        content_type: str | None,
        date: str | None,
        authorization: str | None,
        method: str,
        path: str,
        address: str,
    ) -> Caller | Denial:
        """The caller whose key signed this call, or why it is denied. What is read from then on counts as its.

        Raises:
            ThrottledError: too many wrong keys and signatures came from this address.
        """
        reading_party.set(None)
        viewer.set(None)
        headers = read_headers(
            content_type=content_type,
            date=date,
            authorization=authorization,
            now=self._clock(),
            window=self._window,
        )
        if isinstance(headers, Denial):
            return headers
        found = await self._caller(headers, method, path, address)
        if isinstance(found, Denial):
            self._throttle.wrong(address)
        else:
            reading_party.set(found.party)
            viewer.set(found.sees)
        return found

    async def _caller(self, headers: SignedHeaders, method: str, path: str, address: str) -> Caller | Denial:
        caller, secret = self._remembered.get(headers.public_key) or (None, None)
        # Without a secret this fails, too, and takes the same time.
        denial = check_key(headers, secret=secret, seller_active=True, method=method, path=path)
        if denial is None and caller is not None:
            return caller
        async with self._throttle.looking_up(address):
            return await self._judged(headers, method, path)

    async def _judged(self, headers: SignedHeaders, method: str, path: str) -> Caller | Denial:
        found = await self._database.read(partial(plaza_key, public=headers.public_key))
        secret = self._keyring.decrypt(found[1] if found else self._closed_decoy())
        denial = check_key(
            headers,
            secret=secret if found else None,
            seller_active=found is not None and found[2],
            method=method,
            path=path,
        )
        self._remembered.pop(headers.public_key, None)
        if denial or found is None:
            return denial or Denial.UNKNOWN_KEY
        self._remembered[headers.public_key] = found[0], secret
        return found[0]

    def _closed_decoy(self) -> bytes:
        """Something to open when there is no such key: opening costs time, too."""
        if self._decoy is None:
            self._decoy = self._keyring.encrypt(b"~" * 54)
        return self._decoy
