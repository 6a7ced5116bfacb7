"""One server for all tests of this folder."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.seeds.serving import Server, filled, serving


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    database = f"sqlite:///{folder}/served.sqlite3"
    made = filled(database)
    with serving(database, folder / "server.log") as running:
        yield replace(running, **made)
        log = running.log.read_text()
    assert "unexpected_error" not in log, log


@pytest.fixture(scope="session")
def _lines(server: Server) -> Iterator[str]:
    return iter(server.lines)


@pytest.fixture
def line(_lines: Iterator[str]) -> str:
    """A line that no other test uses."""
    return next(_lines)


@pytest.fixture
def lines(_lines: Iterator[str]) -> Iterator[str]:
    """Lines that no other test uses, one after the other."""
    return _lines
