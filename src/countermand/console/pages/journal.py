"""The journal: what each account gave to another, for one refund or for all, and as a file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from countermand.console import words
from countermand.console.errors import unknown
from countermand.console.markup import amount
from countermand.console.rendering import show_page
from countermand.console.spreadsheets import as_spreadsheet
from countermand.console.visit import Visit
from countermand.domain.money.amounts import write_minor
from countermand.domain.money.journal import COMMISSION, REFUNDS_DUE, RETAILER
from countermand.ids import read, show
from countermand.reads.cancellations import PAGE_MAX
from countermand.reads.journal import PostingFilter, PostingView, check_postings, list_postings
from countermand.reads.refunds import RefundView
from countermand.wire.response import Reply

PATH: Final = "/console/journal"
POSTING: Final = "pst"
SHOWN: Final = 50
EXPORT_MAX: Final = 10_000
_COLUMNS: Final = ("id", "at", "what", "from", "to", "amount", "currency", "retailer", "order", "refund")


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What one refund comes to: what is owed, what the customer has back, and what is left of it."""

    owed: str
    returned: str
    left: str


async def look(visit: Visit) -> Reply:
    """The postings, newest first."""
    wanted = replace(_wanted(visit), limit=SHOWN + 1)
    found = await visit.read(list_postings, visit.scope, wanted)
    more = _address(visit, after=show(POSTING, found[SHOWN - 1].id)) if len(found) > SHOWN else ""
    return show_page(
        visit,
        "journal.html",
        title="Journal",
        postings=found[:SHOWN],
        checked=await checked(visit, found[:SHOWN]),
        account=account_words,
        what=what_words,
        prefix=POSTING,
        order=visit.query.get("order", ""),
        csv=f"{PATH}.csv{_query(visit)}",
        more=more,
        first="after" not in visit.query,
        first_page=_address(visit),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What came of comparing the journal with the refunds: how many refunds, from when on, and those that differ."""

    refunds: int
    since: datetime
    differing: Sequence[str]


async def checked(visit: Visit, postings: Sequence[PostingView]) -> Books | None:
    """Compare the refunds of these postings with all that the journal has of them; ``None`` where there are none."""
    found = await visit.read(check_postings, postings)
    if not found.refunds:
        return None
    return Books(
        refunds=found.refunds, since=postings[-1].at, differing=[show("rfd", each) for each in found.differing]
    )


async def newest_checked(visit: Visit) -> Books | None:
    """The same of the newest postings."""
    return await checked(visit, await visit.read(list_postings, visit.scope, PostingFilter(limit=PAGE_MAX)))


def _wanted(visit: Visit) -> PostingFilter:
    """What the address asks for.

    Raises:
        PageError: there is no such order.
    """
    order = read("ord", visit.query["order"]) if visit.query.get("order") else None
    if visit.query.get("order") and order is None:
        raise unknown("order", PATH, "Journal")
    after = read(POSTING, visit.query["after"]) if visit.query.get("after") else None
    return PostingFilter(order=order, after=after)


def _query(visit: Visit, **changes: str) -> str:
    kept = {"order": visit.query.get("order", "")} | changes
    query = urlencode({name: value for name, value in kept.items() if value})
    return f"?{query}" if query else ""


def _address(visit: Visit, **changes: str) -> str:
    return f"{PATH}{_query(visit, **changes)}"


def account_words(account: str, posting: PostingView) -> str:
    """An account as people call it."""
    match account:
        case _ if account == RETAILER:
            return posting.retailer_name
        case _ if account == REFUNDS_DUE:
            return "refunds due"
        case _ if account == COMMISSION:
            return "commission"
        case "provider:manual":
            return "customer, by hand"
        case _:
            return f"customer, through {words.plain(account.removeprefix('provider:'))}"


_WHAT: Final = {
    "refund.due": "owed to the customer",
    "refund.done": "given back",
    "refund.failed": "came back",
    "refund.closed": "no longer owed",
    "refund.corrected": "corrected",
}


def what_words(posting: PostingView) -> str:
    """For what a posting was written."""
    if posting.refund_id is None:
        return "commission given back"
    return _WHAT.get(posting.kind, words.plain(posting.kind))


async def of_refund(visit: Visit, row: RefundView) -> list[PostingView]:
    """The postings of one refund, oldest first."""
    wanted = PostingFilter(order=row.order_id, refund=row.id)
    return list(reversed(await visit.read(list_postings, visit.scope, wanted)))


def balance_of(postings: Sequence[PostingView]) -> Balance | None:
    """What the postings of one refund come to."""
    if not postings:
        return None
    currency = postings[0].currency
    left = _received(postings, REFUNDS_DUE)
    owed = -_received(postings, RETAILER)
    return Balance(
        owed=amount(max(owed, 0), currency), returned=amount(max(owed - left, 0), currency), left=amount(left, currency)
    )


def _received(postings: Sequence[PostingView], account: str) -> int:
    gained = sum(each.amount_minor for each in postings if each.credit == account)
    return gained - sum(each.amount_minor for each in postings if each.debit == account)


async def export(visit: Visit) -> Reply:
    """The postings as a file for a spreadsheet: the newest 10,000."""
    wanted = replace(_wanted(visit), limit=PAGE_MAX)
    rows: list[PostingView] = []
    while len(rows) < EXPORT_MAX:
        found = await visit.count(list_postings, visit.scope, wanted)
        rows += found
        if len(found) < PAGE_MAX:
            break
        wanted = replace(wanted, after=found[-1].id)
    return await as_spreadsheet("journal", _COLUMNS, map(_cells, rows))


def _cells(row: PostingView) -> Iterator[str]:
    yield show(POSTING, row.id)
    yield row.at.isoformat()
    yield what_words(row)
    yield row.debit
    yield row.credit
    yield write_minor(row.amount_minor, row.currency)
    yield row.currency
    yield row.retailer_name
    yield row.order_reference
    yield _refund(row.refund_id)


def _refund(refund: UUID | None) -> str:
    return show("rfd", refund) if refund else ""
