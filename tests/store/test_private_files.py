"""What holds orders and tokens is for nobody but its owner, whatever the umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from countermand.private_files import in_the_making
from countermand.store.engines.opening import open_database

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _generous() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


async def test_a_new_sqlite_file_and_its_wal_are_private(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "new.sqlite3"
    database = await open_database(f"sqlite:///{file}")
    try:
        await database.write(lambda connection: connection.execute(text("CREATE TABLE t (a)")).close())
        found = {each.name: mode(each) for each in file.parent.iterdir()}
    finally:
        await database.close()
    assert found == {"new.sqlite3": 0o600, "new.sqlite3-wal": 0o600, "new.sqlite3-shm": 0o600}


async def test_the_permissions_of_a_file_that_is_there_are_the_operators(tmp_path: Path) -> None:
    file = tmp_path / "shared.sqlite3"
    file.touch(0o640)
    database = await open_database(f"sqlite:///{file}")
    await database.read(lambda connection: connection.execute(text("SELECT 1")).close())
    await database.close()
    assert mode(file) == 0o640


def test_a_file_in_the_making_is_put_there_whole_and_private_or_leaves_nothing(tmp_path: Path) -> None:
    place = tmp_path / "kept"
    with in_the_making(place) as file:
        file.path.write_text("not put in place")
        Path(f"{file.path}-wal").touch()
    assert os.listdir(tmp_path) == []
    with in_the_making(place) as file:
        file.path.write_text("whole")
        assert not place.exists()
        file.put_in_place()
    assert (place.read_text(), mode(place), os.listdir(tmp_path)) == ("whole", 0o600, ["kept"])


def test_a_file_in_the_making_takes_nobodys_place(tmp_path: Path) -> None:
    place = tmp_path / "kept"
    place.write_text("of another")
    with in_the_making(place) as file, pytest.raises(FileExistsError):
        file.put_in_place()
    assert (place.read_text(), os.listdir(tmp_path)) == ("of another", ["kept"])
