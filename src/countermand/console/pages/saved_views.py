"""Saved views: the filters of a list under a name of one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode

from countermand.admin import saved_views
from countermand.admin.parties import TakenError
from countermand.admin.saved_views import BadViewError, NewView, SavedView, TooManyViewsError
from countermand.console.errors import PageError, unknown
from countermand.console.forms import FieldError
from countermand.console.rendering import Note, redirect, show_page
from countermand.console.visit import Visit
from countermand.ids import read, show
from countermand.wire.response import Reply

PATH: Final = "/console/views"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOfRows:
    """A list whose filters can be kept: where it is, what it is called, and which parts of its address are kept.

    What was searched for is not: it may name a customer, and would outlast what is known of the customer.
    """

    path: str
    title: str
    kept: tuple[str, ...]


LISTS: Final[Mapping[str, ListOfRows]] = {
    "cancellations": ListOfRows(
        path="/console/cancellations",
        title="Cancellations",
        kept=("view", "due", "retailer", "fulfiller", "sku"),
    ),
    "events": ListOfRows(path="/console/events", title="Events", kept=("kind",)),
    "audit": ListOfRows(path="/console/audit", title="Audit", kept=("action", "party", "by", "of")),
    "parties": ListOfRows(path="/console/parties", title="Parties", kept=("q", "status")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A saved view of a list, as a link; ``here`` if it is what the page shows."""

    name: str
    address: str
    here: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What a list shows of saved views: those there are, and what would be kept by one more."""

    of_list: str
    views: Sequence[Kept]
    query: str

    @property
    def can_save(self) -> bool:
        """Whether the page shows something that is not kept yet."""
        return bool(self.query) and not any(each.here for each in self.views)


async def keeping(visit: Visit, of_list: str) -> Keeping:
    """The saved views of the visitor for a list, and the filters that are on now."""
    query = _kept_of(of_list, visit.query)
    found = await visit.read(saved_views.of_user, visit.session.user, of_list)
    kept = [Kept(name=each.name, address=_address(each), here=each.query == query) for each in found]
    return Keeping(of_list=of_list, views=kept, query=query)


def _kept_of(of_list: str, query: Mapping[str, str]) -> str:
    names = LISTS[of_list].kept
    return urlencode([(name, query[name]) for name in names if query.get(name)])


def _address(view: SavedView) -> str:
    return f"{LISTS[view.list].path}?{view.query}"


async def look(visit: Visit) -> Reply:
    """All saved views of the visitor."""
    notes = {"removed": Note(title="The view is removed.", mood="good")}
    return await _page(visit, note=notes.get(visit.query.get("done", "")))


async def _page(visit: Visit, *, status: int = 200, note: Note | None = None, wrong: FieldError | None = None) -> Reply:
    found = await visit.read(saved_views.of_user, visit.session.user)
    return show_page(
        visit,
        "views.html",
        title="Saved views",
        status=status,
        note=note,
        views=[
            (each, LISTS[each.list].title, _address(each), show(saved_views.PREFIX, each.id))
            for each in found
            if each.list in LISTS
        ],
        most=saved_views.VIEWS_MAX,
        form=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def save(visit: Visit) -> Reply:
    """Keep the filters of a list."""
    of_list = visit.form.text("list")
    if of_list not in LISTS:
        raise PageError(422, "This list has no saved views", "Open a list, and save its filters there.")
    query = _kept_of(of_list, dict(parse_qsl(visit.form.text("query"), max_num_fields=50)))
    try:
        if not query:
            raise FieldError("name", "No filter is on that can be kept.")
        name = visit.form.line("name", needed="Write a name for it.")
        new = NewView(party=visit.caller.party, user=visit.session.user, list=of_list, name=name, query=query)
        await visit.change(saved_views.add, visit.services.ids, visit.now, new)
    except FieldError as error:
        return await _page(visit, status=422, wrong=error)
    except BadViewError as error:
        return await _page(visit, status=422, wrong=FieldError("name", str(error)))
    except (TakenError, TooManyViewsError) as error:
        return await _page(visit, status=409, wrong=FieldError("name", str(error)))
    return redirect(f"{LISTS[of_list].path}?{query}")


async def remove(visit: Visit) -> Reply:
    """Keep a view no longer."""
    wanted = read(saved_views.PREFIX, visit.names["view"])
    if wanted is None or not await visit.change(saved_views.remove, visit.session.user, wanted):
        raise unknown("view", PATH, "Saved views")
    return redirect(f"{PATH}?done=removed")
