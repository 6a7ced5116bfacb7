"""The doors are alike: whoever knows one finds the same thing in the same file of every other."""

from pathlib import Path

import pytest

import countermand.wire

FOLDER = Path(str(countermand.wire.__file__)).parent
DOORS = ("answer", "bol_plaza", "bol_retailer", "crux", "native")
FILES = ("auth.py", "door.py", "errors.py", "meaning.py", "messages.py", "views.py")


@pytest.mark.parametrize("door", DOORS)
def test_each_door_has_the_same_files(door: str) -> None:
    assert {each.name for each in (FOLDER / door).iterdir()} >= {*FILES, "__init__.py"}


def test_every_folder_is_a_door_or_what_two_of_them_share() -> None:
    folders = {each.name for each in FOLDER.iterdir() if each.is_dir() and each.name != "__pycache__"}
    assert folders == {*DOORS, "bol"}
