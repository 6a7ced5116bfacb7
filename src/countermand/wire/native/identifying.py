"""The id of a call of the native API: on its answer, and in its problem."""

from typing import Any

from countermand.observability.calls import current_call, request_id_of
from countermand.wire.limits import Asgi
from countermand.wire.native.errors import PROBLEM_PAGES, REQUEST_ID
from countermand.wire.response import header


def identified(app: Asgi, problem_pages: str) -> Asgi:
    """``app``, each of whose calls says its id: the one that every line of the log about it has."""

    async def identify(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        call = current_call.get()
        name = call.request_id if call else request_id_of(header(scope, b"request-id"), header(scope, b"traceparent"))

        async def named(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"request-id", name.encode())]}
            await send(message)

        await app({**scope, REQUEST_ID: name, PROBLEM_PAGES: problem_pages}, receive, named)

    return identify
