"""Every statement of the write road, by name. All are set-based: one execution serves a whole batch."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Integer,
    Select,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    literal_column,
    not_,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.sql.selectable import TextualSelect

from countermand.domain.events import REMARKS, STEPS, EventKind
from countermand.store import tables as t
from countermand.store.columns import Id, IdList, Instant, NumberList, PairList, one_of, pair_of
from countermand.store.engines.protocol import RowUpdate

NUMBER_END: Final = 2**31 - 1
"""bol's numbers stay below: an old client keeps them in a signed 32-bit integer."""

_RETAILERS = bindparam("retailers", type_=IdList())

RETAILERS_OF = select(t.id_directory.c.id, t.id_directory.c.retailer_id).where(
    one_of(t.id_directory.c.id, bindparam("ids", type_=IdList()))
)
"""Which retailer each of these orders or lines belongs to."""

_RETAILERS_OF_SPEAKERS: Final = """
SELECT {id} AS id, here.retailer_id FROM {keys} AS key LEFT JOIN {here}
WHERE here.retailer_id = {party}
OR EXISTS (SELECT 1 FROM lines WHERE lines.retailer_id = COALESCE(here.retailer_id, {nobody})
 AND lines.id = {id} AND lines.fulfiller_id = {party} AND lines.with_fulfiller{each})
OR EXISTS (SELECT 1 FROM order_parts WHERE order_parts.retailer_id = COALESCE(here.retailer_id, {nobody})
 AND order_parts.order_id = {id} AND order_parts.fulfiller_id = {party}{each})
OR EXISTS (SELECT 1 FROM reassignments WHERE reassignments.retailer_id = COALESCE(here.retailer_id, {nobody})
 AND reassignments.line_id = {id} AND reassignments.former_id = {party}{each})
"""


def retailers_of_speakers(**words: str) -> TextualSelect:
    """The same of those that their speakers have to do with, or had: pairs of an order or a line, and a party.

    What is another's gives no row, like what is absent, and the same is looked up for both: a row that is fetched, and
    dropped later, is found by its time. Each engine has its own words for it.
    """
    return (
        text(_RETAILERS_OF_SPEAKERS.format(**words))
        .bindparams(bindparam("speakers", type_=PairList()))
        .columns(id=Id, retailer_id=Id)
    )


LINES_OF_ORDERS = select(t.lines.c.retailer_id, t.lines.c.id).where(
    pair_of(t.lines.c.retailer_id, t.lines.c.order_id, bindparam("orders", type_=PairList()))
)
"""The lines of these orders. An order gets no lines after it was placed."""

_OF_ORDERS: Final = (t.orders.c.id, t.orders.c.retailer_id, t.orders.c.reference, t.orders.c.details)

PLACED_ORDERS = union_all(
    select(*_OF_ORDERS).where(
        one_of(t.orders.c.retailer_id, _RETAILERS), t.orders.c.reference.in_(bindparam("references", expanding=True))
    ),
    select(*_OF_ORDERS).where(
        pair_of(t.orders.c.retailer_id, t.orders.c.id, bindparam("orders", type_=PairList())),
        t.orders.c.reference.not_in(bindparam("references", expanding=True)),
    ),
)
"""Orders of these retailers that have one of these references or ids."""

LINES_OF_NUMBERS = select(t.line_numbers.c.number, t.line_numbers.c.retailer_id, t.line_numbers.c.line_id).where(
    one_of(t.line_numbers.c.number, bindparam("numbers", type_=NumberList()))
)
"""Which line each of bol's numbers stands for."""

RETAILERS_OF_PAYMENTS = select(t.payment_directory).where(
    t.payment_directory.c.provider.in_(bindparam("providers", expanding=True)),
    t.payment_directory.c.reference.in_(bindparam("references", expanding=True)),
)
"""Which retailer each of these payments belongs to, and some more of the same names at other providers."""

REVISION = select(t.revisions.c.number).where(t.revisions.c.name == literal_column(f"'{t.AGREEMENTS}'"))
"""How often policies and endpoints were changed."""

_BUCKETS: Final = ("open", "asked", "cancelled", "shipped")
_ALLOCATION: Final = ("allocated", "accepted", "backordered", "rejected", "backorder_on")
_NEVER_CHANGED: Final = (
    "retailer_id",
    "id",
    "number",
    "order_id",
    "fulfiller_id",
    "placed_at",
    "with_fulfiller",
    "ordered",
    "priced",
)

LINE_COLUMNS = [t.lines.c[name] for name in (*_NEVER_CHANGED, *_BUCKETS, *_ALLOCATION, "seq")]


def _lock(column: Column[Any]) -> Select[*tuple[Any, ...]]:
    return (
        select(*LINE_COLUMNS, REVISION.scalar_subquery().label("revision"))
        .where(pair_of(t.lines.c.retailer_id, column, bindparam("lines", type_=PairList())))
        .order_by(t.lines.c.retailer_id, t.lines.c.id)
        .with_for_update(of=t.lines)
    )


LOCK_LINES = _lock(t.lines.c.id)
"""These lines, locked in one order everywhere, so that two batches can wait for each other but not deadlock."""

LOCK_LINES_OF_NUMBERS = _lock(t.lines.c.number)
"""The same for lines whose retailers call them by bol's numbers."""

CANCELLATIONS_OF_LINES = (
    select(t.cancellations)
    .where(
        one_of(t.cancellations.c.retailer_id, _RETAILERS),
        one_of(t.cancellations.c.line_id, bindparam("lines", type_=IdList())),
        or_(
            t.cancellations.c.state == literal_column("'asked'"),
            one_of(t.cancellations.c.id, bindparam("ids", type_=IdList())),
            one_of(t.cancellations.c.line_id, bindparam("answered", type_=IdList())),
        ),
    )
    .order_by(t.cancellations.c.asked_at, t.cancellations.c.id)
)
"""The cancellations of these lines, oldest first: those that wait for an answer, those named, and all of the lines
whose earlier answers matter."""

REMARKS_ON_LINES = select(
    t.events.c.line_id, t.events.c.kind, t.events.c.actor_id, t.events.c.cancellation_id, t.events.c.facts
).where(
    one_of(t.events.c.retailer_id, _RETAILERS),
    one_of(t.events.c.line_id, bindparam("lines", type_=IdList())),
    t.events.c.kind.in_([literal_column(f"'{kind}'") for kind in REMARKS]),
)
"""Late answers, notes and reports of cancelled units of these lines."""

DECIDED_ON_LINES = (
    select(
        t.events.c.line_id,
        t.events.c.cancellation_id,
        t.events.c.kind,
        t.events.c.at,
        t.events.c.actor_id,
        t.events.c.facts,
    )
    .where(
        one_of(t.events.c.retailer_id, _RETAILERS),
        one_of(t.events.c.line_id, bindparam("lines", type_=IdList())),
        t.events.c.kind.in_([literal_column(f"'{kind}'") for kind in sorted({EventKind.CANCELLATION_ASKED, *STEPS})]),
    )
    .order_by(t.events.c.line_id, t.events.c.seq)
)
"""How the cancellations of these lines were asked for, and every decision on them."""

POLICIES = (
    select(
        t.policies.c.retailer_id,
        t.policies.c.fulfiller_id,
        t.policies.c.version,
        t.policies.c.terms,
        t.policies.c.since,
    )
    .where(one_of(t.policies.c.retailer_id, _RETAILERS))
    .order_by(t.policies.c.version)
)
"""Every version of what these retailers agreed with anybody."""


def _endpoints(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return (
        select(
            *(t.endpoints.c[name] for name in ("id", "party_id", "url", "event_kinds", "subscription")),
            t.parties.c.kind,
        )
        .join(t.parties, t.parties.c.id == t.endpoints.c.party_id)
        .where(t.endpoints.c.state != literal_column("'removed'"), condition)
    )


_IS_PLATFORM = t.parties.c.kind == literal_column("'platform'")

_FOUND = union_all(
    _endpoints(and_(one_of(t.endpoints.c.party_id, bindparam("parties", type_=IdList())), not_(_IS_PLATFORM))),
    _endpoints(_IS_PLATFORM),
).subquery("found")

ENDPOINTS = select(_FOUND).order_by(_FOUND.c.id)
"""The endpoints of these parties and of the platform."""

GONE = select(t.parties.c.id).where(t.parties.c.status == literal_column("'deactivated'"))
"""The parties that take no part any more."""

ANSWERS_GIVEN = select(t.idempotency_records).where(
    one_of(t.idempotency_records.c.retailer_id, _RETAILERS),
    # The callers too: the key comes after them in the index, and without them all records of a retailer are read.
    t.idempotency_records.c.caller.in_(bindparam("callers", expanding=True)),
    t.idempotency_records.c.key.in_(bindparam("keys", expanding=True)),
)
"""What was answered to these idempotency keys before."""

LOCK_MONEY = (
    select(t.order_money)
    .where(pair_of(t.order_money.c.retailer_id, t.order_money.c.id, bindparam("orders", type_=PairList())))
    .order_by(t.order_money.c.retailer_id, t.order_money.c.id)
    .with_for_update()
)
"""The money of these orders, locked in one order, always after lines."""

REFUNDS = select(t.refunds).where(
    pair_of(t.refunds.c.retailer_id, t.refunds.c.id, bindparam("refunds", type_=PairList()))
)
"""These refunds. The lock of the line is held when one is changed."""

SHIPMENTS_OF_ORDERS = (
    select(
        t.shipments.c.id,
        t.shipments.c.order_id,
        t.shipments.c.number,
        t.shipments.c.carrier,
        t.shipments.c.tracking_number,
        t.shipments.c.details,
        t.shipment_lines.c.line_id,
        t.shipment_lines.c.units,
    )
    .join(t.shipments, t.named_by(t.shipment_lines.c.shipment_id, t.shipments))
    .where(
        one_of(t.shipment_lines.c.retailer_id, _RETAILERS),
        pair_of(t.shipments.c.retailer_id, t.shipments.c.order_id, bindparam("orders", type_=PairList())),
    )
    .order_by(t.shipments.c.order_id, t.shipments.c.id)
)
"""The parcels of these orders, a row for each line in each. The locks of the lines are held when one is reported."""

RELEASES = (
    select(t.refunds)
    .where(
        pair_of(t.refunds.c.retailer_id, t.refunds.c.order_id, bindparam("orders", type_=PairList())),
        t.refunds.c.kind == literal_column("'release'"),
    )
    .order_by(t.refunds.c.created_at.desc(), t.refunds.c.id.desc())
)
"""What these orders let go, or are to, newest first."""

DEPARTED = (
    select(
        t.reassignments.c.retailer_id,
        t.reassignments.c.line_id,
        t.reassignments.c.at,
        t.reassignments.c.former_id,
        t.reassignments.c.fulfiller_id,
        t.parties.c.name,
    )
    .join(t.parties, t.parties.c.id == t.reassignments.c.fulfiller_id)
    .where(pair_of(t.reassignments.c.retailer_id, t.reassignments.c.line_id, bindparam("lines", type_=PairList())))
    .order_by(t.reassignments.c.line_id, t.reassignments.c.seq)
)
"""Who held the goods of these lines before, and whom they were given to."""

ARTICLES = (
    select(t.lines.c.id, t.lines.c.sku, t.lines.c.title, t.orders.c.sent_to_fulfiller)
    .join(t.orders, t.named_by(t.lines.c.order_id, t.orders))
    .where(
        pair_of(t.lines.c.retailer_id, t.lines.c.id, bindparam("lines", type_=PairList())),
        one_of(t.orders.c.retailer_id, _RETAILERS),
    )
)
"""What a line is found by, and whether the fulfillers know of its order."""

CHANGED_COLUMNS: Final = {
    "lines": ("fulfiller_id", "with_fulfiller", *_BUCKETS, *_ALLOCATION, "seq", "changed_at"),
    "cancellations": (
        "fulfiller_id",
        "state",
        "awaiting",
        "due_at",
        "reason",
        "accepted_units",
        "answered_at",
        "answered_by",
        "decline_reason",
        "answer_note",
        "by_policy",
        "unasked",
        "agreed",
        "rest_units",
        "rest_reason",
        "step",
        "policy_version",
        "moved_at",
    ),
    "order_money": ("cancelled", "given_back"),
    "refunds": (
        "elsewhere_minor",
        "state",
        "round",
        "attempts",
        "due_at",
        "sent_at",
        "provider_reference",
        "movement",
        "last_result",
        "settled_at",
        "note",
        "check_at",
        "kind",
        "amount_minor",
        "paid_minor",
        "moved_minor",
        "step",
        "corrected_step",
        "parked_at",
        "no_provider",
        "waiting_for",
        "joined_lead",
        "joined_number",
        "joined_round",
        "joined_share_minor",
        "joined_total_minor",
    ),
}
"""What a batch changes of rows that are there: what moves and allocations do to a line, answers to an ask, what goes
back of an order's money, and how a refund gets on."""

CHANGES: Final = {table: tuple((name, f"new_{name}") for name in names) for table, names in CHANGED_COLUMNS.items()}
"""The same, each with the parameter that has its new value."""


def _update(table: Table) -> Update:
    changed = update(table).where(
        table.c.retailer_id == bindparam("of_retailer", type_=Id), table.c.id == bindparam("of_id", type_=Id)
    )
    if table is t.cancellations:
        changed = changed.where(table.c.state == literal_column("'asked'"))
    columns = CHANGED_COLUMNS[table.name]
    return changed.values({name: bindparam(f"new_{name}", type_=table.c[name].type) for name in columns})


UPDATES: Final = {table.name: _update(table) for table in (t.lines, t.cancellations, t.order_money, t.refunds)}
"""A line after its batch: the CHECK on its buckets repeats the rule of ``domain/line.py``. The answer to an ask:
one that has its answer is never touched again. PostgreSQL says the same in its own words."""

SETTLE_PROCESSES: Final = RowUpdate(
    table="process_statuses",
    parameters={
        "of_retailer": Id,
        "of_cancellation": Id,
        "new_status": Text(),
        "new_error": Text(),
        "new_settled_at": Instant(),
    },
    changes={"status": "new_status", "error_message": "new_error", "settled_at": "new_settled_at"},
    where="retailer_id = {of_retailer} AND cancellation_id = {of_cancellation} AND status = 'PENDING'",
)
"""The outcome of a process status. Final ones never change. Few cancellations have one, or several."""

PENDING_PROCESSES: Final = select(
    t.process_statuses.c.retailer_id, t.process_statuses.c.number, t.process_statuses.c.cancellation_id
).where(
    one_of(t.process_statuses.c.retailer_id, _RETAILERS),
    one_of(t.process_statuses.c.cancellation_id, bindparam("cancellations", type_=IdList())),
    t.process_statuses.c.status == literal_column("'PENDING'"),
)
"""The process statuses that wait for these cancellations."""

CHANGE_PARCEL: Final = RowUpdate(
    table="shipments",
    parameters={"of_retailer": Id, "of_id": Id, "new_carrier": Text(), "new_tracking_number": Text()},
    changes={"carrier": "new_carrier", "tracking_number": "new_tracking_number"},
    where="retailer_id = {of_retailer} AND id = {of_id}",
)
"""How a parcel travels, corrected."""

CHANGE_TERMS: Final = RowUpdate(
    table="order_money",
    parameters={"of_retailer": Id, "of_id": Id, "new_terms": t.order_money.c.terms.type},
    changes={"terms": "new_terms"},
    where="retailer_id = {of_retailer} AND id = {of_id}",
)
"""What an order cost and how it was paid, once a payment was added or captured."""

TAKE_NUMBERS = (
    update(t.number_blocks)
    .where(
        t.number_blocks.c.name == bindparam("of_name"),
        t.number_blocks.c.next_number <= NUMBER_END - bindparam("size", type_=Integer),
    )
    .values(next_number=t.number_blocks.c.next_number + bindparam("size"))
    .returning(t.number_blocks.c.next_number)
)
"""Reserve a block of numbers, in a transaction of its own (hi/lo). No row when all that fit in 31 bits are spent."""


_HEADS: Final = """
    WITH RECURSIVE heads(partition, endpoint_id) AS (
        SELECT given.number, (
            SELECT n.endpoint_id FROM notices AS n WHERE n.partition = given.number AND n.state = 'due'
            ORDER BY n.endpoint_id LIMIT 1
        ) FROM {given} AS given
        UNION ALL
        SELECT heads.partition, (
            SELECT n.endpoint_id FROM notices AS n
            WHERE n.partition = heads.partition AND n.state = 'due' AND n.endpoint_id > heads.endpoint_id
            ORDER BY n.endpoint_id LIMIT 1
        ) FROM heads WHERE heads.endpoint_id IS NOT NULL
    )
    SELECT heads.partition, heads.endpoint_id FROM heads
    JOIN endpoints ON endpoints.id = heads.endpoint_id
        AND (endpoints.state = 'removed' OR (endpoints.state = 'active' AND endpoints.unconfirmed_since IS NULL))
    WHERE (
        SELECT n.due_at FROM notices AS n
        WHERE n.partition = heads.partition AND n.endpoint_id = heads.endpoint_id AND n.state = 'due'
        ORDER BY n.due_at LIMIT 1
    ) <= :now
    """


def heads(given: str) -> TextualSelect:
    """Where notices are due to endpoints that may be sent to, or that are no more, in the partitions of ``given``.

    A loose index scan: from endpoint to endpoint, never from notice to notice.
    """
    return pairs_of_notices(_HEADS.format(given=given))


def pairs_of_notices(statement: str) -> TextualSelect:
    """A statement that gives partitions and endpoints, for the partitions and the time of its parameters."""
    return (
        text(statement)
        .bindparams(bindparam("partitions", type_=NumberList()), bindparam("now", type_=Instant()))
        .columns(partition=Integer(), endpoint_id=Id)
    )


def first_notices(source: str, columns: Collection[str]) -> TextualSelect:
    """These columns of the first few notices that are due of some pairs: ``source`` is an engine's way to them."""
    return (
        text(f"SELECT {', '.join(f'n.{name}' for name in columns)} FROM {source}")  # noqa: S608 - no input
        .bindparams(bindparam("now", type_=Instant()), bindparam("most", type_=Integer()))
        .columns(**{name: t.notices.c[name].type for name in columns})
    )


KEPT: Final = frozenset({"connections", "order_keys"})
"""What is there already is left as it is."""
