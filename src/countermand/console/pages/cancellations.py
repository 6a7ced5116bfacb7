"""The list of cancellations: saved views, filters in the address, and answers to several at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from countermand.admin.callers import Permission
from countermand.console import words
from countermand.console.markup import amount
from countermand.console.pages.saved_views import keeping
from countermand.console.rendering import Note, show_page
from countermand.console.visit import Visit
from countermand.domain.dates import read_end
from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.domain.texts import read_text
from countermand.ids import read
from countermand.reads.cancellations import CancellationFilter, CancellationView, DuePlace, list_cancellations
from countermand.reads.lookup import Lookup
from countermand.reads.parties import UnknownPartyError, find_seen
from countermand.reads.refunds import Worth, worth_of
from countermand.reads.waiting import late_for
from countermand.wire.response import Reply

SHOWN: Final = 50
PATH: Final = "/console/cancellations"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view that is always there: its name in the address, and in words, to a party in others where they are given."""

    name: str
    title: str
    to_party: str = ""

    def title_for(self, visit: Visit) -> str:
        """What the visitor knows it by."""
        return self.title if visit.is_platform or not self.to_party else self.to_party


VIEWS: Final = (
    View(name="mine", title="Need my answer"),
    View(name="asked", title="All that wait"),
    View(name="escalated", title="Escalated"),
    View(name="late", title="Late", to_party="Others are late"),
    View(name="accepted", title="Accepted"),
    View(name="declined", title="Declined"),
    View(name="withdrawn", title="Withdrawn"),
    View(name="lapsed", title="Lapsed"),
    View(name="all", title="All"),
)
_FILTERS: Final = ("view", "q", "due", "retailer", "fulfiller", "sku")
_WAIT: Final = ("mine", "asked", "escalated", "late")
"""Views of what waits, in the order in which it is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the list."""

    cancellation: CancellationView
    shape: str
    worth: Worth | None


async def look(visit: Visit) -> Reply:
    """The list."""
    view, notes = view_of(visit), []
    try:
        wanted = await wanted_of(visit, view)
    except ValueError as error:
        notes.append(Note(title="This filter cannot be read.", text=f"{error}.", mood="bad"))
        wanted = _of_view(visit, view)
    found = await visit.read(list_cancellations, visit.scope, replace(wanted, limit=SHOWN + 1))
    rows = await rows_of(visit, found[:SHOWN])
    more = _address(visit, after=place_after(found[SHOWN - 1], wanted)) if len(found) > SHOWN else ""
    return show_page(
        visit,
        "cancellations.html",
        title=f"Cancellations: {view.title_for(visit).lower()}",
        note=notes[0] if notes else None,
        view=view,
        views=[(each.name, each.title_for(visit), _address_of_view(visit, each)) for each in VIEWS],
        rows=rows,
        more=more,
        first="after" not in visit.query,
        first_page=_address(visit, after=""),
        chips=_chips(visit),
        csv=f"/console/cancellations.csv?{urlencode(_kept(visit, view=view.name))}",
        given={name: visit.query.get(name, "") for name in _FILTERS},
        keeping=await keeping(visit, "cancellations"),
        may_ask=visit.may(Permission.CANCEL_ORDER) and visit.caller.kind is not PartyKind.SUPPLIER,
        may_answer=visit.may(Permission.CANCEL_ORDER) and view.name in _WAIT,
        units_of=sum(row.cancellation.units for row in rows),
        sums=words.listed(sums_of(rows)),
    )


async def rows_of(visit: Visit, found: Sequence[CancellationView]) -> list[Row]:
    """Rows of the list, with what each gives back."""
    worth = await visit.read(worth_of, visit.scope, found)
    return [Row(cancellation=each, shape=words.shape_of(each, visit.now), worth=worth.get(each.id)) for each in found]


def sums_of(rows: Sequence[Row]) -> list[str]:
    """What would go back if all that wait were accepted, in each currency by itself."""
    sums: dict[str, int] = {}
    for row in rows:
        if row.worth and not row.worth.owed:
            sums[row.worth.currency] = sums.get(row.worth.currency, 0) + row.worth.minor
    return [amount(minor, currency) for currency, minor in sorted(sums.items())]


def view_of(visit: Visit) -> View:
    """The saved view that the address names."""
    name = visit.query.get("view", "all" if visit.query.get("q") else "mine")
    return next((each for each in VIEWS if each.name == name), VIEWS[0])


def _of_view(visit: Visit, view: View) -> CancellationFilter:
    match view.name:
        case "mine" if visit.is_platform:
            return CancellationFilter(escalated=True, by_due=True)
        case "mine":
            return CancellationFilter(awaiting=visit.caller.party, by_due=True)
        case "asked":
            return CancellationFilter(by_due=True)
        case "escalated":
            return CancellationFilter(escalated=True, by_due=True)
        case "late":
            return late_for(visit.scope, visit.now)
        case "all":
            return CancellationFilter()
        case name:
            return CancellationFilter(state=State(name).value)


async def wanted_of(visit: Visit, view: View) -> CancellationFilter:
    """What the address asks for.

    Raises:
        ValueError: a part of it cannot be read. The message is a clause about it.
    """
    wanted = _of_view(visit, view)
    text = visit.query.get("q", "").strip()
    if text:
        wanted = replace(wanted, lookup=Lookup(anything=read_text(text[:200])))
    wanted = replace(
        wanted,
        retailer=await _party(visit, "retailer"),
        fulfiller=await _party(visit, "fulfiller"),
        sku=read_text(visit.query.get("sku", "").strip()[:200]) or None,
    )
    due = visit.query.get("due", "")
    if due:
        if wanted.state not in (None, State.ASKED.value):
            raise ValueError("Cancellations in this state have no deadline")
        wanted = replace(wanted, due_before=read_end(due, visit.zone))
    after = visit.query.get("after", "")
    if after:
        place = _read_place(after, by_due=wanted.by_due)
        wanted = replace(wanted, after=place.id, behind=place if wanted.by_due else None)
    return wanted


async def _party(visit: Visit, name: str) -> UUID | None:
    text = visit.query.get(name, "").strip()
    if not text:
        return None
    try:
        return (await visit.read(find_seen, visit.scope, read_text(text[:255]))).id
    except UnknownPartyError:
        raise ValueError(f"There is no {name} called {text[:40]}") from None


def place_after(row: CancellationView, wanted: CancellationFilter) -> str:
    """Where the next page begins."""
    due = f"{row.due_at:%Y%m%dT%H%M%S.%f}" if wanted.by_due and row.due_at else ""
    return f"{due}_{row.id.hex}"


def _read_place(after: str, *, by_due: bool) -> DuePlace:
    due, _, name = after.rpartition("_")
    found = read("can", name)
    if found is None:
        raise ValueError("The address of this page is cut off")
    due_at = datetime.strptime(due, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC) if due and by_due else None
    return DuePlace(due_at, found)


def _chips(visit: Visit) -> list[tuple[str, str, str]]:
    """Filters that are on: the name, the value, and the address without it."""
    names = (
        ("q", "Of"),
        ("due", "Due before"),
        ("retailer", "Retailer"),
        ("fulfiller", "Fulfiller"),
        ("sku", "SKU"),
    )
    return [
        (title, visit.query[name], _address(visit, **{name: "", "after": ""}))
        for name, title in names
        if visit.query.get(name)
    ]


def _address_of_view(visit: Visit, view: View) -> str:
    return _address(visit, view=view.name, after="")


def _kept(visit: Visit, **changes: str) -> dict[str, str]:
    kept = {name: visit.query[name] for name in _FILTERS if visit.query.get(name)}
    return {name: value for name, value in (kept | changes).items() if value}


def _address(visit: Visit, **changes: str) -> str:
    query = _kept(visit, **changes)
    return f"{PATH}?{urlencode(query)}" if query else PATH
