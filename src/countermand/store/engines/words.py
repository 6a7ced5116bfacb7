"""Which words a statement is written in, where it has no connection yet: when SQLAlchemy compiles it."""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Dialect
from sqlalchemy.types import TypeEngine

from countermand.store.engines.postgresql.words import PostgresWords
from countermand.store.engines.protocol import Words
from countermand.store.engines.sqlite.words import SqliteWords

_WORDS: Final[dict[str, Words]] = {"sqlite": SqliteWords(), "postgresql": PostgresWords()}
"""By SQLAlchemy's name of the dialect. Engines that speak the same one share its words."""


def words_of(dialect: Dialect) -> Words:
    """The words of the engines that speak this dialect. What is only printed is in SQLite's."""
    return _WORDS.get(dialect.name) or _WORDS["sqlite"]


def varying(common: TypeEngine[Any], of: Callable[[Words], TypeEngine[Any]]) -> TypeEngine[Any]:
    """A type that is another one in each dialect."""
    for dialect, words in _WORDS.items():
        common = common.with_variant(of(words), dialect)
    return common
