"""OAuth2: who gets an access token, and whose it is (docs/retailer.md).

A token is sealed with the keys of this installation and holds its client and its end, so that nothing is kept for it
and every process knows it. Clients take it as it is.
"""

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final
from urllib.parse import parse_qs, unquote_plus
from uuid import UUID

from cachetools import TTLCache

from countermand.admin.callers import Caller, Client, oauth_client
from countermand.domain.quotas import Share
from countermand.ids import digest, read_uuid
from countermand.json_input import MalformedJsonError, parse_json
from countermand.keyring import Keyring, KeyringError
from countermand.store.fair_share import reading_party
from countermand.store.row_security import viewer
from countermand.wire.auth import remembered
from countermand.wire.bol_retailer.errors import RetailerError, expired, oauth_error, too_many
from countermand.wire.bol_retailer.meaning import Request
from countermand.wire.pipeline import Operation
from countermand.wire.rates import Rates
from countermand.wire.replies import CallError, Problem
from countermand.wire.response import JSON, Reply, Scope, header, json_bytes
from countermand.wire.services import Services

LIFETIME: Final = timedelta(seconds=299)
"""As bol's: a second less than five minutes."""

GRANT: Final = "client_credentials"

_MARK: Final = b"bol access token\0"
"""Nothing else that the keys close begins so."""

share_left: ContextVar[Share | None] = ContextVar("share_left", default=None)
"""What the call that is being answered leaves of its quota."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What an access token holds: its client, and until when it is good."""

    client: UUID
    expires_at: datetime


class AccessTokens:
    """Makes access tokens and opens them."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def make(self, client: UUID, now: datetime) -> str:
        """A token that is good from now on."""
        end = int((now + LIFETIME).timestamp())
        return self._keyring.encrypt(_MARK + client.bytes + end.to_bytes(8)).decode()

    def open(self, token: str) -> Sealed | None:
        """What the token holds, expired or not; ``None`` where it is none of ours."""
        try:
            content = self._keyring.decrypt(token.encode("ascii"))
        except (KeyringError, UnicodeEncodeError):
            return None
        mark, rest = content[: len(_MARK)], content[len(_MARK) :]
        if mark != _MARK or len(rest) != 24:
            return None
        return Sealed(UUID(bytes=rest[:16]), datetime.fromtimestamp(int.from_bytes(rest[16:]), UTC))


class RetailerAuth:
    """Who calls with an access token, may they, how often."""

    def __init__(self, services: Services) -> None:
        self._clients = Clients(services)
        self._tokens = AccessTokens(services.keyring)
        self._clock, self._throttle = services.clock, services.throttle
        self._rates = Rates(services.settings.retailer_limits, services.shared_quotas, "retailer")
        self._opened: TTLCache[str, Sealed] = remembered(services.clock, int(LIFETIME.total_seconds()))

    async def who(self, scope: Scope) -> Caller:
        """The caller of the access token.

        Raises:
            RetailerError: there is none, it is expired, or its client or account is not active any more.
            ThrottledError: too many wrong tokens came from this address.
        """
        share_left.set(None)
        reading_party.set(None)
        viewer.set(None)
        scheme, _, token = (header(scope, b"authorization") or "").strip().partition(" ")
        sealed = self._sealed(token.strip()) if scheme.lower() == "bearer" else None
        if sealed is None:
            await self._throttle.wrong(scope)
            raise _unauthorized("The access token is missing or malformed.")
        now = self._clock()
        if sealed.expires_at <= now:
            raise expired(sealed.expires_at, now)
        client = await self._clients.client(sealed.client)
        if client is None:
            await self._throttle.wrong(scope)
            raise _unauthorized("The client of this access token was revoked.")
        if not client.is_active:
            raise CallError(Problem.FORBIDDEN, "Account is not active, access denied. Please contact your operator.")
        reading_party.set(client.caller.party)
        viewer.set(client.caller.sees)
        return client.caller

    def forbidden(self, caller: Caller, operation: Operation[Request]) -> CallError:
        """A client may make every call, if it is a retailer's."""
        return CallError(Problem.WRONG_PARTY, "Only a retailer can make this call.")

    async def count(self, caller: Caller, operation: Operation[Request] | None) -> None:
        """Count the call; bol counts each kind of call for itself, and says in headers what is left."""
        await self._throttle.check_call(caller)
        if operation is None:
            return
        share = await self._rates.take(caller.credential, operation.quota, self._clock())
        share_left.set(share)
        if share is not None and not share.allowed:
            raise too_many(share.retry_in_s)

    def _sealed(self, token: str) -> Sealed | None:
        found = self._opened.get(token)
        if found is None and (found := self._tokens.open(token)):
            self._opened[token] = found
        return found


class Clients:
    """Looks clients up. A revoked one may be honoured for ``credential_cache_s`` seconds more."""

    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._remembered: TTLCache[str, Client] = remembered(services.clock, services.settings.credential_cache_s)

    async def client(self, id: UUID) -> Client | None:  # noqa: A002
        """The client with this id, if it still counts."""
        key = str(id)
        found: Client | None = self._remembered.get(key)
        if found is None:
            found = await self._database.read(partial(oauth_client, client=id))
            if found is not None:
                self._remembered[key] = found
        return found


# The token endpoint


class TokenEndpoint:
    """POST /token: an access token for the id and the secret of a client."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._tokens = AccessTokens(services.keyring)
        self._rates = Rates(services.settings.retailer_limits, services.shared_quotas, "retailer")

    async def reply(self, scope: Scope, body: bytes) -> Reply:
        """A token, or why there is none.

        Raises:
            ThrottledError: too many wrong secrets came from this address.
        """
        try:
            given = _parameters(scope, body)
        except _UnreadableError as error:
            return oauth_error(400, "invalid_request", str(error))
        grant = given["grant_type"]
        if not grant:
            return oauth_error(400, "invalid_request", "grant_type is missing.")
        if grant != GRANT:
            return oauth_error(400, "unsupported_grant_type", f"Only {GRANT} is supported.")
        name, secret = _credentials(scope, given)
        client = await self._client(scope, name, secret)
        if client is None:
            challenge = (b"www-authenticate", b'Basic realm="bol"')
            return oauth_error(401, "invalid_client", "Bad client credentials", challenge)
        share = await self._rates.take(client, "POST token", self._services.clock())
        if share is not None and not share.allowed:
            retry = (b"retry-after", str(share.retry_in_s).encode())
            return oauth_error(429, "slow_down", "Too many tokens; use the one you have.", retry)
        return self._made(client)

    async def _client(self, scope: Scope, name: str, secret: str) -> UUID | None:
        """The client, if the secret is its own. A wrong id costs the same look-up as a wrong secret."""
        throttle = self._services.throttle
        reading_party.set(None)
        viewer.set(None)
        try:
            id = read_uuid(name)  # noqa: A001
        except ValueError:
            id = UUID(int=0)  # noqa: A001
        async with throttle.looking_up(scope):
            found = await self._services.database.read(partial(oauth_client, client=id))
        right = hmac.compare_digest(digest(secret), found.digest if found else digest(""))
        if found is None or not right:
            await throttle.wrong(scope)
            return None
        return id

    def _made(self, client: UUID) -> Reply:
        document = {
            "access_token": self._tokens.make(client, self._services.clock()),
            "token_type": "Bearer",
            "expires_in": int(LIFETIME.total_seconds()),
            "scope": "RETAILER",
        }
        return Reply(status=200, body=json_bytes(document), media_type=JSON + b";charset=UTF-8")


_READ: Final = ("grant_type", "client_id", "client_secret")
"""The parameters that are read. Whatever else is sent is ignored, also twice."""


class _UnreadableError(ValueError):
    """What is sent for a token cannot be read in one way."""


def _parameters(scope: Scope, body: bytes) -> Mapping[str, str]:
    """What a form, a JSON object and the query say. A secret is never taken from the query, which is logged.

    Raises:
        _UnreadableError: the body cannot be read, or a parameter that is read is there more than once (RFC 6749, 3.2).
    """
    query, sent = _read_form(scope["query_string"]), _members(scope, body)
    grants = {each["grant_type"] for each in (query, sent) if "grant_type" in each}
    if len(grants) > 1:
        raise _UnreadableError("The query and the body name different grants.")
    return sent | {"grant_type": next(iter(grants), "")}


def _members(scope: Scope, body: bytes) -> dict[str, str]:
    if "json" not in (header(scope, b"content-type") or "").lower():
        return _read_form(body)
    try:
        members = parse_json(body)
    except MalformedJsonError:
        members = None
    if not isinstance(members, dict):
        raise _UnreadableError("The body is neither a form nor JSON.")
    return {name: value for name, value in members.items() if isinstance(value, str)}


def _read_form(encoded: bytes) -> dict[str, str]:
    try:
        given = parse_qs(encoded.decode("latin-1"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise _UnreadableError("There are too many parameters.") from None
    if any(len(given.get(name, ())) > 1 for name in _READ):
        raise _UnreadableError("A parameter is there more than once.")
    return {name: values[0] for name, values in given.items()}


def _credentials(scope: Scope, given: Mapping[str, str]) -> tuple[str, str]:
    """The id and the secret: from the Basic header if there is one, otherwise from the body (RFC 6749, 2.3.1)."""
    scheme, _, encoded = (header(scope, b"authorization") or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return given.get("client_id", ""), given.get("client_secret", "")
    try:
        name, _, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return unquote_plus(name), unquote_plus(secret)


def _unauthorized(detail: str) -> RetailerError:
    return RetailerError(Problem.UNAUTHENTICATED, detail, (b"www-authenticate", b"Bearer"))
