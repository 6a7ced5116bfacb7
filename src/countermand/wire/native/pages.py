"""Pages of lists: where one begins, and what ``next`` of it says."""

from collections.abc import Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from countermand.ids import read, show
from countermand.wire.native.errors import invalid

Row = TypeVar("Row")

ONE_MORE: Final = 1
"""A page asks for one row more than it shows, to know whether there are more."""


def begin(prefix: str, after: str | None, what: str = "one of these") -> UUID | None:
    """After which row a page begins; ``what`` the rows are, in words.

    Raises:
        CallError: ``after`` is no ``next`` of a page.
    """
    last = read(prefix, after) if after is not None else None
    if after is not None and last is None:
        raise invalid(f"after is not the id of {what}; use next of the page before.", "query", "after")
    return last


def page(prefix: str, rows: Sequence[Any], limit: int) -> tuple[Sequence[Any], str | None]:
    """The rows that are shown, and ``next``."""
    return rows[:limit], show(prefix, rows[limit - 1].id) if len(rows) > limit else None
