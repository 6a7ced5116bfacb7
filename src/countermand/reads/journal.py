"""The journal of money: postings between accounts, for those who may see what the customer paid."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, select

from countermand.domain.parties import PartyKind
from countermand.reads.cancellations import PAGE_MAX
from countermand.reads.scope import Scope, retailer_of
from countermand.store import tables as t
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


_POSTINGS: Final = select(
    t.journal,
    t.looked_up(t.orders.c.reference, t.journal.c.order_id).label("order_reference"),
    t.parties.c.name.label("retailer_name"),
).join(t.parties, t.parties.c.id == t.journal.c.retailer_id)
