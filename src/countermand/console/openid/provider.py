"""The provider: where its endpoints and keys are, what a code is worth, and whether an ID token may be believed.

By OpenID Connect Core 1.0 (code flow), Discovery 1.0, PKCE (RFC 7636) and RFC 9207. Authlib and joserfc check
signatures and claims. They are loaded at the first log-in.
"""

import asyncio
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import structlog

from countermand.ids import Clock
from countermand.outlets.http.client import NoAnswerError, Outbound
from countermand.payments.answers import BODY_MAX, Document, UnreadableError, document_of
from countermand.settings import Settings

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""By which an ID token may be signed: by a private key of the provider. Never ``none``, and by no shared secret."""

DISCOVERY: Final = "/.well-known/openid-configuration"
KEPT: Final = timedelta(hours=1)
"""How long what the provider says of itself is kept."""
KEYS_AGAIN: Final = timedelta(minutes=1)
"""So long after keys were read they are not read again, whatever key a token names."""
LEEWAY_S: Final = 60
"""How far the provider's clock may be off."""
ANYWHERE: Final = ("0.0.0.0/0", "::/0")
"""The provider is named by whoever runs the service, and is often in an inner network."""

log = structlog.get_logger()


class OpenIdError(Exception):
    """The log-in did not come through. The message is a clause for whoever tried it; details are in the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was sent with the browser, and has to come back in the ID token or be shown for the code."""

    nonce: str
    verifier: str
    redirect_uri: str
    max_age_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """What the provider says of itself."""

    authorization: str
    token: str
    keys: str
    by_post: bool
    says_issuer: bool


class OpenIdProvider:
    """Calls the provider, and believes what it has signed for this client."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._issuer = settings.oidc_issuer
        self._client = settings.oidc_client_id
        self._secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else ""
        self._scopes = settings.oidc_scopes
        self._clock = clock
        self._endpoints: tuple[datetime, Endpoints] | None = None
        self._keys: tuple[datetime, Any] | None = None
        self._reading = asyncio.Lock()

    async def address(self, asked: Asked, state: str) -> str:
        """Where a browser is sent to log in.

        Raises:
            OpenIdError: the provider does not answer, or not as the protocol has it.
        """
        from authlib.oauth2.rfc7636 import create_s256_code_challenge

        endpoints = await self.endpoints()
        query = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": asked.redirect_uri,
            "scope": self._scopes,
            "state": state,
            "nonce": asked.nonce,
            "code_challenge": create_s256_code_challenge(asked.verifier),
            "code_challenge_method": "S256",
        }
        if asked.max_age_s is not None:
            query |= {"max_age": str(asked.max_age_s), "prompt": "login"}
        mark = "&" if urlsplit(endpoints.authorization).query else "?"
        return f"{endpoints.authorization}{mark}{urlencode(query)}"

    async def claims(self, code: str, asked: Asked) -> Mapping[str, Any]:
        """What the provider says of the person for whom it gave this code.

        Raises:
            OpenIdError: the code is worth nothing, or the ID token may not be believed.
        """
        endpoints = await self.endpoints()
        reply = await self._redeem(endpoints, code, asked)
        id_token = reply.get("id_token")
        if not isinstance(id_token, str):
            raise OpenIdError("its answer has no ID token")
        return await self._believed(endpoints, id_token, reply.get("access_token"), asked)

    async def check_issuer(self, given: str) -> None:
        """Whether an answer that the browser brings is this provider's (RFC 9207).

        Raises:
            OpenIdError: it is another's, or does not say whose although the provider's do.
        """
        endpoints = await self.endpoints()
        if given != self._issuer and (given or endpoints.says_issuer):
            raise OpenIdError("the answer is another provider's")

    async def endpoints(self) -> Endpoints:
        """What the provider says of itself, read at the first log-in and then once an hour.

        Raises:
            OpenIdError: it does not answer, or not as the protocol has it.
        """
        async with self._reading:
            if self._endpoints is None or self._clock() - self._endpoints[0] >= KEPT:
                self._endpoints = self._clock(), self._read(await self._get(self._issuer.rstrip("/") + DISCOVERY))
            return self._endpoints[1]

    def _read(self, document: Document) -> Endpoints:
        if document.get("issuer") != self._issuer:
            raise OpenIdError("it calls itself otherwise than oidc_issuer says")
        methods = document.get("token_endpoint_auth_methods_supported")
        return Endpoints(
            authorization=_url(document, "authorization_endpoint"),
            token=_url(document, "token_endpoint"),
            keys=_url(document, "jwks_uri"),
            # Without a word of it, a secret is sent in the header.
            by_post=isinstance(methods, list) and "client_secret_basic" not in methods,
            says_issuer=document.get("authorization_response_iss_parameter_supported") is True,
        )

    async def _redeem(self, endpoints: Endpoints, code: str, asked: Asked) -> Document:
        body = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": asked.redirect_uri,
            "code_verifier": asked.verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if self._secret and not endpoints.by_post:
            pair = f"{quote_plus(self._client)}:{quote_plus(self._secret)}"
            headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
        else:
            body |= {"client_id": self._client, **({"client_secret": self._secret} if self._secret else {})}
        return await self._call("POST", endpoints.token, headers, urlencode(body).encode())

    async def _get(self, url: str) -> Document:
        return await self._call("GET", url, {"Accept": "application/json"}, b"")

    async def _call(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Document:
        host = urlsplit(url).hostname
        # Log-ins are rare: no connection waits for the next one.
        outbound = Outbound(inner=ANYWHERE, ports=())
        try:
            answer = await outbound.call(method, url, headers, body, answer_max=BODY_MAX)
            document = document_of(answer)
        except (NoAnswerError, UnreadableError) as error:
            log.warning("openid_no_answer", host=host, why=str(error))
            raise OpenIdError("it does not answer as it should") from None
        finally:
            await outbound.close()
        if answer.status != HTTPStatus.OK:
            # The error of RFC 6749 is a short word, and no secret.
            log.warning("openid_refused", host=host, status=answer.status, error=str(document.get("error"))[:100])
            raise OpenIdError("it refused the call")
        return document

    # The ID token

    async def _believed(
        self, endpoints: Endpoints, id_token: str, access_token: Any, asked: Asked
    ) -> Mapping[str, Any]:
        from authlib.oidc.core import CodeIDToken
        from joserfc.errors import JoseError

        token = await self._signed(endpoints, id_token)
        options = {
            "iss": {"essential": True, "value": self._issuer},
            "aud": {"essential": True, "value": self._client},
            "sub": {"essential": True},
        }
        params = {
            "nonce": asked.nonce,
            "client_id": self._client,
            "access_token": access_token if isinstance(access_token, str) else None,
            # Without a time the claim itself is not asked for.
            "max_age": asked.max_age_s and True,
        }
        claims = CodeIDToken(token.claims, token.header, options, params)
        now = int(self._clock().timestamp())
        try:
            claims.validate(now, LEEWAY_S)
        except (JoseError, TypeError, ValueError) as error:
            log.warning("openid_not_believed", why=str(error)[:200])
            raise OpenIdError("its ID token is not for this log-in, or has expired") from None
        if asked.max_age_s is not None and now - int(claims["auth_time"]) > asked.max_age_s + LEEWAY_S:
            raise OpenIdError("it did not ask for the password again")
        return dict(claims)

    async def _signed(self, endpoints: Endpoints, id_token: str) -> Any:
        """The token, if a key of the provider has signed it. A key that is not known yet is looked for once."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        for fresh in (False, True):
            keys = await self._key_set(endpoints, fresh=fresh)
            try:
                return jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS))
            except (JoseError, TypeError, ValueError, KeyError) as error:
                why = str(error)[:200]
        log.warning("openid_not_signed", why=why)
        raise OpenIdError("its ID token is not signed by it")

    async def _key_set(self, endpoints: Endpoints, *, fresh: bool) -> Any:
        async with self._reading:
            age = self._clock() - self._keys[0] if self._keys else KEPT
            if self._keys is None or age >= KEPT or (fresh and age >= KEYS_AGAIN):
                self._keys = self._clock(), _signing(await self._get(endpoints.keys))
            return self._keys[1]


def _signing(keys: Document) -> Any:
    """The keys of a set that sign. A shared secret is none: whoever reads the set would have it."""
    listed = keys.get("keys")
    if not isinstance(listed, list):
        raise OpenIdError("its keys cannot be read")
    fit = [
        each
        for each in listed
        if isinstance(each, dict) and each.get("kty") in ("RSA", "EC", "OKP") and each.get("use", "sig") == "sig"
    ]
    return {"keys": fit}


def _url(document: Document, name: str) -> str:
    """An address that the provider names: over https, or on this machine."""
    given = document.get(name)
    if isinstance(given, str) and given.isascii() and given.isprintable() and len(given) < 2000:
        parts = urlsplit(given)
        if parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname)):
            return given
    raise OpenIdError(f"it names no usable {name}")


def _is_here(host: str | None) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")
