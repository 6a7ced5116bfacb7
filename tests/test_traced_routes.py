"""Where six calls go through the service: the tables of docs/architecture.md say so, and no call goes a longer way."""

import asyncio
import re
from pathlib import Path
from typing import Final

import pytest

from tests.docs.reading import text_of
from tests.support.routes import CRUX_CANCEL, REFUND, traced
from tests.support.tracing import ROOT, Route

SLACK: Final = 0.1
"""By how much figures may differ: what comes from a socket comes in pieces. More files there must not be."""


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Route]:
    return asyncio.run(traced(tmp_path_factory.mktemp("traced")))


def figures() -> dict[str, tuple[int, int]]:
    rows = re.findall(r"^\| (.+?) \| (\d+) \| (\d+) \|$", text_of("architecture.md"), re.MULTILINE)
    return {call: (int(files), int(moves)) for call, files, moves in rows}


def files_of(letter: str) -> set[str]:
    rows = re.findall(r"^\| `([\w/]+\.py)` \| [^|]+ \| ([CR ]+) \|$", text_of("architecture.md"), re.MULTILINE)
    return {file for file, calls in rows if letter in calls}


def test_the_page_has_each_call(routes: dict[str, Route]) -> None:
    assert list(figures()) == list(routes)


def test_no_call_goes_further_than_the_page_says(routes: dict[str, Route]) -> None:
    for call, (files, moves) in figures().items():
        route = routes[call]
        assert files * (1 - SLACK) <= len(route.files) <= files, (call, len(route.files))
        assert moves * (1 - SLACK) <= len(route.moves) <= moves * (1 + SLACK), (call, len(route.moves))


@pytest.mark.parametrize(("call", "letter"), [(CRUX_CANCEL, "C"), (REFUND, "R")])
def test_the_page_says_why_each_file_is_entered(routes: dict[str, Route], call: str, letter: str) -> None:
    assert set(routes[call].files) == files_of(letter)


def test_a_decision_reads_nothing(routes: dict[str, Route]) -> None:
    """Between the load and the save no rule and no service asks the database: nothing of the store but its codecs."""
    for route in routes.values():
        asked = {
            move.file
            for move in route.moves
            if move.source in ("service/decide.py", "service/effects.py", "service/money.py")
            or move.source.startswith("domain/")
        }
        assert {file for file in asked if file.startswith("store/")} <= {"store/codecs.py", "store/money.py"}


def test_the_route_is_of_files_that_exist() -> None:
    package = Path(ROOT)
    assert all((package / file).exists() for file in files_of("C") | files_of("R"))
