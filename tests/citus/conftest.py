"""The database of these tests: a plain one that is spoken to as if it were spread. Each statement is judged besides."""

from collections.abc import Iterator

import pytest

from tests.support.citus import new_database
from tests.support.citus_rules import judging_statements
from tests.support.pgnode import Node


@pytest.fixture
def database_url(postgres: Node) -> str:
    """The URL of a plain database with the schema and nothing in it, whose server says that it has Citus."""
    return new_database(postgres)


@pytest.fixture(scope="module")
def shared_url(postgres: Node) -> str:
    """The same for all tests of a module, each of which has parties of its own."""
    return new_database(postgres)


@pytest.fixture(autouse=True)
def statements_keep_the_rules() -> Iterator[None]:
    """No statement that was sent is one that Citus refuses."""
    with judging_statements():
        yield
