"""A receiver of webhooks, as a process: it answers 204, or fails and dawdles now and then, and keeps a record.

    python -m bench.receiver PORT HANGING_PORT FILE [FAILURES_IN_A_THOUSAND] [SLOWEST_S]

Each line of the file is one request: when it came, its path, ``webhook-id``, and line, ``seq`` and time of the event.
What comes to the hanging port is never answered.
"""

import asyncio
import json
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

FLUSH_EVERY_S = 0.02
OK = b"HTTP/1.1 204 No Content\r\n\r\n"
ERROR = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"


class Record:
    """Lines on their way to the file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1 << 16)

    def add(self, status: int, path: str, headers: dict[str, str], body: bytes) -> None:
        """Keep one request."""
        told = json.loads(body)
        data = told["data"]
        row = [time.time(), status, path, headers["webhook-id"], data["line"], data["seq"], told["time"], told["id"]]
        self._file.write(json.dumps(row) + "\n")

    async def flush(self) -> None:
        """Again and again."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            self._file.flush()


class Receiving(asyncio.Protocol):
    """One connection: requests with a length, one after the other."""

    def __init__(self, record: Record, dice: Random, failures: int, slowest_s: float) -> None:
        self._record = record
        self._dice = dice
        self._failures = failures
        self._slowest_s = slowest_s
        self._buffer = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            head, _, rest = self._buffer.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._answer(first.split(" ")[1], headers, rest[:length])

    def _answer(self, path: str, headers: dict[str, str], body: bytes) -> None:
        fails = self._dice.randrange(1000) < self._failures
        self._record.add(500 if fails else 204, path, headers, body)
        answer = ERROR if fails else OK
        if self._slowest_s:
            asyncio.get_running_loop().call_later(self._dice.random() * self._slowest_s, self._transport.write, answer)
        else:
            self._transport.write(answer)


async def main(port: int, hanging: int, path: Path, failures: int, slowest_s: float) -> None:
    """Listen until killed."""
    record, dice = Record(path), Random(port)
    loop = asyncio.get_running_loop()
    await loop.create_server(asyncio.Protocol, "127.0.0.1", hanging, backlog=4096)
    await loop.create_server(lambda: Receiving(record, dice, failures, slowest_s), "127.0.0.1", port, backlog=4096)
    await record.flush()


if __name__ == "__main__":
    given = [*sys.argv[1:], "0", "0"][:5]
    asyncio.run(main(int(given[0]), int(given[1]), Path(given[2]), int(given[3]), float(given[4])))
