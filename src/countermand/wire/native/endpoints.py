"""Calls about the caller's own endpoints."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from countermand.admin import endpoints
from countermand.admin.callers import Caller
from countermand.admin.endpoints import Added, EndpointChange, EndpointFilter
from countermand.documents.attempts import AttemptOut, attempt_document
from countermand.documents.endpoints import EndpointOut, endpoint_document
from countermand.domain.addresses.address import URL_MAX, BadAddressError
from countermand.domain.endpoint import Endpoint, UnknownKindError
from countermand.domain.events import EventKind
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.parties import PartyKind
from countermand.domain.subscriptions import SubscribedError
from countermand.domain.texts import read_text
from countermand.fields import Text
from countermand.ids import read, show
from countermand.reads.attempts import AttemptView, attempt_by_id
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.store.attempts import record
from countermand.store.engines.protocol import Work
from countermand.wire.endpoint_tests import send_test
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.authors import By
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.etags import IfMatch, must_match
from countermand.wire.native.meaning import former_fingerprint, scope_of
from countermand.wire.native.messages import JsonRoute, Limit, Strict, Word
from countermand.wire.native.notices import id_in_query, owner_of
from countermand.wire.native.once import Once, Shown, change_once, location
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/endpoints", responses=PROBLEMS, route_class=JsonRoute)

T = TypeVar("T")


class EndpointIn(Strict):
    """A new endpoint: a URL or a ``mailto:`` address, and the kinds of events that are sent to it.

    Without kinds, a URL gets all, and a mailbox those that ask for its party's answer.
    """

    url: Annotated[str, Field(max_length=URL_MAX)]
    events: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    label: Text = ""
    party: Annotated[Text | None, Field(description="whose it is: the platform names any; default the caller's")] = None


class EndpointChangeIn(Strict):
    """What of an endpoint shall be another; what is left out stays."""

    url: Annotated[str | None, Field(max_length=URL_MAX)] = None
    events: Annotated[tuple[str, ...] | None, Field(max_length=100)] = None
    label: Text | None = None


class TestIn(Strict):
    """What to send: a sample of a kind of event, about things that do not exist; else a test about nothing."""

    event: Annotated[EventKind | None, Field(description="of which kind of event a sample is sent")] = None


class Pause(Strict):
    """Why nothing shall be sent."""

    reason: Annotated[str, Field(max_length=500), AfterValidator(read_text)] = ""


class Rotation(Strict):
    """For how many seconds the old secret stays valid beside the new one."""

    overlap_s: Annotated[int, Field(strict=True, ge=0, le=int(endpoints.OVERLAP_MAX.total_seconds()))] = int(
        endpoints.OVERLAP.total_seconds()
    )


class EndpointMade(EndpointOut):
    """An endpoint with its newest secret, which is not shown again; a mailbox has none."""

    secret: str | None


class EndpointPage(BaseModel):
    """Some endpoints, oldest first. ``next`` is the ``after`` of the following page."""

    endpoints: list[EndpointOut]
    next: str | None


@router.post("", operation_id="endpoints.create", status_code=201, response_model=EndpointMade)
async def add_endpoint(services: Inside, who: Who, by: By, body: EndpointIn, once: Once) -> Response:
    """Register where a party is notified. A mailbox first gets an e-mail that asks for confirmation.

    The platform may do so for any party, others for themselves. The secret is shown in the first answer only, and
    ``null`` when an ``Idempotency-Key`` is used again.
    """
    add = partial(
        endpoints.add,
        author=by,
        keyring=services.keyring,
        party=await _party_of(services, who, body.party) if body.party else who.party,
        url=body.url,
        kinds=body.events,
        label=body.label,
        rules=services.settings.address_rules,
    )
    async with once.of(body, former=former_fingerprint("add endpoint", body)) as key:
        return await _change(services, key, add, _added, _again)


@router.get("", operation_id="endpoints.list")
async def list_endpoints(
    services: Inside,
    who: Who,
    period: PeriodGiven,
    party: Annotated[Word | None, Query(description="Whose, if not the caller's: the platform may name any")] = None,
    after: str | None = None,
    limit: Limit = 50,
) -> EndpointPage:
    """The endpoints of the caller's party, or of the one that the platform names, without those that were removed."""
    try:
        owner = who.party if party is None else await _party_of(services, who, party)
    except CallError as error:
        if error.kind is not Problem.UNKNOWN_PARTY:
            raise
        return EndpointPage(endpoints=[], next=None)
    wanted = EndpointFilter(
        party=owner,
        since=period.since,
        until=period.until,
        after=id_in_query(endpoints.PREFIX, after, "after"),
        limit=limit + 1,
    )
    found = await services.database.read(partial(endpoints.list_endpoints, wanted=wanted))
    shown = [endpoint_document(each) for each in found[:limit]]
    return EndpointPage(endpoints=shown, next=shown[-1].id if len(found) > limit else None)


@router.get("/{endpoint}", operation_id="endpoints.get")
async def get_endpoint(services: Inside, who: Who, endpoint: str) -> EndpointOut:
    """One endpoint."""
    with _told():
        return endpoint_document(
            await services.database.read(partial(endpoints.find, endpoint=_id(endpoint), party=owner_of(who)))
        )


@router.patch("/{endpoint}", operation_id="endpoints.update", response_model=EndpointOut)
async def update_endpoint(
    services: Inside, who: Who, by: By, endpoint: str, body: EndpointChangeIn, once: Once, if_match: IfMatch = None
) -> Response:
    """Change where it is, what it gets, or how it is called. A mailbox with another address is confirmed anew."""
    async with once.of(body) as key:
        update = partial(
            endpoints.update_endpoint,
            author=by,
            endpoint=_id(endpoint),
            wanted=EndpointChange(url=body.url, kinds=body.events, label=body.label),
            rules=services.settings.address_rules,
            party=owner_of(who),
            check=must_match(if_match, endpoint_document),
        )
        return await _change(services, key, update, _shown)


@router.delete("/{endpoint}", operation_id="endpoints.delete", status_code=204)
async def remove_endpoint(services: Inside, who: Who, by: By, endpoint: str, once: Once) -> Response:
    """Send nothing there ever again. What was still to be sent is dead."""
    async with once.of() as key:
        remove = partial(endpoints.remove, author=by, endpoint=_id(endpoint), party=owner_of(who))
        return await _change(services, key, remove, lambda _: Shown(status=204, body=None))


@router.post("/{endpoint}/pause", operation_id="endpoints.pause", response_model=EndpointOut)
async def pause_endpoint(
    services: Inside, who: Who, by: By, endpoint: str, once: Once, why: Pause | None = None
) -> Response:
    """Send nothing there for a while. What happens meanwhile is kept, and sent when it is resumed."""
    given = why or Pause()
    whom = "the platform" if who.kind is PartyKind.PLATFORM else "its owner"
    reason = f"Paused by {whom}: {given.reason}" if given.reason else f"Paused by {whom}."
    async with once.of(given) as key:
        pause = partial(endpoints.pause, author=by, endpoint=_id(endpoint), reason=reason, party=owner_of(who))
        return await _change(services, key, pause, _shown)


@router.post("/{endpoint}/resume", operation_id="endpoints.resume", response_model=EndpointOut)
async def resume_endpoint(services: Inside, who: Who, by: By, endpoint: str, once: Once) -> Response:
    """Send there again, whatever stopped it."""
    async with once.of() as key:
        resume = partial(endpoints.resume, author=by, endpoint=_id(endpoint), party=owner_of(who))
        return await _change(services, key, resume, _shown)


@router.post("/{endpoint}/confirmation", operation_id="endpoints.confirm", status_code=202, response_model=EndpointOut)
async def ask_again_to_confirm(services: Inside, who: Who, by: By, endpoint: str, once: Once) -> Response:
    """Send the confirmation of a mailbox once more. Only the link in it confirms."""
    async with once.of() as key:
        again = partial(
            endpoints.ask_again_to_confirm,
            author=by,
            endpoint=_id(endpoint),
            rules=services.settings.address_rules,
            party=owner_of(who),
        )
        return await _change(services, key, again, partial(_shown, status=202))


@router.post("/{endpoint}/rotate", operation_id="endpoints.rotate", response_model=EndpointMade)
async def rotate_secret(
    services: Inside, who: Who, by: By, endpoint: str, once: Once, how: Rotation | None = None
) -> Response:
    """Give the endpoint a new secret. The old one stays valid for a day by default."""
    how = how or Rotation()
    former = former_fingerprint(f"rotate {read(endpoints.PREFIX, endpoint)}", how)
    async with once.of(how, former=former) as key:
        rotate = partial(
            endpoints.rotate,
            author=by,
            keyring=services.keyring,
            endpoint=_id(endpoint),
            overlap=timedelta(seconds=how.overlap_s),
            party=owner_of(who),
        )
        return await _change(services, key, rotate, _rotated, _again)


@router.post("/{endpoint}/test", operation_id="endpoints.test", response_model=AttemptOut)
async def try_endpoint(services: Inside, who: Who, endpoint: str, once: Once, what: TestIn | None = None) -> Response:
    """Send a signed test there now, whatever its state, and show what came of it. A test is no event, and in no feed.

    A mailbox gets an e-mail about nothing, whatever ``event`` says. One that is not confirmed gets none.
    """
    given = what or TestIn()
    async with once.of(given) as key:
        with _told():
            find = partial(endpoints.find, endpoint=_id(endpoint), party=owner_of(who))
            tried = await send_test(services, await services.database.read(find), given.event, key)

        def act(connection: Any) -> AttemptView:
            record(connection, [tried])
            found = attempt_by_id(connection, scope_of(who), tried.id)
            assert found is not None
            return found

        def show_it(attempt: AttemptView) -> Shown:
            return Shown(body=attempt_document(attempt, services.settings.base_url))

        return await change_once(services, key, act, show_it)


async def _party_of(services: Services, who: Caller, text: str) -> UUID:
    """The party that a caller names, which only the platform may be another than itself.

    Raises:
        CallError: it may not, or there is no such party.
    """
    try:
        found = (await services.database.read(partial(find_party, text=text))).id
    except UnknownPartyError as error:
        found, unknown = None, str(error)
    if who.kind is not PartyKind.PLATFORM and found != who.party:
        raise CallError(Problem.WRONG_PARTY, "Only the platform names another party.")
    if found is None:
        raise CallError(Problem.UNKNOWN_PARTY, unknown)
    return found


async def _change(
    services: Services,
    key: IdempotencyKey | None,
    act: Work[T],
    show: Callable[[T], Shown],
    again: Callable[[Mapping[str, Any]], Work[T]] | None = None,
) -> Response:
    with _told():
        return await change_once(services, key, act, show, again)


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong becomes a problem of the caller's."""
    try:
        yield
    except tuple(_MEMBERS) as error:
        member = next(member for kind, member in _MEMBERS.items() if isinstance(error, kind))
        raise invalid(str(error), "body", member) from None
    except tuple(_PROBLEMS) as error:
        raise CallError(_PROBLEMS[type(error)], str(error)) from None


_MEMBERS: Final[dict[type[Exception], str]] = {
    BadAddressError: "url",
    UnknownKindError: "events",
    SubscribedError: "events",
    endpoints.BadLabelError: "label",
    endpoints.BadOverlapError: "overlap_s",
}
"""The member of the body that makes no sense."""

_PROBLEMS: Final[dict[type[Exception], Problem]] = {
    endpoints.UnknownEndpointError: Problem.UNKNOWN_ENDPOINT,
    endpoints.TooManyEndpointsError: Problem.LIMIT_REACHED,
    endpoints.TooManySecretsError: Problem.LIMIT_REACHED,
    endpoints.TooManyConfirmationsError: Problem.LIMIT_REACHED,
    endpoints.NoSecretError: Problem.NOT_SIGNED,
    endpoints.NothingToConfirmError: Problem.NOTHING_TO_CONFIRM,
}


def _id(text: str) -> UUID:
    wanted = read(endpoints.PREFIX, text)
    if wanted is None:
        raise CallError(Problem.UNKNOWN_ENDPOINT, "There is no such endpoint.")
    return wanted


def _again(answer: Mapping[str, Any]) -> Work[Added]:
    return partial(endpoints.kept_of_0_1, answer=answer)


def _shown(endpoint: Endpoint, status: int = 200) -> Shown:
    return Shown(status=status, body=endpoint_document(endpoint))


def _added(added: Added) -> Shown:
    return Shown(
        status=201, body=_made(added), headers=location("endpoints", show(endpoints.PREFIX, added.endpoint.id))
    )


def _rotated(added: Added) -> Shown:
    return Shown(body=_made(added))


def _made(added: Added) -> EndpointMade:
    return EndpointMade(secret=added.secret, **endpoint_document(added.endpoint).model_dump())
