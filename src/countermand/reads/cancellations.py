"""Which cancellations a list shows: each kind of caller and each filter has an index that gives them in their order."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, select, true, union_all

from countermand.domain.commands import PartyKind
from countermand.domain.line import State
from countermand.reads.scope import Scope, as_indexed, line_scope, retailer_of
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


_KEYS: Final = select(t.cancellations.c.retailer_id, t.cancellations.c.id).join(
    t.lines, t.named_by(t.cancellations.c.line_id, t.lines)
)


def _common(scope: Scope, wanted: CancellationFilter) -> list[ColumnElement[bool]]:
    """What holds in every branch besides its key."""
    given = {"state": wanted.state, "awaiting": wanted.awaiting, "line_id": wanted.line, "order_id": wanted.order}
    conditions = [t.cancellations.c[name] == value for name, value in given.items() if value is not None]
    if wanted.after:
        conditions.append(t.cancellations.c.id < wanted.after)
    return [*conditions, line_scope(scope)]


def _branches(scope: Scope, wanted: CancellationFilter) -> Iterator[list[Any]]:
    """The keys that together lead to all that the party may see, and to nothing twice."""
    cancellations = t.cancellations.c
    if wanted.line is not None or wanted.order is not None:
        yield _of_lines(wanted)
        return
    if wanted.awaiting is not None:
        yield []
        return
    if scope.kind is PartyKind.RETAILER:
        yield [cancellations.retailer_id == scope.party]
    for state in [wanted.state] if wanted.state else _STATES:
        if scope.kind is PartyKind.PLATFORM:
            yield [cancellations.state == state]
        else:
            another = as_indexed("cancellations.fulfiller_id <> cancellations.retailer_id")
            yield [another, cancellations.fulfiller_id == scope.party, cancellations.state == state]


def _of_lines(wanted: CancellationFilter) -> list[Any]:
    cancellations, lines = t.cancellations.c, t.lines.c
    if wanted.line is not None:
        return [cancellations.retailer_id == retailer_of(wanted.line), cancellations.line_id == wanted.line]
    assert wanted.order is not None
    home = retailer_of(wanted.order)
    return [and_(true(), lines.retailer_id == home, lines.order_id == wanted.order)]
