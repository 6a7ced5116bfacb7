"""Calls about the caller's own endpoints."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Annotated, Final, TypeVar
from uuid import UUID

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from countermand.admin import endpoints
from countermand.admin.callers import Caller
from countermand.admin.endpoints import Added
from countermand.documents.endpoints import EndpointOut, endpoint_document
from countermand.domain.addresses.address import URL_MAX, BadAddressError
from countermand.domain.endpoint import UnknownKindError
from countermand.domain.refusals import RefusalKind
from countermand.domain.texts import read_text
from countermand.fields import Text
from countermand.ids import read
from countermand.store.engines.protocol import Work
from countermand.store.engines.transactions import change
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.meaning import fingerprint
from countermand.wire.native.messages import JsonRoute, Key, Strict
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


@router.post("", operation_id="endpoints.create", status_code=201)
async def add_endpoint(services: Inside, who: Who, body: EndpointIn, idempotency_key: Key = None) -> EndpointMade:
    """Register where the caller's party is notified. A mailbox first gets an e-mail that asks for confirmation.

    With an ``Idempotency-Key`` the same call gets the same answer, its secret included.
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
    return _made(await _once(services, who, add, idempotency_key, fingerprint("add endpoint", body)))


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
async def remove_endpoint(services: Inside, who: Who, endpoint: str) -> Response:
    """Send nothing there ever again. What was still to be sent is dead."""
    remove = partial(endpoints.remove, endpoint=_id(endpoint), by=who.name, party=who.party)
    await _change(services, remove)
    return Response(status_code=204)


@router.post("/{endpoint}/pause", operation_id="endpoints.pause")
async def pause_endpoint(services: Inside, who: Who, endpoint: str, why: Pause | None = None) -> EndpointOut:
    """Send nothing there for a while. What happens meanwhile is kept, and sent when it is resumed."""
    reason = f"Paused by its owner: {why.reason}" if why and why.reason else "Paused by its owner."
    pause = partial(endpoints.pause, endpoint=_id(endpoint), reason=reason, by=who.name, party=who.party)
    return endpoint_document(await _change(services, pause))


@router.post("/{endpoint}/resume", operation_id="endpoints.resume")
async def resume_endpoint(services: Inside, who: Who, endpoint: str) -> EndpointOut:
    """Send there again, whatever stopped it."""
    resume = partial(endpoints.resume, endpoint=_id(endpoint), by=who.name, party=who.party)
    return endpoint_document(await _change(services, resume))


@router.post("/{endpoint}/confirmation", operation_id="endpoints.confirm", status_code=202)
async def ask_again_to_confirm(services: Inside, who: Who, endpoint: str) -> EndpointOut:
    """Send the confirmation of a mailbox once more. Only the link in it confirms."""
    again = partial(
        endpoints.ask_again_to_confirm,
        now=services.clock(),
        endpoint=_id(endpoint),
        rules=services.settings.address_rules,
        by=who.name,
        party=who.party,
    )
    return endpoint_document(await _change(services, again))


@router.post("/{endpoint}/rotate", operation_id="endpoints.rotate")
async def rotate_secret(
    services: Inside, who: Who, endpoint: str, how: Rotation | None = None, idempotency_key: Key = None
) -> EndpointMade:
    """Give the endpoint a new secret. The old one stays valid for a day by default."""
    wanted, how = _id(endpoint), how or Rotation()
    rotate = partial(
        endpoints.rotate,
        ids=services.ids,
        keyring=services.keyring,
        now=services.clock(),
        endpoint=wanted,
        overlap=timedelta(seconds=how.overlap_s),
        by=who.name,
        party=who.party,
    )
    return _made(await _once(services, who, rotate, idempotency_key, fingerprint(f"rotate {wanted}", how)))


async def _once(services: Services, who: Caller, act: Work[Added], key: str | None, body: str) -> Added:
    if not key:
        return await _change(services, act)
    once = partial(
        endpoints.once,
        keyring=services.keyring,
        now=services.clock(),
        party=who.party,
        key=key,
        fingerprint=body,
        act=act,
    )
    return await _change(services, once)


async def _change(services: Services, act: Work[T]) -> T:
    with _told():
        return await change(services.database, act)


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

_PROBLEMS: Final[dict[type[Exception], Problem | RefusalKind]] = {
    endpoints.UnknownEndpointError: Problem.UNKNOWN_ENDPOINT,
    endpoints.TooManyEndpointsError: Problem.LIMIT_REACHED,
    endpoints.TooManySecretsError: Problem.LIMIT_REACHED,
    endpoints.TooManyConfirmationsError: Problem.LIMIT_REACHED,
    endpoints.NoSecretError: Problem.NOT_SIGNED,
    endpoints.NothingToConfirmError: Problem.NOTHING_TO_CONFIRM,
    endpoints.KeyReusedError: RefusalKind.KEY_REUSED,
}


def _id(text: str) -> UUID:
    wanted = read(endpoints.PREFIX, text)
    if wanted is None:
        raise CallError(Problem.UNKNOWN_ENDPOINT, "There is no such endpoint.")
    return wanted


def _made(added: Added) -> EndpointMade:
    return EndpointMade(secret=added.secret, **endpoint_document(added.endpoint).model_dump())
