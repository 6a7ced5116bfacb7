"""How SQLite keeps values: times, lists and ids are texts, which sort and which ``json_each`` takes apart."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import JSON, Text
from sqlalchemy.engine.processors import str_to_datetime
from sqlalchemy.types import TypeEngine


@lru_cache(maxsize=256)
def instant_text(moment: datetime | None) -> str | None:
    """ISO 8601 in UTC, of fixed width, so that it sorts. A batch writes one moment many times."""
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError("a naive time cannot be stored")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


class SqliteWords:
    """See ``Words``."""

    instant: TypeEngine[Any] = Text()
    document: TypeEngine[Any] = JSON()
    id_list: TypeEngine[Any] = Text()
    number_list: TypeEngine[Any] = Text()
    bytewise: TypeEngine[Any] = Text()

    of_instant = staticmethod(instant_text)
    # C code, as a read has many times.
    read_instant = staticmethod(str_to_datetime)

    def of_document(self, value: object) -> str:
        """A JSON text."""
        return orjson.dumps(value).decode()

    def of_ids(self, ids: list[UUID]) -> str:
        """Ids are 32 hexadecimal digits."""
        return json.dumps([each.hex for each in ids])

    def of_numbers(self, numbers: list[int]) -> str:
        """A JSON array."""
        return json.dumps(numbers)

    def of_pairs(self, pairs: Sequence[tuple[UUID, UUID | int]]) -> str:
        """Ids without hyphens, as they are kept."""
        shown = [(first.hex, second if isinstance(second, int) else second.hex) for first, second in pairs]
        return orjson.dumps(shown).decode()

    def id_in_json(self, value: UUID) -> str:
        """Without hyphens, as it is kept."""
        return value.hex

    def one_of(self, column: str, given: str) -> str:
        """The list is a table."""
        return f"{column} IN (SELECT value FROM json_each({given}))"  # noqa: S608 - both sides are compiled, none is input

    def pair_of(self, columns: tuple[str, str], kind: str, given: str) -> str:
        """The text is a table of arrays. Their values compare without a cast."""
        return f"({', '.join(columns)}) IN (SELECT value ->> 0, value ->> 1 FROM json_each({given}))"  # noqa: S608 - no input

    def partition_of(self, column: str, partitions: int) -> str:
        """By the last two digits."""
        digits = [f"(instr('{_DIGITS}', substr({column}, {place}, 1)) - 1)" for place in (31, 32)]
        return f"(({digits[0]} * 16 + {digits[1]}) & {partitions - 1})"

    def numbers_given(self, parameter: str) -> str:
        """A JSON array."""
        return f"(SELECT value AS number FROM json_each(:{parameter}))"  # noqa: S608 - no input


_DIGITS: Final = "0123456789abcdef"
