"""Column types and two operators that mean the same on every engine."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Self, TypeAlias
from uuid import UUID

from sqlalchemy import JSON, Boolean, ColumnElement, Dialect, Row, Text, Uuid
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine

from countermand.store.engines.words import varying, words_of

Document = varying(JSON(), lambda words: words.document)
Id = Uuid(as_uuid=True)
Bytewise = varying(Text(), lambda words: words.bytewise)
"""A text that is sorted by its bytes, whatever the language of the database: those that begin alike stand together."""

Record: TypeAlias = Row[*tuple[Any, ...]]
"""A row of a result, whatever its columns."""


Processor = Callable[[Any], Any]
"""How SQLAlchemy hands a value over, or takes it: it asks once for each statement."""


class Instant(TypeDecorator[datetime]):
    """An aware time, kept in UTC, so that it sorts."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the engine."""
        return dialect.type_descriptor(words_of(dialect).instant)

    def bind_processor(self, dialect: Dialect) -> Processor:
        """A naive time is a mistake of ours, so it raises ``ValueError``."""
        return words_of(dialect).of_instant

    def result_processor(self, dialect: Dialect, coltype: object) -> Processor | None:
        """Always aware, always UTC."""
        return words_of(dialect).read_instant


class IdList(TypeDecorator[list[UUID]]):
    """A list of ids as one parameter."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the engine."""
        return dialect.type_descriptor(words_of(dialect).id_list)

    def bind_processor(self, dialect: Dialect) -> Processor | None:
        """In the words of the engine."""
        return words_of(dialect).of_ids


class NumberList(TypeDecorator[list[int]]):
    """A list of numbers as one parameter."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type of the engine."""
        return dialect.type_descriptor(words_of(dialect).number_list)

    def bind_processor(self, dialect: Dialect) -> Processor | None:
        """In the words of the engine."""
        return words_of(dialect).of_numbers


class PairList(TypeDecorator[list[tuple[UUID, UUID | int]]]):
    """A list of retailers, each with an id or a number of its own, as one parameter: a JSON text."""

    impl = Text
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Processor:
        """Ids as the engine reads them."""
        return words_of(dialect).of_pairs


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
