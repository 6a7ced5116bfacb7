"""The same server as the service's, answering 204 to everything with no database behind it."""

import asyncio
import importlib
import signal
import sys
from typing import Any

from countermand.http_server import ConnectionLimits, HttpServer

HEADERS = [(b"content-length", b"0")]


async def answer(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await receive()
        await send({"type": "http.response.start", "status": 204, "headers": HEADERS})
        await send({"type": "http.response.body", "body": b""})


async def serve(port: int) -> None:
    limits = ConnectionLimits(total=10_000, per_address=10_000, idle_s=60, header_s=30, write_stall_s=30)
    server = HttpServer(answer, host="127.0.0.1", port=port, limits=limits)
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, server.stop)
    await server.serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=importlib.import_module("uvloop").new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
