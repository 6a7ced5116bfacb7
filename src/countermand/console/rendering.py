"""Pages out of templates, and what every reply of the console carries."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from countermand.admin.callers import Permission
from countermand.console import markup
from countermand.console.markup import Times
from countermand.console.visit import Visit
from countermand.documents.sentences import count, span, written
from countermand.domain.parties import PartyKind
from countermand.ids import show
from countermand.reads.waiting import Waiting, counted
from countermand.wire.design import with_tokens
from countermand.wire.replies import Header
from countermand.wire.response import Reply

HTML: Final = b"text/html; charset=utf-8"
POLICY: Final = (
    b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    b" form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", POLICY),
    # Without the referrer a browser says of no form where it comes from.
    (b"referrer-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
    (b"x-robots-tag", b"noindex"),
)
STATIC: Final = {
    "console.css": b"text/css; charset=utf-8",
    "console.js": b"text/javascript; charset=utf-8",
    "mark.svg": b"image/svg+xml",
}

_TEMPLATES: Final = Environment(
    loader=PackageLoader("countermand.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    finalize=lambda value: written(value) if type(value) is str else value,
)


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation."""

    path: str
    name: str
    kinds: frozenset[PartyKind]
    permission: Permission | None = None
    counts: Callable[[Waiting], int] = lambda _: 0
    is_bad: Callable[[Waiting], bool] = lambda _: False

    def entry(self, visit: Visit) -> "Entry":
        """As this visitor sees it."""
        number = self.counts(visit.waiting)
        return Entry(
            path=self.path,
            name=self.name,
            here=_is_here(self.path, visit.path),
            count=counted(number) if number else "",
            bad=self.is_bad(visit.waiting),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry with how many things there need the visitor, if any; ``bad`` where something has gone wrong."""

    path: str
    name: str
    here: bool
    count: str
    bad: bool


_ALL: Final = frozenset(PartyKind)
_PLATFORM: Final = frozenset({PartyKind.PLATFORM})

NAVIGATION: Final[tuple[tuple[str, tuple[Place, ...]], ...]] = (
    (
        "Work",
        (
            Place("/console/", "Today", _ALL),
            Place(
                "/console/cancellations",
                "Cancellations",
                _ALL,
                counts=lambda waiting: waiting.asks,
                is_bad=lambda waiting: bool(waiting.late or waiting.mine_late),
            ),
            Place("/console/orders", "Orders", _ALL),
            Place(
                "/console/refunds",
                "Refunds",
                _ALL - {PartyKind.SUPPLIER},
                counts=lambda waiting: waiting.refunds,
                is_bad=lambda waiting: bool(waiting.parked.number),
            ),
            Place("/console/journal", "Journal", _ALL - {PartyKind.SUPPLIER}),
        ),
    ),
    (
        "Parties",
        (
            Place("/console/scorecards", "Scorecards", _ALL),
            Place("/console/policies", "Policies", _PLATFORM),
            Place("/console/parties", "Parties", _ALL),
        ),
    ),
    (
        "System",
        (
            Place(
                "/console/webhooks",
                "Webhooks",
                _ALL,
                counts=lambda waiting: waiting.endpoints,
                is_bad=lambda waiting: bool(waiting.failing),
            ),
            Place("/console/events", "Events", _ALL),
            Place("/console/jobs", "Jobs", _ALL),
            Place("/console/audit", "Audit", _PLATFORM, Permission.MANAGE_ACCESS),
            Place("/console/components", "Components", _PLATFORM),
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What happened, on top of a page: ``good``, ``warn``, ``bad``, or neither."""

    title: str
    text: str = ""
    mood: str = ""
    link: str = ""
    link_text: str = ""

    @property
    def shape(self) -> str:
        """The shape that stands before it."""
        return {"good": "accepted", "warn": "escalated", "bad": "late"}.get(self.mood, "info")


def show_page(
    visit: Visit, template: str, *, title: str, status: int = 200, note: Note | None = None, **more: Any
) -> Reply:
    """A page within the frame."""
    frame = {
        "title": title,
        "note": note,
        "visit": visit,
        "who": visit.caller,
        "visitor": role_of(visit),
        "seal": visit.seal,
        "navigation": _navigation(visit),
        "times": Times(visit.now, visit.zone),
        "now": visit.now,
        "theme": visit.look.theme,
        "keys": visit.look.keys,
        "about": about_of(visit),
        "openid": visit.services.settings.oidc_name if visit.services.settings.oidc_issuer else "",
    }
    return page(status, template, frame | more)


_LISTS: Final = {
    "": ("cancellations", "refunds"),
    "cancellations": ("cancellations",),
    "orders": ("orders",),
    "refunds": ("refunds",),
    "journal": ("refunds",),
    "jobs": ("orders",),
    "scorecards": ("cancellations",),
}
"""What a page shows that names no single thing, by the part of its path after ``/console/``."""


def about_of(visit: Visit) -> tuple[str, ...]:
    """What a page shows: ids, or names of lists. It is told when that changes; with none it asks now and then."""
    named = tuple(each for name, each in visit.names.items() if name in ("cancellation", "order", "line", "refund"))
    return named or _LISTS.get(visit.path.split("/")[2], ())


def page(status: int, template: str, values: Mapping[str, Any], *headers: Header) -> Reply:
    """A page of its own."""
    text = _TEMPLATES.get_template(template).render({**_globals(), **values})
    return Reply(status=status, body=text.encode(), media_type=HTML, headers=(*HEADERS, *headers))


def redirect(path: str, *headers: Header) -> Reply:
    """Lead the browser to another page of this site, by GET."""
    return Reply(status=303, headers=((b"location", path.encode("ascii", "ignore")), *HEADERS, *headers))


def role_of(visit: Visit) -> str:
    """What a visitor is, in words."""
    caller = visit.caller
    if caller.kind is PartyKind.PLATFORM:
        acts = any(caller.may(each) for each in Permission if each is not Permission.VIEW_ORDER)
        return "Platform operator" if acts else "Platform viewer"
    return f"{caller.kind.value.capitalize()}, {caller.name.rpartition(' (')[0]}"


def _navigation(visit: Visit) -> list[tuple[str, list[Entry]]]:
    shown = []
    for title, places in NAVIGATION:
        mine = [each.entry(visit) for each in places if _is_for(each, visit)]
        if mine:
            shown.append((title, mine))
    return shown


def _is_for(place: Place, visit: Visit) -> bool:
    return visit.caller.kind in place.kinds and (place.permission is None or visit.may(place.permission))


def _is_here(place: str, path: str) -> bool:
    return path == place or (place != "/console/" and path.startswith(place))


@cache
def _globals() -> dict[str, Any]:
    return {
        "state": markup.state,
        "mark": markup.mark,
        "shape": markup.shape,
        "units": markup.units,
        "units_words": markup.units_words,
        "money": markup.money,
        "amount": markup.amount,
        "count": count,
        "show": show,
        "span": span,
        "seconds": lambda number: timedelta(seconds=number),
        "version": version(),
    }


@cache
def static(name: str) -> bytes:
    """A file that pages use."""
    content = files("countermand.console").joinpath("static", name).read_bytes()
    return with_tokens(content) if name.endswith(".css") else content


@cache
def version() -> str:
    """Changes whenever one of these files does, so that browsers may keep them for ever."""
    return hashlib.sha256(b"".join(static(name) for name in STATIC)).hexdigest()[:12]
