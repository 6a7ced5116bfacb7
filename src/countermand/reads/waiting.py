"""What waits for somebody, in numbers: for the console and for ``countermand doctor``.

Each is counted along an index, and no further than ``COUNTED_MAX``. No ask is counted twice.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Select, func, literal_column, select, union_all

from countermand.domain.delivery import NoticeState
from countermand.domain.endpoint import EndpointState
from countermand.domain.money.refunds import RefundState
from countermand.domain.parties import PartyKind
from countermand.reads.cancellations import CancellationFilter, cancellation_keys
from countermand.reads.refunds import sees_refunds_of
from countermand.reads.scope import Scope
from countermand.store import tables as t

COUNTED_MAX: Final = 99
"""More are not counted: ``99+`` says enough."""

_MONEY: Final = (RefundState.PARKED, RefundState.UNKNOWN, RefundState.BY_HAND)


@dataclass(frozen=True, slots=True)
class Money:
    """How many refunds there are, and the sum of those that were counted, in minor units by currency."""

    number: int = 0
    sums: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits. Each number goes to ``COUNTED_MAX`` and one more.

    ``mine`` are asks that wait for an answer of the party, ``mine_late`` those of them whose deadline has passed.
    ``late`` are the others whose deadline has passed, without that what was agreed for this case has happened yet.
    ``escalated`` are asks that wait for an operator. ``in_doubt`` are refunds whose provider has not said whether the
    money moved. ``failing_since`` is when the first of the failing endpoints began to fail.
    """

    mine: int = 0
    mine_late: int = 0
    late: int = 0
    escalated: int = 0
    parked: Money = Money()
    in_doubt: Money = Money()
    by_hand: Money = Money()
    failing: int = 0
    failing_since: datetime | None = None
    stopped: int = 0
    dead: int = 0

    @property
    def asks(self) -> int:
        """Asks that need the visitor."""
        return self.mine + self.late + self.escalated

    @property
    def refunds(self) -> int:
        """Refunds that need a person."""
        return self.parked.number + self.in_doubt.number + self.by_hand.number

    @property
    def endpoints(self) -> int:
        """Endpoints where something does not arrive."""
        return self.failing + self.stopped


NOTHING_WAITS: Final = Waiting()


def waiting_for(connection: Connection, scope: Scope, now: datetime, *, grace: timedelta = timedelta()) -> Waiting:
    """What waits for a party, or for operators: what it may see of it. A deadline is late after some ``grace``."""
    row = connection.execute(select(*_numbers(scope, now - grace))).one()
    money = {} if scope.kind is PartyKind.SUPPLIER else _money(connection, scope)
    return Waiting(
        **row._mapping,
        parked=money.get(RefundState.PARKED, Money()),
        in_doubt=money.get(RefundState.UNKNOWN, Money()),
        by_hand=money.get(RefundState.BY_HAND, Money()),
    )


def counted(number: int) -> str:
    """A count in digits, up to where it was counted."""
    return f"{COUNTED_MAX}+" if number > COUNTED_MAX else str(number)


def late_for(scope: Scope, now: datetime) -> CancellationFilter:
    """Which asks are late: for a party those of others. Its own are among those that wait for its answer."""
    mine = None if scope.kind is PartyKind.PLATFORM else scope.party
    return CancellationFilter(overdue=now, not_awaiting=mine, by_due=True)


def _numbers(scope: Scope, late: datetime) -> Iterator[Any]:
    for name, wanted in _asks(scope, late):
        yield _count(cancellation_keys(scope, wanted)).label(name)
    endpoints, mine = t.endpoints.c, _endpoints_of(scope)
    failing = select(endpoints.failing_since).where(
        *mine, literal_column(t.FAILING), endpoints.state == EndpointState.ACTIVE.value
    )
    yield _count(failing).label("failing")
    first = failing.order_by(endpoints.failing_since).limit(literal_column("1"))
    yield first.scalar_subquery().label("failing_since")
    yield _count(select(endpoints.id).where(*mine, literal_column(t.STOPPED))).label("stopped")
    yield _count(_dead(scope)).label("dead")


def _asks(scope: Scope, late: datetime) -> Iterator[tuple[str, CancellationFilter]]:
    most = COUNTED_MAX + 1
    if scope.kind is PartyKind.PLATFORM:
        yield "escalated", CancellationFilter(escalated=True, by_due=True, limit=most)
    else:
        yield "mine", CancellationFilter(awaiting=scope.party, by_due=True, limit=most)
        yield "mine_late", CancellationFilter(awaiting=scope.party, overdue=late, by_due=True, limit=most)
    yield "late", replace(late_for(scope, late), limit=most)


def _count(query: Select[Any]) -> Any:
    """How many rows it has, up to the bound."""
    some = query.limit(COUNTED_MAX + 1).subquery()
    return select(func.count()).select_from(some).scalar_subquery()


def _endpoints_of(scope: Scope) -> list[Any]:
    return [] if scope.kind is PartyKind.PLATFORM else [t.endpoints.c.party_id == scope.party]


def _dead(scope: Scope) -> Select[Any]:
    notices, endpoints = t.notices.c, t.endpoints.c
    # As literals: the index is of dead ones only, and begins with the partition.
    query = select(notices.id).where(
        notices.partition.in_(range(t.PARTITIONS)), notices.state == literal_column(f"'{NoticeState.DEAD}'")
    )
    if scope.kind is PartyKind.PLATFORM:
        return query
    return query.where(notices.endpoint_id.in_(select(endpoints.id).where(endpoints.party_id == scope.party)))


def _money(connection: Connection, scope: Scope) -> dict[str, Money]:
    refunds = t.refunds.c
    branches = (
        select(refunds.state, refunds.currency, refunds.amount_minor)
        .where(refunds.state == state.value, *sees_refunds_of(scope))
        .limit(COUNTED_MAX + 1)
        .subquery(f"branch_{place}")
        for place, state in enumerate(_MONEY)
    )
    some = union_all(*(select(branch) for branch in branches)).subquery("found").c
    sums = select(some.state, some.currency, func.count().label("number"), func.sum(some.amount_minor).label("minor"))
    found: dict[str, Money] = {}
    for row in connection.execute(sums.group_by(some.state, some.currency)):
        before = found.get(row.state, Money())
        found[row.state] = Money(before.number + row.number, {**before.sums, row.currency: int(row.minor)})
    return found
