"""Every statement of the write road, by name. All are set-based: one execution serves a whole batch."""

from typing import Final

from sqlalchemy import Integer, and_, bindparam, insert, literal_column, or_, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.dml import Insert

from countermand.store import tables as t
from countermand.store.columns import Id, IdList, NumberList, one_of

NUMBER_END: Final = 2**31 - 1
"""bol's numbers stay below: an old client keeps them in a signed 32-bit integer."""

_RETAILERS = bindparam("retailers", type_=IdList())

RETAILERS_OF = select(t.whereabouts.c.id, t.whereabouts.c.retailer_id).where(
    one_of(t.whereabouts.c.id, bindparam("ids", type_=IdList()))
)
"""Which retailer each of these orders or lines belongs to."""

LINES_OF_NUMBERS = select(t.line_numbers.c.number, t.line_numbers.c.line_id).where(
    one_of(t.line_numbers.c.number, bindparam("numbers", type_=NumberList()))
)
"""Which line each of bol's numbers stands for."""

LINE_COLUMNS = [
    t.lines.c[name]
    for name in (
        "retailer_id",
        "id",
        "order_id",
        "fulfiller_id",
        "placed_at",
        "with_fulfiller",
        "ordered",
        "open",
        "asked",
        "cancelled",
        "shipped",
        "allocated",
        "accepted",
        "backordered",
        "rejected",
        "backorder_on",
        "seq",
    )
]

LOCK_LINES = (
    select(*LINE_COLUMNS)
    .where(one_of(t.lines.c.retailer_id, _RETAILERS), one_of(t.lines.c.id, bindparam("lines", type_=IdList())))
    .order_by(t.lines.c.retailer_id, t.lines.c.id)
    .with_for_update()
)
"""These lines, locked in one order everywhere, so that two batches can wait for each other but not deadlock."""

LOCK_LINES_OF_ORDERS = (
    select(*LINE_COLUMNS)
    .where(
        one_of(t.lines.c.retailer_id, _RETAILERS),
        or_(
            one_of(t.lines.c.id, bindparam("lines", type_=IdList())),
            one_of(t.lines.c.order_id, bindparam("orders", type_=IdList())),
        ),
    )
    .order_by(t.lines.c.retailer_id, t.lines.c.id)
    .with_for_update()
)
"""The same, with every line of these orders."""

CANCELLATIONS_OF_LINES = (
    select(t.cancellations)
    .where(
        one_of(t.cancellations.c.retailer_id, _RETAILERS),
        one_of(t.cancellations.c.line_id, bindparam("lines", type_=IdList())),
        or_(
            t.cancellations.c.state == literal_column("'asked'"),
            one_of(t.cancellations.c.id, bindparam("ids", type_=IdList())),
            and_(
                t.cancellations.c.asker == literal_column("'customer'"),
                t.cancellations.c.state == literal_column("'accepted'"),
            ),
        ),
    )
    .order_by(t.cancellations.c.asked_at, t.cancellations.c.id)
)
"""The cancellations of these lines that wait for an answer, those named, and what customers got, oldest first."""

POLICIES = (
    select(
        t.policies.c.retailer_id,
        t.policies.c.fulfiller_id,
        t.policies.c.version,
        t.policies.c.terms,
        t.policies.c.since,
    )
    .where(
        one_of(t.policies.c.retailer_id, _RETAILERS),
        one_of(t.policies.c.fulfiller_id, bindparam("fulfillers", type_=IdList())),
    )
    .order_by(t.policies.c.version)
)
"""Every version of what these retailers agreed with these fulfillers."""

ANSWERS_GIVEN = select(t.idempotency_records).where(
    one_of(t.idempotency_records.c.retailer_id, _RETAILERS),
    t.idempotency_records.c.key.in_(bindparam("keys", expanding=True)),
)
"""What was answered to these idempotency keys before."""

UPDATE_LINE = (
    update(t.lines)
    .where(t.lines.c.retailer_id == bindparam("of_retailer", type_=Id), t.lines.c.id == bindparam("of_id", type_=Id))
    .values(
        {
            name: bindparam(f"new_{name}", type_=t.lines.c[name].type)
            for name in ("open", "asked", "cancelled", "shipped", "seq", "changed_at")
        }
    )
)
"""The buckets of a line after its batch. The CHECK on their sum is the second wall behind ``domain/line.py``."""

UPDATE_ALLOCATION = (
    update(t.lines)
    .where(t.lines.c.retailer_id == bindparam("of_retailer", type_=Id), t.lines.c.id == bindparam("of_id", type_=Id))
    .values(
        {
            name: bindparam(f"new_{name}", type_=t.lines.c[name].type)
            for name in ("allocated", "accepted", "backordered", "rejected", "backorder_on")
        }
    )
)
"""What the fulfiller said of a line."""

ANSWER_COLUMNS = (
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
)
"""What an answer, or passing it on, changes of a cancellation."""

UPDATE_CANCELLATION = (
    update(t.cancellations)
    .where(
        t.cancellations.c.retailer_id == bindparam("of_retailer", type_=Id),
        t.cancellations.c.id == bindparam("of_id", type_=Id),
        t.cancellations.c.state == literal_column("'asked'"),
    )
    .values({name: bindparam(f"new_{name}", type_=t.cancellations.c[name].type) for name in ANSWER_COLUMNS})
)
"""The answer to a cancellation; one that has its answer is never touched again."""

SETTLE_PROCESSES = (
    update(t.process_statuses)
    .where(
        t.process_statuses.c.retailer_id == bindparam("of_retailer", type_=Id),
        t.process_statuses.c.cancellation_id == bindparam("of_cancellation", type_=Id),
        t.process_statuses.c.status == literal_column("'PENDING'"),
    )
    .values(
        status=bindparam("new_status"),
        error_message=bindparam("new_error"),
        settled_at=bindparam("new_settled_at", type_=t.process_statuses.c.settled_at.type),
    )
)
"""The outcome for whoever polls a process status; final ones never change."""

CHANGE_PARCEL = (
    update(t.shipments)
    .where(
        t.shipments.c.retailer_id == bindparam("of_retailer", type_=Id),
        t.shipments.c.id == bindparam("of_id", type_=Id),
    )
    .values(carrier=bindparam("new_carrier"), tracking_number=bindparam("new_tracking_number"))
)
"""How a parcel travels, corrected."""

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


INSERTS: dict[str, Insert] = {table.name: insert(table) for table in t.metadata.sorted_tables}
"""One plain insert per table, parents before children."""

CONNECT: Insert = sqlite.insert(t.connections).on_conflict_do_nothing()
"""Note that a supplier holds goods for a retailer, unless that is known (SQLite; PostgreSQL's form is in ``bulk``)."""
