"""Column types and one operator that mean the same on SQLite and PostgreSQL."""

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Self, TypeAlias
from uuid import UUID

import orjson
from sqlalchemy import JSON, TIMESTAMP, Boolean, ColumnElement, Dialect, Integer, Row, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator, TypeEngine

Document = JSON().with_variant(JSONB(), "postgresql")
Id = Uuid(as_uuid=True)
Record: TypeAlias = Row[*tuple[Any, ...]]
"""A row of a result, whatever its columns."""


def to_json(value: object) -> str:
    """How documents are written, on either engine."""
    return orjson.dumps(value).decode()


class Instant(TypeDecorator[datetime]):
    """An aware time, kept in UTC; on SQLite as ISO 8601 text of fixed width, so that it sorts."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """PostgreSQL has the type; SQLite has text."""
        return dialect.type_descriptor(TIMESTAMP(timezone=True) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """A naive time is a mistake of ours, so it raises ``ValueError``."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive time cannot be stored")
        if dialect.name == "postgresql":
            return value
        return _text_of(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Always aware, always UTC."""
        if value is None:
            return None
        read = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return read.astimezone(UTC)


@lru_cache(maxsize=256)
def _text_of(moment: datetime) -> str:
    """A batch writes one moment many times."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class IdList(TypeDecorator[list[UUID]]):
    """A list of ids as one parameter: an array on PostgreSQL, a JSON text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Arrays where there are any."""
        return dialect.type_descriptor(ARRAY(PG_UUID()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: list[UUID] | None, dialect: Dialect) -> Any:
        """SQLite keeps ids as 32 hexadecimal digits."""
        if value is None or dialect.name == "postgresql":
            return value
        return json.dumps([each.hex for each in value])


class NumberList(TypeDecorator[list[int]]):
    """A list of numbers as one parameter: an array on PostgreSQL, a JSON text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Arrays where there are any."""
        return dialect.type_descriptor(ARRAY(Integer()) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: list[int] | None, dialect: Dialect) -> Any:
        """SQLite takes a JSON array apart."""
        return value if value is None or dialect.name == "postgresql" else json.dumps(value)


class PairList(TypeDecorator[list[tuple[UUID, UUID | int]]]):
    """A list of retailers, each with an id or a number of its own, as one parameter: a JSON text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: list[tuple[UUID, UUID | int]] | None, dialect: Dialect) -> Any:
        """Ids as either engine reads them, with or without hyphens."""
        shown: Any = str if dialect.name == "postgresql" else _digits
        return json.dumps(
            [(shown(first), second if isinstance(second, int) else shown(second)) for first, second in value or ()]
        )


def _digits(value: UUID) -> str:
    return value.hex


class pair_of(FunctionElement[bool]):  # noqa: N801 - reads as an operator in statements
    """``pair_of(retailer_id, column, pairs)``: the two columns are one of the pairs. An index on both serves it."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, retailer: ColumnElement[Any], column: ColumnElement[Any], pairs: ColumnElement[Any]) -> None:
        super().__init__(retailer, column, pairs)

    def self_group(self, against: OperatorType | None = None) -> Self:
        """As it is, like ``one_of``."""
        return self


@compiles(pair_of, "postgresql")
def _pair_of_array(element: pair_of, compiler: SQLCompiler, **kw: Any) -> str:
    retailer, column, pairs = element.clauses
    first, second, given = (compiler.process(each, **kw) for each in (retailer, column, pairs))
    kind = column.type.compile(compiler.dialect)
    return (
        f"({first}, {second}) IN (SELECT CAST(pair ->> 0 AS UUID), CAST(pair ->> 1 AS {kind})"  # noqa: S608 - no input
        f" FROM json_array_elements(CAST(CAST({given} AS TEXT) AS JSON)) AS pair)"
    )


@compiles(pair_of, "sqlite")
def _pair_of_json(element: pair_of, compiler: SQLCompiler, **kw: Any) -> str:
    first, second, given = (compiler.process(each, **kw) for each in element.clauses)
    return f"({first}, {second}) IN (SELECT value ->> 0, value ->> 1 FROM json_each({given}))"  # noqa: S608 - no input


class one_of(FunctionElement[bool]):  # noqa: N801 - reads as an operator in statements
    """``one_of(column, ids)``: the column is one of the ids. One statement text whatever their number."""

    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], ids: ColumnElement[Any]) -> None:
        super().__init__(column, ids)

    def self_group(self, against: OperatorType | None = None) -> Self:
        """As it is: SQLAlchemy would write ``… IN (…) = 1`` for SQLite, which no index can serve."""
        return self


@compiles(one_of, "postgresql")
def _any(element: one_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = element.clauses
    return f"{compiler.process(column, **kw)} = ANY ({compiler.process(ids, **kw)})"


@compiles(one_of, "sqlite")
def _json_each(element: one_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, ids = element.clauses
    left, right = compiler.process(column, **kw), compiler.process(ids, **kw)
    return f"{left} IN (SELECT value FROM json_each({right}))"  # noqa: S608 - both sides are compiled, none is input
