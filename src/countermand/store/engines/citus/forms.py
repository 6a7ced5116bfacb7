"""How statements are written for tables that are spread by retailer.

A statement of the road is made for many retailers: ``pair_of`` and ``one_of`` take lists. Citus sends a statement to
one server if it says ``retailer_id = …`` of every table in it, and refuses ``FOR UPDATE`` otherwise. So before a
statement is sent, its lists are looked at. If they name one retailer, as in a batch of the road they do, the statement
gets a form that says so. If they name several, it asks the servers that have these.

What every server has, such as parties, cannot be looked up row by row in a table that is spread. Of such a look-up the
coordinator gets all keys that fit, and then looks whether a row's is among them.

``OFFSET 0`` tells PostgreSQL to look something up row by row. Citus refuses it in a query that belongs to a row of
another, so it is left out.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import eq
from threading import Lock
from typing import Any, Final, cast
from uuid import UUID

from cachetools import LRUCache, cached
from sqlalchemy import (
    CTE,
    BinaryExpression,
    BindParameter,
    Boolean,
    ClauseElement,
    ColumnElement,
    Exists,
    FromClause,
    Integer,
    ScalarSelect,
    Select,
    Subquery,
    and_,
    bindparam,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from countermand.store import tables
from countermand.store.columns import Id, IdList, NumberList, one_of, pair_of
from countermand.store.tables import BY_OWN_KEY, WHOLE_EVERYWHERE, spread_by

FORMS_KEPT: Final = 500
"""The forms of so many statements are kept: those of the road are made once. Others are made for each call."""

RETAILER: Final = "the_retailer"
"""The parameter with the one retailer of a statement."""

Given = Mapping[str, Any]

_NOBODY: Final = UUID(int=0)
"""Stands for a retailer that a map does not know, so that the same is looked up."""


class SeveralRetailersError(RuntimeError):
    """A statement that locks names several retailers: rows of one server can be locked, not of several."""


class listed_pair(FunctionElement[bool]):  # noqa: N801 - reads as an operator in statements
    """``pair_of`` with the retailers and the others in two lists of one length. Each server gets all pairs."""

    type = Boolean()
    inherit_cache = True


@compiles(listed_pair)
def _listed_pair(element: listed_pair, compiler: SQLCompiler, **kw: Any) -> str:
    first, second, retailers, others = (compiler.process(each, **kw) for each in element.clauses)
    return (
        f"({first} = ANY ({retailers}) AND ({first}, {second}) IN"  # noqa: S608 - no input
        f" (SELECT given.retailer, given.other FROM unnest({retailers}, {others}) AS given(retailer, other)))"
    )


@dataclass(frozen=True, slots=True)
class _List:
    """A list in a statement: its parameter, and whether it has pairs or only retailers."""

    parameter: BindParameter[Any]
    of_pairs: bool

    def value(self, given: Given) -> Any:
        key = self.parameter.key
        return given.get(key, self.parameter.effective_value)

    def retailers(self, given: Given) -> Iterator[UUID]:
        for each in self.value(given):
            yield each[0] if self.of_pairs else each


@dataclass(frozen=True)
class _Forms:
    """The lists of a statement, what it asks of maps by the parameters that get the answers, and its forms."""

    statement: ClauseElement
    lists: tuple[_List, ...] = ()
    maps: Mapping[int, str] = field(default_factory=dict)
    asked: Mapping[str, Select[Any]] = field(default_factory=dict)
    is_fit: bool = False

    @cached_property
    def of_one(self) -> ClauseElement:
        """For one retailer."""
        return _written(self.statement, _as_one, self.maps)

    @cached_property
    def of_several(self) -> ClauseElement:
        """For several."""
        return self.statement if self.is_fit else _written(self.statement, _as_several, self.maps)


Ask = Callable[[Select[Any]], Any]


def spread(statement: ClauseElement, given: Given, ask: Ask) -> tuple[ClauseElement, dict[str, Any]]:
    """The form of a statement for the retailers in its parameters, and the parameters of that form.

    ``ask`` is for what it looks up in a map.

    Raises:
        SeveralRetailersError: it locks rows of several retailers.
    """
    forms = _forms(statement)
    found = {retailer for each in forms.lists for retailer in each.retailers(given)}
    asked = {name: ask(query) or _NOBODY for name, query in forms.asked.items()}
    if forms.lists and len(found) == 1:
        return forms.of_one, {**given, **asked, **_of_one(forms, given), RETAILER: found.pop()}
    if forms.lists and getattr(statement, "_for_update_arg", None) is not None:
        raise SeveralRetailersError(f"{len(found)} retailers in a statement that locks")
    return forms.of_several, {**given, **asked, **_of_several(forms, given)}


def _of_one(forms: _Forms, given: Given) -> dict[str, Any]:
    return {each.parameter.key: [other for _, other in each.value(given)] for each in forms.lists if each.of_pairs}


def _of_several(forms: _Forms, given: Given) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in forms.lists:
        if each.of_pairs:
            pairs = list(each.value(given))
            found[_retailers_of(each.parameter)] = [retailer for retailer, _ in pairs]
            found[each.parameter.key] = [other for _, other in pairs]
    return found


# Heavy reads ask for forms in a thread of their own.
@cached(LRUCache(FORMS_KEPT), lock=Lock())
def _forms(statement: ClauseElement) -> _Forms:
    parts: list[Any] = list(visitors.iterate(statement))
    lists = tuple(each for element in parts if (each := _list(element)) is not None)
    maps = {id(each): f"asked_{place}" for place, each in enumerate(filter(_asks_a_map, parts))}
    queries = {maps[id(each)]: each.element for each in parts if id(each) in maps}
    looks_up = any(isinstance(each, Exists) for each in parts)
    if not lists and not maps and not looks_up and not any(map(_has_offset_alone, parts)):
        return _Forms(statement, is_fit=True)
    return _Forms(statement, lists, maps, queries)


def _written(statement: ClauseElement, written: Callable[[Any], Any], maps: Mapping[int, str]) -> ClauseElement:
    def replace(element: Any, **_: Any) -> Any:
        if id(element) in maps:
            return bindparam(maps[id(element)], type_=Id)
        if (among := _among_keys(element)) is not None:
            return among
        return written(element) if _list(element) is not None else None

    found = visitors.replacement_traverse(statement, {}, replace)
    return cast("ClauseElement", visitors.cloned_traverse(found, {}, {"select": _fit}))


def _fit(query: Select[Any]) -> None:
    """Leave out what keeps Citus from carrying a query out. The query is a copy that nobody else has."""
    if _has_offset_alone(query):
        query._offset_clause = None
    if _looks_further(query):
        _join_orders(query)


def _among_keys(element: Any) -> ColumnElement[bool] | None:
    """``EXISTS`` a row whose retailer is this row of what every server has: the row is among those retailers."""
    query = getattr(getattr(element, "element", None), "element", None)
    if not isinstance(element, Exists) or not isinstance(query, Select):
        return None
    for condition in query._where_criteria:
        if isinstance(condition, BinaryExpression) and condition.operator is eq:
            key, of_row = condition.left, condition.right
            if _is_spread_by(key) and _name_of_table(of_row) in WHOLE_EVERYWHERE:
                others = (each for each in query._where_criteria if each is not condition)
                return cast("ColumnElement[bool]", of_row.in_(select(key).where(*others)))
    return None


def _is_spread_by(column: Any) -> bool:
    table = _name_of_table(column)
    return table is not None and getattr(column, "name", None) == spread_by(table)


def _name_of_table(column: Any) -> str | None:
    return getattr(getattr(column, "table", None), "name", None)


def _asks_a_map(element: Any) -> bool:
    """A scalar subquery of a map that is spread by its own key: it is asked first, and its answer is a parameter."""
    if not isinstance(element, ScalarSelect) or not isinstance(element.element, Select):
        return False
    return getattr(getattr(element.element._raw_columns[0], "table", None), "name", None) in BY_OWN_KEY


def _has_offset_alone(element: Any) -> bool:
    """``OFFSET 0`` without a limit."""
    if not isinstance(element, Select) or element._limit_clause is not None:
        return False
    return getattr(element._offset_clause, "value", None) == 0


def _looks_further(element: Any) -> bool:
    """A query that looks up more of orders whose keys another query has found."""
    if not any(map(_looks_up, element._where_criteria)):
        return False
    return _found(element) is not None


def _looks_up(condition: Any) -> bool:
    return any(isinstance(each, Exists) for each in visitors.iterate(condition))


def _found(query: Select[Any]) -> FromClause | None:
    """The keys, if the query reads nothing else."""
    froms = query.get_final_froms()
    if len(froms) != 1 or not isinstance(froms[0], Subquery | CTE):
        return None
    return froms[0] if {"retailer_id", "order_id"} <= set(froms[0].c.keys()) else None


def _join_orders(query: Select[Any]) -> None:
    """Citus looks up further only what a row of a spread table leads to. So the order itself is joined to its key."""
    keys = _found(query)
    assert keys is not None
    orders = tables.orders.alias("of_key")

    def replace(element: Any, **_: Any) -> Any:
        return orders.c.retailer_id if element is keys.c.retailer_id else None

    looked = tuple(
        visitors.replacement_traverse(each, {}, replace) if _looks_up(each) else each for each in query._where_criteria
    )
    same = (orders.c.retailer_id == keys.c.retailer_id, orders.c.id == keys.c.order_id)
    query._where_criteria = (*same, *looked)
    query._reset_memoizations()


def _list(element: Any) -> _List | None:
    if isinstance(element, pair_of):
        *_, parameter = element.clauses
        return _List(_bound(parameter), of_pairs=True)
    if isinstance(element, one_of):
        column, parameter = element.clauses
        if getattr(column, "name", None) == "retailer_id" and isinstance(parameter, BindParameter):
            return _List(parameter, of_pairs=False)
    return None


def _bound(parameter: Any) -> BindParameter[Any]:
    if not isinstance(parameter, BindParameter):
        raise TypeError("pairs are given as a parameter")
    return parameter


def _as_one(element: pair_of | one_of) -> ColumnElement[bool]:
    column, *more = element.clauses
    is_retailers: ColumnElement[bool] = column == bindparam(RETAILER, type_=Id)
    if isinstance(element, one_of):
        return is_retailers
    other, parameter = more
    return and_(is_retailers, one_of(other, _others(other, _bound(parameter))))


def _as_several(element: pair_of | one_of) -> ColumnElement[bool]:
    if isinstance(element, one_of):
        return element
    retailer, other, parameter = element.clauses
    given = bindparam(_retailers_of(_bound(parameter)), type_=IdList())
    return listed_pair(retailer, other, given, _others(other, _bound(parameter)))


def _others(column: ColumnElement[Any], parameter: BindParameter[Any]) -> BindParameter[Any]:
    kind = NumberList() if isinstance(column.type, Integer) else IdList()
    return bindparam(parameter.key, type_=kind)


def _retailers_of(parameter: BindParameter[Any]) -> str:
    return f"{parameter.key}_retailers"
