"""Whether what the service sends to a database, while tests run, is what Citus takes."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from sqlalchemy import Connection, Engine, event

from countermand.store.engines.protocol import engine_of
from tests.support.spreading import judged

ON_ALL_SERVERS: Final = {f"{table} is changed on several servers" for table in ("notices", "idempotency_records")}
"""What calls of an operator about notices and replies of any retailer do: all servers carry them out."""

_JUDGED: Final[set[str]] = set()
"""The texts that were looked at by now: most tests send the same."""


def _is_for_citus(connection: Connection) -> bool:
    """Not to a plain database, nor to one before its tables are spread."""
    try:
        return engine_of(connection).one_retailer
    except KeyError:
        return False


def _is_of_the_service() -> bool:
    """Not a test's own statement, nor a migration's, which is for tables that are not spread yet."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if "tests" in path.parts or "migrations" in path.parts:
            return False
        if "countermand" in path.parts and "site-packages" not in path.parts and "engines" not in path.parts:
            return True
        frame = frame.f_back
    return False


@contextmanager
def judging_statements() -> Iterator[None]:
    """Watch what is sent meanwhile.

    Raises:
        AssertionError: Citus refuses one of the statements.
    """
    sent: dict[str, Any] = {}

    def keep(connection: Any, cursor: Any, statement: str, given: Any, context: Any, many: bool) -> None:
        words = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")
        if statement in _JUDGED or not statement.lstrip().startswith(words):
            return
        if not _is_for_citus(connection) or not _is_of_the_service():
            return
        sent.setdefault(statement, given[0] if many else given)

    event.listen(Engine, "before_cursor_execute", keep)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", keep)
    _JUDGED.update(sent)
    faults = [
        f"{', '.join(sorted(found))}:\n{text}"
        for text, given in sent.items()
        if (found := {*judged(text, given).faults} - ON_ALL_SERVERS)
    ]
    assert not faults, "\n\n".join(faults)
