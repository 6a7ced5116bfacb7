"""Whose key signed a call. A refused call costs the same look-up and the same signature, whatever was wrong with it."""

from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

from cachetools import TTLCache

from countermand.admin.callers import Caller, plaza_key
from countermand.ids import Clock
from countermand.keyring import Keyring
from countermand.store.engines.protocol import Database
from countermand.store.fair_share import reading_party
from countermand.store.row_security import viewer
from countermand.wire.auth import remembered
from countermand.wire.bol_plaza.errors import denied
from countermand.wire.bol_plaza.meaning import Request
from countermand.wire.bol_plaza.signature import Denial, SignedHeaders, check_key, read_headers
from countermand.wire.pipeline import Operation
from countermand.wire.rates import Rates
from countermand.wire.replies import CallError, Problem
from countermand.wire.response import Scope, header
from countermand.wire.router import asked_method
from countermand.wire.services import Services
from countermand.wire.throttle import Throttle


class PlazaAuth:
    """Who signed a call, may they, how often."""

    def __init__(self, services: Services) -> None:
        settings = services.settings
        self._clock, self._throttle, self._uses = services.clock, services.throttle, services.uses
        self._keys = PlazaKeys(
            services.database,
            services.keyring,
            services.clock,
            services.throttle,
            remember_s=settings.credential_cache_s,
            window=timedelta(seconds=settings.plaza_window_s),
        )
        self._rates = Rates(settings.plaza_limits, services.shared_quotas, "plaza")
        self._prefix = urlsplit(settings.base_url).path

    async def who(self, scope: Scope) -> Caller:
        """The caller that signed this call."""
        raw: bytes = scope.get("raw_path") or scope["path"].encode()
        path = raw.partition(b"?")[0].decode("latin-1")
        if not path.startswith(f"{self._prefix}/"):
            # A proxy took the prefix off again, that some clients sign.
            path = self._prefix + path
        given = await self._keys.caller(
            content_type=header(scope, b"content-type"),
            date=header(scope, b"x-bol-date"),
            authorization=header(scope, b"x-bol-authorization"),
            method=asked_method(scope),
            path=path,
            scope=scope,
        )
        if isinstance(given, Denial):
            raise denied(given)
        self._uses.note(given.credential)
        return given

    def forbidden(self, caller: Caller, operation: Operation[Request]) -> CallError:
        """A key pair may make every call, if it is a retailer's."""
        return CallError(Problem.WRONG_PARTY, "Only a retailer can make this call")

    async def count(self, caller: Caller, operation: Operation[Request] | None) -> None:
        """Count the call; bol counts each kind of call for itself."""
        if operation is None:
            return
        await self._throttle.check_call(caller)
        if not await self._rates.allows(caller.credential, operation.quota, self._clock()):
            raise CallError(Problem.RATE_LIMITED, "Too many requests")


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
        scope: Scope,
    ) -> Caller | Denial:
        """The caller whose key signed this call, or why it is denied. What is read from then on counts as its.

        Raises:
            ThrottledError: too many wrong keys and signatures came from the address of the call.
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
        found = await self._caller(headers, method, path, scope)
        if isinstance(found, Denial):
            await self._throttle.wrong(scope)
        else:
            reading_party.set(found.party)
            viewer.set(found.sees)
        return found

    async def _caller(self, headers: SignedHeaders, method: str, path: str, scope: Scope) -> Caller | Denial:
        caller, secret = self._remembered.get(headers.public_key) or (None, None)
        # Without a secret this fails, too, and takes the same time.
        denial = check_key(headers, secret=secret, seller_active=True, method=method, path=path)
        if denial is None and caller is not None:
            return caller
        async with self._throttle.looking_up(scope):
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
