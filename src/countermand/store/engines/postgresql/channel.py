"""A channel between processes by LISTEN and NOTIFY, on a connection of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncpg

NAME: Final = "countermand"
AGAIN_S: Final = 1.0
"""How long until a connection that was lost is opened again."""
CLOSE_S: Final = 1.0


class PostgresChannel:
    """See ``Channel``. What is sent while there is no connection is lost."""

    def __init__(self, connect: Callable[[], Awaitable["asyncpg.Connection"]]) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection | None = None

    async def listen(self, hear: Callable[[str], None]) -> None:
        """Hear what others send until cancelled, over whatever happens to the connection."""
        while True:
            # It is a hint, so nobody is told that there are none.
            with suppress(Exception):
                await self._listen(hear)
            await asyncio.sleep(AGAIN_S)

    async def send(self, text: str) -> None:
        """Tell all others, in a transaction of its own, which holds nobody up: it waits for no disk."""
        if self._connection is not None:
            with suppress(Exception):
                await self._connection.execute("SELECT pg_notify($1, $2)", NAME, text)

    async def _listen(self, hear: Callable[[str], None]) -> None:
        connection = await self._connect()
        mine, lost = connection.get_server_pid(), asyncio.Event()

        def heard(_: object, sender: int, __: str, text: str) -> None:
            if sender != mine:
                hear(text)

        try:
            connection.add_termination_listener(lambda _: lost.set())
            await connection.add_listener(NAME, heard)
            self._connection = connection
            await lost.wait()
        finally:
            self._connection = None
            with suppress(Exception):
                await connection.close(timeout=CLOSE_S)
