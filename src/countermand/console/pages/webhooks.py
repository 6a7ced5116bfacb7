"""Where parties are told what happens: endpoints, how sending to them goes, and the notices on their way."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from countermand.admin import endpoints
from countermand.admin.callers import Permission
from countermand.admin.notices import replay
from countermand.console import words
from countermand.console.errors import PageError, unknown
from countermand.console.forms import FieldError
from countermand.console.pages.account import authenticated_again
from countermand.console.rendering import Note, redirect, show_page
from countermand.console.visit import Visit
from countermand.domain.addresses.address import BadAddressError
from countermand.domain.delivery import NoticeState
from countermand.domain.endpoint import Endpoint, EndpointState, UnknownKindError
from countermand.domain.events import MEANINGS, EventKind
from countermand.ids import read, show
from countermand.reads.notices import NoticeFilter, NoticeView, list_notices, notice_by_id
from countermand.reads.parties import UnknownPartyError, find_party, list_parties, party_name
from countermand.reads.views import PartyView
from countermand.wire.replies import Header
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
    """All endpoints that the visitor may see: one's own, or for the platform everybody's."""
    found = await visit.read(endpoints.of_party, None if visit.is_platform else visit.caller.party)
    names: dict[UUID, str] = {}
    if visit.is_platform:
        names = {party.id: party.name for party in await visit.read(list_parties)}
    rows = [_row(each, names) for each in found]
    # What needs somebody stands first.
    rows.sort(key=lambda row: (row.shape == "active", row.party, row.endpoint.url))
    return show_page(visit, "webhooks.html", title="Webhooks", rows=rows)


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
    if not kinds:
        return "what asks for an answer" if endpoint.url.startswith("mailto:") else "every kind"
    return ", ".join(kinds[:2]) + (f" and {len(kinds) - 2} more" if len(kinds) > 2 else "")


async def _endpoint(visit: Visit) -> Endpoint:
    wanted = read(endpoints.PREFIX, visit.names["endpoint"])
    if wanted is None:
        raise unknown("endpoint", PATH, "Webhooks")
    try:
        return await visit.read(endpoints.find, wanted, None if visit.is_platform else visit.caller.party)
    except endpoints.UnknownEndpointError:
        raise unknown("endpoint", PATH, "Webhooks") from None


async def look_at_one(visit: Visit) -> Reply:
    """One endpoint, and the notices on their way to it."""
    return await _page(visit, await _endpoint(visit))


async def _page(visit: Visit, endpoint: Endpoint, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    chosen = visit.query.get("state", "all")
    chosen = chosen if chosen in _STATES else "all"
    after = read("ntc", visit.query.get("after", "")) if visit.query.get("after") else None
    wanted = NoticeFilter(states=frozenset(() if chosen == "all" else (chosen,)), endpoint=endpoint.id, after=after)
    notices = await visit.read(list_notices, wanted, SHOWN + 1, visit.now)
    path = f"{PATH}/{show(endpoints.PREFIX, endpoint.id)}"
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
        notice_shape=_notice_shape,
        states=_STATES,
        chosen=chosen,
        more=more,
        path=path,
        can_pause=endpoint.state is EndpointState.ACTIVE,
        can_resume=endpoint.state in (EndpointState.PAUSED, EndpointState.DISABLED),
        why_not="" if visit.may(Permission.MANAGE_ENDPOINTS) else "Your user lacks the permission manage_endpoints.",
        plain=words.plain,
        filled=visit.form.text("reason"),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


def _notice_shape(notice: NoticeView) -> str:
    return f"n-{notice.state}"


def _standing(endpoint: Endpoint, now: datetime) -> str:
    match endpoint.state:
        case EndpointState.ACTIVE if endpoint.failing_since:
            return "It has failed without a break, and notices are tried again."
        case EndpointState.ACTIVE:
            return "It takes what it is sent."
        case EndpointState.UNCONFIRMED:
            return "Nobody has confirmed this mailbox yet. Until then, notices wait."
        case _:
            return endpoint.state_reason or "Nothing is sent there."


def _done(visit: Visit, endpoint: Endpoint) -> Note | None:
    match visit.query.get("done", ""), endpoint.state:
        case "pause", EndpointState.PAUSED:
            return Note(title="It is paused.", text="What happens meanwhile is kept, and sent afterwards.", mood="good")
        case "resend", _:
            return Note(title="The notice is due again.", text="The worker sends it next.", mood="good")
        case "resume", EndpointState.ACTIVE:
            return Note(title="It is resumed.", text="What has waited is sent now.", mood="good")
    return None


async def _party(visit: Visit, text: str) -> PartyView:
    """Whose endpoint it becomes: one's own, or for the platform anybody's."""
    if not visit.is_platform:
        return await visit.read(find_party, str(visit.caller.party))
    try:
        return await visit.read(find_party, text or str(visit.caller.party))
    except UnknownPartyError:
        raise FieldError("party", "Choose a party of the list.") from None


async def confirm_add(visit: Visit) -> Reply:
    """The form of a new endpoint."""
    return await _add_page(visit)


async def _add_page(visit: Visit, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    return show_page(
        visit,
        "webhook_add.html",
        title="Add an endpoint",
        status=status,
        parties=await visit.read(list_parties) if visit.is_platform else [],
        kinds=[(kind.value, MEANINGS[kind].when) for kind in EventKind],
        chosen=visit.form.all("kind"),
        asks_password=not visit.session.is_fresh(visit.now),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def add(visit: Visit) -> Reply:
    """Add an endpoint, and show its secret once."""
    form, services = visit.form, visit.services
    try:
        party = await _party(visit, form.text("party"))
        url, label = form.line("url", needed="Write a URL, or mailto: and an e-mail address."), form.line("label")
        cookie = () if visit.session.is_fresh(visit.now) else await authenticated_again(visit)
        added = await visit.change(
            endpoints.add,
            services.ids,
            services.keyring,
            visit.now,
            party=party.id,
            url=url,
            kinds=form.all("kind"),
            label=label,
            rules=services.settings.address_rules,
            by=visit.caller.name,
        )
    except FieldError as error:
        return await _add_page(visit, status=422, wrong=error)
    except (BadAddressError, endpoints.TooManyConfirmationsError, endpoints.TooManyEndpointsError) as error:
        return await _add_page(visit, status=422, wrong=FieldError("url", str(error)))
    except endpoints.BadLabelError as error:
        return await _add_page(visit, status=422, wrong=FieldError("label", str(error)))
    except UnknownKindError as error:
        return await _add_page(visit, status=422, wrong=FieldError("kind", str(error)))
    return _secret_page(visit, added, cookie, title="The endpoint is added")


def _secret_page(visit: Visit, added: endpoints.Added, cookie: tuple[Header, ...], *, title: str) -> Reply:
    """The one time that a secret can be read."""
    shown = show_page(
        visit,
        "webhook_secret.html",
        title=title,
        endpoint=added.endpoint,
        secret=added.secret,
        path=f"{PATH}/{show(endpoints.PREFIX, added.endpoint.id)}",
    )
    return replace(shown, headers=(*shown.headers, *cookie))


async def confirm_rotate(visit: Visit) -> Reply:
    """Once more before a secret is changed."""
    return _rotate_page(visit, await _endpoint(visit))


def _rotate_page(visit: Visit, endpoint: Endpoint, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    if endpoint.secrets is None:
        raise PageError(409, "This endpoint has no secret", "E-mails are not signed.", links={PATH: "Webhooks"})
    return show_page(
        visit,
        "webhook_rotate.html",
        title="Change the secret?",
        status=status,
        endpoint=endpoint,
        path=f"{PATH}/{show(endpoints.PREFIX, endpoint.id)}",
        asks_password=not visit.session.is_fresh(visit.now),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def rotate(visit: Visit) -> Reply:
    """Give the endpoint a new secret, and show it once. The old one stays valid for a day."""
    endpoint, services = await _endpoint(visit), visit.services
    try:
        cookie = () if visit.session.is_fresh(visit.now) else await authenticated_again(visit)
        changed = await visit.change(
            endpoints.rotate, services.ids, services.keyring, visit.now, endpoint.id, by=visit.caller.name
        )
    except FieldError as error:
        return _rotate_page(visit, endpoint, status=422, wrong=error)
    except (endpoints.NoSecretError, endpoints.TooManySecretsError) as error:
        return _rotate_page(visit, endpoint, status=409, wrong=FieldError("secret", str(error)))
    return _secret_page(visit, changed, cookie, title="The secret is changed")


async def resend(visit: Visit) -> Reply:
    """Send a notice again, whether it is dead or was sent."""
    endpoint = await _endpoint(visit)
    if not visit.form.text("notice"):
        raise PageError(422, "No notice is named", "Choose one of the list.", links={PATH: "Webhooks"})
    wanted = read("ntc", visit.form.text("notice"))
    found = await visit.read(notice_by_id, wanted) if wanted else None
    if found is None or found.endpoint_id != endpoint.id:
        raise unknown("notice", PATH, "Webhooks")
    await visit.change(replay, visit.now, found.id)
    return redirect(f"{PATH}/{show(endpoints.PREFIX, endpoint.id)}?done=resend")


async def pause(visit: Visit) -> Reply:
    """Send nothing there for a while."""
    endpoint = await _endpoint(visit)
    try:
        reason = visit.form.line("reason", needed="Write why, for those who wonder.")
    except FieldError as error:
        return await _page(visit, endpoint, status=422, wrong=error)
    by = visit.caller.name
    await visit.change(endpoints.pause, endpoint.id, reason=f"Paused: {reason}", by=by)
    return redirect(f"{PATH}/{show(endpoints.PREFIX, endpoint.id)}?done=pause")


async def resume(visit: Visit) -> Reply:
    """Send there again, whatever stopped it."""
    endpoint = await _endpoint(visit)
    if endpoint.state is EndpointState.UNCONFIRMED:
        raise PageError(409, "This mailbox is not confirmed", "Only the link that it was sent confirms it.")
    await visit.change(endpoints.resume, endpoint.id, by=visit.caller.name)
    return redirect(f"{PATH}/{show(endpoints.PREFIX, endpoint.id)}?done=resume")
