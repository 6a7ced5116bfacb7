"""The status of a line is the same by its value and by the conditions of lists."""

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import ColumnElement, Connection, text

from countermand.domain.line_status import Allocation, LineStatus, allocation_of, status_of
from countermand.reads import order_lists
from tests.support.world import World

pytestmark = pytest.mark.anyio
NAMES = ("ordered", "shipped", "cancelled", "accepted", "backordered", "rejected", "allocated")


def _lines() -> list[dict[str, Any]]:
    """Every line of three units that there can be, as far as a status goes."""
    found = []
    for shipped, cancelled, accepted, backordered, rejected in product(range(4), repeat=5):
        promised = accepted + backordered + rejected
        if shipped + cancelled > 3 or promised not in (0, 3):
            continue
        for allocated in (True,) if promised else (False, True):
            row = (3, shipped, cancelled, accepted, backordered, rejected, allocated)
            found.append(dict(zip(NAMES, row, strict=True)))
    return found


async def test_a_list_finds_a_line_by_the_status_that_it_shows(world: World) -> None:
    lines = _lines()
    rows = ", ".join(f"({place}, {', '.join(str(each) for each in line.values())})" for place, line in enumerate(lines))

    def found(connection: Connection, condition: ColumnElement[bool]) -> set[int]:
        where = condition.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
        query = f"WITH lines (place, {', '.join(NAMES)}) AS (VALUES {rows}) SELECT place FROM lines WHERE {where}"
        return set(connection.execute(text(query)).scalars())

    def check(connection: Connection) -> None:
        for status in LineStatus:
            shown = {place for place, line in enumerate(lines) if status_of(SimpleNamespace(**line)) is status}
            assert found(connection, order_lists.STATUS[status]) == shown, status
        for allocation in Allocation:
            shown = {place for place, line in enumerate(lines) if allocation_of(SimpleNamespace(**line)) is allocation}
            assert found(connection, order_lists.ALLOCATION[allocation]) == shown, allocation

    await world.application.database.read(check)
