"""JSON that somebody else wrote: bounded, and read so that it can mean one thing only.

Numbers keep their digits: a whole number is an ``int`` of any size, any other a ``Decimal``. What parsers differ on is
refused: a member that is there twice, NaN, a text that nothing can keep.
"""

import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from countermand.domain.numbers import DIGITS_MAX
from countermand.domain.texts import why_unfit, writable
from countermand.nesting import holds_at_most, nests_at_most

DEPTH_MAX: Final = 64
NODES_MAX: Final = 10_000
ORDER_NODES_MAX: Final = 50_000
"""A thousand lines may have dozens of members each."""


Place = tuple[str | int, ...]


class MalformedJsonError(ValueError):
    """The body is not JSON, or is JSON beyond the limits. The message is fit for the caller."""


class UnfitTextError(MalformedJsonError):
    """A text in it cannot be kept. ``place`` leads to it."""

    def __init__(self, problem: str, place: Place) -> None:
        super().__init__(problem)
        self.place = place


def parse_json(body: bytes, *, nodes_max: int | None = NODES_MAX, keep_unfit: bool = False) -> Any:
    """What ``body`` says. Nothing at all counts as ``{}``; blanks are no JSON (RFC 8259).

    Without ``nodes_max`` any number of values will do. With ``keep_unfit`` the caller looks for ``unfit_texts`` itself.

    Raises:
        MalformedJsonError: it cannot be parsed, nests deeper than 64, has more than ``nodes_max`` values, names a
            member twice, or holds a text that nothing can keep.
    """
    if not body:
        return {}
    if not nests_at_most(body, DEPTH_MAX):
        raise MalformedJsonError(f"nested deeper than {DEPTH_MAX} levels")
    if nodes_max is not None and not holds_at_most(body, nodes_max):
        raise MalformedJsonError(f"more than {nodes_max} values")
    try:
        text = body.decode()
        value = json.loads(
            text, parse_int=_whole, parse_float=_decimal, parse_constant=_constant, object_pairs_hook=_object
        )
    except UnicodeDecodeError as error:
        raise MalformedJsonError(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise MalformedJsonError(f"{error.msg}: line {error.lineno} column {error.colno}") from None
    if nodes_max is not None:
        _count(value, nodes_max)
    # What is fit as a whole, and escapes nothing, has no text that is not.
    if not keep_unfit and ("\\" in text or why_unfit(text)):
        for place, problem in unfit_texts(value):
            raise UnfitTextError(problem, place)
    return value


def unfit_texts(value: Any) -> Iterator[tuple[Place, str]]:
    """Each text that nothing can keep, names of members among them: where it is, and why."""
    waiting: list[tuple[Any, Place]] = [(value, ())]
    while waiting:
        each, place = waiting.pop()
        if isinstance(each, dict):
            for name, inner in each.items():
                waiting += ((name, (*place, name)), (inner, (*place, name)))
        elif isinstance(each, list):
            waiting += ((inner, (*place, position)) for position, inner in enumerate(each))
        elif isinstance(each, str) and (problem := why_unfit(each)):
            yield place, problem


def _whole(text: str) -> int:
    if len(text) > DIGITS_MAX:
        raise MalformedJsonError(f"a number of more than {DIGITS_MAX} digits")
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > DIGITS_MAX or abs((number := Decimal(text)).adjusted()) > DIGITS_MAX:
        raise MalformedJsonError(f"a number of more than {DIGITS_MAX} digits")
    return number


def _constant(text: str) -> Any:
    raise MalformedJsonError(f"{text} is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise MalformedJsonError(f"the member {writable(twice[:100])!r} is there twice")
    return members


def _count(value: Any, nodes_max: int) -> None:
    """Whether there are at most so many values, names of members among them."""
    waiting, seen = [value], 0
    while waiting:
        each = waiting.pop()
        seen += 1
        if isinstance(each, dict):
            seen += len(each)
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        if seen > nodes_max:
            raise MalformedJsonError(f"more than {nodes_max} values")
