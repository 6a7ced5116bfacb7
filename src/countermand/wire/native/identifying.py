"""The id of a call: on its answer, in its problem and in every line of the log about it."""

import re
from typing import Any, Final
from uuid import uuid4

from structlog.contextvars import bound_contextvars

from countermand.wire.limits import Asgi
from countermand.wire.native.errors import PROBLEM_PAGES, REQUEST_ID
from countermand.wire.response import header

_USABLE: Final = re.compile(r"[A-Za-z0-9._-]{8,128}", re.ASCII)


def identified(app: Asgi, problem_pages: str) -> Asgi:
    """``app``, each of whose calls has an id: the caller's ``Request-Id`` if it can be used, else a new one."""

    async def identify(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        given = header(scope, b"request-id") or ""
        name = given if _USABLE.fullmatch(given) else f"req_{uuid4().hex}"

        async def named(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"request-id", name.encode())]}
            await send(message)

        with bound_contextvars(request_id=name):
            await app({**scope, REQUEST_ID: name, PROBLEM_PAGES: problem_pages}, receive, named)

    return identify
