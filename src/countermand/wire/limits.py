"""How much a caller may send, how deep, and how slowly: bounds that hold before anything is understood."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson

from countermand.nesting import holds_at_most, nests_at_most

DEPTH_MAX: Final = 64
NODES_MAX: Final = 10_000

Receive = Callable[[], Awaitable[Any]]


class BodyTooLargeError(Exception):
    """More bytes than allowed."""


class BodyTooSlowError(Exception):
    """The body did not arrive in time, or the caller went away."""


class MalformedJsonError(ValueError):
    """The body is not JSON, or is JSON beyond the limits. The message is fit for the caller."""


async def read_body(receive: Receive, *, max_bytes: int, timeout_s: float) -> bytes:
    """The whole body, however it is framed. A ``timeout_s`` of 0 waits as long as the caller likes.

    Raises:
        BodyTooLargeError: it is longer than ``max_bytes``; the rest is not read.
        BodyTooSlowError: it took longer than ``timeout_s`` in all, or the connection ended.
    """
    deadline = asyncio.get_running_loop().time() + timeout_s if timeout_s else None
    message = await _receive_by(receive, deadline)
    body: bytes = message.get("body", b"")
    _check_size(body, max_bytes)
    if not message.get("more_body"):
        return body
    chunks = bytearray(body)
    while message.get("more_body"):
        message = await _receive_by(receive, deadline)
        chunks += message.get("body", b"")
        _check_size(chunks, max_bytes)
    return bytes(chunks)


def parse_json(body: bytes) -> Any:
    """What ``body`` says; nothing at all counts as ``{}``.

    Raises:
        MalformedJsonError: it cannot be parsed, nests deeper than 64, has more than 10,000 values, or holds a NUL
            character, which no database can keep.
    """
    if not body.strip():
        return {}
    if not nests_at_most(body, DEPTH_MAX):
        raise MalformedJsonError(f"nested deeper than {DEPTH_MAX} levels")
    if not holds_at_most(body, NODES_MAX):
        raise MalformedJsonError(f"more than {NODES_MAX} values")
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedJsonError(str(error)) from None
    _check_nodes(value)
    return value


async def _receive_by(receive: Receive, deadline: float | None) -> Any:
    try:
        async with asyncio.timeout_at(deadline):
            message = await receive()
    except TimeoutError:
        raise BodyTooSlowError from None
    if message["type"] == "http.disconnect":
        raise BodyTooSlowError
    return message


def _check_size(body: bytes | bytearray, max_bytes: int) -> None:
    if len(body) > max_bytes:
        raise BodyTooLargeError


def _check_nodes(value: Any) -> None:
    waiting, seen = [value], 0
    while waiting:
        each = waiting.pop()
        seen += 1
        if seen > NODES_MAX:
            raise MalformedJsonError(f"more than {NODES_MAX} values")
        if isinstance(each, dict):
            waiting += each.keys()
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str) and "\0" in each:
            raise MalformedJsonError("null characters are not allowed")


Asgi = Callable[[Any, Receive, Any], Awaitable[None]]


def bounded(app: Asgi, refuse: Asgi, *, max_bytes: int, timeout_s: float) -> Asgi:
    """``app`` behind these bounds, for an app that reads bodies by itself.

    ``refuse`` answers what is beyond them, and finds the error under ``scope["error"]``.
    """

    async def guarded(scope: Any, receive: Receive, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        try:
            body = await read_body(receive, max_bytes=max_bytes, timeout_s=timeout_s)
            if not nests_at_most(body, DEPTH_MAX):
                raise MalformedJsonError(f"nested deeper than {DEPTH_MAX} levels")
            if not holds_at_most(body, NODES_MAX):
                raise MalformedJsonError(f"of more than {NODES_MAX} values")
        except (BodyTooLargeError, BodyTooSlowError, MalformedJsonError) as error:
            await refuse({**scope, "error": error}, receive, send)
            return
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> Any:
            return unread.pop() if unread else await receive()

        await app(scope, replayed, send)

    return guarded
