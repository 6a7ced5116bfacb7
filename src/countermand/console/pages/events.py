"""Events: what happened to the lines that the visitor may see, each as it is sent to endpoints."""

from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

import orjson

from countermand.admin.callers import Permission
from countermand.console.errors import unknown
from countermand.console.pages.saved_views import keeping
from countermand.console.pages.webhooks import notice_shape
from countermand.console.rendering import Note, show_page
from countermand.console.visit import Visit
from countermand.console.words import event_shape
from countermand.documents import timeline
from countermand.documents.events import write
from countermand.domain.dates import read_moment
from countermand.domain.events import MEANINGS, MONEY, EventKind
from countermand.domain.parties import PartyKind
from countermand.ids import read, show
from countermand.reads.events import LAST_ID, EventFilter, Place, event_by_id, list_events
from countermand.reads.notices import NoticeFilter, list_notices
from countermand.wire.response import Reply

SHOWN: Final = 50
LOOKS: Final = 5000
"""So many events are looked at for one page, of whatever kind."""
BACK: Final = timedelta(days=1)
NOTICES_SHOWN: Final = 100
PATH: Final = "/console/events"


async def look(visit: Visit) -> Reply:
    """Events from a time on, in the order in which they happened."""
    kind = visit.query.get("kind", "")
    kinds = frozenset({kind}) if kind in set(EventKind) else frozenset[str]()
    since, note = _since(visit)
    wanted = EventFilter(
        since=since, behind=_place(visit.query.get("after", "")), kinds=kinds, limit=SHOWN, looks=LOOKS
    )
    rows, place = await visit.read(list_events, visit.scope, wanted)
    kept = {"kind": kind, "since": visit.query.get("since", ""), "after": f"{place.position}-{place.id.hex}"}
    ended = place.id == LAST_ID
    return show_page(
        visit,
        "events.html",
        title="Events",
        note=note,
        rows=[(each, event_shape(each.kind), timeline.sentence(each)) for each in rows],
        kinds=[each.value for each in EventKind if visit.scope.kind is not PartyKind.SUPPLIER or each not in MONEY],
        kind=kind,
        since=visit.query.get("since", ""),
        from_when=since,
        keeping=await keeping(visit, "events"),
        more="" if ended else f"{PATH}?{urlencode({name: value for name, value in kept.items() if value})}",
    )


def _since(visit: Visit) -> tuple[datetime, Note | None]:
    text = visit.query.get("since", "")
    try:
        return (read_moment(text, visit.zone) if text else visit.now - BACK), None
    except ValueError:
        note = Note(title="This time cannot be read.", text="Write one such as 2026-11-28.", mood="bad")
        return visit.now - BACK, note


def _place(after: str) -> Place | None:
    position, _, name = after.partition("-")
    if not (position.isascii() and position.isdigit() and len(position) < 19 and len(name) == 32):
        return None
    try:
        return Place(int(position), UUID(name))
    except ValueError:
        return None


async def look_at_one(visit: Visit) -> Reply:
    """One event: what it says, as the visitor is sent it, and the notices that carry it."""
    wanted = read("evt", visit.names["event"])
    event = await visit.read(event_by_id, visit.scope, wanted) if wanted else None
    if event is None:
        raise unknown("event", PATH, "Events")
    notices = []
    if visit.may(Permission.MANAGE_ENDPOINTS):
        mine = None if visit.is_platform else visit.caller.party
        of_event = NoticeFilter(event=event.id, owner=mine)
        notices = await visit.read(list_notices, of_event, NOTICES_SHOWN, visit.now)
    body = write(event, reader=visit.scope, source=visit.services.settings.base_url)
    return show_page(
        visit,
        "event.html",
        title=event.kind,
        event=event,
        shape_name=event_shape(event.kind),
        sentence=timeline.sentence(event),
        meaning=MEANINGS[EventKind(event.kind)].when,
        body=orjson.dumps(body, option=orjson.OPT_INDENT_2).decode(),
        notices=[(each, notice_shape(each)) for each in notices],
        may_see_notices=visit.may(Permission.MANAGE_ENDPOINTS),
        cancellation=show("can", event.cancellation_id) if event.cancellation_id else "",
    )
