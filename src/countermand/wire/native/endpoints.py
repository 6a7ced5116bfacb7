"""Calls about the caller's own endpoints."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from countermand.admin import endpoints
from countermand.admin.endpoints import Added
from countermand.documents.endpoints import EndpointOut, endpoint_document
from countermand.domain.addresses.address import URL_MAX, BadAddressError
from countermand.domain.endpoint import Endpoint, UnknownKindError
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.texts import read_text
from countermand.fields import Text
from countermand.ids import read, show
from countermand.store.engines.protocol import Work
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.meaning import former_fingerprint
from countermand.wire.native.messages import JsonRoute, Strict
from countermand.wire.native.once import Once, Shown, change_once, location
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


class Endpoints(BaseModel):
    """All endpoints of the caller's party, oldest first."""

    endpoints: list[EndpointOut]


@router.post("", operation_id="endpoints.create", status_code=201, response_model=EndpointMade)
async def add_endpoint(services: Inside, who: Who, body: EndpointIn, once: Once) -> Response:
    """Register where the caller's party is notified. A mailbox first gets an e-mail that asks for confirmation.

    The secret is shown in the first answer only, and ``null`` when an ``Idempotency-Key`` is used again.
    """
    add = partial(
        endpoints.add,
        ids=services.ids,
        keyring=services.keyring,
        now=services.clock(),
        party=who.party,
        url=body.url,
        kinds=body.events,
        label=body.label,
        rules=services.settings.address_rules,
        by=who.name,
    )
    async with once.of(body, former=former_fingerprint("add endpoint", body)) as key:
        return await _change(services, key, add, _added, _again)


@router.get("", operation_id="endpoints.list")
async def list_endpoints(services: Inside, who: Who) -> Endpoints:
    """All endpoints of the caller's party, without those that were removed."""
    found = await services.database.read(lambda connection: endpoints.of_party(connection, who.party))
    return Endpoints(endpoints=[endpoint_document(each) for each in found])


@router.get("/{endpoint}", operation_id="endpoints.get")
async def get_endpoint(services: Inside, who: Who, endpoint: str) -> EndpointOut:
    """One endpoint."""
    with _told():
        return endpoint_document(
            await services.database.read(partial(endpoints.find, endpoint=_id(endpoint), party=who.party))
        )


@router.delete("/{endpoint}", operation_id="endpoints.delete", status_code=204)
async def remove_endpoint(services: Inside, who: Who, endpoint: str, once: Once) -> Response:
    """Send nothing there ever again. What was still to be sent is dead."""
    async with once.of() as key:
        remove = partial(endpoints.remove, endpoint=_id(endpoint), by=who.name, party=who.party)
        return await _change(services, key, remove, lambda _: Shown(status=204, body=None))


@router.post("/{endpoint}/pause", operation_id="endpoints.pause", response_model=EndpointOut)
async def pause_endpoint(services: Inside, who: Who, endpoint: str, once: Once, why: Pause | None = None) -> Response:
    """Send nothing there for a while. What happens meanwhile is kept, and sent when it is resumed."""
    given = why or Pause()
    reason = f"Paused by its owner: {given.reason}" if given.reason else "Paused by its owner."
    async with once.of(given) as key:
        pause = partial(endpoints.pause, endpoint=_id(endpoint), reason=reason, by=who.name, party=who.party)
        return await _change(services, key, pause, _shown)


@router.post("/{endpoint}/resume", operation_id="endpoints.resume", response_model=EndpointOut)
async def resume_endpoint(services: Inside, who: Who, endpoint: str, once: Once) -> Response:
    """Send there again, whatever stopped it."""
    async with once.of() as key:
        resume = partial(endpoints.resume, endpoint=_id(endpoint), by=who.name, party=who.party)
        return await _change(services, key, resume, _shown)


@router.post("/{endpoint}/confirmation", operation_id="endpoints.confirm", status_code=202, response_model=EndpointOut)
async def ask_again_to_confirm(services: Inside, who: Who, endpoint: str, once: Once) -> Response:
    """Send the confirmation of a mailbox once more. Only the link in it confirms."""
    async with once.of() as key:
        again = partial(
            endpoints.ask_again_to_confirm,
            now=services.clock(),
            endpoint=_id(endpoint),
            rules=services.settings.address_rules,
            by=who.name,
            party=who.party,
        )
        return await _change(services, key, again, partial(_shown, status=202))


@router.post("/{endpoint}/rotate", operation_id="endpoints.rotate", response_model=EndpointMade)
async def rotate_secret(services: Inside, who: Who, endpoint: str, once: Once, how: Rotation | None = None) -> Response:
    """Give the endpoint a new secret. The old one stays valid for a day by default."""
    how = how or Rotation()
    former = former_fingerprint(f"rotate {read(endpoints.PREFIX, endpoint)}", how)
    async with once.of(how, former=former) as key:
        rotate = partial(
            endpoints.rotate,
            ids=services.ids,
            keyring=services.keyring,
            now=services.clock(),
            endpoint=_id(endpoint),
            overlap=timedelta(seconds=how.overlap_s),
            by=who.name,
            party=who.party,
        )
        return await _change(services, key, rotate, _rotated, _again)


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
