"""How PostgreSQL keeps values: it has a type for each, and lists are arrays."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import TIMESTAMP, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.dialects.postgresql import UUID as PG_UUID
from sqlalchemy.types import TypeEngine


class PostgresWords:
    """See ``Words``."""

    instant: TypeEngine[Any] = TIMESTAMP(timezone=True)
    document: TypeEngine[Any] = JSONB()
    id_list: TypeEngine[Any] = ARRAY(PG_UUID())
    number_list: TypeEngine[Any] = ARRAY(Integer())
    bytewise: TypeEngine[Any] = Text(collation="C")

    def of_instant(self, moment: datetime | None, /) -> datetime | None:
        """As it is."""
        if moment is not None and moment.tzinfo is None:
            raise ValueError("a naive time cannot be stored")
        return moment

    def read_instant(self, given: datetime | None, /) -> datetime | None:
        """In UTC, whatever the zone of the session."""
        return None if given is None else given.astimezone(UTC)

    def of_ids(self, ids: list[UUID]) -> list[UUID]:
        """As they are."""
        return ids

    def of_numbers(self, numbers: list[int]) -> list[int]:
        """As they are."""
        return numbers

    def of_document(self, value: object) -> str:
        """A JSON text."""
        return orjson.dumps(value).decode()

    def of_pairs(self, pairs: Sequence[tuple[UUID, UUID | int]]) -> str:
        """Ids as everybody writes them. The driver's are of a class of their own, which orjson hands to ``default``."""
        return orjson.dumps(pairs, default=str).decode()

    def id_in_json(self, value: UUID) -> str:
        """As everybody writes it."""
        return str(value)

    def one_of(self, column: str, given: str) -> str:
        """The list is an array."""
        return f"{column} = ANY ({given})"

    def pair_of(self, columns: tuple[str, str], kind: str, given: str) -> str:
        """The text is a table of arrays, whose values are texts."""
        return (
            f"({', '.join(columns)}) IN (SELECT CAST(pair ->> 0 AS UUID), CAST(pair ->> 1 AS {kind})"  # noqa: S608 - no input
            f" FROM json_array_elements(CAST(CAST({given} AS TEXT) AS JSON)) AS pair)"
        )

    def partition_of(self, column: str, partitions: int) -> str:
        """By the last byte."""
        return f"(get_byte(uuid_send({column}), 15) & {partitions - 1})"

    def numbers_given(self, parameter: str) -> str:
        """An array."""
        return f"(SELECT unnest(CAST(:{parameter} AS INTEGER[])) AS number)"
