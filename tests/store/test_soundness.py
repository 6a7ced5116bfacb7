"""The rules that `make bench ARGS=--backups` checks hold in a filled database, and find what breaks them."""

import asyncio
import shutil
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from bench.soundness import RULES, broken

from countermand.store.engines.opening import open_database
from countermand.store.engines.sqlite.library import sqlite_module
from countermand.store.migrations import LATEST, bring_to, current_revision, steps_after
from tests.support import templates
from tests.support.population import populate, populate_released

LINES: Final = 2_000
FIRST_RELEASE: Final = "0001"

BREAKS: Final = dict(
    zip(
        RULES,
        (
            "UPDATE lines SET ordered = ordered + 1 WHERE number = (SELECT min(number) FROM lines)",
            "UPDATE cancellations SET units = units + 1"
            " WHERE id = (SELECT min(id) FROM cancellations WHERE state = 'asked')",
            "UPDATE shipment_lines SET units = units + 1"
            " WHERE shipment_id = (SELECT min(shipment_id) FROM shipment_lines)",
            "UPDATE lines SET seq = seq + 1 WHERE number = (SELECT min(number) FROM lines)",
            "UPDATE cancellations SET state = 'withdrawn'"
            " WHERE id = (SELECT min(id) FROM cancellations WHERE state = 'lapsed')",
            "DELETE FROM id_directory WHERE id = (SELECT min(id) FROM orders)",
            "DELETE FROM line_numbers WHERE number = (SELECT min(number) FROM lines)",
            "UPDATE notices SET seq = 99 WHERE id = (SELECT min(id) FROM notices)",
            "UPDATE refunds SET amount_minor = amount_minor + 1 WHERE id = (SELECT min(id) FROM refunds)",
        ),
        strict=True,
    )
)
"""A statement for each rule that breaks it once, and no other."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("filled")
    populate(templates.filled_file(folder / "filled.sqlite3"), LINES, keys=folder / "keys", cleared=True)
    return folder / "filled.sqlite3"


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_finds_what_breaks_it(filled: Path, tmp_path: Path, rule: str) -> None:
    file = tmp_path / "broken.sqlite3"
    shutil.copy(filled, file)
    assert broken(f"sqlite:///{file}") == {}
    with closing(sqlite_module().connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        assert connection.execute(BREAKS[rule]).rowcount == 1
    assert broken(f"sqlite:///{file}") == {rule: 1}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_many_lines_of_the_first_release_are_sound_after_an_upgrade(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str
) -> None:
    url = (
        f"sqlite:///{tmp_path / 'old.sqlite3'}"
        if engine == "sqlite"
        else templates.new_database(request.getfixturevalue("postgres"), empty=True)
    )
    populate_released(url, LINES, FIRST_RELEASE)
    assert asyncio.run(upgraded(url)) == LATEST
    assert broken(url) == {}


async def upgraded(url: str) -> str | None:
    """Step by step, as ``migrate`` does it."""
    database = await open_database(url, allow_weak_durability=True, read_timeout_s=None)
    try:
        for step in steps_after(FIRST_RELEASE):
            await database.write(partial(bring_to, step=step))
        return await database.read(current_revision)
    finally:
        await database.close()
