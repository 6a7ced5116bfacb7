"""The journal of money: postings between accounts, for those who may see what the customer paid."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, select

from countermand.domain.money.journal import balances_of
from countermand.domain.parties import PartyKind
from countermand.reads.cancellations import PAGE_MAX
from countermand.reads.scope import Scope, retailer_of
from countermand.store import tables as t
from countermand.store.codecs import refund_of
from countermand.store.columns import PairList, pair_of
from countermand.store.views import views


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingView:
    """A posting: an amount that one account gives to another. ``refund_id`` is ``None`` for commission."""

    retailer_id: UUID
    id: UUID
    order_id: UUID
    line_id: UUID
    refund_id: UUID | None
    at: datetime
    kind: str
    debit: str
    credit: str
    amount_minor: int
    currency: str
    order_reference: str
    retailer_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingFilter:
    """Which postings to list, newest first: of an order, or of one refund of it. ``after`` is the last one before."""

    order: UUID | None = None
    refund: UUID | None = None
    after: UUID | None = None
    limit: int = PAGE_MAX


def list_postings(connection: Connection, scope: Scope, wanted: PostingFilter) -> list[PostingView]:
    """Postings that this party may see, newest first. A supplier sees none."""
    journal = t.journal.c
    conditions = [] if scope.kind is PartyKind.PLATFORM else [journal.retailer_id == scope.party]
    if wanted.order is not None:
        conditions += [journal.retailer_id == retailer_of(wanted.order), journal.order_id == wanted.order]
    if wanted.refund is not None:
        conditions.append(journal.refund_id == wanted.refund)
    if wanted.after is not None:
        conditions.append(journal.id < wanted.after)
    query = _POSTINGS.where(*conditions).order_by(journal.id.desc()).limit(wanted.limit)
    return views(PostingView, connection.execute(query))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """How many refunds were compared with all their postings, and those that differ."""

    refunds: int
    differing: Sequence[UUID]


def check_postings(connection: Connection, postings: Sequence[PostingView]) -> Checked:
    """Add up all postings of the refunds that these are of, and compare them with what the refunds say themselves."""
    owners = {each.refund_id: each for each in postings if each.refund_id is not None}
    orders = sorted({(each.retailer_id, each.order_id) for each in owners.values()})
    if not owners:
        return Checked(refunds=0, differing=())
    found = _balances(connection, orders)
    pairs = sorted((each.retailer_id, refund) for refund, each in owners.items())
    refunds = t.refunds.c
    query = select(t.refunds).where(
        pair_of(refunds.retailer_id, refunds.id, bindparam("refunds", pairs, type_=PairList()))
    )
    agree = {
        row.id for row in connection.execute(query) if found.get(row.id) == (row.currency, balances_of(refund_of(row)))
    }
    return Checked(refunds=len(owners), differing=[refund for refund in owners if refund not in agree])


def _balances(connection: Connection, orders: Sequence[tuple[UUID, UUID]]) -> dict[UUID, tuple[str, dict[str, int]]]:
    """By refund: the currency, and what each account has received. One in several currencies has none."""
    journal = t.journal.c
    query = (
        select(journal.refund_id, journal.currency, journal.debit, journal.credit, func.sum(journal.amount_minor))
        .where(
            pair_of(journal.retailer_id, journal.order_id, bindparam("orders", list(orders), type_=PairList())),
            journal.refund_id.is_not(None),
        )
        .group_by(journal.refund_id, journal.currency, journal.debit, journal.credit)
    )
    found: dict[UUID, tuple[str, dict[str, int]]] = {}
    for refund, currency, debit, credit, minor in connection.execute(query):
        before, balances = found.get(refund, (currency, {}))
        for account, sign in ((debit, -1), (credit, 1)):
            balances[account] = balances.get(account, 0) + sign * int(minor)
        found[refund] = (currency if currency == before else "", balances)
    return {
        refund: (currency, {account: minor for account, minor in balances.items() if minor})
        for refund, (currency, balances) in found.items()
    }


_POSTINGS: Final = select(
    t.journal,
    t.looked_up(t.orders.c.reference, t.journal.c.order_id).label("order_reference"),
    t.parties.c.name.label("retailer_name"),
).join(t.parties, t.parties.c.id == t.journal.c.retailer_id)
