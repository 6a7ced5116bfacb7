"""A reply as a value, and the one function that sends it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

Send = Callable[[Any], Awaitable[None]]
Scope = Mapping[str, Any]

JSON: Final = b"application/json"

LEAVES: Final = "countermand.leaves"
"""Where the scope of a call has what ``goes_on`` calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A status, the bytes of a body (none: no content), and headers beyond type and length.

    A body that would be too long to hold comes in ``pieces``.
    """

    status: int
    body: bytes = b""
    media_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()
    pieces: AsyncIterator[bytes] | None = None


def json_bytes(value: Any) -> bytes:
    """``value`` as JSON."""
    return orjson.dumps(value)


def json_reply(status: int, value: Any, *headers: tuple[bytes, bytes]) -> Reply:
    """A reply that carries ``value`` as JSON."""
    return Reply(status=status, body=json_bytes(value), headers=headers)


async def send_reply(send: Send, reply: Reply) -> None:
    """Send it whole, or piece by piece."""
    if reply.pieces is not None:
        await _send_pieces(send, reply, reply.pieces)
        return
    headers = [(b"content-length", str(len(reply.body)).encode()), *reply.headers]
    if reply.body:
        headers.append((b"content-type", reply.media_type))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _send_pieces(send: Send, reply: Reply, pieces: AsyncIterator[bytes]) -> None:
    headers = [*reply.headers, (b"content-type", reply.media_type)]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    async for piece in pieces:
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def goes_on(scope: Scope) -> None:
    """The answer to this call has no end of its own, so it takes no other call's place."""
    leave: Callable[[], None] | None = scope.get(LEAVES)
    if leave is not None:
        leave()


def header(scope: Scope, name: bytes) -> str | None:
    """The value of a header, read as latin-1; the first one when it stands there twice."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return None


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Every value of a header, in the order of its lines, read as latin-1."""
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def leaves_bytes_unframed(scope: Scope) -> bool:
    """Whether the caller may have written a body without saying how long it is.

    Node's ``https.request`` does so for DELETE and GET (the seed's own sample; docs/crux.md). Such bytes would be
    read as the start of the next call on this connection, so it must be closed after the answer.
    """
    if scope["method"] not in ("DELETE", "GET"):
        return False
    names = {name for name, _ in scope["headers"]}
    if b"content-length" in names or b"transfer-encoding" in names:
        return False
    return scope["method"] == "DELETE" or b"content-type" in names
