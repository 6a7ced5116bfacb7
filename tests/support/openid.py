"""A provider of OpenID Connect on loopback: it knows its client, gives codes that count once, and signs ID tokens."""

import hmac
import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Self
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.support.receiver import Behaviour, Loopback, Received, answer
from tests.support.world import Clock

CLIENT = "countermand"
SECRET = "a secret: of the client"
MADE = RSAKey.generate_key(2048, {"kid": "first", "use": "sig", "alg": "RS256"})
"""Making one takes long."""


@dataclass(kw_only=True)
class Provider(Loopback):
    """A stateful provider. ``claims`` and ``document`` replace what it says, ``sign`` makes the token of the claims."""

    clock: Clock
    claims: dict[str, Any] = field(default_factory=dict)
    document: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[Mapping[str, Any]], str] | None = None
    key: RSAKey = field(default_factory=lambda: MADE)
    published: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    script: dict[str, Behaviour] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self.port = await self.listen("127.0.0.1", 0)
        self.published = [self.key.as_dict(private=False)]
        return self

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}/realm"

    def log_in(self, where: str) -> str:
        """What somebody's browser does at the provider. Returns the query that it comes back with."""
        parts = urlsplit(where)
        assert parts.path == "/realm/authorize"
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        assert {"openid", "email"} <= set(asked["scope"].split())
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return urlencode({"code": code, "state": asked["state"], "iss": self.issuer})

    async def take(self, request: Received, reader: Any, writer: Any) -> None:
        path = urlsplit(request.target).path
        self.calls.append(path)
        behaviour = self.script.get(path) or self._answer(path, request)
        await behaviour(reader, writer)

    def _answer(self, path: str, request: Received) -> Behaviour:
        match path:
            case "/realm/.well-known/openid-configuration":
                return _json(200, self._discovery())
            case "/realm/keys":
                return _json(200, {"keys": self.published})
            case "/realm/token":
                return self._token(request)
        return _json(404, {"error": "not_found"})

    def _discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "none"],
            "authorization_response_iss_parameter_supported": True,
            **self.document,
        }

    def _token(self, request: Received) -> Behaviour:
        given = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        pair = b64decode(request.headers.get("authorization", "Basic ").removeprefix("Basic ")).decode()
        if [unquote_plus(each) for each in pair.split(":")] != [CLIENT, SECRET]:
            return _json(401, {"error": "invalid_client"})
        # A code counts once.
        asked = self.codes.pop(given.get("code", ""), None)
        fits = (
            asked is not None
            and given["redirect_uri"] == asked["redirect_uri"]
            and _challenge(given.get("code_verifier", "")) == asked["code_challenge"]
        )
        if not fits or asked is None:
            return _json(400, {"error": "invalid_grant"})
        return _json(200, {"access_token": "at", "token_type": "Bearer", "id_token": self._id_token(asked)})

    def _id_token(self, asked: Mapping[str, str]) -> str:
        now = int(self.clock().timestamp())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "sub": "248289761001", "iat": now, "exp": now + 300, "auth_time": now,
            "nonce": asked["nonce"], "email": "ada@example.com", "email_verified": True, "name": "Ada", **self.claims,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        return self.sign(claims) if self.sign else jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


def _challenge(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")


def _json(status: int, document: Any) -> Behaviour:
    return answer(status, json.dumps(document).encode(), content_type="application/json")


def unsigned(claims: Mapping[str, Any]) -> str:
    """A token that says it needs no signature."""
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def signed_by_the_public_key(claims: Mapping[str, Any]) -> str:
    """A token whose shared secret is what everybody knows: the text of the public key."""
    content = f"{_part({'alg': 'HS256', 'kid': 'first'})}.{_part(claims)}"
    code = hmac.digest(MADE.as_pem(private=False), content.encode(), "sha256")
    return f"{content}.{urlsafe_b64encode(code).decode().rstrip('=')}"


def signed_by_another(claims: Mapping[str, Any]) -> str:
    """A token by a key that says it is the provider's."""
    other = RSAKey.generate_key(2048, {"kid": "first"})
    return jwt.encode({"alg": "RS256", "kid": "first"}, dict(claims), other)


def changed_afterwards(claims: Mapping[str, Any]) -> str:
    """A token whose claims are others than those that were signed."""
    head, _, signature = jwt.encode({"alg": "RS256", "kid": "first"}, dict(claims), MADE).split(".")
    return f"{head}.{_part({**claims, 'email': 'boss@example.com'})}.{signature}"


def _part(document: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")
