"""How much a caller may send, how deep, and how slowly: bounds that hold before anything is understood."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

from countermand.json_input import DEPTH_MAX, NODES_MAX, MalformedJsonError
from countermand.nesting import holds_at_most, nests_at_most

Receive = Callable[[], Awaitable[Any]]


class BodyTooLargeError(Exception):
    """More bytes than allowed. The message is a sentence that names the limit."""

    def __init__(self, max_bytes: int) -> None:
        super().__init__(f"The body is larger than {max_bytes} bytes.")


class BodyTooSlowError(Exception):
    """The body did not arrive in time, or the caller went away."""


ARRIVED: Final = "countermand.arrived"
"""Where the scope of a call has what tells the body, once it is there as a whole, and ``None`` before."""


async def read_body(scope: Mapping[str, Any], receive: Receive, *, max_bytes: int, timeout_s: float) -> bytes:
    """The whole body, however it is framed. A ``timeout_s`` of 0 waits as long as the caller likes.

    Raises:
        BodyTooLargeError: it is longer than ``max_bytes``; the rest is not read.
        BodyTooSlowError: it took longer than ``timeout_s`` in all, or the connection ended.
    """
    arrived: Callable[[], bytes | None] = scope.get(ARRIVED, _nothing)
    if (whole := arrived()) is not None:
        _check_size(whole, max_bytes)
        return whole
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


def _nothing() -> None:
    """A server that does not tell what has arrived."""


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
        raise BodyTooLargeError(max_bytes)


Asgi = Callable[[Any, Receive, Any], Awaitable[None]]


def _check_json(body: bytes, values_max: int) -> None:
    if not nests_at_most(body, DEPTH_MAX):
        raise MalformedJsonError(f"nested deeper than {DEPTH_MAX} levels")
    if not holds_at_most(body, values_max):
        raise MalformedJsonError(f"of more than {values_max} values")


BOUNDS: Final = "countermand.bounds"
"""Where a call's scope has the bounds of its body."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many bytes a body has at most, and how many values; ``None`` where it is no JSON.

    Where there are ``places``, a body is read when one is free, which it keeps until the call is answered.
    """

    max_bytes: int
    values_max: int | None = NODES_MAX
    places: asyncio.Semaphore | None = None


def bounded(app: Asgi, refuse: Asgi, *, bounds: Callable[[Any], Bounds], timeout_s: float) -> Asgi:
    """``app`` within the ``bounds`` of each call, for an app that reads bodies by itself.

    ``refuse`` answers what is beyond them, and finds the error under ``scope["error"]``.
    """

    async def guarded(scope: Any, receive: Receive, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        most = bounds(scope)
        async with most.places or nullcontext():
            await within(most, scope, receive, send)

    async def within(most: Bounds, scope: Any, receive: Receive, send: Any) -> None:
        try:
            body = await read_body(scope, receive, max_bytes=most.max_bytes, timeout_s=timeout_s)
            if most.values_max is not None:
                _check_json(body, most.values_max)
        except (BodyTooLargeError, BodyTooSlowError, MalformedJsonError) as error:
            await refuse({**scope, "error": error}, receive, send)
            return
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def replayed() -> Any:
            return unread.pop() if unread else await receive()

        await app({**scope, BOUNDS: most}, replayed, send)

    return guarded
