"""Conditions of lists, of which only those count that were given."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement

Condition = tuple[Callable[[Any], Any], Any]
"""What to compare a value with, such as ``column.__eq__``, and the value; ``None`` is no condition."""


def given(*conditions: Condition) -> list[ColumnElement[bool]]:
    """The conditions whose values were given."""
    return [compare(value) for compare, value in conditions if value is not None]
