"""No read goes through a table that grows: every one of the service, on both engines, for each kind of caller.

``READS`` has the questions by the name of the function that asks them. A function that takes a connection and is in
neither ``READS`` nor ``CHANGES`` fails the first test: whoever writes one adds its questions here.
"""

import asyncio
import importlib
import inspect
import pkgutil
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection

import countermand
from countermand.admin import (
    callers,
    endpoints,
    policies,
    saved_views,
    sessions,
    signature_keys,
    users,
    web_sessions,
)
from countermand.admin.audit import Action, Author
from countermand.domain.bulk_rows import Answer, AnswerRow, AskRow
from countermand.domain.commands import (
    AcceptCancellation,
    Allocate,
    AllocateOrder,
    AnswerOrder,
    AskCancellation,
    AskLines,
    CancelOrder,
    CancelOwn,
    Command,
    DeclineCancellation,
    NoteCancellation,
    Parcel,
    PassDeadline,
    ReleaseOrder,
    RetailerCancel,
    Ship,
    ShipOrder,
    WithdrawCancellation,
)
from countermand.domain.idempotency import IdempotencyKey, content_of
from countermand.domain.jobs import JobKind, JobState, RowResult
from countermand.domain.line import NO_LINE, State
from countermand.domain.line_status import Allocation, LineStatus
from countermand.domain.money.commands import RetryRefund
from countermand.domain.orders import NewLine, PlaceOrder, Repeats
from countermand.domain.parties import Actor, PartyKind
from countermand.domain.quotas import Quota
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.search import term_of_word
from countermand.ids import Ids
from countermand.reads import asks as ask_reads
from countermand.reads import attempts as attempt_reads
from countermand.reads import audit as audit_reads
from countermand.reads import bulk as bulk_reads
from countermand.reads import cancellations as cancellation_reads
from countermand.reads import credentials as credential_reads
from countermand.reads import event_stream as stream_reads
from countermand.reads import events as event_reads
from countermand.reads import expansions, line_lists, lookup, order_lists, scores, seller_orders
from countermand.reads import jobs as job_reads
from countermand.reads import journal as journal_reads
from countermand.reads import lines as line_reads
from countermand.reads import notices as notice_reads
from countermand.reads import order_summaries as summaries
from countermand.reads import orders as order_reads
from countermand.reads import parties as party_reads
from countermand.reads import policies as policy_reads
from countermand.reads import process_statuses as process_reads
from countermand.reads import refunds as refund_reads
from countermand.reads import search as search_reads
from countermand.reads import secrets as secret_reads
from countermand.reads import shipments as shipment_reads
from countermand.reads import subjects as subject_reads
from countermand.reads import users as user_reads
from countermand.reads import waiting as waiting_reads
from countermand.reads import weeks as week_reads
from countermand.reads.attempts import AttemptFilter
from countermand.reads.cancellations import PAGE_MAX, CancellationFilter, DuePlace
from countermand.reads.jobs import JobFilter
from countermand.reads.lookup import Lookup
from countermand.reads.notices import NoticeFilter
from countermand.reads.order_lists import OrderFilter, PlaceInTime
from countermand.reads.parties import find_party
from countermand.reads.scope import ANYBODY, Scope
from countermand.reads.seller_orders import Progress, SellerFilter
from countermand.service import subscriptions
from countermand.service.batch import run_batch
from countermand.service.calls import Call, ProcessRequest
from countermand.service.workspace import LaneState
from countermand.store import (
    erasure,
    event_streams,
    feed,
    idempotency,
    outbox,
    owner_mails,
    quotas,
    refunds,
    retention,
    score_cards,
)
from countermand.store.backlog import backlog
from countermand.store.codecs import refund_of
from countermand.store.engines.opening import open_database
from countermand.store.engines.protocol import Database, engine_of, ping
from countermand.store.recovery import STATES, Recovery, recover_some
from countermand.store.tables import PARTITIONS
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.plans import Asked, Inspector, Question, beside, statements_of
from tests.support.population import Population, populate

LINES: Final = 30_000
ZONE: Final = ZoneInfo("Europe/Amsterdam")
ALL: Final = range(PARTITIONS)
MANUAL: Final = refunds.ProviderGroup(provider="manual")
Cases = dict[str, Question]


@dataclass(frozen=True)
class Filled:
    url: str
    population: Population

    @property
    def scopes(self) -> dict[str, Scope]:
        p = self.population
        kinds = {
            "platform": (p.platform, PartyKind.PLATFORM),
            "big retailer": (p.big_retailer, PartyKind.RETAILER),
            "small retailer": (p.small_retailer, PartyKind.RETAILER),
            "big supplier": (p.big_supplier, PartyKind.SUPPLIER),
            "small supplier": (p.small_supplier, PartyKind.SUPPLIER),
        }
        return {name: Scope(party=party, kind=kind) for name, (party, kind) in kinds.items()}

    def row(self, name: str) -> Any:
        return self.population.samples[name]

    def each(self, ask: Callable[[Connection, Scope], object], what: str = "") -> Cases:
        """A question as each kind of caller asks it."""

        def asked_by(scope: Scope) -> Question:
            return lambda connection: ask(connection, scope)

        return {f"{what} {name}".strip(): asked_by(scope) for name, scope in self.scopes.items()}


@dataclass(frozen=True)
class Asking:
    """A database that is filled, and what looks at how it answers."""

    filled: Filled
    database: Database
    inspector: Inspector


READS: Final[dict[str, Callable[[Filled], Cases]]] = {}


def of(name: str) -> Callable[[Callable[[Filled], Cases]], Callable[[Filled], Cases]]:
    def keep(make: Callable[[Filled], Cases]) -> Callable[[Filled], Cases]:
        before = READS.get(name)
        READS[name] = (lambda filled: before(filled) | make(filled)) if before else make
        return make

    return keep


# The database itself


@of("store.engines.protocol.ping")
def _(filled: Filled) -> Cases:
    return {"ready": ping}


@of("reads.credentials.credential_by_id")
def _(filled: Filled) -> Cases:
    return {"one": lambda connection: credential_reads.credential_by_id(connection, filled.row("order").id)}


# Orders

ORDER_FILTERS: Final = {
    "all": OrderFilter(),
    "unsent": OrderFilter(sent=False),
    "sent": OrderFilter(sent=True),
    "reference": OrderFilter(reference="PO-100"),
    "sku": OrderFilter(term="SKU-17"),
    "no sku": OrderFilter(term="no such thing"),
    "common word": OrderFilter(title_word="article"),
    "uncommon word": OrderFilter(title_word="kind7"),
    "rare words": OrderFilter(title_word="model17 kind17"),
    "no word": OrderFilter(title_word="boot"),
    "shipped": OrderFilter(statuses=(LineStatus.SHIPPED,)),
    "to ship": OrderFilter(statuses=(LineStatus.ALLOCATED,)),
    "unallocated": OrderFilter(line_statuses=(LineStatus.UNALLOCATED,)),
    "only unallocated": OrderFilter(line_statuses=(LineStatus.UNALLOCATED,), conjunction="only"),
    "allocated": OrderFilter(allocation=(Allocation.ALL,)),
}


@of("reads.orders.list_orders")
def _(filled: Filled) -> Cases:
    p = filled.population
    recent = OrderFilter(placed_from=p.now - timedelta(days=3), placed_to=p.now)
    filters = ORDER_FILTERS | {
        "recent": recent,
        "by id": OrderFilter(term=str(filled.row("order").id)),
        "of the big supplier": OrderFilter(parties=(p.big_supplier,)),
        "of the big retailer": OrderFilter(parties=(p.big_retailer,)),
        "recent words": replace(recent, title_word="kind7"),
    }
    found: Cases = {}
    for newest_first in (True, False):
        for name, wanted in filters.items():

            def ask(
                connection: Connection, scope: Scope, wanted: OrderFilter = wanted, newest: bool = newest_first
            ) -> object:
                return order_reads.list_orders(connection, scope, wanted, start=0, count=10, newest_first=newest)

            found |= filled.each(ask, f"{name}, {'newest' if newest_first else 'oldest'} first,")
    return found


BEHIND: Final = ("all", "reference")


@of("reads.orders.orders_behind")
def _(filled: Filled) -> Cases:
    row = filled.row("order")
    places = {"first page": None, "further page": PlaceInTime(row.placed_at, row.id)}
    found: Cases = {}
    for name, place in places.items():
        for filtered in BEHIND:

            def ask(
                connection: Connection,
                scope: Scope,
                wanted: OrderFilter = ORDER_FILTERS[filtered],
                place: PlaceInTime | None = place,
            ) -> object:
                return order_reads.orders_behind(connection, scope, wanted, place, 10)

            found |= filled.each(ask, f"{filtered}, {name},")

    def exported(connection: Connection, scope: Scope) -> object:
        return order_reads.orders_behind(connection, scope, OrderFilter(), places["further page"], PAGE_MAX)

    return found | filled.each(exported, "a long page,")


@of("reads.order_lists.keys_behind")
def _(filled: Filled) -> Cases:
    def ask(connection: Connection, scope: Scope) -> object:
        return order_lists.keys_behind(connection, scope, OrderFilter(), None, 10)

    return filled.each(ask)


@of("reads.order_lists.keys_looked_up")
def _(filled: Filled) -> Cases:
    p = filled.population
    wanted = OrderFilter(retailer=p.big_retailer, supplier=p.big_supplier, bucket="open")

    def ask(connection: Connection, scope: Scope, sought: Lookup) -> object:
        return order_lists.keys_looked_up(connection, scope, wanted, sought, None, 10)

    return _each_lookup(filled, ask)


@of("reads.order_summaries.order_keys")
def _(filled: Filled) -> Cases:
    p, row = filled.population, filled.row("order")
    filters = {
        "all": OrderFilter(),
        "of a retailer": OrderFilter(retailer=p.big_retailer),
        "of a small retailer": OrderFilter(retailer=p.small_retailer),
        "of a supplier": OrderFilter(supplier=p.big_supplier),
        "of a small supplier": OrderFilter(supplier=p.small_supplier),
        "of two": OrderFilter(retailer=p.big_retailer, supplier=p.big_supplier),
        "of an article": OrderFilter(sku="SKU-17"),
        "open": OrderFilter(bucket="open"),
        "shipped": OrderFilter(bucket="shipped"),
        "recent": OrderFilter(placed_from=p.now - timedelta(days=3), placed_before=p.now),
    }
    places = {"first page": None, "further page": PlaceInTime(row.placed_at, row.id)}
    found: Cases = {}
    for name, wanted in filters.items():
        for page, place in places.items():

            def ask(
                connection: Connection,
                scope: Scope,
                wanted: OrderFilter = wanted,
                place: PlaceInTime | None = place,
            ) -> object:
                query = summaries.OrderQuery(filter=wanted, behind=place, limit=10)
                return summaries.order_keys(connection, scope, query)

            found |= filled.each(ask, f"{name}, {page},")
    return found


@of("reads.order_summaries.list_order_summaries")
def _(filled: Filled) -> Cases:
    def ask(connection: Connection, scope: Scope) -> object:
        return summaries.list_order_summaries(connection, scope, summaries.OrderQuery(limit=PAGE_MAX))

    return filled.each(ask)


@of("reads.order_summaries.order_summaries")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: summaries.order_summaries(connection, scope, _pairs(filled)))


@of("reads.order_summaries.order_summary")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: summaries.order_summary(connection, scope, filled.row("order").id))


@of("reads.order_summaries.order_with_lines")
def _(filled: Filled) -> Cases:
    wanted = filled.row("order").id
    return filled.each(lambda connection, scope: summaries.order_with_lines(connection, scope, wanted))


@of("reads.order_summaries.stored_order")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: summaries.stored_order(connection, scope, filled.row("order").id))


@of("reads.order_summaries.latest_of")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: summaries.latest_of(connection, scope, filled.row("order").id))


@of("reads.lines.lines_of_orders")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: line_reads.lines_of_orders(connection, scope, _pairs(filled)))


@of("reads.line_lists.list_lines")
def _(filled: Filled) -> Cases:
    line, order = filled.row("line"), filled.row("order")
    place = line_lists.LinePlace(PlaceInTime(order.placed_at, order.id), 1)
    queries = {
        "all": line_lists.LineQuery(limit=10),
        "behind": line_lists.LineQuery(behind=place, limit=10),
        "of an order": line_lists.LineQuery(order=order.id),
        "numbered": line_lists.LineQuery(number=line.number),
        "open": line_lists.LineQuery(filter=OrderFilter(bucket="open"), limit=10),
    }
    found: Cases = {}
    for name, wanted in queries.items():

        def ask(connection: Connection, scope: Scope, wanted: line_lists.LineQuery = wanted) -> object:
            return line_lists.list_lines(connection, scope, wanted)

        found |= filled.each(ask, f"{name},")
    return found


@of("reads.line_lists.place_of_line")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: line_lists.place_of_line(connection, scope, filled.row("line").id))


@of("reads.shipments.list_parcels")
def _(filled: Filled) -> Cases:
    p, row = filled.population, filled.row("shipment")
    filters = {
        "all": shipment_reads.ParcelFilter(limit=10),
        "later": shipment_reads.ParcelFilter(after=row.id, limit=10),
        "recent": shipment_reads.ParcelFilter(since=p.now - timedelta(days=3), limit=10),
        "of an order": shipment_reads.ParcelFilter(order=row.order_id),
        "of a line": shipment_reads.ParcelFilter(line=filled.row("line").id),
        "numbered": shipment_reads.ParcelFilter(tracking_number="3S123"),
    }
    found: Cases = {}
    for name, wanted in filters.items():

        def ask(connection: Connection, scope: Scope, wanted: shipment_reads.ParcelFilter = wanted) -> object:
            return shipment_reads.list_parcels(connection, scope, wanted)

        found |= filled.each(ask, f"{name},")
    return found


@of("reads.shipments.parcel_by_id")
def _(filled: Filled) -> Cases:
    wanted = filled.row("shipment").id
    return filled.each(lambda connection, scope: shipment_reads.parcel_by_id(connection, scope, wanted))


@of("reads.refunds.quote_order")
def _(filled: Filled) -> Cases:
    wanted = filled.row("order").id
    return filled.each(lambda connection, scope: refund_reads.quote_order(connection, scope, wanted))


@of("reads.refunds.quotes_asked")
def _(filled: Filled) -> Cases:
    units, accepted = {filled.row("line").id: 1}, [filled.row("cancellation").id]

    def ask(connection: Connection, scope: Scope) -> object:
        wanted = refund_reads.QuotedUnits(scope=scope, units=units, accepted=accepted)
        anybodys = replace(wanted, scope=ANYBODY)
        return [refund_reads.quotes_asked(connection, asks, {}) for asks in ([wanted], [wanted, anybodys])]

    return filled.each(ask)


@of("reads.asks.asked")
def _(filled: Filled) -> Cases:
    units, made = {filled.row("line").id: 1}, [filled.row("asked").id]

    def ask(connection: Connection, scope: Scope) -> object:
        wanted = ask_reads.SavedAsk(scope=scope, cancellations=made, units=units, accepted=())
        return ask_reads.asked(connection, [wanted])

    return filled.each(ask)


@of("reads.search.find")
def _(filled: Filled) -> Cases:
    texts = {
        "reference": "PO-100",
        "sku": "SKU-17",
        "parcel": "3S123",
        "cancellation": f"can_{filled.row('cancellation').id.hex}",
        "line": str(filled.row("line").id),
        "number": str(filled.row("line").number),
        **BEGINNINGS,
    }
    return _each_text(
        filled,
        texts,
        lambda connection, scope, text: search_reads.find(connection, scope, text, search_reads.KINDS, 20),
    )


BEGINNINGS: Final = {
    "all references": "po",
    "some references": "Po-12",
    "all SKUs": "sku-",
    "some SKUs": "sku-17",
    "all parcels": "3s",
    "some parcels": "3s12",
    "most e-mail addresses": "buyer",
    "some e-mail addresses": "buyer12",
    "an e-mail address": "buyer12@example.com",
    "all payments": "pay-",
    "some payments": "PAY-12",
    "a word of all titles": "article",
    "a word of some titles": "colour1 kind3",
    "a word of few titles": "model17",
    "all suppliers": "supp",
    "letters of other languages": "Ås Élan",
    "of nothing": "zz",
}
"""What many, some, few or no orders begin with, in the population."""


def _each_text(filled: Filled, texts: dict[str, str], ask: Callable[[Connection, Scope, str], object]) -> Cases:
    found: Cases = {}
    for name, text in texts.items():

        def asked(connection: Connection, scope: Scope, text: str = text) -> object:
            return ask(connection, scope, text)

        found |= filled.each(asked, f"{name},")
    return found


@of("reads.lookup.found_by")
def _(filled: Filled) -> Cases:
    return _each_text(
        filled, BEGINNINGS, lambda connection, scope, text: list(lookup.found_by(connection, scope, text, 20))
    )


@of("reads.lookup.keys_titled")
def _(filled: Filled) -> Cases:
    return _each_text(
        filled, BEGINNINGS, lambda connection, scope, text: lookup.keys_titled(connection, scope, text, 20)
    )


@of("reads.line_lists.lines_of_sku")
def _(filled: Filled) -> Cases:
    return _each_text(
        filled, BEGINNINGS, lambda connection, scope, text: line_lists.lines_of_sku(connection, scope, text, 20)
    )


@of("reads.shipments.parcels_numbered")
def _(filled: Filled) -> Cases:
    return _each_text(
        filled, BEGINNINGS, lambda connection, scope, text: shipment_reads.parcels_numbered(connection, scope, text, 20)
    )


@of("reads.parties.parties_named")
def _(filled: Filled) -> Cases:
    return _each_text(
        filled, BEGINNINGS, lambda connection, scope, text: party_reads.parties_named(connection, scope, text, 20)
    )


@of("reads.order_lists.order_page")
def _(filled: Filled) -> Cases:
    def ask(connection: Connection, scope: Scope) -> object:
        return order_lists.order_page(connection, scope, OrderFilter(), start=20, count=10, newest_first=True)

    return filled.each(ask)


@of("reads.orders.order_by_id")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: order_reads.order_by_id(connection, scope, filled.row("order").id))


@of("reads.orders.orders_by_reference")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: order_reads.orders_by_reference(connection, scope, "PO-100"))


@of("reads.orders.orders_of")
def _(filled: Filled) -> Cases:
    row = filled.row("order")
    page = order_lists.order_page
    scope = Scope(party=row.retailer_id, kind=PartyKind.RETAILER)

    def found(connection: Connection) -> object:
        wanted = OrderFilter(placed_from=filled.population.now - timedelta(days=3))
        return order_reads.orders_of(
            connection, page(connection, scope, wanted, start=0, count=20, newest_first=True).keys
        )

    return {"": found}


@of("reads.orders.asked_by_customer")
def _(filled: Filled) -> Cases:
    line = filled.row("line")
    return {"": lambda connection: order_reads.asked_by_customer(connection, line.retailer_id, [line.id])}


@of("reads.orders.open_orders")
def _(filled: Filled) -> Cases:
    p = filled.population
    numbered = filled.row("order").number
    return {
        "big": lambda connection: order_reads.open_orders(connection, p.big_retailer, start=0, count=50),
        "small": lambda connection: order_reads.open_orders(connection, p.small_retailer, start=0, count=50),
        "one": lambda connection: order_reads.open_orders(
            connection, p.big_retailer, start=0, count=1, number=numbered
        ),
    }


@of("reads.shipments.shipments")
def _(filled: Filled) -> Cases:
    p, row = filled.population, filled.row("shipment")
    return {
        "all": lambda connection: shipment_reads.shipments(connection, p.big_retailer, count=50),
        "of an order": lambda connection: shipment_reads.shipments(
            connection, p.big_retailer, order_number=filled.row("order").number
        ),
        "one": lambda connection: shipment_reads.shipments(connection, p.big_retailer, number=row.number),
    }


@of("reads.lines.line_of_number")
def _(filled: Filled) -> Cases:
    line = filled.row("line")
    return {"": lambda connection: line_reads.line_of_number(connection, line.retailer_id, line.number)}


@of("reads.lines.lines_of_numbers")
def _(filled: Filled) -> Cases:
    line = filled.row("line")
    numbers = [line.number, line.number + 1]
    return {"": lambda connection: line_reads.lines_of_numbers(connection, line.retailer_id, numbers)}


@of("reads.lines.line_of_bol_number")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: line_reads.line_of_bol_number(connection, filled.row("line").number)}


@of("reads.lines.line_by_id")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: line_reads.line_by_id(connection, scope, filled.row("line").id))


@of("reads.lines.line_view")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: line_reads.line_view(connection, scope, filled.row("line").id))


@of("reads.process_statuses.process_status")
def _(filled: Filled) -> Cases:
    row = filled.row("process")
    return {"": lambda connection: process_reads.process_status(connection, row.retailer_id, row.number)}


@of("reads.process_statuses.process_statuses")
def _(filled: Filled) -> Cases:
    row = filled.row("process")
    numbers = [row.number, row.number + 1]
    return {"": lambda connection: process_reads.process_statuses(connection, row.retailer_id, numbers)}


@of("reads.process_statuses.processes_about")
def _(filled: Filled) -> Cases:
    row = filled.row("process")
    return {
        "": lambda connection: process_reads.processes_about(
            connection, row.retailer_id, row.event_type, row.entity_id, start=0, count=50
        )
    }


@of("reads.process_statuses.processes_for_sending")
def _(filled: Filled) -> Cases:
    row = filled.row("process")
    return {"": lambda connection: process_reads.processes_for_sending(connection, {(row.retailer_id, row.number)})}


@dataclass(frozen=True, kw_only=True)
class _Named:
    retailer_id: UUID
    event_id: UUID
    line_id: UUID | None
    seq: int | None


@of("reads.subjects.subjects_of")
def _(filled: Filled) -> Cases:
    event, process = filled.row("event"), filled.row("process")
    about = [
        _Named(retailer_id=event.retailer_id, event_id=event.id, line_id=event.line_id, seq=event.seq),
        _Named(retailer_id=process.retailer_id, event_id=UUID(int=1), line_id=NO_LINE, seq=process.number),
    ]
    return {"": lambda connection: subject_reads.subjects_of(connection, about)}


@of("reads.seller_orders.seller_orders")
def _(filled: Filled) -> Cases:
    retailer, now = filled.row("line").retailer_id, filled.population.now
    spans = {
        "": (None, None),
        " changed": (now - timedelta(hours=1), None),
        " on a day": (now - timedelta(days=1), now),
    }

    def case(progress: Progress, since: datetime | None, until: datetime | None) -> Question:
        wanted = SellerFilter(progress=progress, now=now, since=since, until=until)
        return lambda connection: seller_orders.seller_orders(connection, retailer, wanted, start=0, count=50)

    return {f"{each.value}{name}": case(each, *span) for each in Progress for name, span in spans.items()}


@of("reads.seller_orders.seller_order")
def _(filled: Filled) -> Cases:
    row = filled.row("order")
    return {"": lambda connection: seller_orders.seller_order(connection, row.retailer_id, row.number)}


@of("reads.weeks.begun")
def _(filled: Filled) -> Cases:
    p = filled.population
    of_week = partial(week_reads.begun, since=p.now - timedelta(days=7), until=p.now)
    scopes = {
        "platform": Scope(party=callers.PLATFORM, kind=PartyKind.PLATFORM),
        "retailer": Scope(party=p.big_retailer, kind=PartyKind.RETAILER),
        "supplier": Scope(party=p.big_supplier, kind=PartyKind.SUPPLIER),
    }
    return {name: partial(of_week, scope=scope) for name, scope in scopes.items()}


@of("reads.parties.names_of")
def _(filled: Filled) -> Cases:
    some = {filled.population.big_retailer, filled.population.big_supplier}
    return {"": lambda connection: party_reads.names_of(connection, some)}


@of("reads.waiting.waiting_for")
def _(filled: Filled) -> Cases:
    long_ago = filled.population.now - timedelta(days=700)
    return filled.each(lambda connection, scope: waiting_reads.waiting_for(connection, scope, long_ago))


@of("admin.saved_views.of_user")
def _(filled: Filled) -> Cases:
    return {each or "all": partial(saved_views.of_user, user=UUID(int=7), of_list=each) for each in (None, "events")}


@of("reads.credentials.logins_of_user")
def _(filled: Filled) -> Cases:
    user, now = filled.population.small_retailer, filled.population.now
    return {"": lambda connection: credential_reads.logins_of_user(connection, user, now, 20)}


@of("reads.events.span_of")
def _(filled: Filled) -> Cases:
    retailer, now = filled.row("line").retailer_id, filled.population.now
    scope = Scope(party=retailer, kind=PartyKind.RETAILER)
    return {"": lambda connection: event_reads.span_of(connection, scope, now - timedelta(days=1), now)}


# Cancellations


@of("reads.cancellations.list_cancellations")
def _(filled: Filled) -> Cases:
    p = filled.population
    filters = {
        "all": CancellationFilter(),
        **{state.value: CancellationFilter(state=state.value) for state in State},
        "awaiting": CancellationFilter(awaiting=p.big_supplier),
        "awaiting nobody's": CancellationFilter(awaiting=UUID(int=9)),
        "of a line": CancellationFilter(line=filled.row("line").id),
        "of an order": CancellationFilter(order=filled.row("order").id),
        "later": CancellationFilter(after=filled.row("cancellation").id),
        "a long page": CancellationFilter(after=filled.row("cancellation").id, limit=PAGE_MAX),
        "escalated": CancellationFilter(escalated=True),
        "escalated by due": CancellationFilter(escalated=True, by_due=True),
        "late": CancellationFilter(late=p.now - timedelta(days=700)),
        "overdue": CancellationFilter(overdue=p.now - timedelta(days=700), by_due=True),
        "overdue of one": CancellationFilter(overdue=p.now - timedelta(days=700), by_due=True, awaiting=p.big_supplier),
        "due before": CancellationFilter(due_before=p.now - timedelta(days=700)),
        "by due": CancellationFilter(by_due=True),
        "by due of one": CancellationFilter(by_due=True, awaiting=p.big_supplier),
        "later by due": CancellationFilter(by_due=True, behind=DuePlace(p.now, filled.row("asked").id)),
        "undated by due": CancellationFilter(by_due=True, behind=DuePlace(None, filled.row("asked").id)),
        "of orders": CancellationFilter(orders=_pairs(filled)),
        "of a retailer": CancellationFilter(retailer=p.big_retailer),
        "of a fulfiller": CancellationFilter(fulfiller=p.big_supplier),
        "of two states": CancellationFilter(states=("accepted", "asked"), asked_if_escalated=True),
        "recent": CancellationFilter(since=p.now - timedelta(days=1)),
        "of orders by due": CancellationFilter(orders=_pairs(filled), by_due=True),
    }
    found: Cases = {}
    for name, wanted in filters.items():

        def ask(connection: Connection, scope: Scope, wanted: CancellationFilter = wanted) -> object:
            return cancellation_reads.list_cancellations(connection, scope, wanted)

        found |= filled.each(ask, f"{name},")
    return found


def _pairs(filled: Filled) -> tuple[tuple[UUID, UUID], ...]:
    return ((filled.row("order").retailer_id, filled.row("order").id),)


def _lookups(filled: Filled) -> dict[str, Lookup]:
    line = filled.row("line")
    at_hand = {
        "reference": "PO-100",
        "number": str(line.number),
        "order": str(line.order_id),
        "line": f"lin_{line.id.hex}",
        "cancellation": f"can_{filled.row('cancellation').id.hex}",
        "refund": f"rfd_{filled.row('refund').id.hex}",
        "e-mail": "anna@example.com",
        "name": "Anna Maria de Vries",
        "parcel": "3S123",
    }
    return {
        **{name: Lookup(anything=text) for name, text in {**at_hand, **BEGINNINGS}.items()},
        "all": Lookup(reference="PO-100", number=line.number, email="a@b.example", payment="tr_1", anything="x y"),
    }


def _each_lookup(filled: Filled, ask: Callable[[Connection, Scope, Lookup], object]) -> Cases:
    found: Cases = {}
    for name, wanted in _lookups(filled).items():

        def asked(connection: Connection, scope: Scope, wanted: Lookup = wanted) -> object:
            return ask(connection, scope, wanted)

        found |= filled.each(asked, f"{name},")
    return found


# What is shown inside the objects of a page


def _page_of(filled: Filled, name: str) -> list[tuple[UUID, UUID]]:
    row = filled.row(name)
    nobody = [(filled.population.small_retailer, UUID(int=place)) for place in range(20)]
    return [(row.retailer_id, row.id), *nobody]


@of("reads.expansions.lines_inside")
def _(filled: Filled) -> Cases:
    page = _page_of(filled, "order")
    return filled.each(lambda connection, scope: expansions.lines_inside(connection, scope, page))


@of("reads.expansions.cancellations_of_orders")
def _(filled: Filled) -> Cases:
    page = _page_of(filled, "order")
    return filled.each(lambda connection, scope: expansions.cancellations_of_orders(connection, scope, page))


@of("reads.expansions.cancellations_of_lines")
def _(filled: Filled) -> Cases:
    page = _page_of(filled, "line")
    return filled.each(lambda connection, scope: expansions.cancellations_of_lines(connection, scope, page))


@of("reads.expansions.parcels_of_orders")
def _(filled: Filled) -> Cases:
    page = _page_of(filled, "order")
    return filled.each(lambda connection, scope: expansions.parcels_of_orders(connection, scope, page))


@of("reads.expansions.refunds_of_cancellations")
def _(filled: Filled) -> Cases:
    page = _page_of(filled, "cancellation")
    return filled.each(lambda connection, scope: expansions.refunds_of_cancellations(connection, scope, page))


@of("reads.expansions.orders_around")
def _(filled: Filled) -> Cases:
    page = _page_of(filled, "order")
    return filled.each(lambda connection, scope: expansions.orders_around(connection, scope, page))


@of("reads.expansions.lines_around")
def _(filled: Filled) -> Cases:
    page = _page_of(filled, "line")
    return filled.each(lambda connection, scope: expansions.lines_around(connection, scope, page))


@of("reads.expansions.cancellations_around")
def _(filled: Filled) -> Cases:
    page = _page_of(filled, "cancellation")
    return filled.each(lambda connection, scope: expansions.cancellations_around(connection, scope, page))


@of("reads.orders.orders_by_lookup")
def _(filled: Filled) -> Cases:
    return _each_lookup(
        filled, lambda connection, scope, wanted: order_reads.orders_by_lookup(connection, scope, wanted, 20)
    )


@of("reads.lookup.orders_found")
def _(filled: Filled) -> Cases:
    return _each_lookup(filled, lambda connection, scope, wanted: lookup.orders_found(connection, scope, wanted, 20))


@of("reads.lookup.all_orders_found")
def _(filled: Filled) -> Cases:
    def ask(connection: Connection, scope: Scope, wanted: Lookup) -> None:
        with suppress(lookup.TooManyFoundError):
            lookup.all_orders_found(connection, scope, wanted)

    return _each_lookup(filled, ask)


@of("reads.cancellations.cancellation_by_id")
def _(filled: Filled) -> Cases:
    wanted = filled.row("cancellation").id
    return filled.each(lambda connection, scope: cancellation_reads.cancellation_by_id(connection, scope, wanted))


@of("reads.cancellations.cancellations_by_id")
def _(filled: Filled) -> Cases:
    wanted = [filled.row("cancellation").id, filled.row("asked").id]
    return filled.each(lambda connection, scope: cancellation_reads.cancellations_by_id(connection, [(scope, wanted)]))


@of("reads.cancellations.cancellation_to_answer")
def _(filled: Filled) -> Cases:
    row = filled.row("asked")
    return {
        "": lambda connection: cancellation_reads.cancellation_to_answer(
            connection, party=row.fulfiller_id, retailer=row.retailer_id, cancellation=row.id
        )
    }


@of("reads.cancellations.cancellation_for_customer")
def _(filled: Filled) -> Cases:
    row = filled.row("asked")
    return {
        "": lambda connection: cancellation_reads.cancellation_for_customer(
            connection, retailer=row.retailer_id, cancellation=row.id
        )
    }


@of("reads.events.timeline")
def _(filled: Filled) -> Cases:
    found: Cases = {}
    for name in ("order", "line", "cancellation"):
        subject = filled.row(name).id

        def ask(connection: Connection, scope: Scope, subject: UUID = subject) -> object:
            return event_reads.timeline(connection, scope, subject)

        found |= filled.each(ask, f"{name},")
    return found


# Events and notices


@of("reads.events.list_events")
def _(filled: Filled) -> Cases:
    now = filled.population.now
    filters = {
        "the last hour": event_reads.EventFilter(since=now - timedelta(hours=1)),
        "thirty days": event_reads.EventFilter(since=now - timedelta(days=30)),
        "behind an event": event_reads.EventFilter(after=filled.row("event").id),
        "of a line": event_reads.EventFilter(line=filled.row("line").id),
        "of an order": event_reads.EventFilter(order=filled.row("order").id),
        "of a cancellation": event_reads.EventFilter(cancellation=filled.row("cancellation").id),
        "until a time": event_reads.EventFilter(since=now - timedelta(days=30), until=now - timedelta(days=29)),
        "of a kind": event_reads.EventFilter(since=now - timedelta(days=30), kinds=frozenset({"line.placed"})),
        "looked at in steps": event_reads.EventFilter(
            since=now - timedelta(days=30), kinds=frozenset({"refund.closed"}), looks=50
        ),
        "one": event_reads.EventFilter(since=now - timedelta(days=30), limit=1),
        "a long page": event_reads.EventFilter(since=now - timedelta(days=30), limit=PAGE_MAX),
    }
    found: Cases = {}
    for name, wanted in filters.items():

        def ask(connection: Connection, scope: Scope, wanted: event_reads.EventFilter = wanted) -> object:
            return event_reads.list_events(connection, scope, wanted)

        found |= filled.each(ask, f"{name},")
    return found


@of("reads.events.place_before")
def _(filled: Filled) -> Cases:
    since = filled.population.now - timedelta(days=20)
    return filled.each(lambda connection, scope: event_reads.place_before(connection, scope, since))


@of("reads.event_stream.first_place")
def _(filled: Filled) -> Cases:
    now, keep = filled.population.now, timedelta(days=20)
    return {"since a time": lambda connection: stream_reads.first_place(connection, now, keep)}


@of("reads.event_stream.page_behind")
def _(filled: Filled) -> Cases:
    def ask(connection: Connection, since: timedelta) -> object:
        place = stream_reads.first_place(connection, filled.population.now, since)
        return stream_reads.page_behind(connection, place, 20)

    ages = {"long ago": timedelta(days=60), "in the middle": timedelta(days=20), "just now": timedelta(minutes=5)}
    return {name: partial(ask, since=since) for name, since in ages.items()}


@of("reads.event_stream.oldest_unpublished")
def _(filled: Filled) -> Cases:
    now, keep = filled.population.now, timedelta(days=20)
    return {"": lambda connection: stream_reads.oldest_unpublished(connection, "countermand", now, keep)}


@of("store.event_streams.cursor_of")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: event_streams.cursor_of(connection, "countermand")}


@of("store.quotas.settle")
def _(filled: Filled) -> Cases:
    now = filled.population.now.timestamp()
    quota = Quota(calls=60, window_s=60)
    asked = [quotas.Settlement(key=key, quota=quota, owed=1, wanted=2, now=now) for key in ("a", "b")]
    return {"two keys": lambda connection: quotas.settle(connection, asked)}


@of("store.quotas.drop_full")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: quotas.drop_full(connection, filled.population.now)}


@of("reads.events.newest_events")
def _(filled: Filled) -> Cases:
    kinds = {"cancellation.asked"}
    return filled.each(lambda c, scope: event_reads.newest_events(c, scope, kinds, limit=8, looks=50))


@of("reads.events.event_by_id")
def _(filled: Filled) -> Cases:
    event = filled.row("event").id
    return filled.each(lambda connection, scope: event_reads.event_by_id(connection, scope, event), "an event,")


@of("reads.events.newest_place")
def _(filled: Filled) -> Cases:
    return {"": event_reads.newest_place}


@of("reads.events.newest_shown")
def _(filled: Filled) -> Cases:
    return {"": event_reads.newest_shown}


@of("reads.events.event_keys_shown")
def _(filled: Filled) -> Cases:
    event = filled.row("event")
    keys = [(event.retailer_id, event.line_id, event.seq)]

    def ask(connection: Connection, scope: Scope) -> object:
        return event_reads.event_keys_shown(connection, scope, keys)

    return filled.each(ask, "an event,")


@of("store.feed.misplaced")
def _(filled: Filled) -> Cases:
    def ask(connection: Connection) -> object:
        feed.misplaced(connection)
        # SQLite needs not ask.
        return feed.horizon(connection)

    return {"": ask}


@of("reads.events.events_for_sending")
def _(filled: Filled) -> Cases:
    row = filled.row("event")
    return {
        "": lambda connection: event_reads.events_for_sending(connection, [(row.retailer_id, row.line_id, row.seq)])
    }


@of("reads.notices.list_notices")
def _(filled: Filled) -> Cases:
    now = filled.population.now
    found: Cases = {}
    for state in (None, "due", "sent", "dead"):
        for endpoint in (None, filled.population.endpoint):
            wanted = NoticeFilter(states=frozenset({state} if state else ()), endpoint=endpoint)

            def ask(connection: Connection, wanted: NoticeFilter = wanted) -> object:
                return notice_reads.list_notices(connection, wanted, 50, now)

            found[f"{state or 'any'} of {'one' if endpoint else 'all'}"] = ask
    return found


@of("reads.notices.list_notices")
def _(filled: Filled) -> Cases:
    now, event = filled.population.now, filled.row("event").id
    filters = {
        "all": NoticeFilter(),
        "about an event": NoticeFilter(event=event),
        "of kinds": NoticeFilter(kinds=frozenset({"line.placed"})),
        "dead": NoticeFilter(states=frozenset({"dead"})),
        "until": NoticeFilter(until=now - timedelta(days=3)),
    }
    found: Cases = {}
    for name, wanted in filters.items():

        def ask(connection: Connection, scope: Scope, wanted: NoticeFilter = wanted) -> object:
            owner = None if scope.kind is PartyKind.PLATFORM else scope.party
            return notice_reads.list_notices(connection, replace(wanted, owner=owner), 50, now)

        found |= filled.each(ask, f"{name},")
    return found


@of("reads.notices.notice_shown")
def _(filled: Filled) -> Cases:
    notice = filled.row("notice").id
    return filled.each(lambda connection, scope: notice_reads.notice_shown(connection, scope, notice))


@of("admin.endpoints.list_endpoints")
def _(filled: Filled) -> Cases:
    filters = {
        "of one": endpoints.EndpointFilter(party=filled.population.big_retailer),
        "of all": endpoints.EndpointFilter(),
        **{health.value: endpoints.EndpointFilter(health=health) for health in endpoints.Health},
    }
    found: Cases = {}
    for name, wanted in filters.items():

        def ask(connection: Connection, wanted: endpoints.EndpointFilter = wanted) -> object:
            return endpoints.list_endpoints(connection, wanted)

        found[name] = ask
    return found


@of("reads.attempts.list_attempts")
def _(filled: Filled) -> Cases:
    now, oldest = filled.population.now, filled.population.now - timedelta(days=31)
    filters = {
        "all": AttemptFilter(),
        "at an endpoint": AttemptFilter(endpoint=filled.population.endpoint),
        "of a notice": AttemptFilter(notice=filled.row("notice").id),
        "until": AttemptFilter(until=now - timedelta(days=3)),
    }
    found: Cases = {}
    for name, wanted in filters.items():

        def ask(connection: Connection, scope: Scope, wanted: AttemptFilter = wanted) -> object:
            return attempt_reads.list_attempts(connection, scope, wanted, now, oldest)

        found |= filled.each(ask, f"{name},")
    return found


@of("reads.attempts.attempts_of")
def _(filled: Filled) -> Cases:
    notice = filled.row("notice").id
    return {"": lambda connection: attempt_reads.attempts_of(connection, [notice], 200)}


@of("reads.attempts.attempt_by_id")
def _(filled: Filled) -> Cases:
    # As in the population, where an attempt has the id of its notice.
    attempt = filled.row("notice").id
    return filled.each(lambda connection, scope: attempt_reads.attempt_by_id(connection, scope, attempt))


@of("reads.notices.notice_by_id")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: notice_reads.notice_by_id(connection, filled.row("notice").id)}


@of("reads.secrets.closed_secrets")
def _(filled: Filled) -> Cases:
    return {"": secret_reads.closed_secrets}


# Parties and what belongs to them


@of("reads.parties.party_name")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: party_reads.party_name(connection, filled.population.big_retailer)}


@of("reads.parties.active_suppliers")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {"": lambda connection: party_reads.active_suppliers(connection, [p.big_supplier, p.big_retailer])}


@of("reads.parties.find_party")
def _(filled: Filled) -> Cases:
    return {
        "id": lambda connection: find_party(connection, str(filled.population.big_retailer)),
        "name": lambda connection: find_party(connection, "Retailer 7"),
    }


@of("admin.callers.caller_of_token")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: callers.caller_of_token(connection, "seed7")}


@of("admin.sessions.find_user")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: sessions.find_user(connection, "user7@shop.example")}


@of("admin.web_sessions.session_of")
def _(filled: Filled) -> Cases:
    now = filled.population.now
    return {"": lambda connection: web_sessions.session_of(connection, "nobody's", now)}


@of("admin.web_sessions.still_counting")
def _(filled: Filled) -> Cases:
    now = filled.population.now
    return {"": lambda connection: web_sessions.still_counting(connection, [UUID(int=9)], now)}


@of("admin.web_sessions.find_link")
def _(filled: Filled) -> Cases:
    now = filled.population.now
    return {"": lambda connection: web_sessions.find_link(connection, "nobody's", now)}


@of("admin.web_sessions.user_by_id")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: web_sessions.user_by_id(connection, UUID(int=9))}


@of("admin.web_sessions.has_operator")
def _(filled: Filled) -> Cases:
    return {"": web_sessions.has_operator}


@of("reads.refunds.worth_of")
def _(filled: Filled) -> Cases:
    lists = {"asked": CancellationFilter(by_due=True), "accepted": CancellationFilter(state="accepted")}
    found: Cases = {}
    for name, wanted in lists.items():

        def ask(connection: Connection, scope: Scope, wanted: CancellationFilter = wanted) -> object:
            rows = cancellation_reads.list_cancellations(connection, scope, wanted)
            return refund_reads.worth_of(connection, scope, rows)

        found |= filled.each(ask, f"{name},")
    return found


@of("admin.callers.plaza_key")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: callers.plaza_key(connection, filled.population.plaza_key)}


@of("admin.callers.oauth_client")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: callers.oauth_client(connection, filled.population.small_retailer)}


@of("reads.credentials.list_plaza_keys")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: credential_reads.list_plaza_keys(connection, filled.population.big_retailer)}


@of("admin.endpoints.of_party")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: endpoints.of_party(connection, filled.population.big_retailer)}


@of("service.subscriptions.subscriptions_of")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: subscriptions.subscriptions_of(connection, filled.population.big_retailer)}


@of("service.subscriptions.find_subscription")
def _(filled: Filled) -> Cases:
    def ask(connection: Connection) -> None:
        with suppress(endpoints.UnknownEndpointError):
            subscriptions.find_subscription(connection, filled.population.big_retailer, str(UUID(int=1)))

    return {"": ask}


@of("admin.signature_keys.published_keys")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: signature_keys.published_keys(connection, filled.population.now)}


@of("admin.endpoints.find")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: endpoints.find(connection, filled.population.endpoint)}


@of("admin.endpoints.by_ids")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: endpoints.by_ids(connection, [filled.population.endpoint])}


@of("admin.endpoints.to_confirm")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: endpoints.to_confirm(connection, filled.population.endpoint, lambda address: True)}


@of("admin.endpoints.remove")
def _(filled: Filled) -> Cases:
    author = Author(name="test", door="test", at=filled.population.now, ids=Ids())
    return {"": lambda connection: endpoints.remove(connection, author, filled.population.endpoint)}


@of("admin.policies.in_force")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {"": lambda connection: policies.in_force(connection, p.big_retailer, p.big_supplier)}


@of("admin.policies.in_force_seen")
def _(filled: Filled) -> Cases:
    p, scope = filled.population, filled.scopes["platform"]
    seller, holder = str(p.big_retailer), str(p.big_supplier)
    return {
        "": lambda connection: policies.in_force_seen(connection, scope, retailer=seller, supplier=holder),
    }


@of("reads.policies.list_policies")
def _(filled: Filled) -> Cases:
    p, wanted = filled.population, policy_reads.PolicyFilter()
    one = replace(wanted, retailer=p.big_retailer, fulfiller=p.big_supplier, history=True, after=p.big_retailer)
    return {
        **filled.each(lambda connection, scope: policy_reads.list_policies(connection, scope, wanted)),
        **filled.each(lambda connection, scope: policy_reads.list_policies(connection, scope, one), "pair"),
    }


@of("reads.policies.policy_seen")
def _(filled: Filled) -> Cases:
    return filled.each(
        lambda connection, scope: policy_reads.policy_seen(connection, scope, filled.population.big_retailer)
    )


@of("reads.policies.policies_by_id")
def _(filled: Filled) -> Cases:
    ids = [filled.population.big_retailer, filled.population.small_retailer]
    return {"": lambda connection: policy_reads.policies_by_id(connection, ids)}


@of("reads.policies.named_version")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: policy_reads.named_version(connection, filled.population.big_retailer, 1)}


@of("reads.parties.find_seen")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: party_reads.find_seen(connection, scope, str(scope.party)))


@of("reads.policies.policy_history")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {"": lambda connection: policy_reads.policy_history(connection, p.big_retailer, p.big_supplier)}


@of("reads.policies.zone_between")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {"": lambda connection: policy_reads.zone_between(connection, p.big_retailer, p.big_supplier)}


@of("reads.policies.last_policy_version")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: policy_reads.last_policy_version(connection, filled.population.big_retailer)}


@of("reads.policies.policy_asked_under")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {
        "": lambda connection: policy_reads.policy_asked_under(
            connection, retailer=p.big_retailer, fulfiller=p.big_supplier, version=1, asked_at=p.now
        )
    }


@of("reads.audit.list_entries")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {
        "all": lambda connection: audit_reads.list_entries(connection, audit_reads.AuditFilter()),
        "party": lambda connection: audit_reads.list_entries(connection, audit_reads.AuditFilter(party=p.big_retailer)),
        "target": lambda connection: audit_reads.list_entries(
            connection, audit_reads.AuditFilter(target=p.big_retailer)
        ),
        "action": lambda connection: audit_reads.list_entries(
            connection, audit_reads.AuditFilter(action=Action.PARTY_ADDED.value)
        ),
    }


@of("admin.users.find_user")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: users.find_user(connection, "user7@shop.example")}


@of("reads.users.list_users")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {
        "all": lambda connection: user_reads.list_users(connection, user_reads.UserFilter()),
        "party": lambda connection: user_reads.list_users(connection, user_reads.UserFilter(party=p.big_retailer)),
    }


@of("reads.users.user_by_id")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {"": lambda connection: user_reads.user_by_id(connection, UUID(int=7), p.big_retailer)}


@of("reads.parties.party_seen")
def _(filled: Filled) -> Cases:
    wanted = filled.population.big_retailer
    return filled.each(lambda connection, scope: party_reads.party_seen(connection, scope, wanted))


@of("reads.credentials.list_credentials")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {
        f"{kind} {name}": lambda connection, kind=kind, party=party: credential_reads.list_credentials(  # type: ignore[misc]
            connection, credential_reads.CredentialFilter(kind=kind, party=party)
        )
        for kind in ("token", "plaza_key", "oauth_client", None)
        for name, party in (("all", None), ("party", p.big_retailer))
    }


# Money


@of("reads.refunds.list_refunds")
def _(filled: Filled) -> Cases:
    filters = {
        "all": refund_reads.RefundFilter(limit=50),
        "parked": refund_reads.RefundFilter(state="parked", limit=50),
        "none": refund_reads.RefundFilter(state="unknown", limit=50),
        "of a line": refund_reads.RefundFilter(line=filled.row("line").id, limit=50),
        "later": refund_reads.RefundFilter(after=filled.row("refund").id, limit=50),
        "the newest confirmed": refund_reads.RefundFilter(state="confirmed", newest=True, limit=11),
        "a long page": refund_reads.RefundFilter(limit=PAGE_MAX),
        "of orders": refund_reads.RefundFilter(orders=_pairs(filled), limit=50),
    }
    found: Cases = {}
    for name, wanted in filters.items():

        def ask(connection: Connection, scope: Scope, wanted: refund_reads.RefundFilter = wanted) -> object:
            return refund_reads.list_refunds(connection, scope, wanted)

        found |= filled.each(ask, f"{name},")
    return found


@of("reads.journal.list_postings")
def _(filled: Filled) -> Cases:
    refund = filled.row("refund")
    filters = {
        "all": journal_reads.PostingFilter(limit=50),
        "later": journal_reads.PostingFilter(after=refund.id, limit=50),
        "of an order": journal_reads.PostingFilter(order=refund.order_id, limit=50),
        "of a refund": journal_reads.PostingFilter(order=refund.order_id, refund=refund.id, limit=50),
        "a long page": journal_reads.PostingFilter(limit=PAGE_MAX),
    }
    found: Cases = {}
    for name, wanted in filters.items():

        def ask(connection: Connection, scope: Scope, wanted: journal_reads.PostingFilter = wanted) -> object:
            return journal_reads.list_postings(connection, scope, wanted)

        found |= filled.each(ask, f"{name},")
    return found


@of("reads.journal.check_postings")
def _(filled: Filled) -> Cases:
    def ask(connection: Connection, scope: Scope) -> object:
        postings = journal_reads.list_postings(connection, scope, journal_reads.PostingFilter(limit=50))
        return journal_reads.check_postings(connection, postings)

    return filled.each(ask)


@of("reads.refunds.refund_by_id")
def _(filled: Filled) -> Cases:
    return filled.each(lambda connection, scope: refund_reads.refund_by_id(connection, scope, filled.row("refund").id))


@of("reads.refunds.quote_units")
def _(filled: Filled) -> Cases:
    return filled.each(
        lambda connection, scope: refund_reads.quote_units(connection, scope, {filled.row("line").id: None})
    )


@of("reads.refunds.account_by_order")
def _(filled: Filled) -> Cases:
    return filled.each(
        lambda connection, scope: refund_reads.account_by_order(connection, scope, filled.row("order").id)
    )


@of("store.refunds.due_refunds")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: refunds.due_refunds(connection, filled.population.now, 500, ALL, MANUAL)}


@of("store.refunds.refunds_to_check")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: refunds.refunds_to_check(connection, filled.population.now, 200, ALL, MANUAL)}


@of("store.refunds.refunds_sharing")
def _(filled: Filled) -> Cases:
    row = filled.row("refund")
    return {"": lambda connection: refunds.refunds_sharing(connection, row.retailer_id, refund_of(row))}


@of("store.refunds.counted_elsewhere")
def _(filled: Filled) -> Cases:
    row = filled.row("refund")
    return {
        "": lambda connection: refunds.counted_elsewhere(
            connection, row.retailer_id, row.provider, row.payment_reference
        )
    }


@of("store.refunds.refunds_of_payment")
def _(filled: Filled) -> Cases:
    row = filled.row("refund")
    return {"": lambda connection: refunds.refunds_of_payment(connection, row.retailer_id, refund_of(row))}


@of("store.refunds.was_parked_for")
def _(filled: Filled) -> Cases:
    row = filled.row("refund")
    return {"": lambda connection: refunds.was_parked_for(connection, row.retailer_id, refund_of(row), "It failed.")}


@of("store.refunds.released_before")
def _(filled: Filled) -> Cases:
    row = filled.row("refund")
    return {"": lambda connection: refunds.released_before(connection, row.retailer_id, refund_of(row))}


@of("store.refunds.retailer_of_payment")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: refunds.retailer_of_payment(connection, "stripe", ["pi_1", "ch_1"])}


@of("store.refunds.refunds_notified")
def _(filled: Filled) -> Cases:
    row = filled.row("refund")
    return {
        "refund": lambda connection: refunds.refunds_notified(connection, "manual", row.id, ""),
        "payment": lambda connection: refunds.refunds_notified(connection, "manual", None, row.payment_reference),
    }


# Scores


@of("reads.scores.incidents_of")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: scores.incidents_of(connection, filled.row("cancellation"), ZONE)}


CARD_KEY: Final = ("retailer", "Europe/Amsterdam", 1, "2026-W40")


@of("reads.scores.judged_parties")
def _(filled: Filled) -> Cases:
    return {
        "first": lambda connection: scores.judged_parties(connection, None, 20),
        "next": lambda connection: scores.judged_parties(connection, filled.population.big_retailer, 20),
    }


@of("store.score_cards.kept")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {"": lambda connection: score_cards.kept(connection, p.big_retailer, *CARD_KEY[:3], ["2026-W40"])}


@of("store.score_cards.make_stale")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {
        "": lambda connection: score_cards.make_stale(connection, [(p.big_retailer, p.now), (p.big_supplier, p.now)])
    }


@of("store.score_cards.arm")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: score_cards.arm(connection, ALL, 40)}


@of("store.score_cards.armed")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: score_cards.armed(connection, ALL, 80)}


@of("store.score_cards.keep")
def _(filled: Filled) -> Cases:
    key = (filled.population.big_retailer, *CARD_KEY)
    return {"": lambda connection: score_cards.keep(connection, [(key, 1, {})])}


@of("store.score_cards.forget")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {"": lambda connection: score_cards.forget(connection, p.big_retailer, p.now, *CARD_KEY[1:3])}


@of("reads.scores.judgements_of")
def _(filled: Filled) -> Cases:
    line = filled.row("line")
    return {"": lambda connection: scores.judgements_of(connection, [(line.retailer_id, line.id)])}


@of("reads.scores.list_judgements")
def _(filled: Filled) -> Cases:
    p, row = filled.population, filled.row("cancellation")
    filters = {
        "all": scores.JudgementFilter(),
        "party": scores.JudgementFilter(party=p.big_retailer, after=row.id),
        "cancellation": scores.JudgementFilter(cancellation=row.id),
    }

    def asked(wanted: scores.JudgementFilter) -> Question:
        return lambda connection: scores.list_judgements(connection, wanted)

    return {name: asked(wanted) for name, wanted in filters.items()}


@of("reads.scores.judge")
def _(filled: Filled) -> Cases:
    row, now = filled.row("cancellation"), filled.population.now
    return {
        "": lambda connection: scores.judge(
            connection, now, row, row.retailer_id, excluded=True, reason="x", by="test", door="test"
        )
    }


@of("reads.scores.evidence")
def _(filled: Filled) -> Cases:
    def ask(connection: Connection) -> object:
        found = scores.incidents_of(connection, filled.row("cancellation"), ZONE)
        return scores.evidence(connection, found)

    return {"": ask}


# What the worker looks for


@of("store.outbox.overdue")
def _(filled: Filled) -> Cases:
    now = filled.population.now
    return {
        "none": lambda connection: outbox.overdue(connection, now, 500, ALL),
        "some": lambda connection: outbox.overdue(connection, now + timedelta(days=2), 500, [1, 2]),
    }


@of("store.backlog.backlog")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: backlog(connection, filled.population.now + timedelta(days=1))}


@of("store.outbox.waiting")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: outbox.waiting(connection, filled.population.now + timedelta(days=1), ALL)}


@of("store.outbox.due")
def _(filled: Filled) -> Cases:
    pairs = [(0, filled.population.endpoint)]
    return {"": lambda connection: outbox.due(connection, filled.population.now + timedelta(days=1), pairs, 10)}


@of("store.outbox.settle")
def _(filled: Filled) -> Cases:
    row = filled.row("notice")
    done = outbox.Settlement(
        retailer=row.retailer_id,
        notice=row.id,
        partition=row.partition,
        fence=0,
        tried=1,
        state="sent",
        attempts=2,
        due_at=None,
        result="",
        at=filled.population.now,
    )
    return {"": lambda connection: outbox.settle(connection, [done])}


@of("store.outbox.recover")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {"": lambda connection: outbox.recover(connection, p.now, p.endpoint, p.now - timedelta(days=30))}


@of("store.outbox.replay")
def _(filled: Filled) -> Cases:
    row = filled.row("notice")
    return {"": lambda connection: outbox.replay(connection, filled.population.now, row.retailer_id, row.id)}


@of("store.outbox.mark_dead")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: outbox.mark_dead(connection, [filled.row("notice")], "gone")}


@of("store.outbox.stop")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: outbox.stop(connection, filled.population.endpoint, "disabled", "gone")}


@of("store.outbox.note_success")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: outbox.note_success(connection, [filled.population.endpoint])}


@of("store.outbox.note_failure")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {"": lambda connection: outbox.note_failure(connection, [p.endpoint], p.now)}


@of("store.owner_mails.owe")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {"": lambda connection: owner_mails.owe(connection, p.endpoint, "gone", p.now)}


@of("store.owner_mails.confirmations_to")
def _(filled: Filled) -> Cases:
    since = filled.population.now - timedelta(days=1)
    return {"": lambda connection: owner_mails.confirmations_to(connection, "party7@shop.example", since)}


@of("store.owner_mails.confirmations_of")
def _(filled: Filled) -> Cases:
    p = filled.population
    since = p.now - timedelta(days=1)
    return {"": lambda connection: owner_mails.confirmations_of(connection, p.big_retailer, since)}


@of("store.owner_mails.owe_confirmation")
def _(filled: Filled) -> Cases:
    p = filled.population
    mailbox = {"address": "party7@shop.example", "recipient": "party7@shop.example"}
    return {
        "": lambda connection: owner_mails.owe_confirmation(
            connection, endpoint=p.endpoint, party=p.big_retailer, now=p.now, **mailbox
        )
    }


@of("store.outbox.unconfirmed")
def _(filled: Filled) -> Cases:
    return {"": outbox.unconfirmed}


@of("store.outbox.first_waiting")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: outbox.first_waiting(connection, filled.population.endpoint, 100)}


@of("store.owner_mails.due")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: owner_mails.due(connection, filled.population.now, 500, ALL)}


# Jobs


@of("reads.jobs.job_by_id")
def _(filled: Filled) -> Cases:
    return {
        "": lambda connection: job_reads.job_by_id(connection, filled.population.big_retailer, filled.row("order").id)
    }


@of("reads.jobs.list_jobs")
def _(filled: Filled) -> Cases:
    party, now = filled.population.big_retailer, filled.population.now
    each = {
        "all": JobFilter(),
        "kind": JobFilter(kind=JobKind.ASK),
        "states": JobFilter(states=[JobState.DONE, JobState.RUNNING]),
        "time": JobFilter(since=now - timedelta(days=1), until=now),
        "after": JobFilter(after=filled.row("order").id),
    }

    def listed(wanted: JobFilter) -> Question:
        return lambda connection: job_reads.list_jobs(connection, party, wanted)

    return {name: listed(wanted) for name, wanted in each.items()}


@of("reads.jobs.open_jobs")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: job_reads.open_jobs(connection, ALL)}


@of("store.recovery.recover_some")
def _(filled: Filled) -> Cases:
    p = filled.population
    wanted = Recovery(
        endpoint=filled.row("notice").endpoint_id,
        states=STATES["all"],
        since=p.now - timedelta(days=300),
        until=p.now,
    )
    return {"": lambda connection: recover_some(connection, wanted, retailer=p.big_retailer, after=None, now=p.now)}


@of("reads.notices.sellers_of")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: notice_reads.sellers_of(connection, filled.row("notice").endpoint_id)}


@of("reads.jobs.unfinished_jobs")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: job_reads.unfinished_jobs(connection, filled.population.big_retailer)}


@of("reads.jobs.parts_of")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: job_reads.parts_of(connection, filled.row("order").id)}


@of("reads.jobs.part_content")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: job_reads.part_content(connection, filled.row("order").id, 1)}


@of("reads.jobs.results_of")
def _(filled: Filled) -> Cases:
    job = filled.row("order").id
    return {
        "all": lambda connection: job_reads.results_of(connection, job, limit=1000),
        "bad": lambda connection: job_reads.results_of(
            connection, job, results=[RowResult.INVALID, RowResult.REFUSED], after=7, limit=1000
        ),
    }


@of("reads.bulk.lines_named")
def _(filled: Filled) -> Cases:
    line, order = filled.row("line"), filled.row("order")
    rows = [
        AskRow(place=1, line=str(line.id)),
        AskRow(place=2, line=str(line.number)),
        AskRow(place=3, order=order.reference, sku="x"),
        AskRow(place=4, order=str(order.number), sku="x"),
        AskRow(place=5, order=str(order.id), sku="x"),
    ]
    return filled.each(lambda connection, scope: bulk_reads.lines_named(connection, scope, rows))


@of("reads.bulk.cancellations_named")
def _(filled: Filled) -> Cases:
    wanted = str(filled.row("cancellation").id)
    rows = [AnswerRow(place=1, cancellation=wanted, answer=Answer.ACCEPT)]
    return filled.each(lambda connection, scope: bulk_reads.cancellations_named(connection, scope, rows))


@of("store.retention.purge")
def _(filled: Filled) -> Cases:
    p = filled.population
    before = p.now - timedelta(days=30)
    return {
        f"{sweep.setting} {sweep.table.name}": lambda connection, sweep=sweep: retention.purge(  # type: ignore[misc]
            connection, sweep, p.big_retailer if sweep.by_retailer else None, before, None
        )
        for sweep in retention.SWEEPS
    }


@of("store.retention.owners")
def _(filled: Filled) -> Cases:
    return {"": lambda connection: retention.owners(connection, None)}


@of("store.retention.orders_with_customer")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {
        "": lambda connection: retention.orders_with_customer(
            connection, p.big_retailer, p.now - timedelta(days=300), 100
        )
    }


@of("store.idempotency.find")
def _(filled: Filled) -> Cases:
    key = IdempotencyKey.of_party(filled.population.big_retailer, "ask 7", content_of("op", {}))
    return {"": lambda connection: idempotency.find(connection, key)}


@of("store.idempotency.first_use")
def _(filled: Filled) -> Cases:
    retailer = filled.population.big_retailer
    return {"": lambda connection: idempotency.first_use(connection, retailer, "plaza signature", "0" * 64)}


@of("store.erasure.erase_customer")
def _(filled: Filled) -> Cases:
    p = filled.population
    return {"": lambda connection: erasure.erase_customer(connection, filled.row("order").id, at=p.now, by="test")}


# The write road


@of("service.batch.run_batch")
def _(filled: Filled) -> Cases:
    p, line, order, asked = filled.population, filled.row("line"), filled.row("order"), filled.row("asked")
    retailer = Actor(party=p.big_retailer, kind=PartyKind.RETAILER, name="test")
    supplier = Actor(party=p.big_supplier, kind=PartyKind.SUPPLIER, name="test")
    platform = Actor(party=p.platform, kind=PartyKind.PLATFORM, name="test")
    ids = Ids(lambda: p.now)
    placed = PlaceOrder(
        id=ids.new(),
        actor=retailer,
        retailer=p.big_retailer,
        reference="PO",
        placed_at=p.now,
        held=False,
        lines=(NewLine(id=ids.new(), fulfiller=p.big_supplier, sku="S", units=1, details={}),),
        details={},
    )
    reason = DeclineReason.OTHER
    commands: dict[str, tuple[Command | PlaceOrder, UUID | None]] = {
        "place": (placed, p.big_retailer),
        "place once": (replace(placed, repeats=Repeats.REFERENCE), p.big_retailer),
        "release": (ReleaseOrder(order=asked.order_id, actor=retailer), p.big_retailer),
        "ask": (AskCancellation(line=asked.line_id, actor=platform), None),
        "ask as the retailer": (AskCancellation(line=asked.line_id, actor=retailer), p.big_retailer),
        "ask for lines": (
            AskLines(
                order=asked.order_id, actor=retailer, lines=(AskCancellation(line=asked.line_id, actor=retailer),)
            ),
            p.big_retailer,
        ),
        "accept": (AcceptCancellation(line=asked.line_id, actor=supplier, cancellation=asked.id), None),
        "accept any": (AcceptCancellation(line=asked.line_id, actor=supplier), None),
        "decline": (DeclineCancellation(line=asked.line_id, actor=supplier, reason=reason), None),
        "withdraw": (WithdrawCancellation(line=asked.line_id, actor=retailer, cancellation=asked.id), p.big_retailer),
        "deadline": (PassDeadline(line=asked.line_id, cancellation=asked.id), None),
        "note": (NoteCancellation(line=asked.line_id, actor=supplier, cancellation=asked.id, note="x"), None),
        "answer an order": (AnswerOrder(order=asked.order_id, actor=supplier), None),
        "cancel own": (CancelOwn(line=asked.line_id, actor=supplier, reason=CancelReason.OTHER), None),
        "cancel an order": (CancelOrder(order=asked.order_id, actor=retailer), p.big_retailer),
        "retailer cancels": (
            RetailerCancel(line=asked.line_id, actor=retailer, reason=CancelReason.OTHER),
            p.big_retailer,
        ),
        "ship": (Ship(line=line.id, actor=supplier, units=1), None),
        "ship an order": (
            ShipOrder(
                order=asked.order_id,
                actor=supplier,
                lines=(Ship(line=asked.line_id, actor=supplier, units=1),),
                parcel=Parcel(id=ids.new(), tracking_number="3S"),
            ),
            None,
        ),
        "allocate": (
            AllocateOrder(
                order=asked.order_id,
                actor=supplier,
                lines=(Allocate(line=asked.line_id, actor=supplier, accepted=1, backordered=0, rejected=0),),
            ),
            None,
        ),
        "retry a refund": (RetryRefund(line=line.id, refund=filled.row("refund").id, actor=platform, note="x"), None),
    }
    once = IdempotencyKey(caller=str(p.big_retailer), key="key", fingerprint="x")

    def run(call: Call) -> Question:
        def ask(connection: Connection) -> object:
            state = LaneState(engine_of(connection))
            state.numbers.reserve(connection, 1_000)
            return run_batch(connection, [call], p.now, ids.new, state)

        return ask

    found = {
        name: run(Call(command=command, door="test", retailer=retailer, once=once))
        for name, (command, retailer) in commands.items()
    }
    numbered = AskCancellation(line=UUID(int=0), actor=retailer)
    wish = ProcessRequest(event_type="CANCEL_ORDER", entity_id="1")
    found["by number"] = run(
        Call(command=numbered, door="test", retailer=p.big_retailer, line_number=line.number, process=wish)
    )
    found["by number alone"] = run(Call(command=numbered, door="test", line_number=line.number))
    del order
    return found


CHANGES: Final = {
    "store.engines.postgresql.planner.plan_freely",
    # A row by its key, of which there is one for each stream.
    "store.event_streams.keep",
    # What stands above as parts of a page.
    "store.events.events_by_key",
    "documents.expanded.expanded_cancellations",
    "documents.notices.notices_shown",
    "documents.timeline.timeline_of",
    "documents.expanded.expanded_lines",
    "documents.expanded.expanded_orders",
    "documents.expanded.expanded_refunds",
    "reads.order_summaries.with_sums",
    "reads.shipments.with_contents",
    # Parts of run_batch, which has questions above.
    "store.handovers.hand_over",
    "service.load.by_retailer",
    "service.load.load",
    "service.load.lock",
    "service.load_money.load_accounts",
    "service.load_money.load_money",
    "service.idempotency.make_replies",
    "service.process_status.tell_of_settled",
    "store.changes.change_rows",
    "store.parts.move",
    "store.parts.release",
    # One row by its key, in a table that questions above look into by the same key.
    "admin.audit.record",
    "admin.credentials.create_client",
    "admin.credentials.create_plaza_key",
    "admin.credentials.create_token",
    "admin.credentials.rename",
    "admin.credentials.revoke",
    "admin.credentials.revoke_client",
    "admin.credentials.revoke_plaza_key",
    "admin.credentials.revoke_token",
    "admin.credentials.revoke_where",
    "store.credential_uses.save_uses",
    "admin.parties.add",
    "admin.access.add_client",
    "admin.access.add_plaza_key",
    "admin.access.add_token",
    "admin.access.add_user",
    "admin.access.change_user",
    "admin.access.end_sessions",
    "admin.access.find_credential",
    "admin.access.find_user",
    "admin.access.revoke",
    "admin.credentials.revoke_one",
    "admin.parties.add_shown",
    "admin.parties.lock_names",
    "admin.parties.rename",
    "admin.parties.locked",
    "admin.openid_users.let_in",
    "admin.saved_views.add",
    "admin.saved_views.remove",
    "admin.users.update_user",
    "admin.users.set_password",
    "admin.parties.set_active",
    "admin.users.add",
    "admin.users.change_password",
    "admin.users.disable",
    "admin.users.enable",
    "admin.users.log_out",
    "admin.endpoints.add",
    "admin.jobs.cancel",
    "admin.jobs.check_parts",
    "admin.jobs.create",
    "admin.jobs.find",
    "admin.jobs.recover",
    "admin.jobs.start",
    "admin.jobs.upload",
    "store.jobs.add_job",
    "store.jobs.add_part",
    "store.jobs.add_results",
    "store.jobs.change_job",
    "store.jobs.drop_parts",
    "store.jobs.finish",
    "store.jobs.lock_job",
    "store.jobs.lock_party",
    # Of reads.bulk, which has questions above.
    "worker.job_calls.planned",
    "store.jobs.count_recovered",
    "admin.endpoints.ask_again_to_confirm",
    "admin.endpoints.confirm",
    "admin.endpoints.confirm_by_link",
    "admin.endpoints.kept_of_0_1",
    "admin.idempotency.once",
    "store.idempotency.claim",
    "store.idempotency.keep",
    "store.idempotency.keep_reply",
    # Part of the erasure, which has questions above.
    "store.idempotency.forget_replies",
    "admin.endpoints.pause",
    "admin.endpoints.update_endpoint",
    "admin.endpoints.record_stop",
    "admin.endpoints.resume",
    "admin.endpoints.rotate",
    "admin.parties.enter",
    # There are at most five of these keys.
    "admin.signature_keys.add_first",
    "admin.signature_keys.rotate",
    "admin.signature_keys.signing_key",
    "admin.users.enter",
    "admin.credentials.issue_client",
    "admin.credentials.issue_plaza_key",
    "admin.credentials.issue_token",
    "admin.sessions.log_in",
    "admin.web_sessions.end_session",
    "admin.web_sessions.issue_link",
    "admin.web_sessions.open_session",
    "admin.web_sessions.renew_session",
    "admin.web_sessions.use_link",
    "admin.parties.switch",
    "admin.policies.put_in_force",
    "store.owner_mails.settle",
    # Tables that do not grow.
    "store.outbox.beat",
    "store.outbox.forget_workers",
    "store.outbox.lock_partitions",
    "store.outbox.partitions",
    "store.outbox.release",
    "store.outbox.renew",
    "store.outbox.revision",
    "store.outbox.take",
    "store.outbox.workers",
    "store.revisions.agreements_changed",
    # The schema, not what is in it.
    *(
        f"store.engines.citus.spreading.{name}"
        for name in ("begin_moving", "check_ready", "layout", "moving", "placed", "stop_giving_shards")
    ),
    # The whole database, once: when it is kept, and when it is put back. Of restores there are few.
    "store.engines.postgresql.driver.alone",
    "store.engines.postgresql.backup.check_empty",
    "store.engines.postgresql.backup.dump",
    "store.engines.postgresql.backup.load",
    "store.engines.sqlite.backup.dump",
    "store.restored.oldest_restore",
    "store.restored.settle",
    "store.migrations.bring_to",
    "store.migrations.bring_up_to_date",
    "store.migrations.current_revision",
    "store.migrations.lacking",
    "store.migrations.migrate",
    "store.migrations.refuse_incomplete",
    "store.migrations.serves",
    "store.feed.horizon",
    "store.feed.move",
    # Carries out a statement that is made by another function.
    "store.changes.change_any",
    "store.changes.change_exactly",
    "store.changes.change_returning",
    # Settings of the connection, and what surrounds a transaction.
    "store.engines.protocol.engine_of",
    "store.engines.postgresql.driver.fetch",
    "store.engines.postgresql.driver.put_off",
    "store.engines.transactions.transaction",
    "store.row_security.narrow",
    # All parties, for an operator who asked for all.
    "reads.parties.list_parties",
    "reads.parties.parties_by_name",
    "reads.parties.parties_seen",
    # Other names of questions and changes above.
    "admin.erasure.erase",
    "admin.notices.recover",
    "admin.notices.replay",
    "admin.notices.resend",
    "store.attempts.record",
    "admin.orders.erase_and_show",
    "admin.orders.parties_of",
    "admin.policies.change_terms",
    "admin.policies.pair",
    "admin.policies.preview",
    "admin.policies.kept_terms",
    "admin.scores.judged",
    # What was just written, by its key.
    "reads.scores.last_judgement",
    # Counted from the asks of a pair that wait, for the platform, before it changes the policy of that pair.
    "reads.policies.open_asks",
    "admin.scores.judge",
    "admin.finding.find_line",
    "admin.finding.scope_of",
    "admin.finding.find_party",
    "admin.finding.find_retailer",
    # Counted from the lines of the weeks that are asked for, which is what is kept of them for; what is kept has
    # questions above (docs/decisions/0022).
    "documents.scorecards.scorecards_for",
    "documents.scorecards.written",
    "documents.scorecards.evidence_of",
    "reads.scores.cards",
    "reads.scores.figures",
    # Of this snapshot, or a row by its key.
    "store.score_cards.barrier",
    "store.score_cards.plan",
}
"""Functions that take a connection and have no questions of their own, each group with its reason."""


def functions() -> set[str]:
    """Every public function of the package whose first parameter is a connection."""
    found = set()
    for module in pkgutil.walk_packages(countermand.__path__, "countermand."):
        if ".versions" in module.name or module.name.endswith(".env"):
            continue
        loaded = importlib.import_module(module.name)
        for name, function in vars(loaded).items():
            if name.startswith("_") or not inspect.isfunction(function) or function.__module__ != module.name:
                continue
            given = list(inspect.signature(function).parameters.values())
            if given and given[0].annotation is Connection:
                found.add(f"{module.name.removeprefix('countermand.')}.{name}")
    return found


def test_every_function_that_reads_has_its_questions_here() -> None:
    known = READS.keys() | CHANGES
    assert functions() - known == set()
    assert known - functions() == set()
    assert READS.keys() & CHANGES == set()


# Asking


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
async def asking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Asking]:
    """Each engine in turn, with one database and one inspector for all tests: what one has seen, the others know."""
    folder = tmp_path_factory.mktemp("plans")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COUNTERMAND_KEY_FILE", str(folder / "keys"))
        # So much is looked at to count and to find a word, so that less than the whole of so small a table is.
        patched.setattr(order_lists, "COUNTED_MAX", 100)
        patched.setattr(order_lists, "CHECKED_MAX", 50)
        patched.setattr(order_lists, "CHECKED_A_ROW", 1)
        patched.setattr(event_reads, "_FIRST_POSITIONS", 32)
        if request.param == "sqlite":
            url = templates.filled_file(Path(folder, "plans.sqlite3"))
        else:
            node: Node = request.getfixturevalue("postgres")
            url = templates.new_database(node)
        population = await asyncio.to_thread(populate, url, LINES)
        database = await open_database(url, allow_weak_durability=True)
        with beside(url) as other:
            yield Asking(Filled(url, population), database, Inspector(other))
        await database.close()


@pytest.mark.anyio
@pytest.mark.parametrize("name", READS)
async def test_no_read_goes_through_a_table_that_grows(asking: Asking, name: str) -> None:
    questions = READS[name](asking.filled)
    assert questions
    found = await asking.database.write(lambda connection: _faults(connection, asking.inspector, questions))
    assert not found, "\n".join(found)


def _faults(connection: Connection, inspector: Inspector, questions: Cases) -> list[str]:
    found: dict[str, list[str]] = {}
    for name, question in questions.items():
        asked = statements_of(connection, question)
        # Suppliers have no part in orders that were not sent, so nothing is asked there.
        assert asked or name.startswith(("unsent", "of a supplier", "of a small supplier", "of two")), name
        for each in asked:
            for fault in inspector.faults(connection, each):
                found.setdefault(f"{fault}\n    {each.statement[:3000]}", []).append(name)
    return [f"{', '.join(names)}: {fault}" for fault, names in found.items()]


WORDS_FUNCTION: Final = {"words": "tsquery", "sees": "text", "party": "uuid", "most": "bigint"}
"""The parameters of ``parts_with_words``, and their types."""


@pytest.mark.anyio
async def test_the_function_that_finds_words_asks_their_index_first(asking: Asking) -> None:
    """What a function does stands in no plan of its caller, so its own statement is looked at."""
    if asking.database.engine.name != "postgresql":
        return
    supplier = asking.filled.population.big_supplier
    words = " & ".join(term_of_word(word) for word in ("model17", "kind17"))

    def faults(connection: Connection) -> Sequence[str]:
        body = "SELECT prosrc FROM pg_proc WHERE proname = 'parts_with_words'"
        statement = str(connection.exec_driver_sql(body).scalar_one())
        for place, (name, kind) in enumerate(WORDS_FUNCTION.items(), start=1):
            given = f"CAST(CAST(${place} AS TEXT) AS {kind})"
            statement, count = re.subn(rf"(?<![a-z_.]){name}\b", given, statement)
            assert count, name
        return asking.inspector.faults(connection, Asked(statement, (words, str(supplier), str(supplier), "9")))

    assert await asking.database.write(faults) == []
