"""What HTTP asks of every door: one Host, HEAD wherever GET is, bodies that are understood, nothing kept by caches."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from countermand.wire.limits import Asgi
from countermand.wire.response import Scope, header_values

UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
"""Names of UTF-8 and of the encoding that is a part of it."""

_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(:[0-9]*)?")
_CHARSET: Final = re.compile(r"""(?:^|;)[ \t]*charset[ \t]*=[ \t]*("?)([^";]*)\1[ \t]*(?=;|$)""", re.IGNORECASE)
_ASKED: Final = "countermand.asked_method"


def wrong_host(scope: Scope) -> str | None:
    """Why the call's Host is not accepted (RFC 9112, 3.2), as a sentence. HTTP/1.0 knows none and may leave it out."""
    hosts = header_values(scope, b"host")
    if len(hosts) > 1:
        return "The Host header is there more than once."
    if not hosts:
        return None if scope.get("http_version") == "1.0" else "The Host header is missing."
    return None if _HOST.fullmatch(hosts[0].strip()) else "The Host header is not a host and port."


def one_host(app: Asgi, refuse: Asgi) -> Asgi:
    """``app`` for calls whose Host is one; ``refuse`` answers the others, and finds why under ``scope["error"]``."""

    async def checked(scope: Any, receive: Any, send: Any) -> None:
        wrong = wrong_host(scope)
        if wrong:
            await refuse({**scope, "error": wrong}, receive, send)
        else:
            await app(scope, receive, send)

    return checked


def with_heads(app: Asgi) -> Asgi:
    """``app``, which need not know HEAD: such a call is answered as GET is, without the body."""

    async def answered(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] != "HEAD":
            await app(scope, receive, send)
            return

        async def sending(message: Any) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        await app({**scope, "method": "GET", _ASKED: "HEAD"}, receive, sending)

    return answered


def asked_method(scope: Scope) -> str:
    """The method that the caller wrote."""
    method: str = scope.get(_ASKED, scope["method"])
    return method


def unkept(app: Asgi) -> Asgi:
    """``app``, whose replies no cache keeps unless they say otherwise: they hold secrets and personal data."""

    async def answered(scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if not any(name.lower() == b"cache-control" for name, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        await app(scope, receive, sending)

    return answered


@dataclass(frozen=True, slots=True)
class Unsupported:
    """Why a body is not understood, what is accepted, and the header that says so to programs."""

    sentence: str
    header: tuple[bytes, bytes]


def unsupported_coding(scope: Scope) -> Unsupported | None:
    """Whether the body is compressed or coded otherwise, which no door undoes."""
    coding = ", ".join(header_values(scope, b"content-encoding")).strip()
    if coding.lower() in ("", "identity"):
        return None
    return Unsupported(
        f'The Content-Encoding "{coding[:100]}" is not understood; bodies are accepted as they are, without one.',
        (b"accept-encoding", b"identity"),
    )


def unsupported_charset(scope: Scope, accepted: Collection[str], media_type: str) -> Unsupported | None:
    """Whether the Content-Type names an encoding of texts that this door cannot read."""
    charset = charset_of(scope)
    if charset is None or charset in accepted:
        return None
    names = "UTF-8" if accepted == UTF_8 else ", ".join(sorted(accepted))
    return Unsupported(
        f'The charset "{charset[:100]}" is not understood; accepted is {names}.', (b"accept", media_type.encode())
    )


def unsupported_body(scope: Scope, media_type: str) -> Unsupported | None:
    """Why a body that must be of this media type and in UTF-8 is not understood; nothing if it is."""
    given = ", ".join(header_values(scope, b"content-type")).strip()
    if given.partition(";")[0].strip().lower() != media_type:
        what = f'The Content-Type "{given[:200]}" is not understood' if given else "There is no Content-Type"
        return Unsupported(f"{what}; {media_type} in UTF-8 is accepted.", (b"accept", media_type.encode()))
    return unsupported_coding(scope) or unsupported_charset(scope, UTF_8, media_type)


def charset_of(scope: Scope) -> str | None:
    """The encoding that the Content-Type names, in small letters."""
    found = _CHARSET.search(", ".join(header_values(scope, b"content-type")).partition(";")[2])
    return found[2].strip().lower() if found else None
