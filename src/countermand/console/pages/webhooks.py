"""Where parties are told what happens: endpoints, how sending to them goes, and the notices on their way."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from countermand.admin import endpoints
from countermand.admin.callers import Permission
from countermand.admin.endpoints import EndpointFilter, Health
from countermand.console import words
from countermand.console.errors import unknown
from countermand.console.forms import FieldError
from countermand.console.rendering import Note, show_page
from countermand.console.visit import Visit
from countermand.domain.delivery import FAILING_MAX, NoticeState
from countermand.domain.endpoint import Endpoint, EndpointState
from countermand.ids import read, show
from countermand.reads.notices import NoticeFilter, NoticeView, list_notices
from countermand.reads.parties import names_of, party_name
from countermand.wire.response import Reply

SHOWN: Final = 50
PATH: Final = "/console/webhooks"
_STATES: Final = ("all", *(each.value for each in NoticeState))


def shape_of(endpoint: Endpoint) -> str:
    """The state of an endpoint as a person sees it: one that is active may be failing."""
    if endpoint.state is EndpointState.ACTIVE and endpoint.failing_since is not None:
        return "failing"
    return endpoint.state.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An endpoint of the list."""

    endpoint: Endpoint
    shape: str
    party: str
    events: str


async def look(visit: Visit) -> Reply:
    """A page of the endpoints that the visitor may see: one's own, or for the platform everybody's."""
    chosen = next((each for each in Health if each == visit.query.get("state")), None)
    found = await _in_health(visit, chosen) if chosen else await _all_of_them(visit)
    shown = found[:SHOWN]
    names = await visit.read(names_of, {each.party for each in shown}) if visit.is_platform else {}
    last = (
        {"state": chosen or Health.ACTIVE, "after": show(endpoints.PREFIX, shown[-1].id)} if len(found) > SHOWN else {}
    )
    note = Note(title="The endpoint is removed.", text="Nothing is sent there any more.", mood="good")
    return show_page(
        visit,
        "webhooks.html",
        title="Webhooks",
        note=note if visit.query.get("done") == "removed" else None,
        rows=[_row(each, names) for each in shown],
        chosen=chosen or "",
        states=("", *Health),
        more=f"{PATH}?{urlencode(last)}" if last else "",
        first="after" not in visit.query,
        first_page=f"{PATH}?state={chosen}" if chosen else PATH,
    )


async def _all_of_them(visit: Visit) -> list[Endpoint]:
    """What needs somebody stands first; if that fills the page, its end is no place to go on from."""
    needing = [each for health in Health if health is not Health.ACTIVE for each in await _in_health(visit, health)]
    return [*needing[: SHOWN - 1], *await _in_health(visit, Health.ACTIVE)]


async def _in_health(visit: Visit, health: Health) -> list[Endpoint]:
    mine = None if visit.is_platform else visit.caller.party
    after = read(endpoints.PREFIX, visit.query.get("after", ""))
    wanted = EndpointFilter(party=mine, health=health, after=after, limit=SHOWN + 1)
    return await visit.read(endpoints.list_endpoints, wanted)


def _row(endpoint: Endpoint, names: dict[UUID, str]) -> Row:
    return Row(
        endpoint=endpoint,
        shape=shape_of(endpoint),
        party=names.get(endpoint.party, ""),
        events=events_of(endpoint),
    )


def events_of(endpoint: Endpoint) -> str:
    """Which kinds of events go there, in words."""
    kinds = endpoint.event_kinds
    if endpoint.subscription is not None:
        return f"{', '.join(endpoint.subscription.resources)} (subscription of bol's Retailer API)"
    if not kinds:
        return "what asks for an answer" if endpoint.url.startswith("mailto:") else "every kind"
    return ", ".join(kinds[:2]) + (f" and {len(kinds) - 2} more" if len(kinds) > 2 else "")


def path_of(endpoint: UUID) -> str:
    """Where the page of an endpoint is."""
    return f"{PATH}/{show(endpoints.PREFIX, endpoint)}"


async def endpoint_of(visit: Visit) -> Endpoint:
    """The endpoint that the path names: one's own, or any for the platform.

    Raises:
        PageError: there is none, or it is another's.
    """
    wanted = read(endpoints.PREFIX, visit.names["endpoint"])
    if wanted is None:
        raise unknown("endpoint", PATH, "Webhooks")
    try:
        return await visit.read(endpoints.find, wanted, None if visit.is_platform else visit.caller.party)
    except endpoints.UnknownEndpointError:
        raise unknown("endpoint", PATH, "Webhooks") from None


async def look_at_one(visit: Visit) -> Reply:
    """One endpoint, and the notices on their way to it."""
    return await show_endpoint(visit, await endpoint_of(visit))


async def show_endpoint(
    visit: Visit, endpoint: Endpoint, *, status: int = 200, wrong: FieldError | None = None
) -> Reply:
    """The page of an endpoint."""
    chosen = visit.query.get("state", "all")
    chosen = chosen if chosen in _STATES else "all"
    after = read("ntc", visit.query.get("after", "")) if visit.query.get("after") else None
    wanted = NoticeFilter(states=frozenset(() if chosen == "all" else (chosen,)), endpoint=endpoint.id, after=after)
    notices = await visit.read(list_notices, wanted, SHOWN + 1, visit.now)
    path = path_of(endpoint.id)
    more = ""
    if len(notices) > SHOWN:
        more = f"{path}?{urlencode({'state': chosen, 'after': show('ntc', notices[SHOWN - 1].id)})}"
    return show_page(
        visit,
        "webhook.html",
        title=endpoint.label or endpoint.url,
        status=status,
        note=_done(visit, endpoint),
        endpoint=endpoint,
        shape_name=shape_of(endpoint),
        standing=_standing(endpoint, visit.now),
        party=await visit.read(party_name, endpoint.party),
        events=endpoint.event_kinds,
        events_words=events_of(endpoint),
        notices=notices[:SHOWN],
        notice_shape=notice_shape,
        states=_STATES,
        chosen=chosen,
        more=more,
        path=path,
        can_pause=endpoint.state is EndpointState.ACTIVE,
        pause_at=endpoint.failing_since + FAILING_MAX if endpoint.failing_since else None,
        can_resume=endpoint.state in (EndpointState.PAUSED, EndpointState.DISABLED),
        why_not="" if visit.may(Permission.MANAGE_ENDPOINTS) else "Your user lacks the permission manage_endpoints.",
        plain=words.plain,
        filled=visit.form.text("reason"),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


def notice_shape(notice: NoticeView) -> str:
    """The shape of a notice."""
    return f"n-{notice.state}"


def _standing(endpoint: Endpoint, now: datetime) -> str:
    match endpoint.state:
        case EndpointState.ACTIVE if endpoint.failing_since:
            return "It has failed without a break, and notices are tried again."
        case EndpointState.ACTIVE:
            return "It accepts what it is sent."
        case EndpointState.UNCONFIRMED:
            return "Nobody has confirmed this mailbox yet. Until then, notices wait."
        case _:
            return endpoint.state_reason or "Nothing is sent there."


def _done(visit: Visit, endpoint: Endpoint) -> Note | None:
    match visit.query.get("done", ""), endpoint.state:
        case "pause", EndpointState.PAUSED:
            return Note(title="It is paused.", text="What happens meanwhile is kept, and sent afterwards.", mood="good")
        case "resume", EndpointState.ACTIVE:
            return Note(title="It is resumed.", text="What has waited is sent now.", mood="good")
        case "edit", EndpointState.UNCONFIRMED:
            return Note(title="Saved.", text="An e-mail asks the new mailbox to confirm.", mood="good")
        case "edit", _:
            return Note(title="Saved.", mood="good")
        case "confirmation", EndpointState.UNCONFIRMED:
            return Note(title="The mailbox is asked again.", text="The link in the e-mail confirms it.", mood="good")
    return None
