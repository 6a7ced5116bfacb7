"""Values of the rules: made once, compared by what is in them, and never edited."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def value(made: type[T]) -> type[T]:
    """A data class that is frozen for the type checker only: at run time that costs as much as all else it is made of.

    ``tests/domain/test_values.py`` holds that no rule edits what it is handed.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(made)
