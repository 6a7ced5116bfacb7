"""Endpoints are added, changed, paused, resumed and removed; a new secret is shown once."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from countermand.admin import endpoints
from countermand.admin.endpoints import EndpointChange
from countermand.console.errors import PageError
from countermand.console.forms import FieldError
from countermand.console.pages import webhooks
from countermand.console.pages.account import authenticated_again
from countermand.console.pages.parties import choices
from countermand.console.pages.webhooks import PATH, endpoint_of, path_of
from countermand.console.rendering import redirect, show_page
from countermand.console.visit import Visit
from countermand.domain.addresses.address import BadAddressError
from countermand.domain.endpoint import Endpoint, EndpointState, UnknownKindError
from countermand.domain.events import MEANINGS, EventKind
from countermand.domain.subscriptions import SubscribedError
from countermand.ids import digest
from countermand.reads.notices import NoticeFilter, list_notices
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.reads.views import PartyView
from countermand.wire.replies import Header
from countermand.wire.response import Reply

COUNTED: Final = 1000
"""More notices are not counted: ``1,000+`` says enough."""

_FIELDS: Final[Mapping[type[Exception], str]] = {
    BadAddressError: "url",
    endpoints.TooManyConfirmationsError: "url",
    endpoints.TooManyEndpointsError: "url",
    endpoints.BadLabelError: "label",
    UnknownKindError: "kind",
    SubscribedError: "kind",
}
"""At which field of the form it stands that an address, a label or a kind is refused."""


def _field_error(error: Exception) -> FieldError:
    return FieldError(next(field for kind, field in _FIELDS.items() if isinstance(error, kind)), str(error))


async def _party(visit: Visit, text: str) -> PartyView:
    """Whose endpoint it becomes: one's own, or for the platform anybody's."""
    if not visit.is_platform:
        return await visit.read(find_party, str(visit.caller.party))
    try:
        return await visit.read(find_party, text or str(visit.caller.party))
    except UnknownPartyError:
        raise FieldError("party", "There is no party of this name or id.") from None


async def confirm_add(visit: Visit) -> Reply:
    """The form of a new endpoint."""
    return await _add_page(visit)


async def _add_page(visit: Visit, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    return show_page(
        visit,
        "webhook_add.html",
        title="Add an endpoint",
        status=status,
        parties=await choices(visit) if visit.is_platform else [],
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
        add = partial(
            endpoints.add,
            author=visit.author,
            keyring=services.keyring,
            party=party.id,
            url=url,
            kinds=form.all("kind"),
            label=label,
            rules=services.settings.address_rules,
        )
        added = await visit.change_once(add, lambda added: path_of(added.endpoint.id))
    except FieldError as error:
        return await _add_page(visit, status=422, wrong=error)
    except tuple(_FIELDS) as error:
        return await _add_page(visit, status=422, wrong=_field_error(error))
    return _secret_page(visit, added, cookie, title="The endpoint is added")


def _secret_page(visit: Visit, added: endpoints.Added, cookie: tuple[Header, ...], *, title: str) -> Reply:
    """The one time that a secret can be read."""
    shown = show_page(
        visit,
        "webhook_secret.html",
        title=title,
        endpoint=added.endpoint,
        secret=added.secret,
        path=path_of(added.endpoint.id),
    )
    return replace(shown, headers=(*shown.headers, *cookie))


# An endpoint is changed


async def confirm_edit(visit: Visit) -> Reply:
    """The form of an endpoint, as it is."""
    return _edit_page(visit, await endpoint_of(visit))


def _edit_page(visit: Visit, endpoint: Endpoint, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    form = visit.form
    return show_page(
        visit,
        "webhook_edit.html",
        title="Change the endpoint",
        status=status,
        endpoint=endpoint,
        path=path_of(endpoint.id),
        url=form.text("url") if form.pairs else endpoint.url,
        label=form.text("label") if form.pairs else endpoint.label,
        seen=_seen(endpoint),
        kinds=[(kind.value, MEANINGS[kind].when) for kind in EventKind],
        chosen=form.all("kind") if form.pairs else [each.value for each in endpoint.event_kinds],
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


def _seen(endpoint: Endpoint) -> str:
    """What the page showed of an endpoint, to see that nobody has changed it since."""
    return digest(repr((endpoint.url, endpoint.label, endpoint.event_kinds)))[:16]


async def edit(visit: Visit) -> Reply:
    """Change its address, its label, or which events it gets."""
    endpoint, form = await endpoint_of(visit), visit.form

    def as_seen(before: Endpoint) -> None:
        if form.text("seen") != _seen(before):
            raise FieldError("form", "Somebody else has changed this endpoint meanwhile. Load the page again.")

    try:
        url = form.line("url", needed="Write a URL, or mailto: and an e-mail address.")
        await visit.change(
            endpoints.update_endpoint,
            visit.author,
            endpoint.id,
            EndpointChange(url=url, label=form.line("label"), kinds=form.all("kind")),
            rules=visit.services.settings.address_rules,
            check=as_seen,
        )
    except FieldError as error:
        return _edit_page(visit, endpoint, status=422, wrong=error)
    except tuple(_FIELDS) as error:
        return _edit_page(visit, endpoint, status=422, wrong=_field_error(error))
    return redirect(f"{path_of(endpoint.id)}?done=edit")


async def confirm_remove(visit: Visit) -> Reply:
    """Once more before nothing is sent there ever again."""
    endpoint = await endpoint_of(visit)
    wanted = NoticeFilter(states=frozenset({"due"}), endpoint=endpoint.id)
    due = len(await visit.read(list_notices, wanted, COUNTED + 1, visit.now))
    return show_page(
        visit,
        "webhook_remove.html",
        title="Remove the endpoint?",
        endpoint=endpoint,
        path=path_of(endpoint.id),
        due=due,
        due_words=f"More than {COUNTED:,}" if due > COUNTED else f"{due:,}",
    )


async def remove(visit: Visit) -> Reply:
    """Send nothing there ever again."""
    endpoint = await endpoint_of(visit)
    await visit.change(endpoints.remove, visit.author, endpoint.id)
    return redirect(f"{PATH}?done=removed")


async def confirm_mailbox(visit: Visit) -> Reply:
    """Send the confirmation of a mailbox once more. Only the link in it confirms."""
    endpoint = await endpoint_of(visit)
    rules = visit.services.settings.address_rules
    again = endpoints.ask_again_to_confirm
    await visit.change(again, visit.author, endpoint.id, rules=rules)
    return redirect(f"{path_of(endpoint.id)}?done=confirmation")


# Its secret


async def confirm_rotate(visit: Visit) -> Reply:
    """Once more before a secret is changed."""
    return _rotate_page(visit, await endpoint_of(visit))


def _rotate_page(visit: Visit, endpoint: Endpoint, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    if endpoint.secrets is None:
        why = (
            "A subscription is signed with the service's keys." if endpoint.subscription else "E-mails are not signed."
        )
        raise PageError(409, "This endpoint has no secret", why, links={PATH: "Webhooks"})
    return show_page(
        visit,
        "webhook_rotate.html",
        title="Change the secret?",
        status=status,
        endpoint=endpoint,
        path=path_of(endpoint.id),
        asks_password=not visit.session.is_fresh(visit.now),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def rotate(visit: Visit) -> Reply:
    """Give the endpoint a new secret, and show it once. The old one stays valid for a day."""
    endpoint, services = await endpoint_of(visit), visit.services
    try:
        cookie = () if visit.session.is_fresh(visit.now) else await authenticated_again(visit)
        changed = await visit.change(endpoints.rotate, visit.author, services.keyring, endpoint.id)
    except FieldError as error:
        return _rotate_page(visit, endpoint, status=422, wrong=error)
    except (endpoints.NoSecretError, endpoints.TooManySecretsError) as error:
        return _rotate_page(visit, endpoint, status=409, wrong=FieldError("secret", str(error)))
    return _secret_page(visit, changed, cookie, title="The secret is changed")


# Sending there stops, and goes on


async def pause(visit: Visit) -> Reply:
    """Send nothing there for a while."""
    endpoint = await endpoint_of(visit)
    try:
        reason = visit.form.line("reason", needed="Write why. Others read it on this page.")
    except FieldError as error:
        return await webhooks.show_endpoint(visit, endpoint, status=422, wrong=error)
    await visit.change(endpoints.pause, visit.author, endpoint.id, reason=f"Paused: {reason}")
    return redirect(f"{path_of(endpoint.id)}?done=pause")


async def resume(visit: Visit) -> Reply:
    """Send there again, whatever stopped it."""
    endpoint = await endpoint_of(visit)
    if endpoint.state is EndpointState.UNCONFIRMED:
        raise PageError(409, "This mailbox is not confirmed", "Only the link that it was sent confirms it.")
    await visit.change(endpoints.resume, visit.author, endpoint.id)
    return redirect(f"{path_of(endpoint.id)}?done=resume")
