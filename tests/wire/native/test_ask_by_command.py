"""``countermand ask``: the same ask, by somebody at a terminal."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from countermand.reads import lines as line_reads
from tests.support.world import Clock, populate, running
from tests.wire.native.calling import Native

Run = Callable[..., subprocess.CompletedProcess[str]]
FINE, USAGE, REFUSED, NOT_FOUND = 0, 2, 3, 5


@pytest.fixture
def lines(tmp_path: Path) -> list[tuple[UUID, int]]:
    """Lines of two units with bol's numbers of them: of the retailer's own goods, and of a supplier's."""

    async def fill() -> list[tuple[UUID, int]]:
        async with running(f"sqlite:///{tmp_path}/cli.sqlite3", Clock()) as application:
            world = await populate(application, Clock())
            placed = [await world.order(2, fulfillers=(who,)) for who in (world.retailer, world.supplier)]
            return [(each.lines[0].id, (await world.line(each.lines[0].id)).number) for each in placed]

    return asyncio.run(fill())


def test_a_line_has_an_id_and_a_number(countermand: Run, lines: list[tuple[UUID, int]]) -> None:
    line, number = lines[0]
    by_number = countermand("ask", "--line", str(number), "--units", "1", "--note", "te groot 🥾")
    assert (by_number.returncode, by_number.stderr) == (FINE, "")
    asked = by_number.stdout.strip()
    by_id = countermand(
        "ask", "--line", f"lin_{line.hex}", "--units", "1", "--by", "customer", "--note", "te groot 🥾", "--json"
    )
    shown = json.loads(by_id.stdout)
    assert (shown["id"], shown["line"], shown["units"], shown["state"]) == (asked, str(line), 1, "asked")
    assert (shown["asker"], shown["unasked"]) == ("customer", False)
    own = json.loads(countermand("ask", "--line", str(line), "--by", "retailer", "--units", "1", "--json").stdout)
    assert (own["state"], own["unasked"], own["accepted_units"]) == ("accepted", True, 1)


def test_what_cannot_be_asked_has_an_exit_code(countermand: Run, lines: list[tuple[UUID, int]]) -> None:
    number = str(lines[1][1])
    for exit_code, code, *arguments in (
        (REFUSED, "too_many_units", "--line", number, "--units", "3"),
        (REFUSED, "units_invalid", "--line", number, "--units", "0"),
        (NOT_FOUND, "unknown_line", "--line", "1"),
        (NOT_FOUND, "unknown_line", "--line", "9999999999"),
        (NOT_FOUND, "unknown_line", "--line", str(uuid4())),
        (USAGE, "bad_id", "--line", "٣"),
    ):
        done = countermand("ask", *map(str, arguments), "--json")
        assert done.returncode == exit_code, done.stderr
        assert json.loads(done.stdout)["error"]["code"] == code
    usage = countermand("ask", "--line", number, "--by", "supplier")
    assert usage.returncode == USAGE
    assert "Traceback" not in usage.stderr


@pytest.mark.anyio
async def test_a_number_beyond_31_bits_is_nobodys_on_every_engine(native: Native) -> None:
    read = native.world.application.database.read
    line = await native.line()
    number = (await native.world.line(line)).number
    found = await read(partial(line_reads.line_of_bol_number, number=number))
    assert found is not None
    assert found.id == line
    for unknown in (0, 2**31 - 1, 2**31, 9_999_999_999):
        assert await read(partial(line_reads.line_of_bol_number, number=unknown)) is None
