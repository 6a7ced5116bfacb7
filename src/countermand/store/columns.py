"""Column types and two operators that mean the same on every engine."""

from datetime import UTC, datetime
from typing import Any, Self, TypeAlias
from uuid import UUID

import orjson
from sqlalchemy import JSON, Boolean, ColumnElement, Dialect, Row, Text, Uuid
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine

from countermand.store.engines.words import varying, words_of

Document = varying(JSON(), lambda words: words.document)
Id = Uuid(as_uuid=True)
Record: TypeAlias = Row[*tuple[Any, ...]]
"""A row of a result, whatever its columns."""


def to_json(value: object) -> str:
    """How documents are written, on either engine."""
    return orjson.dumps(value).decode()


class Instant(TypeDecorator[datetime]):
    """An aware time, kept in UTC, so that it sorts."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the engine."""
        return dialect.type_descriptor(words_of(dialect).instant)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """A naive time is a mistake of ours, so it raises ``ValueError``."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time cannot be stored")
        return words_of(dialect).of_instant(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Always aware, always UTC."""
        if value is None:
            return None
        read = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return read.astimezone(UTC)


class IdList(TypeDecorator[list[UUID]]):
    """A list of ids as one parameter."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the engine."""
        return dialect.type_descriptor(words_of(dialect).id_list)

    def process_bind_param(self, value: list[UUID] | None, dialect: Dialect) -> Any:
        """In the words of the engine."""
        return value if value is None else words_of(dialect).of_ids(value)


class NumberList(TypeDecorator[list[int]]):
    """A list of numbers as one parameter."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the engine."""
        return dialect.type_descriptor(words_of(dialect).number_list)

    def process_bind_param(self, value: list[int] | None, dialect: Dialect) -> Any:
        """In the words of the engine."""
        return value if value is None else words_of(dialect).of_numbers(value)


class PairList(TypeDecorator[list[tuple[UUID, UUID | int]]]):
    """A list of retailers, each with an id or a number of its own, as one parameter: a JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: list[tuple[UUID, UUID | int]] | None, dialect: Dialect) -> Any:
        """Ids as the engine reads them."""
        return words_of(dialect).of_pairs(value or [])


class pair_of(FunctionElement[bool]):  # noqa: N801 - reads as an operator in statements
    """``pair_of(retailer_id, column, pairs)``: the two columns are one of the pairs. An index on both serves it."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, retailer: ColumnElement[Any], column: ColumnElement[Any], pairs: ColumnElement[Any]) -> None:
        super().__init__(retailer, column, pairs)

    def self_group(self, against: OperatorType | None = None) -> Self:
        """As it is, like ``one_of``."""
        return self


@compiles(pair_of)
def _pair_of(element: pair_of, compiler: SQLCompiler, **kw: Any) -> str:
    retailer, column, pairs = element.clauses
    first, second, given = (compiler.process(each, **kw) for each in (retailer, column, pairs))
    kind = column.type.compile(compiler.dialect)
    return words_of(compiler.dialect).pair_of((first, second), kind, given)


class one_of(FunctionElement[bool]):  # noqa: N801 - reads as an operator in statements
    """``one_of(column, ids)``: the column is one of the ids. One statement text whatever their number."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], ids: ColumnElement[Any]) -> None:
        super().__init__(column, ids)

    def self_group(self, against: OperatorType | None = None) -> Self:
        """As it is: SQLAlchemy would write ``… IN (…) = 1`` for SQLite, which no index can serve."""
        return self


@compiles(one_of)
def _one_of(element: one_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, given = (compiler.process(each, **kw) for each in element.clauses)
    return words_of(compiler.dialect).one_of(column, given)
