"""A database as it is after two years: many retailers and suppliers, one big one of each, lines of every fate.

Made by a few statements for all rows at once, in the same words for both engines, without the write road: a million
lines take minutes instead of hours. Everything follows from numbers, so that each run makes the same rows.
"""

import asyncio
import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import Connection, make_url, update

from countermand.admin import credentials
from countermand.admin.callers import PLATFORM
from countermand.app import Service, opened
from countermand.reads.parties import find_party
from countermand.settings import Settings
from countermand.store import feed, tables
from countermand.store.engines.opening import open_database
from countermand.store.engines.sqlite.library import sqlite_module
from countermand.store.migrations import migrate

NOW: Final = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
"""The present of these databases, unless another one is given."""

DAYS: Final = 728
LINES_AN_ORDER: Final = 2
NEXT_NUMBER: Final = 1_600_000_000
"""Behind the numbers of what is made here."""

PARTY, ORDER, LINE, CANCELLATION, EVENT, SHIPMENT, NOTICE, REFUND, JOURNAL, ENDPOINT = range(1, 11)


@dataclass(frozen=True, kw_only=True)
class Population:
    """What is there, by what a question needs: parties with their tokens, and ids and numbers of some rows of each."""

    now: datetime
    lines: int
    platform: UUID = PLATFORM
    big_retailer: UUID
    small_retailer: UUID
    big_supplier: UUID
    small_supplier: UUID
    endpoint: UUID
    tokens: dict[UUID, str] = field(default_factory=dict)
    plaza_key: str = ""
    samples: dict[str, Any] = field(default_factory=dict)


def populate(
    url: str,
    lines: int,
    *,
    now: datetime = NOW,
    keys: Path | None = None,
    cleared: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> Population:
    """Fill a database that has no rows yet. Its schema is made if it has none.

    ``cleared`` leaves out what the worker would have deleted by now, as the settings come.
    """
    settings = Settings(database=url, allow_losing_acknowledged_calls=True, key_file=keys, read_timeout_s=0)
    return asyncio.run(_populate(settings, _Counts(lines, now, cleared), say))


async def _populate(settings: Settings, counts: "_Counts", say: Callable[[str], None]) -> Population:
    async with opened(settings):
        pass
    await asyncio.to_thread(_fill, settings.database, counts, say)
    async with opened(settings) as application:
        return await _with_credentials(application, counts)


def populate_released(
    url: str, lines: int, revision: str, *, now: datetime = NOW, say: Callable[[str], None] = lambda text: None
) -> None:
    """Fill an empty database as a version of this revision had it: its tables with their columns, and no others."""
    asyncio.run(_made(url, revision))
    _fill(url, _Counts(lines, now, cleared=True), say)


async def _made(url: str, revision: str) -> None:
    database = await open_database(url, allow_weak_durability=True, read_timeout_s=None)
    try:
        await database.write(partial(migrate, to=revision))
    finally:
        await database.close()


@dataclass(frozen=True, slots=True)
class _Counts:
    lines: int
    now: datetime
    cleared: bool = False

    def still_there(self, days: int) -> str:
        """Whether rows of a line are not yet deleted, if they are deleted after so many days."""
        if not self.cleared:
            return "n >= 0"
        return f"(placed > {int((self.now - timedelta(days=days)).timestamp())})"

    @property
    def orders(self) -> int:
        return self.lines // LINES_AN_ORDER

    @property
    def retailers(self) -> int:
        return max(20, min(1_000, self.lines // 500))

    @property
    def suppliers(self) -> int:
        return max(20, min(1_000, self.lines // 500))

    @property
    def first(self) -> int:
        return int((self.now - timedelta(days=DAYS)).timestamp())

    def party(self, number: int) -> UUID:
        return UUID(_id_of(PARTY, self.first * 1000, number))

    @property
    def endpoint(self) -> UUID:
        return UUID(_id_of(ENDPOINT, self.first * 1000, 0))

    def supplier(self, number: int) -> UUID:
        return self.party(self.retailers + number)


def _id_of(kind: int, millis: int, number: int) -> str:
    return f"{millis:012x}7{kind:03x}8000{number:012x}"


async def _with_credentials(application: Service, counts: _Counts) -> Population:
    callers = [PLATFORM, counts.party(0), counts.party(1), counts.supplier(0), counts.supplier(1)]

    def make(connection: Connection) -> tuple[dict[UUID, str], str]:
        # What comes from now on stands behind what is there, and has other numbers.
        feed.move(connection, 2 * counts.orders)
        connection.execute(update(tables.number_blocks).values(next_number=NEXT_NUMBER))
        rows = {party: find_party(connection, str(party)) for party in callers}
        tokens = {
            party: credentials.issue_token(connection, application.ids, counts.now, party=row)
            for party, row in rows.items()
        }
        key = credentials.issue_plaza_key(
            connection, application.ids, application.keyring, counts.now, party=rows[callers[1]]
        )
        return tokens, key.public

    tokens, key = await application.database.write(make)
    samples = await application.database.read(lambda connection: _samples(connection, counts))
    return Population(
        now=counts.now,
        lines=counts.lines,
        big_retailer=callers[1],
        small_retailer=callers[2],
        big_supplier=callers[3],
        small_supplier=callers[4],
        endpoint=counts.endpoint,
        tokens=tokens,
        plaza_key=key,
        samples=samples,
    )


def _samples(connection: Connection, counts: _Counts) -> dict[str, Any]:
    """A line of the big retailer that the big supplier holds, with all that hangs on it; found by going through all."""
    from sqlalchemy import select

    from countermand.store import tables as t

    mine = (t.lines.c.retailer_id == counts.party(0), t.lines.c.fulfiller_id == counts.supplier(0))
    cancelled = connection.execute(
        select(t.cancellations)
        .join(t.lines, t.named_by(t.cancellations.c.line_id, t.lines))
        .join(t.refunds, t.named_by(t.refunds.c.cancellation_id, t.cancellations))
        .where(*mine)
        .order_by(t.cancellations.c.id.desc())
        .limit(1)
    ).one()
    line = connection.execute(
        select(t.lines).where(t.lines.c.retailer_id == cancelled.retailer_id, t.lines.c.id == cancelled.line_id)
    ).one()
    order = connection.execute(
        select(t.orders).where(t.orders.c.retailer_id == line.retailer_id, t.orders.c.id == line.order_id)
    ).one()
    refund = connection.execute(
        select(t.refunds).where(t.refunds.c.retailer_id == order.retailer_id, t.refunds.c.order_id == order.id)
    ).first()
    asked = connection.execute(
        select(t.cancellations).where(*_of(t.cancellations, counts), t.cancellations.c.state == "asked").limit(1)
    ).one()
    shipment = connection.execute(
        select(t.shipments).where(t.shipments.c.retailer_id == counts.party(0)).limit(1)
    ).one()
    process = connection.execute(
        select(t.process_statuses).where(t.process_statuses.c.retailer_id == counts.party(0)).limit(1)
    ).one()
    notice = connection.execute(select(t.notices).where(t.notices.c.retailer_id == counts.party(0)).limit(1)).one()
    record = connection.execute(
        select(t.idempotency_records).where(t.idempotency_records.c.retailer_id == counts.party(0)).limit(1)
    ).one()
    event = connection.execute(
        select(t.events).where(t.events.c.retailer_id == line.retailer_id, t.events.c.line_id == line.id).limit(1)
    ).one()
    return {
        "order": order,
        "line": line,
        "cancellation": cancelled,
        "asked": asked,
        "refund": refund,
        "shipment": shipment,
        "process": process,
        "notice": notice,
        "record": record,
        "event": event,
    }


def _of(table: Any, counts: _Counts) -> tuple[Any, ...]:
    return (table.c.retailer_id == counts.party(0), table.c.fulfiller_id == counts.supplier(0))


# The statements


class _Words:
    """What the engines say differently."""

    def __init__(self, *, postgresql: bool) -> None:
        self.postgresql = postgresql

    def id(self, kind: int, seconds: str, number: str) -> str:
        millis = f"CAST({seconds} AS bigint) * 1000"
        if self.postgresql:
            digits = f"lpad(to_hex(CAST({number} AS bigint)), 12, '0')"
            return f"CAST(lpad(to_hex({millis}), 12, '0') || '7{kind:03x}8000' || {digits} AS uuid)"
        return f"printf('%012x7{kind:03x}8000%012x', {millis}, {number})"

    def at(self, seconds: str) -> str:
        if self.postgresql:
            return f"to_timestamp({seconds})"
        return f"(strftime('%Y-%m-%dT%H:%M:%S', {seconds}, 'unixepoch') || '.000000Z')"

    def document(self, text: str) -> str:
        return f"CAST({text} AS jsonb)" if self.postgresql else text

    def series(self, count: int) -> str:
        if self.postgresql:
            return f"(SELECT CAST(g AS bigint) AS n FROM generate_series(0, {count - 1}) AS g)"
        return (
            f"(WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < {count - 1}) SELECT n FROM s)"
        )

    def text(self, value: str) -> str:
        return f"CAST({value} AS text)"

    def hex(self, value: str) -> str:
        return f"encode(convert_to({value}, 'UTF8'), 'hex')" if self.postgresql else f"lower(hex({value}))"

    def hashed(self, letter: str, value: str) -> str:
        if self.postgresql:
            return f"'{letter}' || substr(encode(sha256(convert_to({value}, 'UTF8')), 'hex'), 1, 32)"
        return f"'{letter}' || sha256_of({value})"

    def party_term(self, letter: str, column: str) -> str:
        return f"'{letter}' || replace(CAST({column} AS text), '-', '')"

    def joined(self, value: str) -> str:
        return f"string_agg({value}, ' ')" if self.postgresql else f"group_concat({value}, ' ')"

    def boolean(self, value: str) -> str:
        return f"({value})"

    def no_id(self) -> str:
        return "CAST(NULL AS uuid)" if self.postgresql else "NULL"

    def no_time(self) -> str:
        return "CAST(NULL AS timestamptz)" if self.postgresql else "NULL"


def chance(number: str, salt: int, sides: int) -> str:
    """A number below ``sides`` that follows from another one and looks like chance."""
    return f"((({number} + {salt * 7919}) * 2654435761 % 4294967296) / 4096 % {sides})"


def _statements(counts: _Counts, w: _Words) -> Iterator[tuple[str, str]]:
    first, orders = counts.first, counts.orders
    seconds = DAYS * 86_400
    retailers, suppliers = counts.retailers, counts.suppliers

    def party(number: str) -> str:
        return w.id(PARTY, str(first), number)

    yield (
        "parties",
        f"INSERT INTO parties (id, number, kind, name, status, created_at)"
        f" SELECT {party('n')}, 1000001 + n, CASE WHEN n < {retailers} THEN 'retailer' ELSE 'supplier' END,"
        f" CASE WHEN n < {retailers} THEN 'Retailer ' ELSE 'Supplier ' END || {w.text('n')}, 'active',"
        f" {w.at(str(first))}"
        f" FROM {w.series(retailers + suppliers)} AS numbers",
    )
    yield (
        "users",
        "INSERT INTO users (id, party_id, email, name, password_hash, permissions, status, created_at)"
        f" SELECT {w.id(20, str(first), 'n')}, {party('n')}, 'user' || {w.text('n')} || '@shop.example',"
        f" 'User ' || {w.text('n')}, 'x', {w.document(chr(39) + '[]' + chr(39))}, 'active', {w.at(str(first))}"
        f" FROM {w.series(retailers + suppliers)} AS numbers",
    )
    yield (
        "credentials",
        "INSERT INTO credentials (id, party_id, user_id, kind, lookup, label, permissions, created_at)"
        f" SELECT {w.id(21, str(first), 'n')}, {party(f'(n % {retailers})')},"
        f" {w.id(20, str(first), f'(n % {retailers})')}, 'token', 'seed' || {w.text('n')}, 'log-in',"
        f" {w.document(chr(39) + '[]' + chr(39))}, {w.at(str(first))}"
        f" FROM {w.series(max(100, counts.lines // 20))} AS numbers",
    )
    yield (
        "endpoints",
        "INSERT INTO endpoints (id, party_id, url, label, event_kinds, state, state_reason, created_at)"
        f" SELECT {w.id(ENDPOINT, str(first), 'n')}, {party(f'CASE WHEN n = 1 THEN {retailers} ELSE n END')},"
        f" 'mailto:party' || {w.text('n')} || '@shop.example', '', {w.document(chr(39) + '[]' + chr(39))},"
        f" 'active', '', {w.at(str(first))} FROM {w.series(retailers)} AS numbers",
    )
    yield (
        "seed_orders",
        "CREATE TEMP TABLE seed_orders AS SELECT n, retailer_n,"
        f" {party('retailer_n')} AS retailer_id, {w.id(ORDER, 'placed', 'n')} AS id, placed,"
        f" {chance('n', 3, 10)} < 3 AS with_money FROM (SELECT n,"
        f" CASE WHEN n % 5 = 0 THEN 0 ELSE 1 + {chance('n', 1, retailers - 1)} END AS retailer_n,"
        f" {first} + n * {seconds} / {orders} AS placed FROM {w.series(orders)} AS numbers) AS drawn",
    )
    open_from = first + seconds * 97 // 100
    yield (
        "seed_lines",
        "CREATE TEMP TABLE seed_lines AS SELECT drawn.*,"
        f" CASE WHEN supplier_n < 0 THEN retailer_id ELSE {party(f'{retailers} + supplier_n')} END AS fulfiller_id,"
        " CASE WHEN fate IN ('open', 'asked') THEN ordered ELSE 0 END AS left_units,"
        " CASE WHEN fate = 'asked' THEN 1 ELSE 0 END AS asked_units,"
        " CASE WHEN fate = 'accepted' THEN 1 ELSE 0 END AS cancelled_units,"
        f" {chance('m', 9, 2)} = 0 AND supplier_n >= 0 AS allocated,"
        " 'SKU-' || CAST(article AS text) AS sku,"
        f" 'Article colour' || CAST(article % 20 AS text) || ' kind' || CAST(article % 700 AS text)"
        " || ' model' || CAST(article AS text) AS title"
        " FROM (SELECT o.n, o.retailer_n, o.retailer_id, o.id AS order_id, o.placed, o.with_money, place,"
        f" o.n * {LINES_AN_ORDER} + place AS m, {w.id(LINE, 'o.placed', f'(o.n * {LINES_AN_ORDER} + place)')} AS id,"
        f" 1 + {chance('(o.n * 2 + place)', 2, 3)} AS ordered,"
        f" {chance('(o.n * 2 + place)', 4, max(50, counts.lines // 50))} AS article,"
        f" CASE WHEN {chance('o.n', 5, 10)} < 3 THEN -1 WHEN {chance('(o.n * 2 + place)', 6, 5)} = 0 THEN 0"
        f" ELSE 1 + {chance('(o.n * 2 + place)', 7, suppliers - 1)} END AS supplier_n,"
        f" CASE WHEN o.placed > {open_from} THEN CASE WHEN {chance('(o.n * 2 + place)', 8, 10)} = 0 THEN 'asked'"
        f" ELSE 'open' END WHEN {chance('(o.n * 2 + place)', 8, 1000)} < 60 THEN 'accepted'"
        f" WHEN {chance('(o.n * 2 + place)', 8, 1000)} < 80 THEN 'declined'"
        f" WHEN {chance('(o.n * 2 + place)', 8, 1000)} < 85 THEN 'withdrawn'"
        f" WHEN {chance('(o.n * 2 + place)', 8, 1000)} < 87 THEN 'lapsed' ELSE 'shipped' END AS fate"
        f" FROM seed_orders AS o CROSS JOIN {_places(w)}"
        ") AS drawn",
    )
    for name in ("orders", "lines"):
        key = "n" if name == "orders" else "m"
        yield f"seed_{name}", f"CREATE UNIQUE INDEX temp_{name} ON seed_{name} ({key})"
    yield from _order_rows(w)
    yield from _key_rows(w)
    yield from _line_rows(w, counts)
    yield from _cancellation_rows(w, counts)
    yield from _money_rows(w)
    yield from _notice_rows(w, counts)


def _places(w: _Words) -> str:
    numbers = ", ".join(f"({place})" for place in range(LINES_AN_ORDER))
    if w.postgresql:
        return f"(VALUES {numbers}) AS places(place)"
    return f"(SELECT column1 AS place FROM (VALUES {numbers})) AS places"


def _order_rows(w: _Words) -> Iterator[tuple[str, str]]:
    yield (
        "orders",
        "INSERT INTO orders (retailer_id, id, number, reference, placed_at, sent_to_fulfiller, currency, details)"
        f" SELECT retailer_id, id, 2000000 + n * 3, 'PO-' || CAST(n AS text), {w.at('placed')},"
        f" {w.boolean('n >= 0')}, 'EUR', {w.document(chr(39) + '{}' + chr(39))} FROM seed_orders",
    )
    yield "id_directory", "INSERT INTO id_directory (id, retailer_id) SELECT id, retailer_id FROM seed_orders"
    terms = " || ' ' || ".join(
        [
            w.party_term("r", "retailer_id"),
            f"CASE WHEN supplier_n < 0 THEN 'x' ELSE {w.party_term('h', 'fulfiller_id')} END",
            w.joined(
                f"{w.hashed('s', 'sku')} || ' w' || {w.hex(chr(39) + 'article' + chr(39))}"
                f" || ' w' || {w.hex(chr(39) + 'colour' + chr(39) + ' || CAST(article % 20 AS text)')}"
                f" || ' w' || {w.hex(chr(39) + 'kind' + chr(39) + ' || CAST(article % 700 AS text)')}"
                f" || ' w' || {w.hex(chr(39) + 'model' + chr(39) + ' || CAST(article AS text)')}"
            ),
        ]
    )
    yield (
        "order_parts",
        "INSERT INTO order_parts (retailer_id, order_id, fulfiller_id, placed_at, held, terms, reference_folded)"
        f" SELECT retailer_id, order_id, fulfiller_id, {w.at('placed')}, {w.boolean('supplier_n >= 0')}, {terms},"
        " 'po-' || CAST(max(n) AS text)"
        " FROM seed_lines GROUP BY retailer_id, order_id, fulfiller_id, placed, supplier_n",
    )
    if not w.postgresql:
        yield (
            "order_search",
            "INSERT INTO order_search (terms, retailer_id, order_id, fulfiller_id, placed_at)"
            " SELECT terms, retailer_id, order_id, fulfiller_id, placed_at FROM order_parts",
        )
    yield (
        "connections",
        "INSERT INTO connections (retailer_id, supplier_id, since)"
        f" SELECT DISTINCT retailer_id, fulfiller_id, {w.at('0')} FROM seed_lines WHERE supplier_n >= 0",
    )


def _key_rows(w: _Words) -> Iterator[tuple[str, str]]:
    """Every order has a customer with an address and a name; of some first and last names there are many."""
    first = f"CASE WHEN {chance('n', 21, 40)} = 0 THEN 'anna' ELSE 'first' || CAST({chance('n', 22, 500)} AS text) END"
    second = f"CASE WHEN {chance('n', 23, 50)} = 0 THEN 'maria' ELSE 'second' || CAST(n % 20 AS text) END"
    last = f"CASE WHEN {chance('n', 24, 100)} = 0 THEN 'vries' ELSE 'last' || CAST(n / 3 AS text) END"
    whole = f"CASE WHEN {chance('n', 25, 5000)} = 0 THEN 'anna de maria vries' ELSE 'whole' || CAST(n / 3 AS text) END"
    email = f"CASE WHEN {chance('n', 26, 5000)} = 0 THEN 'anna' ELSE 'buyer' || CAST(n / 3 AS text) END"
    keys = [w.hashed("n", each) for each in (first, second, last, whole)]
    keys += [f"'e' || {email} || '@example.com'", "'ppay-' || CAST(n AS text)"]
    for key in keys:
        yield (
            "order_keys",
            f"INSERT INTO order_keys (retailer_id, key, placed_at, order_id) SELECT retailer_id, {key},"
            f" {w.at('placed')}, id FROM seed_orders{' WHERE with_money' if key is keys[-1] else ''}",
        )


def _line_rows(w: _Words, counts: _Counts) -> Iterator[tuple[str, str]]:
    empty = w.document("'{}'")
    yield (
        "lines",
        "INSERT INTO lines (retailer_id, id, order_id, fulfiller_id, number, position, placed_at, with_fulfiller, sku,"
        " title, ordered, open, asked, cancelled, shipped, allocated, accepted, backordered, rejected,"
        " unit_price_minor, priced, seq, changed_at, details)"
        " SELECT retailer_id, id, order_id, fulfiller_id, 2000000 + n * 3 + 1 + place, place + 1,"
        f" {w.at('placed')}, {w.boolean('n >= 0')}, sku, title, ordered, left_units - asked_units, asked_units,"
        " cancelled_units, ordered - left_units - cancelled_units, allocated,"
        " CASE WHEN allocated THEN ordered ELSE 0 END, 0, 0, 1000, with_money,"
        " CASE WHEN fate = 'open' THEN 1 WHEN fate IN ('asked', 'shipped') THEN 2"
        " WHEN ordered > cancelled_units THEN 4 ELSE 3 END,"
        f" {w.at('placed')}, {empty} FROM seed_lines",
    )
    yield "id_directory", "INSERT INTO id_directory (id, retailer_id) SELECT id, retailer_id FROM seed_lines"
    yield (
        "line_numbers",
        "INSERT INTO line_numbers (number, retailer_id, line_id)"
        " SELECT 2000000 + n * 3 + 1 + place, retailer_id, id FROM seed_lines",
    )
    gone = "ordered - left_units - cancelled_units > 0"
    yield (
        "shipments",
        "INSERT INTO shipments (retailer_id, id, order_id, fulfiller_id, number, reported_at, carrier,"
        f" tracking_number, details) SELECT retailer_id, {w.id(SHIPMENT, 'placed', 'm')}, order_id, fulfiller_id,"
        f" 1000000000 + m, {w.at('placed + 86400')}, 'Post', '3S' || CAST(m AS text), {empty}"
        f" FROM seed_lines WHERE {gone}",
    )
    yield (
        "shipment_lines",
        f"INSERT INTO shipment_lines (retailer_id, shipment_id, line_id, units) SELECT retailer_id,"
        f" {w.id(SHIPMENT, 'placed', 'm')}, id, ordered - left_units - cancelled_units FROM seed_lines WHERE {gone}",
    )
    yield "events", _events(counts, w, 1, "line.placed", "0", "ordered", "n >= 0", cancellation=False)
    yield "events", _events(counts, w, 2, "line.shipped", "86400", "ordered", "fate = 'shipped'", cancellation=False)


def _events(
    counts: _Counts,
    w: _Words,
    seq: int,
    kind: str,
    after: str,
    units: str,
    where: str,
    *,
    cancellation: bool,
    more: str = "",
    by: str = "",
) -> str:
    # About as dense as transactions are.
    position = f"(placed + {after} - {counts.first}) * {counts.orders} / {DAYS * 86_400}"
    facts = (
        f'\'{{"units": \' || CAST({units} AS text) || \', "open": 1, "asked": 0, "cancelled": 0, "shipped": 0{more}}}\''
    )
    return (
        "INSERT INTO events (retailer_id, line_id, seq, id, order_id, cancellation_id, kind, at, actor_id, actor, door,"
        " position, facts, fulfiller_id)"
        f" SELECT retailer_id, id, {seq}, {w.id(EVENT + 16 * seq, f'placed + {after}', 'm')}, order_id,"
        f" {w.id(CANCELLATION, 'placed + 3600', 'm') if cancellation else w.no_id()}, '{kind}',"
        f" {w.at(f'placed + {after}')}, {by or 'retailer_id'}, 'seed', 'seed', {position}, {w.document(facts)},"
        " fulfiller_id"
        f" FROM seed_lines WHERE {where}"
    )


def _cancellation_rows(w: _Words, counts: _Counts) -> Iterator[tuple[str, str]]:
    asked, ended = "fate IN ('asked', 'accepted', 'declined', 'withdrawn', 'lapsed')", "fate <> 'asked'"
    due = f"{int(counts.now.timestamp())} + 86400 + m % 86400"
    yield (
        "cancellations",
        "INSERT INTO cancellations (retailer_id, id, line_id, order_id, fulfiller_id, units, state, asker, asked_by,"
        " asked_at, awaiting, due_at, policy_version, reason, note, ask_key, accepted_units, answered_at, answered_by,"
        " decline_reason, answer_note, by_policy, unasked, agreed, door)"
        f" SELECT retailer_id, {w.id(CANCELLATION, 'placed + 3600', 'm')}, id, order_id, fulfiller_id, 1, fate,"
        f" CASE WHEN {chance('m', 11, 3)} = 0 THEN 'customer' ELSE 'retailer' END, retailer_id,"
        f" {w.at('placed + 3600')}, CASE WHEN {ended} THEN {w.no_id()} ELSE fulfiller_id END,"
        f" CASE WHEN {ended} THEN {w.no_time()} ELSE {w.at(due)} END, 0, 'other', '', '',"
        f" cancelled_units, CASE WHEN {ended} THEN {w.at('placed + 7200 + m % 7200')} ELSE {w.no_time()} END,"
        f" CASE WHEN {ended} THEN fulfiller_id ELSE {w.no_id()} END,"
        " CASE WHEN fate = 'declined' THEN 'other' END, '',"
        f" {w.boolean('n < 0')}, {w.boolean('n < 0')}, {w.boolean('n < 0')}, 'seed' FROM seed_lines WHERE {asked}",
    )
    whose = f", \"asker\": \"' || CASE WHEN {chance('m', 11, 3)} = 0 THEN 'customer' ELSE 'retailer' END || '\""
    whose += ', "reason": "other", "state": "'
    put = f'{whose}asked", "awaiting": "\' || CAST(fulfiller_id AS text) || \'"'
    yield "events", _events(counts, w, 2, "cancellation.asked", "3600", "1", asked, cancellation=True, more=put)
    for fate in ("accepted", "declined", "withdrawn", "lapsed"):
        kind, where = f"cancellation.{fate}", f"fate = '{fate}'"
        by = "retailer_id" if fate == "withdrawn" else "fulfiller_id"
        yield (
            "events",
            _events(
                counts, w, 3, kind, "7200 + m % 7200", "1", where, cancellation=True, more=f'{whose}{fate}"', by=by
            ),
        )
        shipped = f"{where} AND ordered - cancelled_units > 0"
        yield "events", _events(counts, w, 4, "line.shipped", "86400", "1", shipped, cancellation=False)
    yield (
        "idempotency_records",
        "INSERT INTO idempotency_records (retailer_id, caller, key, fingerprint, answer, created_at)"
        f" SELECT retailer_id, {w.text('retailer_id')}, 'ask ' || CAST(m AS text), 'x',"
        f" {w.document(chr(39) + '{}' + chr(39))}, {w.at('placed')} FROM seed_lines WHERE {asked}"
        f" AND {counts.still_there(30)}",
    )
    yield (
        "process_statuses",
        "INSERT INTO process_statuses (retailer_id, number, event_type, entity_id, status, cancellation_id, created_at,"
        " settled_at)"
        " SELECT retailer_id, 1500000000 + m, 'CANCEL_ORDER', CAST(m AS text), 'SUCCESS',"
        f" {w.id(CANCELLATION, 'placed + 3600', 'm')}, {w.at('placed')}, {w.at('placed')} FROM seed_lines"
        f" WHERE fate = 'accepted' AND {counts.still_there(90)}",
    )


def _money_rows(w: _Words) -> Iterator[tuple[str, str]]:
    line = (
        "{\"id\": \"' || replace(CAST(id AS text), '-', '') || '\", \"units\": ' || CAST(ordered AS text) || ',"
        ' "unit_price_minor": 1000, "discount_minor": 0, "tax_rate": "0", "tax_minor": null, "commission_minor": 0}'
    )
    payment = (
        '{"id": "1", "provider": "manual", "reference": "pay-\' || CAST(n AS text) || \'", "method": "card",'
        ' "captured_minor": \' || CAST(sum(ordered) * 1000 AS text) || \', "authorised_minor": 0}'
    )
    terms = (
        '\'{"currency": "EUR", "tax": "included", "lines": [\' || '
        + w.joined(f"'{line}'").replace("' ')", "', ')")
        + ' || \'], "discounts": [], "shipping": [], "payments": ['
        + payment
        + '], "commission_returned": false}\''
    )
    yield (
        "order_money",
        "INSERT INTO order_money (retailer_id, id, terms, cancelled, given_back)"
        f" SELECT retailer_id, order_id, {w.document(terms)}, {w.document(chr(39) + '{}' + chr(39))},"
        f" {w.document(chr(39) + '{}' + chr(39))} FROM seed_lines WHERE with_money GROUP BY retailer_id, order_id, n",
    )
    mine = "with_money AND fate = 'accepted'"
    yield (
        "refunds",
        "INSERT INTO refunds (retailer_id, id, partition, order_id, line_id, cancellation_id, payment_id, provider,"
        " payment_reference, method, kind, amount_minor, elsewhere_minor, currency, state, round, attempts,"
        " provider_reference, last_result, created_at, settled_at, note, paid_minor, moved_minor, step, no_provider)"
        f" SELECT retailer_id, {w.id(REFUND, 'placed + 7200 + m % 7200', 'm')}, retailer_n % 32, order_id, id,"
        f" {w.id(CANCELLATION, 'placed + 3600', 'm')}, '1', 'manual', 'pay-' || CAST(n AS text), 'card', 'refund',"
        f" 1000, 0, 'EUR', CASE WHEN {chance('m', 12, 200)} = 0 THEN 'parked' ELSE 'confirmed' END, 0, 1, '', '',"
        f" {w.at('placed + 7200')}, {w.at('placed + 9000')}, '', 0, 0, 2, {w.boolean('n < 0')} FROM seed_lines"
        f" WHERE {mine}",
    )
    yield (
        "journal",
        "INSERT INTO journal (retailer_id, id, order_id, line_id, refund_id, at, kind, debit, credit, amount_minor,"
        f" currency) SELECT retailer_id, {w.id(JOURNAL, 'placed + 7200', 'm')}, order_id, id,"
        f" {w.id(REFUND, 'placed + 7200 + m % 7200', 'm')}, {w.at('placed + 7200')}, 'refund.due', 'revenue',"
        f" 'refunds_due', 1000, 'EUR' FROM seed_lines WHERE {mine}",
    )


def _notice_rows(w: _Words, counts: _Counts) -> Iterator[tuple[str, str]]:
    """Of every placed line of the retailers, who all have an endpoint. Few are due, and few dead."""
    endpoint = w.id(ENDPOINT, str(counts.first), "CASE WHEN retailer_n = 1 THEN 0 ELSE retailer_n END")
    state = (
        f"CASE WHEN {chance('m', 13, 500)} = 0 THEN 'dead' WHEN {chance('m', 14, 500)} = 0 THEN 'due' ELSE 'sent' END"
    )
    yield (
        "notices",
        "INSERT INTO notices (retailer_id, id, partition, endpoint_id, event_id, line_id, seq, kind, state, attempts,"
        f" due_at, last_result, created_at) SELECT retailer_id, {w.id(NOTICE, 'placed', 'm')}, retailer_n % 32,"
        f" {endpoint}, {w.id(EVENT + 16, 'placed', 'm')}, id, 1, 'line.placed', state, 1,"
        f" CASE WHEN state = 'due' THEN {w.at(str(int(counts.now.timestamp()) + 3600))} ELSE {w.no_time()} END, '',"
        f" {w.at('placed')} FROM (SELECT seed_lines.*, {state} AS state FROM seed_lines) AS lines"
        f" WHERE state <> 'sent' OR {counts.still_there(90)}",
    )
    attempted = (
        f"created_at > {w.at(str(int((counts.now - timedelta(days=30)).timestamp())))}" if counts.cleared else "seq > 0"
    )
    yield (
        "attempts",
        "INSERT INTO attempts (retailer_id, id, notice_id, endpoint_id, event_id, line_id, seq, kind, url, at, ok,"
        " duration_ms, status, answer, error) SELECT retailer_id, id, id, endpoint_id, event_id, line_id, seq, kind,"
        " 'https://hooks.example/in', created_at, state = 'sent', 5, 200, '', '' FROM notices"
        f" WHERE {attempted}",
    )


# Running them


def _fill(url: str, counts: _Counts, say: Callable[[str], None]) -> None:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        _fill_sqlite(Path(str(parsed.database)), counts, say)
    else:
        _fill_postgresql(url, counts, say)


def _fill_sqlite(path: Path, counts: _Counts, say: Callable[[str], None]) -> None:
    with closing(sqlite_module().connect(path, isolation_level=None)) as connection:
        connection.create_function("sha256_of", 1, lambda text: hashlib.sha256(text.encode()).hexdigest()[:32])
        # Without a journal nothing is written twice: where this ends in the middle, the file is made anew.
        for pragma in (
            "foreign_keys = OFF",
            "synchronous = OFF",
            "cache_size = -500000",
            "temp_store = MEMORY",
            "journal_mode = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}")
        columns = _columns(
            connection.execute(
                "SELECT t.name, c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table'"
            )
        )
        connection.execute("BEGIN")
        # An index that is made when all rows are there is written once, from its beginning to its end.
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND sql NOT LIKE '% UNIQUE %'"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        for table, statement in _fitting(_statements(counts, _Words(postgresql=False)), columns):
            say(f"  {table}")
            connection.execute(statement)
        for name, sql in indexes:
            say(f"  {name}")
            connection.execute(sql)
        connection.execute("COMMIT")
        # No statistics: nobody makes them of a SQLite file in use either.
        connection.execute("PRAGMA journal_mode = WAL")


def _fill_postgresql(url: str, counts: _Counts, say: Callable[[str], None]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        # Without looking each row of each foreign key up: they follow from the same numbers.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SET work_mem = '128MB'")
        columns = _columns(
            connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
            )
        )
        for table, statement in _fitting(_statements(counts, _Words(postgresql=True)), columns):
            say(f"  {table}")
            connection.execute(statement.encode())
            if table.startswith("seed_"):
                connection.execute(f"ANALYZE {table}".encode())
        say("  statistics")
        connection.execute("VACUUM ANALYZE")


def _columns(rows: Iterable[tuple[Any, ...]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for table, column in rows:
        found[table].add(column)
    return found


FORMER_NAMES: Final = {"id_directory": "whereabouts"}
_INSERT: Final = re.compile(r"INSERT INTO (?P<table>\w+) \((?P<columns>[^)]*)\) (?P<rows>SELECT .*)", re.DOTALL)


def _fitting(statements: Iterator[tuple[str, str]], columns: Mapping[str, set[str]]) -> Iterator[tuple[str, str]]:
    """The statements for tables that are there, without the columns that an older schema lacks."""
    for name, statement in statements:
        insert = _INSERT.fullmatch(statement)
        if insert is None:
            yield name, statement
            continue
        table = insert["table"] if insert["table"] in columns else FORMER_NAMES.get(insert["table"], "")
        if table in columns:
            made, kept = insert["columns"], ", ".join(_shared(insert["columns"], columns[table]))
            rows = (
                insert["rows"] if made == kept else f"WITH made ({made}) AS ({insert['rows']}) SELECT {kept} FROM made"
            )
            yield name, f"INSERT INTO {table} ({kept}) {rows}"


def _shared(names: str, there: set[str]) -> Iterator[str]:
    return (name for name in names.split(", ") if name in there)
