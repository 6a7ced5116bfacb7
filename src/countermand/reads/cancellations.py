"""Which cancellations a list shows: each kind of caller and each filter has an index that gives them in their order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal_column, or_, select, union_all

from countermand.domain.commands import PartyKind
from countermand.domain.line import State
from countermand.reads.scope import Scope, as_indexed, asked_before_it_left, line_scope, retailer_of
from countermand.store import tables as t

PAGE_MAX: Final = 200

_STATES: Final = tuple(state.value for state in State)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationFilter:
    """Which cancellations to list. ``after`` is the id of the last one of the page before."""

    state: str | None = None
    awaiting: UUID | None = None
    line: UUID | None = None
    order: UUID | None = None
    after: UUID | None = None
    limit: int = 50


def cancellation_keys(scope: Scope, wanted: CancellationFilter) -> Select[*tuple[Any, ...]]:
    """The keys of the page that is wanted, newest first."""
    # One more tells whether there is a further page.
    limit = min(wanted.limit, PAGE_MAX + 1)
    branches = [
        _KEYS.where(*where, *_common(scope, wanted)).order_by(t.cancellations.c.id.desc()).limit(limit).subquery()
        for where in _branches(scope, wanted)
    ]
    together = union_all(*(select(branch) for branch in branches)).subquery()
    return select(together).order_by(together.c.id.desc()).limit(limit)


_KEYS: Final = select(t.cancellations.c.retailer_id, t.cancellations.c.id)


def _common(scope: Scope, wanted: CancellationFilter) -> list[ColumnElement[bool]]:
    """What holds in every branch besides its key."""
    given = {"state": wanted.state, "awaiting": wanted.awaiting, "line_id": wanted.line, "order_id": wanted.order}
    conditions = [t.cancellations.c[name] == value for name, value in given.items() if value is not None]
    if wanted.after:
        conditions.append(t.cancellations.c.id < wanted.after)
    return conditions


def may_see(scope: Scope) -> ColumnElement[bool]:
    """Looked up row by row: ``OFFSET 0`` keeps PostgreSQL from joining all lines instead."""
    seen = (t.named_by(t.cancellations.c.line_id, t.lines), line_scope(scope))
    lines: Select[Any] = select(literal_column("1")).select_from(t.lines).where(*seen).offset(0)
    return or_(lines.correlate_except(t.lines).exists(), asked_before_it_left(scope))


def _branches(scope: Scope, wanted: CancellationFilter) -> Iterator[list[Any]]:
    """The keys that together lead to all that the party may see, and to nothing twice."""
    cancellations = t.cancellations.c
    seen = [] if scope.kind is PartyKind.PLATFORM else [may_see(scope)]
    if wanted.line is not None:
        yield [cancellations.retailer_id == retailer_of(wanted.line), *seen]
    elif wanted.order is not None:
        home = retailer_of(wanted.order)
        lines = select(t.lines.c.id).where(t.lines.c.retailer_id == home, t.lines.c.order_id == wanted.order)
        yield [cancellations.retailer_id == home, cancellations.line_id.in_(lines), *seen]
    elif wanted.awaiting is not None:
        yield seen
    else:
        if scope.kind is PartyKind.RETAILER:
            yield [cancellations.retailer_id == scope.party]
        for state in [wanted.state] if wanted.state else _STATES:
            if scope.kind is PartyKind.PLATFORM:
                yield [cancellations.state == state]
            else:
                another = as_indexed("cancellations.fulfiller_id <> cancellations.retailer_id")
                yield [another, cancellations.fulfiller_id == scope.party, cancellations.state == state, *seen]
