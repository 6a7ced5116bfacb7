"""One function per question, straight to SQL. Nothing here decides; a party sees what is its own and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ScalarSelect,
    Select,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal_column,
    select,
)

from countermand.domain.delivery import NoticeState
from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.ids import earliest
from countermand.reads.cancellations import PAGE_MAX, CancellationFilter, DuePlace, cancellation_keys, may_see, order_of
from countermand.reads.lookup import Lookup, TooManyFoundError, all_orders_found, orders_found
from countermand.reads.orders import OrderFilter, PlaceInTime, keys_behind, order_page
from countermand.reads.scope import (
    Scope,
    as_indexed,
    is_cancellation,
    line_scope,
    order_scope,
    retailer_of,
)
from countermand.store import tables as t
from countermand.store.columns import IdList, PairList, Record, one_of, pair_of
from countermand.store.statements import NUMBER_END

__all__ = [
    "PAGE_MAX",
    "CancellationFilter",
    "DuePlace",
    "Lookup",
    "OrderFilter",
    "PlaceInTime",
    "Scope",
    "TooManyFoundError",
    "all_orders_found",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """A line with the names around it and the parcels it went in."""

    row: Record
    supplier_name: str
    parcels: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """An order as one party may see it."""

    row: Record
    retailer_name: str
    lines: tuple[LineView, ...] = ()


def list_orders(
    connection: Connection, scope: Scope, wanted: OrderFilter, *, start: int, count: int, newest_first: bool
) -> tuple[int, list[OrderView]]:
    """How many orders match, and the ones from position ``start`` on, at most ``count``, by time of placing.

    Of a long list the number is the least that it has: nothing is counted to its end.
    """
    page = order_page(connection, scope, wanted, start=start, count=count, newest_first=newest_first)
    return page.total, _with_lines(connection, scope, _orders_of(connection, page.keys))


def orders_behind(
    connection: Connection, scope: Scope, wanted: OrderFilter, place: PlaceInTime | None, count: int
) -> list[OrderView]:
    """At most ``count`` orders behind that place of the list, newest first: see ``keys_behind``."""
    keys = keys_behind(connection, scope, wanted, place, count)
    return _with_lines(connection, scope, _orders_of(connection, keys))


def order_by_id(connection: Connection, scope: Scope, order: UUID) -> OrderView | None:
    """One order, or ``None`` when there is none that this party may see."""
    mine = (t.orders.c.retailer_id == retailer_of(order), t.orders.c.id == order)
    rows = connection.execute(select(t.orders).where(*mine, order_scope(scope))).all()
    return next(iter(_with_lines(connection, scope, rows)), None)


def orders_by_lookup(connection: Connection, scope: Scope, wanted: Lookup, count: int) -> list[OrderView]:
    """At most ``count`` orders that fit, newest first."""
    keys = orders_found(connection, scope, wanted, count)
    return _with_lines(connection, scope, _orders_of(connection, keys))


def orders_by_reference(connection: Connection, scope: Scope, reference: str) -> list[OrderView]:
    """Every order with this purchase order number, oldest first: a number need not be unique."""
    wanted = OrderFilter(reference=reference)
    page = order_page(connection, scope, wanted, start=0, count=PAGE_MAX, newest_first=False)
    return _with_lines(connection, scope, _orders_of(connection, page.keys))


def _orders_of(connection: Connection, keys: Sequence[Record]) -> Sequence[Record]:
    """These orders, each given as a retailer and an id, in the order in which they are given."""
    if not keys:
        return []
    pairs = bindparam("orders", [(key.retailer_id, key.order_id) for key in keys], type_=PairList())
    found = connection.execute(select(t.orders).where(pair_of(t.orders.c.retailer_id, t.orders.c.id, pairs)))
    by_id = {row.id: row for row in found}
    return [by_id[key.order_id] for key in keys]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenOrder:
    """An order of a retailer with those of its lines that are neither shipped nor cancelled in full.

    ``asked_by_customer`` holds the lines that a customer wants cancelled and nobody has answered yet.
    """

    row: Record
    lines: tuple[Record, ...]
    asked_by_customer: frozenset[UUID]


def open_orders(
    connection: Connection, retailer: UUID, *, start: int, count: int, number: int | None = None
) -> list[OpenOrder]:
    """A retailer's orders with something left to ship, newest first; ``number`` picks one by bol's number."""
    unfinished = as_indexed("lines.unfinished")
    if number is not None:
        mine = (t.orders.c.retailer_id == retailer, t.orders.c.number == number)
        inside = (t.lines.c.retailer_id == t.orders.c.retailer_id, t.lines.c.order_id == t.orders.c.id)
        numbered = select(t.orders).where(*mine, exists().where(*inside, unfinished))
        orders = connection.execute(numbered.offset(start).limit(count)).all()
    else:
        keys = (
            select(t.lines.c.retailer_id, t.lines.c.order_id, t.lines.c.placed_at)
            .where(t.lines.c.retailer_id == retailer, unfinished)
            .distinct()
            .order_by(t.lines.c.placed_at.desc(), t.lines.c.order_id.desc())
        )
        orders = _orders_of(connection, connection.execute(keys.offset(start).limit(count)).all())
    if not orders:
        return []
    lines = connection.execute(
        select(t.lines)
        .where(t.lines.c.retailer_id == retailer, t.lines.c.order_id.in_([order.id for order in orders]), unfinished)
        .order_by(t.lines.c.position)
    ).all()
    asked = _asked_by_customer(connection, retailer, [line.id for line in lines if line.asked])
    of_order: dict[UUID, list[Record]] = {}
    for line in lines:
        of_order.setdefault(line.order_id, []).append(line)
    return [OpenOrder(row=order, lines=tuple(of_order[order.id]), asked_by_customer=asked) for order in orders]


def _asked_by_customer(connection: Connection, retailer: UUID, lines: list[UUID]) -> frozenset[UUID]:
    if not lines:
        return frozenset()
    rows = connection.execute(
        select(t.cancellations.c.line_id).where(
            t.cancellations.c.retailer_id == retailer,
            # One parameter, however many lines there are: both drivers count them, and the list of v2.0 has no pages.
            one_of(t.cancellations.c.line_id, bindparam("lines", lines, type_=IdList())),
            t.cancellations.c.state == "asked",
            t.cancellations.c.asker == "customer",
        )
    )
    return frozenset(row.line_id for row in rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentView:
    """A parcel with its order and what was in it: pairs of a line and how many of its units."""

    row: Record
    order: Record
    contents: tuple[tuple[Record, int], ...]


def shipments(
    connection: Connection,
    retailer: UUID,
    *,
    start: int = 0,
    count: int = PAGE_MAX,
    order_number: int | None = None,
    number: int | None = None,
) -> list[ShipmentView]:
    """Parcels of a retailer's orders, newest first; ``number`` picks one by bol's number of it."""
    conditions = [t.shipments.c.retailer_id == retailer]
    if number is not None:
        conditions.append(t.shipments.c.number == number)
    if order_number is not None:
        numbered = select(t.orders.c.id).where(t.orders.c.retailer_id == retailer, t.orders.c.number == order_number)
        conditions.append(t.shipments.c.order_id == numbered.scalar_subquery())
    query = select(t.shipments).where(*conditions)
    if number is None and order_number is None:
        query = query.order_by(t.shipments.c.id.desc()).offset(start).limit(count)
        rows = list(connection.execute(query))
    else:
        # Few, and sorted here: SQLite would go through all of the retailer's to have them in order.
        rows = sorted(connection.execute(query), key=attrgetter("id"), reverse=True)[start : start + count]
    if not rows:
        return []
    order_ids = {row.order_id for row in rows}
    orders = {
        row.id: row
        for row in connection.execute(
            select(t.orders).where(t.orders.c.retailer_id == retailer, t.orders.c.id.in_(order_ids))
        )
    }
    contents: dict[UUID, list[tuple[Record, int]]] = {}
    inside = connection.execute(
        select(t.shipment_lines.c.shipment_id, t.shipment_lines.c.units, t.lines)
        .join(t.lines, t.named_by(t.shipment_lines.c.line_id, t.lines))
        .where(t.shipment_lines.c.retailer_id == retailer, t.shipment_lines.c.shipment_id.in_([r.id for r in rows]))
        .order_by(t.lines.c.position)
    )
    for line in inside:
        contents.setdefault(line.shipment_id, []).append((line, line.units))
    return [ShipmentView(row=row, order=orders[row.order_id], contents=tuple(contents.get(row.id, ()))) for row in rows]


def line_of_number(connection: Connection, retailer: UUID, number: int) -> Record | None:
    """The line that a retailer knows by this number of bol's."""
    return connection.execute(
        select(t.lines.c.id, t.lines.c.order_id).where(t.lines.c.retailer_id == retailer, t.lines.c.number == number)
    ).first()


def line_of_bol_number(connection: Connection, number: int) -> Record | None:
    """The line that has this number of bol's, whoever its retailer is. For operators."""
    if number > NUMBER_END:
        return None
    return connection.execute(
        select(t.lines)
        .join(
            t.line_numbers,
            and_(t.line_numbers.c.retailer_id == t.lines.c.retailer_id, t.line_numbers.c.line_id == t.lines.c.id),
        )
        .where(t.line_numbers.c.number == number)
    ).first()


def line_by_id(connection: Connection, scope: Scope, line: UUID) -> Record | None:
    """One line, or ``None`` when there is none that this party may see."""
    mine = (t.lines.c.retailer_id == retailer_of(line), t.lines.c.id == line)
    return connection.execute(select(t.lines).where(*mine, line_scope(scope))).first()


def process_status(connection: Connection, retailer: UUID, number: int) -> Record | None:
    """How an asynchronous call of this retailer is doing."""
    return connection.execute(
        select(t.process_statuses).where(
            t.process_statuses.c.retailer_id == retailer, t.process_statuses.c.number == number
        )
    ).first()


def party_name(connection: Connection, party: UUID) -> str | None:
    """What the party is called."""
    return connection.execute(select(t.parties.c.name).where(t.parties.c.id == party)).scalar()


def line_view(connection: Connection, scope: Scope, line: UUID) -> Record | None:
    """One line with its order and the names around it, or ``None`` when there is none that this party may see."""
    query = (
        select(
            t.lines,
            t.orders.c.reference,
            t.orders.c.currency,
            _retailer.c.name.label("retailer_name"),
            _fulfiller.c.name.label("fulfiller_name"),
        )
        .join(t.orders, t.named_by(t.lines.c.order_id, t.orders))
        .join(_retailer, _retailer.c.id == t.lines.c.retailer_id)
        .join(_fulfiller, _fulfiller.c.id == t.lines.c.fulfiller_id)
        .where(t.lines.c.retailer_id == retailer_of(line), t.lines.c.id == line, line_scope(scope))
    )
    return connection.execute(query).first()


def active_suppliers(connection: Connection, parties: Sequence[UUID]) -> dict[UUID, PartyKind]:
    """Those of ``parties`` that can hold goods: active suppliers and retailers."""
    rows = connection.execute(
        select(t.parties.c.id, t.parties.c.kind).where(
            t.parties.c.id.in_(parties), t.parties.c.status == "active", t.parties.c.kind != "platform"
        )
    )
    return {row.id: PartyKind(row.kind) for row in rows}


def list_parties(connection: Connection) -> Sequence[Record]:
    """Every party, by name."""
    return connection.execute(select(t.parties).order_by(t.parties.c.name, t.parties.c.id)).all()


def list_cancellations(connection: Connection, scope: Scope, wanted: CancellationFilter) -> Sequence[Record]:
    """Cancellations with the line each is about, and names: newest first, or longest due first."""
    if wanted.lookup and wanted.lookup.is_given:
        wanted = replace(wanted, orders=all_orders_found(connection, scope, wanted.lookup))
    keys = cancellation_keys(scope, wanted).subquery()
    query = _CANCELLATIONS.join(
        keys, and_(keys.c.retailer_id == t.cancellations.c.retailer_id, keys.c.id == t.cancellations.c.id)
    )
    return connection.execute(query.order_by(*order_of(keys.c, wanted))).all()


def cancellation_by_id(connection: Connection, scope: Scope, cancellation: UUID) -> Record | None:
    """One cancellation, or ``None`` when there is none that this party may see."""
    return connection.execute(_CANCELLATIONS.where(is_cancellation(cancellation), may_see(scope))).first()


def is_escalated(cancellation: Record) -> bool:
    """Whether the operator has to answer it."""
    waits = cancellation.state == State.ASKED.value
    return bool(waits and cancellation.awaiting is None and not cancellation.agreed)


def waiting_units(cancellation: Record) -> int:
    """How many units of this one wait for an answer."""
    waits = cancellation.state == State.ASKED.value
    return int(cancellation.units - cancellation.rest_units) if waits else 0


def cancellation_to_answer(
    connection: Connection, *, party: UUID, retailer: UUID, cancellation: UUID
) -> tuple[Record, Record] | None:
    """A party and all that a person needs to answer one cancellation for it, with names.

    ``None`` when there is no such party, it was deactivated, or may not see the cancellation.
    """
    who = connection.execute(select(t.parties).where(t.parties.c.id == party, t.parties.c.status == "active")).first()
    if who is None:
        return None
    query = _TO_ANSWER.where(
        t.cancellations.c.retailer_id == retailer,
        t.cancellations.c.id == cancellation,
        may_see(Scope(party=who.id, kind=PartyKind(who.kind))),
    )
    row = connection.execute(query).first()
    return (who, row) if row is not None else None


def policy_history(connection: Connection, retailer: UUID, fulfiller: UUID) -> Sequence[Record]:
    """Every version of what this retailer agreed with this fulfiller, newest first."""
    query = select(t.policies).where(t.policies.c.retailer_id == retailer, t.policies.c.fulfiller_id == fulfiller)
    return connection.execute(query.order_by(t.policies.c.version.desc())).all()


def last_policy_version(connection: Connection, retailer: UUID) -> int:
    """The number of the retailer's latest version, whoever it is with; 0 before the first."""
    query = select(func.max(t.policies.c.version)).where(t.policies.c.retailer_id == retailer)
    return connection.execute(query).scalar_one() or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFilter:
    """Which notices to list; what is left out does not matter."""

    state: str | None = None
    endpoint: UUID | None = None
    since: datetime | None = None


def list_notices(connection: Connection, wanted: NoticeFilter, limit: int, now: datetime) -> Sequence[Record]:
    """Notices with the addresses of their endpoints, newest first.

    What is due and what is dead have indexes of their own. Anything else is looked for from now on backwards, by keys,
    in pieces of time that grow: what is older than the page is not read.
    """
    notices = t.notices.c
    query = select(t.notices, t.endpoints.c.url).join(t.endpoints, t.endpoints.c.id == notices.endpoint_id)
    if wanted.endpoint is not None:
        query = query.where(notices.endpoint_id == wanted.endpoint)
    if wanted.since is not None:
        query = query.where(notices.created_at >= wanted.since)
    if wanted.state is not None:
        # As a literal: a partial index serves no parameter.
        query = query.where(notices.state == literal_column(f"'{NoticeState(wanted.state)}'"))
    query = query.order_by(notices.id.desc())
    if wanted.state in (NoticeState.DUE, NoticeState.DEAD):
        here = notices.partition.in_(range(t.PARTITIONS))
        return connection.execute(query.where(here).limit(limit)).all()
    return _backwards(connection, query.where(_of_sellers(connection, wanted.endpoint)), limit, wanted.since, now)


def _of_sellers(connection: Connection, endpoint: UUID | None) -> ColumnElement[bool]:
    """Of retailers whose lines the owner of this endpoint may see, or of any."""
    scope = Scope(party=UUID(int=0), kind=PartyKind.PLATFORM)
    if endpoint is not None:
        owner = select(t.parties.c.id, t.parties.c.kind).join(t.endpoints, t.endpoints.c.party_id == t.parties.c.id)
        row = connection.execute(owner.where(t.endpoints.c.id == endpoint)).first()
        if row is None:
            return false()
        scope = Scope(party=row.id, kind=PartyKind(row.kind))
    sellers = bindparam("sellers", sorted(_sellers(connection, scope)), type_=IdList())
    return one_of(t.notices.c.retailer_id, sellers)


def _backwards(
    connection: Connection, query: Select[Any], limit: int, since: datetime | None, now: datetime
) -> list[Record]:
    """The first rows of a query of notices, by their ids, which sort by time."""
    notices, first = t.notices.c, max(since or _FIRST_DAY, _FIRST_DAY)
    rows: list[Record] = []
    end, piece = None, _FIRST_PIECE
    begin = now - piece
    while True:
        here = [notices.id > earliest(begin)] if end is None else [notices.id > earliest(begin), notices.id <= end]
        rows += connection.execute(query.where(*here).limit(limit - len(rows))).all()
        # An id may be a little older than what it names.
        if len(rows) >= limit or begin < first - _FIRST_PIECE:
            return rows
        end, piece = earliest(begin), 2 * piece
        begin = max(begin - piece, _FIRST_DAY - 2 * _FIRST_PIECE)


def notice_by_id(connection: Connection, notice: UUID) -> Record | None:
    """One notice, whoever's it is; ``None`` when there is none."""
    retailers = select(t.parties.c.id).where(t.parties.c.kind == PartyKind.RETAILER.value)
    query = select(t.notices).where(t.notices.c.retailer_id.in_(retailers), t.notices.c.id == notice)
    return connection.execute(query).first()


_FIRST_PIECE: Final = timedelta(hours=1)
_FIRST_DAY: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""Nothing here is older."""


def _sellers(connection: Connection, scope: Scope) -> set[UUID]:
    """The retailers some of whose lines this party may see."""
    if scope.kind is PartyKind.PLATFORM:
        query = select(t.parties.c.id).where(t.parties.c.kind == PartyKind.RETAILER.value)
    else:
        query = select(t.connections.c.retailer_id).where(t.connections.c.supplier_id == scope.party)
    own = {scope.party} if scope.kind is PartyKind.RETAILER else set()
    return own | set(connection.execute(query).scalars())


_retailer, _fulfiller = (t.parties.alias(name) for name in ("retailer", "fulfiller"))

_retailer_party, _asked_by, _awaited, _answered_by = (
    t.parties.alias(name) for name in ("retailer_party", "asked_by", "awaited", "answered_by")
)


def _party_name(column: Column[Any]) -> ScalarSelect[str]:
    """Looked up row by row, like ``looked_up``."""
    return select(t.parties.c.name).where(t.parties.c.id == column).correlate(column.table).scalar_subquery()


_CANCELLATIONS: Final = select(
    t.cancellations,
    t.looked_up(t.lines.c.sku, t.cancellations.c.line_id),
    t.looked_up(t.lines.c.ordered, t.cancellations.c.line_id),
    t.looked_up(t.lines.c.number, t.cancellations.c.line_id).label("line_number"),
    t.looked_up(t.orders.c.reference, t.cancellations.c.order_id),
    _party_name(t.cancellations.c.retailer_id).label("retailer_name"),
    _party_name(t.cancellations.c.fulfiller_id).label("fulfiller_name"),
    _party_name(t.cancellations.c.awaiting).label("awaiting_name"),
)

_TO_ANSWER: Final = (
    select(
        t.cancellations,
        t.lines.c.sku,
        t.lines.c.title,
        t.lines.c.ordered,
        t.lines.c.open,
        t.lines.c.asked,
        t.lines.c.shipped,
        t.orders.c.reference,
        _retailer_party.c.name.label("retailer_name"),
        _asked_by.c.name.label("asked_by_name"),
        _awaited.c.name.label("awaiting_name"),
        _answered_by.c.name.label("answered_by_name"),
    )
    .join(t.lines, t.named_by(t.cancellations.c.line_id, t.lines))
    .join(t.orders, t.named_by(t.cancellations.c.order_id, t.orders))
    .join(_retailer_party, _retailer_party.c.id == t.cancellations.c.retailer_id)
    .join(_asked_by, _asked_by.c.id == t.cancellations.c.asked_by)
    .outerjoin(_awaited, _awaited.c.id == t.cancellations.c.awaiting)
    .outerjoin(_answered_by, _answered_by.c.id == t.cancellations.c.answered_by)
)


def _with_lines(connection: Connection, scope: Scope, orders: Sequence[Record]) -> list[OrderView]:
    if not orders:
        return []
    pairs = bindparam("orders", [(order.retailer_id, order.id) for order in orders], type_=PairList())
    lines = connection.execute(
        select(t.lines)
        .where(pair_of(t.lines.c.retailer_id, t.lines.c.order_id, pairs), line_scope(scope))
        .order_by(t.lines.c.position)
    ).all()
    parcels = _parcels(connection, lines)
    names = _names(connection, {order.retailer_id for order in orders} | {line.fulfiller_id for line in lines})
    views: dict[UUID, list[LineView]] = {}
    for line in lines:
        view = LineView(row=line, supplier_name=names[line.fulfiller_id], parcels=tuple(parcels.get(line.id, ())))
        views.setdefault(line.order_id, []).append(view)
    return [
        OrderView(row=order, retailer_name=names[order.retailer_id], lines=tuple(views.get(order.id, ())))
        for order in orders
    ]


def _parcels(connection: Connection, lines: Sequence[Record]) -> dict[UUID, list[Record]]:
    pairs = bindparam("lines", [(line.retailer_id, line.id) for line in lines], type_=PairList())
    rows = connection.execute(
        select(t.shipment_lines.c.line_id, t.shipment_lines.c.units, t.shipments)
        .join(t.shipments, t.named_by(t.shipment_lines.c.shipment_id, t.shipments))
        .where(pair_of(t.shipment_lines.c.retailer_id, t.shipment_lines.c.line_id, pairs))
    )
    parcels: dict[UUID, list[Record]] = {}
    # Sorted here: SQLite would go through all of the retailers' to have them in order.
    for row in sorted(rows, key=attrgetter("id")):
        parcels.setdefault(row.line_id, []).append(row)
    return parcels


def closed_secrets(connection: Connection) -> list[bytes]:
    """The oldest and the newest encrypted secret of each kind that still counts: enough to know a wrong key file by."""
    keys = select(t.credentials.c.secret).where(as_indexed(t.ENCRYPTED_KEY))
    webhooks = select(t.endpoints.c.secrets).where(as_indexed(t.ENCRYPTED_ENDPOINT))
    ordered = [
        query.order_by(order).limit(1)
        for query, column in ((keys, t.credentials.c.created_at), (webhooks, t.endpoints.c.created_at))
        for order in (column, column.desc())
    ]
    return [secret for query in ordered for secret in connection.execute(query).scalars()]


def _names(connection: Connection, parties: set[UUID]) -> dict[UUID, str]:
    rows = connection.execute(select(t.parties.c.id, t.parties.c.name).where(t.parties.c.id.in_(parties)))
    return {row.id: row.name for row in rows}
