"""Databases that the tests of a module share: ``shared_url`` on each engine, ``sqlite_url`` where that is all one."""

import pytest

from tests.support import templates


@pytest.fixture(scope="module")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty database of SQLite's for a module."""
    return f"sqlite:///{tmp_path_factory.mktemp('wire')}/test.sqlite3"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An empty database for a module, on each engine in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('wire')}/test.sqlite3"
    return templates.new_database(request.getfixturevalue("postgres"))
