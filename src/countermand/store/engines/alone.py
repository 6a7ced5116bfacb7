"""What an engine answers that has its tables on one server, where it is asked about several."""

from sqlalchemy import Connection

from countermand.store.archive import Progress
from countermand.store.engines.protocol import Database, Layout, Move, UnspreadableError


class OneServer:
    """The part of an engine that is about several servers. ``kind`` and ``advice`` are sentences."""

    kind: str
    advice: str

    def layout(self, connection: Connection) -> Layout:
        """One server has all."""
        return Layout(kind=self.kind)

    async def spread(self, database: Database, report: Progress, *, blocks_writes: bool) -> None:
        """There is nothing to spread over.

        Raises:
            UnspreadableError: always.
        """
        raise UnspreadableError(f"{self.kind} {self.advice}")

    async def begin_moving(self, database: Database, drained: str | None) -> Move | None:
        """Nothing is spread.

        Raises:
            UnspreadableError: always.
        """
        raise UnspreadableError(f"{self.kind} {self.advice}")

    def moving(self, connection: Connection, job: int) -> Move:
        """Nothing moves.

        Raises:
            UnspreadableError: always.
        """
        raise UnspreadableError(f"{self.kind} {self.advice}")
