"""Column types and the list operator: the same meaning on both engines."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, MetaData, Table, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import StatementError

from countermand.store import tables as t
from countermand.store.columns import Document, Id, IdList, Instant, one_of
from tests.support.world import World

pytestmark = pytest.mark.anyio

kept = Table("kept", MetaData(), Column("id", Id, primary_key=True), Column("at", Instant), Column("what", Document))


@pytest.fixture
async def world(world: World) -> World:
    """The same with a table for these tests."""
    await world.application.database.write(kept.create)
    return world


async def keep(world: World, *rows: dict[str, Any]) -> None:
    values = [{"id": UUID(int=number), "at": None, "what": None, **row} for number, row in enumerate(rows)]
    await world.application.database.write(lambda connection: connection.execute(insert(kept), values))


async def ask(world: World, query: Any, **parameters: Any) -> list[Any]:
    return await world.application.database.read(
        lambda connection: list(connection.execute(query, parameters).scalars())
    )


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 11, 2, 9, 0, tzinfo=UTC),
        datetime(2026, 11, 2, 9, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Amsterdam"), fold=1),
        datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=-5, minutes=-30))),
        datetime(800, 12, 25, tzinfo=UTC),
        None,
    ],
)
async def test_a_time_comes_back_as_the_same_moment_in_utc(world: World, moment: datetime | None) -> None:
    await keep(world, {"at": moment})
    [found] = await ask(world, select(kept.c.at))
    assert found == (moment and moment.astimezone(UTC))
    assert found is None or found.utcoffset() == timedelta(0)


async def test_a_naive_time_is_refused(world: World) -> None:
    with pytest.raises(StatementError, match="naive"):
        await keep(world, {"at": datetime(2026, 11, 2)})  # noqa: DTZ001 - the mistake itself
    assert await ask(world, select(kept.c.id)) == []


async def test_times_sort_and_compare_as_times(world: World) -> None:
    east = timezone(timedelta(hours=9))
    moments = [
        datetime(999, 1, 1, tzinfo=UTC),
        datetime(2026, 1, 1, 8, 0, tzinfo=east),
        datetime(2026, 1, 1, 0, 0, tzinfo=UTC),
        datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(2026, 1, 1, 9, 0, 1, tzinfo=east),
        datetime(9999, 12, 31, tzinfo=UTC),
    ]
    await keep(world, *({"at": moment} for moment in reversed(moments)))
    assert await ask(world, select(kept.c.at).order_by(kept.c.at)) == moments
    before = select(kept.c.at).where(kept.c.at < bindparam("now", type_=Instant())).order_by(kept.c.at)
    assert await ask(world, before, now=moments[3]) == moments[:3]


@pytest.mark.parametrize("what", [{}, {"a": [1, None, "ü", {"b": 0.5}]}, [], [2**53]])
async def test_a_document_comes_back_as_it_was(world: World, what: Any) -> None:
    await keep(world, {"what": what})
    assert await ask(world, select(kept.c.what)) == [what]


async def test_ids_sort_alike_and_come_back_as_ids(world: World) -> None:
    ids = [UUID(int=number) for number in (0, 1, 2**64, 2**127, 2**128 - 1)]
    await keep(world, *({"id": each} for each in reversed(ids)))
    assert await ask(world, select(kept.c.id).order_by(kept.c.id)) == ids


@pytest.mark.parametrize("wanted", [[], [3], [1, 3, 3], list(range(500))])
async def test_one_of_a_list(world: World, wanted: list[int]) -> None:
    await keep(world, *({} for _ in range(5)))
    query = select(kept.c.id).where(one_of(kept.c.id, bindparam("ids", type_=IdList()))).order_by(kept.c.id)
    found = await ask(world, query, ids=[UUID(int=number) for number in wanted])
    assert [each.int for each in found] == sorted({number for number in wanted if number < 5})


async def test_one_of_a_list_is_looked_up_by_index_on_sqlite(sqlite_world: World) -> None:
    query = select(t.lines.c.id).where(one_of(t.lines.c.retailer_id, bindparam("ids", type_=IdList())))

    def plan(connection: Connection) -> str:
        sql = str(query.compile(dialect=connection.dialect))
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", ("[]",))
        return " ".join(str(row) for row in rows)

    assert "SEARCH lines USING" in await sqlite_world.application.database.read(plan)


TIMES = st.datetimes(timezones=st.timezones() | st.just(UTC))


@given(one=TIMES, other=TIMES)
def test_times_as_text_have_one_width_and_sort(one: datetime, other: datetime) -> None:
    try:
        one_utc, other_utc = one.astimezone(UTC), other.astimezone(UTC)
    except OverflowError:
        return
    dialect = sqlite.dialect()
    left, right = (Instant().bind_processor(dialect)(each) for each in (one, other))
    assert len(left) == len(right) == len("2026-11-02T09:00:00.000000Z")
    assert (left < right) == (one_utc < other_utc)
    read = Instant().result_processor(dialect, None)
    assert read is not None
    assert read(left) == one_utc


def test_both_engines_refuse_a_naive_time_before_they_are_asked() -> None:
    for dialect in (sqlite.dialect(), postgresql.dialect()):  # type: ignore[no-untyped-call]
        with pytest.raises(ValueError, match="naive"):
            Instant().bind_processor(dialect)(datetime.combine(date(2026, 1, 1), datetime.min.time()))
