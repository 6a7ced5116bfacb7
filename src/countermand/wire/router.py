"""What holds for every call, whichever door it belongs to: one Host, HEAD wherever GET is, nothing kept by caches.

The path alone says which door a call belongs to. No door knows of another.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from countermand.store.engines.protocol import UnavailableError
from countermand.wire.callers import Proxies
from countermand.wire.limits import Asgi
from countermand.wire.response import Reply, Scope, header_values, json_reply, send_reply

_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._~!$&'()*+;=%-]+)(:[0-9]*)?")
_ASKED: Final = "countermand.asked_method"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An API as an ASGI application: how its paths begin, and how it refuses a call whose Host is wrong.

    ``paths`` are those of its calls that do not begin so. ``refuse_host`` finds why under ``scope["error"]``. A path
    of a door with ``secret_paths`` is as good as a password, so it is never logged.
    """

    prefixes: tuple[str, ...]
    paths: frozenset[str] = frozenset()
    app: Asgi
    refuse_host: Asgi
    secret_paths: bool = False

    def loggable(self, path: str) -> str:
        """A path of this door as the log may show it."""
        return f"{self.prefixes[0]}…" if self.secret_paths else path


def routed(doors: Sequence[Door], otherwise: Door, proxies: Proxies | None = None) -> Asgi:
    """One application of these doors. A path that is none of theirs goes to the last one.

    An error of ours reaches the log in full and the caller as one bland sentence, never as a stack trace. Behind
    ``proxies`` a call comes from whom they say.
    """

    async def answered(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path, method = path_of(scope), scope["method"]
        door = next((each for each in doors if path.startswith(each.prefixes) or path in each.paths), otherwise)
        begun = False

        async def sending(message: Any) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                message = {**message, "headers": _unkept(message.get("headers", ()))}
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        async def sorry(reply: Reply) -> None:
            if not begun:
                await send_reply(sending, reply)

        try:
            wrong = wrong_host(scope)
            # A door need not know HEAD: such a call is answered as GET is, without the body.
            more = ({"method": "GET", _ASKED: method} if method == "HEAD" else {}) | ({"error": wrong} if wrong else {})
            if proxies:
                more["client"] = (proxies.client(scope), 0)
            app = door.refuse_host if wrong else door.app
            await app({**scope, **more} if more else scope, receive, sending)
        except UnavailableError:
            log.warning("database_away", method=method, path=door.loggable(scope["path"]))
            detail = {"detail": "The database did not answer. Nothing is lost; repeat the call."}
            await sorry(json_reply(503, detail, (b"retry-after", b"1")))
        except Exception:
            log.exception("unexpected_error", method=method, path=door.loggable(scope["path"]))
            await sorry(json_reply(500, {"detail": "Something went wrong here. It was logged."}))

    return answered


def wrong_host(scope: Scope) -> str | None:
    """Why the call's Host is not accepted (RFC 9112, 3.2), as a sentence. HTTP/1.0 knows none and may leave it out."""
    hosts = header_values(scope, b"host")
    if len(hosts) > 1:
        return "The Host header is there more than once."
    if not hosts:
        return None if scope.get("http_version") == "1.0" else "The Host header is missing."
    return None if _HOST.fullmatch(hosts[0].strip()) else "The Host header is not a host and port."


def _unkept(headers: Any) -> list[tuple[bytes, bytes]]:
    """With the word that no cache keeps the reply, unless it says otherwise: it holds secrets and personal data."""
    kept = any(name.lower() == b"cache-control" for name, _ in headers)
    return [*headers] if kept else [*headers, (b"cache-control", b"no-store")]


def path_of(scope: Scope) -> str:
    """The path of a call, without the prefix under which the whole service may be mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def asked_method(scope: Scope) -> str:
    """The method that the caller wrote."""
    method: str = scope.get(_ASKED, scope["method"])
    return method
