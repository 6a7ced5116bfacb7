"""The two pages of a log-in by OpenID Connect: one leads to the provider, and the provider leads back to the other."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Self

import orjson
from sqlalchemy import Connection

from countermand.admin import openid_users, web_sessions
from countermand.admin.audit import Author
from countermand.admin.openid_users import NotAllowedError
from countermand.console.errors import PageError
from countermand.console.login import HOME, LOGIN, OPENID, SESSION_COOKIE, local_path, session_cookie
from countermand.console.openid.provider import Asked, OpenIdError, OpenIdProvider
from countermand.console.rendering import redirect
from countermand.console.visit import DOOR
from countermand.ids import digest
from countermand.keyring import KeyringError
from countermand.store.engines.transactions import change
from countermand.wire.rates import Rates
from countermand.wire.replies import Header
from countermand.wire.response import Reply
from countermand.wire.services import Services
from countermand.wire.throttle import ThrottledError

BACK: Final = "/console/openid/callback"
COOKIE: Final = "__Host-countermand-openid"
LASTS: Final = timedelta(minutes=10)
"""How long somebody may take at the provider."""
AGAIN_WITHIN_S: Final = 60
"""Who is to prove again who they are did so within this."""
_CODE_MAX: Final = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A log-in that has begun: what is kept in an encrypted cookie of the browser that began it."""

    state: str
    nonce: str
    verifier: str
    then: str
    again: bool
    at: float

    @classmethod
    def read(cls, content: bytes) -> Self:
        """What ``write`` wrote."""
        return cls(**orjson.loads(content))

    def write(self) -> bytes:
        """For a cookie."""
        return orjson.dumps({name: getattr(self, name) for name in self.__slots__})

    def asked(self, redirect_uri: str) -> Asked:
        """What the provider was asked."""
        return Asked(
            nonce=self.nonce,
            verifier=self.verifier,
            redirect_uri=redirect_uri,
            max_age_s=AGAIN_WITHIN_S if self.again else None,
        )


class OpenIdLogins:
    """Leads to the provider, and lets in whom it vouches for."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._provider = OpenIdProvider(services.settings, services.clock)
        self._failed = Rates({"address": services.settings.login_address_limit}, services.shared_quotas, "openid")

    async def reply(
        self, path: str, query: Mapping[str, str], cookies: Mapping[str, str], address: str
    ) -> Reply | None:
        """The answer to a call of these pages; ``None`` for any other."""
        if path not in (OPENID, BACK):
            return None
        await self._count(address)
        try:
            return await (self._begin(query) if path == OPENID else self._back(query, cookies, address))
        except OpenIdError as error:
            raise self._refused(f"The log-in did not come through: {error}.") from None

    async def _count(self, address: str) -> None:
        """Each log-in that has begun counts, and is forgiven when it succeeds."""
        share = await self._failed.take(address, "address", self._services.clock())
        if share is not None and not share.allowed:
            raise ThrottledError(share.retry_in_s)

    def _refused(self, sentence: str) -> PageError:
        name = self._services.settings.oidc_name
        title = f"You are not logged in by {name}"
        return PageError(HTTPStatus.UNAUTHORIZED, title, sentence, _cookie("", 0), links={LOGIN: "Log in"})

    @property
    def _redirect_uri(self) -> str:
        return f"{self._services.settings.base_url}{BACK}"

    async def _begin(self, query: Mapping[str, str]) -> Reply:
        services = self._services
        pending = Pending(
            state=services.ids.token("st"),
            nonce=services.ids.token("no"),
            verifier=services.ids.token("vf"),
            then=local_path(query.get("next", "")),
            again=query.get("again") == "yes",
            at=services.clock().timestamp(),
        )
        where = await self._provider.address(pending.asked(self._redirect_uri), pending.state)
        kept = services.keyring.encrypt(pending.write()).decode()
        led = redirect(HOME, _cookie(kept, int(LASTS.total_seconds())))
        headers = tuple((name, where.encode()) if name == b"location" else (name, value) for name, value in led.headers)
        return Reply(status=led.status, headers=headers)

    async def _back(self, query: Mapping[str, str], cookies: Mapping[str, str], address: str) -> Reply:
        pending = self._pending(cookies.get(COOKIE, ""))
        if pending is None or not hmac.compare_digest(query.get("state", "").encode(), pending.state.encode()):
            raise self._refused("This answer belongs to no log-in that this browser has begun. Log in again.")
        await self._provider.check_issuer(query.get("iss", ""))
        if query.get("error"):
            raise OpenIdError("it refused, or you gave it up")
        code = query.get("code", "")
        if not 0 < len(code) <= _CODE_MAX:
            raise OpenIdError("its answer has no code")
        claims = await self._provider.claims(code, pending.asked(self._redirect_uri))
        try:
            let_in = partial(self._let_in, claims=claims, old=cookies.get(SESSION_COOKIE, ""))
            secret = await change(self._services.database, let_in)
        except NotAllowedError as error:
            raise self._refused(str(error)) from None
        self._failed.give_back(address, "address", self._services.clock())
        return redirect(pending.then or HOME, session_cookie(secret), _cookie("", 0))

    def _pending(self, kept: str) -> Pending | None:
        try:
            pending = Pending.read(self._services.keyring.decrypt(kept.encode()))
        except (KeyringError, ValueError, TypeError):
            return None
        return pending if 0 <= self._age(pending) < LASTS.total_seconds() else None

    def _age(self, pending: Pending) -> float:
        return self._services.clock().timestamp() - pending.at

    def _let_in(self, connection: Connection, claims: Mapping[str, Any], old: str) -> str:
        """Begin a session of the person, in one transaction with what changes of the person. A former one ends."""
        services, now = self._services, self._services.clock()
        settings = services.settings
        author = Author(name=settings.oidc_name, door=DOOR, at=now, ids=services.ids)
        groups = openid_users.groups_in(claims, settings.oidc_groups_claim)
        person = openid_users.person_of(claims)
        user = openid_users.let_in(connection, author, person, groups, settings.oidc_roles)
        self._end_former(connection, author, old, now)
        label = f"console log-in of {user.name}, by {settings.oidc_name}"
        return web_sessions.open_session(connection, services.ids, now, user=user.id, party=user.party_id, label=label)

    @staticmethod
    def _end_former(connection: Connection, author: Author, old: str, now: datetime) -> None:
        former = web_sessions.session_of(connection, digest(old), now) if old else None
        if former is not None:
            web_sessions.end_session(connection, author, former.id)


def _cookie(content: str, age_s: int) -> Header:
    """The cookie of a log-in that has begun. It has to come along when another site leads back."""
    text = f"{COOKIE}={content}; Path=/; Max-Age={age_s}; Secure; HttpOnly; SameSite=Lax"
    return b"set-cookie", text.encode()
