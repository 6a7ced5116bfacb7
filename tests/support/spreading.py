"""Whether a statement keeps to what Citus can do, found out from its text, by PostgreSQL's own parser.

Tables are spread by a key: those of a retailer by ``retailer_id``. A statement is of *one server* when every spread
table in it is tied to one value of its key. Others are sent to several servers, and for those Citus has more rules:
https://docs.citusdata.com/en/stable/develop/reference_workarounds.html and ``query_pushdown_planning.c``.
"""

# The parser's nodes say that every part may be missing.
# mypy: disable-error-code="index,union-attr,operator,arg-type"

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pglast
from pglast import ast
from pglast.enums import BoolExprType, OnConflictAction

from countermand.store import tables as t

KEYS: Final[Mapping[str, str]] = {
    **{table.name: "retailer_id" for table in t.metadata.sorted_tables if table.name not in t.WITHOUT_RETAILER},
    **t.BY_OWN_KEY,
}
"""The spread tables, and what each is spread by."""

Node = tuple[str, ...]


@dataclass(slots=True)
class Occurrence:
    """A spread table where a statement names it. ``level`` is the query that it is in."""

    table: str
    alias: str
    key: Node
    level: "Level"


@dataclass(slots=True)
class Level:
    """A query in a statement, with what can be named in it."""

    number: int
    outer: "Level | None"
    names: dict[str, "Mapping[str, Node] | str"] = field(default_factory=dict)
    reaches_out: bool = False
    recurs: bool = False
    """It reads no spread table in its FROM: it gives the same rows on every server."""
    is_joined: bool = False
    """PostgreSQL makes a join of it: ``EXISTS`` as a condition by itself. What is said around it holds in it too."""
    values: set[Node] = field(default_factory=set)
    """What it says by itself to be equal to a value."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out: the spread tables, whether one server is asked, and which rules are broken."""

    tables: frozenset[str]
    is_of_one: bool
    faults: tuple[str, ...]


def judged(statement: str, given: Sequence[Any] = ()) -> Verdict:
    """Look at one statement, with the values that it was sent with."""
    try:
        parsed = pglast.parse_sql(statement)
    except pglast.parser.ParseError as error:
        raise AssertionError(f"{error}: {statement}") from error
    assert len(parsed) == 1
    reader = _Reader(given)
    reader.statement(parsed[0].stmt)
    return reader.verdict()


class _Reader:
    def __init__(self, given: Sequence[Any]) -> None:
        self._given = given
        self._same: dict[Node, Node] = {}
        self._occurrences: list[Occurrence] = []
        self._faults: list[str] = []
        self._levels: list[Level] = []
        self._ctes: dict[str, Mapping[str, Node]] = {}
        self._changed: str | None = None
        self._locks = False
        self._sources: list[str] = []
        """Functions that stand in FROM."""
        self._more_than_simple: list[tuple[Level, str]] = []
        self._tables: set[str] = set()

    # What follows from all that was read

    def verdict(self) -> Verdict:
        keys = {self._root(each.key) for each in self._occurrences}
        is_of_one = len(keys) == 1 and next(iter(keys))[0] == "value"
        self._looked_up_without_saying_whose()
        if self._occurrences and not is_of_one:
            self._of_several()
        if self._occurrences and (local := self._tables & t.AT_ONE_PLACE):
            self._faults.append(f"{', '.join(sorted(local))} stands at the coordinator only")
        if self._occurrences:
            self._faults.extend(f"{name} in FROM" for name in self._sources)
        spread = frozenset(each.table for each in self._occurrences)
        return Verdict(spread, is_of_one, tuple(dict.fromkeys(self._faults)))

    def _looked_up_without_saying_whose(self) -> None:
        """Which server has the rows of a look-up, Citus learns from what is said in it, and not from around it."""
        for each in self._occurrences:
            level = each.level
            if level.outer is None or level.is_joined or each.key in level.values or not level.reaches_out:
                continue
            if level.outer.recurs:
                self._faults.append(_ROW_BY_ROW)
            if self._locks:
                self._faults.append(f"FOR UPDATE, and {each.alias} is looked up")

    def _of_several(self) -> None:
        if self._locks:
            self._faults.append("FOR UPDATE of rows of several servers")
        if self._changed in KEYS:
            self._faults.append(f"{self._changed} is changed on several servers")
        self._faults.extend(fault for level, fault in self._more_than_simple if self._is_pushed_down(level))
        for level in self._levels:
            mine = [each for each in self._occurrences if each.level is level]
            if len({self._root(each.key) for each in mine}) > 1:
                self._faults.append(f"{' and '.join(each.alias for each in mine)} are not joined by their key")
            if self._is_pushed_down(level) and level.outer is not None and mine:
                beyond = [each for each in self._occurrences if each.level is level.outer]
                if level.outer.recurs:
                    self._faults.append(_ROW_BY_ROW)
                elif not {self._root(each.key) for each in mine} & {self._root(each.key) for each in beyond}:
                    self._faults.append(f"{mine[0].alias} is looked up by another column than its key")

    def _is_pushed_down(self, level: Level) -> bool:
        """A query that names columns of the one around it. Others are carried out by themselves, before it."""
        return level.reaches_out

    # Equalities

    def _root(self, node: Node) -> Node:
        while (above := self._same.get(node, node)) != node:
            node = above
        return node

    def _tie(self, one: Node, other: Node, level: Level) -> None:
        for each, value in ((one, other), (other, one)):
            if value[0] == "value":
                level.values.add(each)
        one, other = self._root(one), self._root(other)
        if one == other:
            return
        if other[0] == "value":
            one, other = other, one
        self._same[other] = one

    # Statements

    def statement(self, node: Any) -> None:
        match node:
            case ast.SelectStmt():
                self._select(node, None)
            case ast.InsertStmt():
                self._insert(node)
            case ast.UpdateStmt() | ast.DeleteStmt():
                self._change(node)
            case _:
                self._faults.append(f"{type(node).__name__} is none that was thought of")

    def _select(self, node: Any, outer: Level | None, *, is_joined: bool = False) -> Mapping[str, Node]:
        """Read a query; returns what its columns are."""
        self._with(node, outer)
        if node.op.name != "SETOP_NONE":
            first, other = self._select(node.larg, outer), self._select(node.rarg, outer)
            # The columns of both are what the whole has.
            return {name: self._either(first[name], other.get(name)) for name in first}
        level = self._level(outer)
        level.is_joined = is_joined
        for each in node.fromClause or ():
            self._from(each, level)
        level.recurs = bool(level.names) and not any(each.level is level for each in self._occurrences)
        for each in node.valuesLists or ():
            for value in each:
                self._expression(value, level)
        self._condition(node.whereClause, level)
        for part in (node.targetList, node.groupClause, node.sortClause, node.distinctClause):
            for each in part or ():
                self._expression(each, level)
        self._expression(node.havingClause, level)
        if node.lockingClause:
            self._locks = True
        if node.limitCount is not None or node.limitOffset is not None:
            self._more_than_simple.append((level, "LIMIT or OFFSET in a query that is looked up row by row"))
        return self._columns(node, level)

    def _either(self, one: Node, other: Node | None) -> Node:
        return one if other is not None and self._root(one) == self._root(other) else ("either", str(len(self._same)))

    def _columns(self, node: Any, level: Level) -> Mapping[str, Node]:
        found: dict[str, Node] = {}
        for place, each in enumerate(node.targetList or ()):
            value = each.val
            if isinstance(value, ast.ColumnRef) and isinstance(value.fields[-1], ast.A_Star):
                for name, columns in level.names.items():
                    for column in _all_columns(columns):
                        found[column] = self._column([name, column], level) or ("anything", name, column)
                continue
            name = each.name or (value.fields[-1].sval if isinstance(value, ast.ColumnRef) else f"?{place}")
            found[name] = self._node(value, level) or ("made", str(level.number), name)
        return found

    def _insert(self, node: Any) -> None:
        table = node.relation.relname
        self._tables.add(table)
        self._changed = table
        level = self._level(None)
        names = [each.name for each in node.cols]
        if table in KEYS:
            if KEYS[table] not in names:
                self._faults.append(f"a row of {table} without {KEYS[table]}")
                return
            self._inserted(node, names.index(KEYS[table]), table, level)
        elif node.selectStmt is not None:
            self._select(node.selectStmt, None)
        clause = node.onConflictClause
        if clause is not None and clause.action == OnConflictAction.ONCONFLICT_UPDATE:
            for each in _inside(clause.targetList):
                if isinstance(each, ast.FuncCall):
                    self._faults.append("a function in DO UPDATE")

    def _inserted(self, node: Any, place: int, table: str, level: Level) -> None:
        rows = node.selectStmt.valuesLists
        if rows:
            for number, row in enumerate(rows):
                value = self._node(row[place], level)
                key: Node = ("row", table, str(number))
                if value is not None:
                    self._tie(key, value, level)
                if table not in t.BY_OWN_KEY or number == 0:
                    self._occurrences.append(Occurrence(table, table, key, level))
                for each in row:
                    self._expression(each, level)
            return
        columns = list(self._select(node.selectStmt, None).values())
        self._occurrences.append(Occurrence(table, table, columns[place], level))

    def _change(self, node: Any) -> None:
        self._with(node, None)
        level = self._level(None)
        self._changed = node.relation.relname
        self._from(node.relation, level)
        for each in getattr(node, "fromClause", None) or getattr(node, "usingClause", None) or ():
            self._from(each, level)
        self._condition(node.whereClause, level)
        for each in node.targetList or () if isinstance(node, ast.UpdateStmt) else ():
            if each.name == KEYS.get(self._changed):
                self._faults.append(f"{each.name} of {self._changed} is changed")
            self._expression(each.val, level)

    def _with(self, node: Any, outer: Level | None) -> None:
        if node.withClause is None:
            return
        if node.withClause.recursive:
            self._faults.append("a recursive query")
        for each in node.withClause.ctes:
            if isinstance(each.ctequery, ast.SelectStmt):
                self._ctes[each.ctename] = self._select(each.ctequery, None)
            else:
                self._faults.append("a change as a part of another statement")
                self.statement(each.ctequery)
                self._ctes[each.ctename] = {}

    # FROM

    def _level(self, outer: Level | None) -> Level:
        level = Level(len(self._levels), outer)
        self._levels.append(level)
        return level

    def _from(self, node: Any, level: Level) -> None:
        match node:
            case ast.RangeVar():
                self._table(node, level)
            case ast.JoinExpr():
                self._from(node.larg, level)
                self._from(node.rarg, level)
                self._condition(node.quals, level)
            case ast.RangeSubselect():
                inner = Level(-1, level) if node.lateral else None
                if node.lateral:
                    self._faults.append("LATERAL")
                columns = self._select(node.subquery, inner)
                level.names[node.alias.aliasname] = columns
                if "retailer_id" in columns and _is_carried_out_by_servers(node.subquery):
                    self._occurrences.append(Occurrence("", node.alias.aliasname, columns["retailer_id"], level))
            case ast.RangeFunction():
                alias = node.alias
                named = [each.sval for each in alias.colnames or ()] if alias else []
                number = f"{level.number}.{alias.aliasname if alias else ''}"
                level.names[alias.aliasname if alias else "?"] = {name: ("given", number, name) for name in named}
                for each in _inside(node.functions):
                    if isinstance(each, ast.FuncCall) and each.funcname[-1].sval not in _IMMUTABLE:
                        self._sources.append(each.funcname[-1].sval)
            case _:
                self._faults.append(f"{type(node).__name__} in FROM")

    def _table(self, node: Any, level: Level) -> None:
        alias = node.alias.aliasname if node.alias else node.relname
        if node.relname in self._ctes:
            level.names[alias] = self._ctes[node.relname]
            return
        self._tables.add(node.relname)
        level.names[alias] = node.relname
        if node.relname in KEYS:
            key: Node = ("column", str(level.number), alias, KEYS[node.relname])
            self._occurrences.append(Occurrence(node.relname, alias, key, level))

    # Conditions

    def _condition(self, node: Any, level: Level) -> None:
        match node:
            case None:
                return
            case ast.BoolExpr() if node.boolop == BoolExprType.AND_EXPR:
                for each in node.args:
                    self._condition(each, level)
            case ast.SubLink() if node.subLinkType.name == "EXISTS_SUBLINK":
                self._select(node.subselect, level, is_joined=_is_simple(node.subselect))
            case ast.A_Expr() if node.name[-1].sval == "=" and node.kind.name == "AEXPR_OP":
                one, other = self._node(node.lexpr, level), self._node(node.rexpr, level)
                if one is not None and other is not None:
                    self._tie(one, other, level)
                self._expression(node, level)
            case _:
                self._expression(node, level)

    def _expression(self, node: Any, level: Level) -> None:
        """Look into the queries in an expression."""
        if isinstance(node, ast.SubLink):
            self._expression(node.testexpr, level)
            self._select(node.subselect, level)
            return
        if isinstance(node, ast.ColumnRef):
            self._node(node, level)
            return
        for each in _children(node):
            self._expression(each, level)

    def _node(self, node: Any, level: Level) -> Node | None:
        match node:
            case ast.TypeCast():
                return self._node(node.arg, level)
            case ast.ParamRef():
                value = self._given[node.number - 1] if node.number <= len(self._given) else f"${node.number}"
                return ("value", str(value))
            case ast.A_Const():
                return ("value", str(getattr(node.val, "sval", getattr(node.val, "ival", node.val))))
            case ast.ColumnRef() if not isinstance(node.fields[-1], ast.A_Star):
                return self._column([each.sval for each in node.fields], level)
            case _:
                return None

    def _column(self, fields: Sequence[str], level: Level) -> Node | None:
        *before, column = fields
        at: Level | None = level
        crossed: list[Level] = []
        while at is not None:
            for alias, columns in at.names.items():
                if (before and before[-1] != alias) or column not in _all_columns(columns):
                    continue
                for each in crossed:
                    each.reaches_out = True
                return ("column", str(at.number), alias, column) if isinstance(columns, str) else columns[column]
            crossed.append(at)
            at = at.outer
        return None


_IMMUTABLE: Final = frozenset({"unnest"})
"""Functions that may stand in FROM: what others give might differ from server to server."""


_ROW_BY_ROW: Final = "what every server has is looked up in spread tables, row by row"


def _is_simple(query: Any) -> bool:
    parts = (query.limitCount, query.limitOffset, query.groupClause, query.havingClause, query.withClause)
    return query.op.name == "SETOP_NONE" and not any(parts)


def _all_columns(columns: Mapping[str, Node] | str) -> Sequence[str]:
    if not isinstance(columns, str):
        return list(columns)
    table = t.metadata.tables.get(columns)
    return [column.name for column in table.columns] if table is not None else []


def _is_carried_out_by_servers(query: Any) -> bool:
    """A query in FROM that each server carries out for its rows. Others are carried out before, and sent to all."""
    if query.op.name != "SETOP_NONE" or query.limitCount is not None or query.limitOffset is not None:
        return False
    spread = any(isinstance(each, ast.RangeVar) and each.relname in KEYS for each in _inside(query.fromClause))
    return spread and not query.groupClause and not query.withClause


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, tuple | list):
        yield from node
    elif isinstance(node, ast.Node):
        for name in node:
            if (value := getattr(node, name)) is not None and isinstance(value, ast.Node | tuple):
                yield value


def _inside(node: Any) -> Iterator[Any]:
    yield node
    for each in _children(node):
        yield from _inside(each)
