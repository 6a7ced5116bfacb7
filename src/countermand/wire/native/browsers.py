"""What browsers and caches are told: who may keep an answer, and which pages of other sites may call."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from countermand.wire.limits import Asgi
from countermand.wire.response import Reply, header, send_reply

_SENT: Final = b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Request-Id"
_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_SHOWN: Final = (
    b"Allow, Deprecation, ETag, Idempotent-Replayed, Link, Location, RateLimit, RateLimit-Policy, Request-Id,"
    b" Retry-After, Sunset"
)
_ASKED_S: Final = b"600"
"""For how long a browser need not ask again, in seconds."""


def cached(app: Asgi) -> Asgi:
    """``app``, whose answers to reads a browser may keep if it asks each time whether they are still so."""

    async def answered(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *_missing(scope, message)]}
            await send(message)

        await app(scope, receive, sending if scope["path"].startswith("/v1/") else send)

    return answered


def _missing(scope: Any, message: Any) -> Iterable[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in message.get("headers", ())}
    yield b"vary", b"Authorization"
    if b"cache-control" not in names:
        yield b"cache-control", b"private, no-cache" if scope["method"] == "GET" else b"no-store"


def shared(app: Asgi, origins: Collection[str]) -> Asgi:
    """``app``, which pages of these origins may call from a browser. The token they send is the permission."""
    if not origins:
        return app

    async def answered(scope: Any, receive: Any, send: Any) -> None:
        origin = (header(scope, b"origin") or "") if scope["type"] == "http" else ""
        if origin not in origins:
            await app(scope, receive, send)
            return
        allowed = ((b"access-control-allow-origin", origin.encode()), (b"vary", b"Origin"))
        if scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method"):
            asked = (
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _SENT),
                (b"access-control-max-age", _ASKED_S),
            )
            await send_reply(send, Reply(status=204, headers=(*allowed, *asked)))
            return

        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                shown = (b"access-control-expose-headers", _SHOWN)
                message = {**message, "headers": [*message.get("headers", ()), *allowed, shown]}
            await send(message)

        await app(scope, receive, sending)

    return answered
