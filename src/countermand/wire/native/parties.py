"""Parties: those that a caller works with; the platform adds them, renames them, and lets them take part or not."""

from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel
from starlette.responses import Response

from countermand.admin import parties
from countermand.documents.parties import PartyShown, party_document
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.parties import PartyKind
from countermand.domain.texts import read_text
from countermand.fields import Name, NeededNote, named
from countermand.ids import read
from countermand.reads import parties as party_reads
from countermand.reads.parties import PartyFilter, UnknownPartyError
from countermand.reads.views import PartyView
from countermand.service.leaving import hand_over
from countermand.store.engines.protocol import Work
from countermand.wire.native.access import told
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.authors import By
from countermand.wire.native.errors import PROBLEMS
from countermand.wire.native.etags import IfMatch, etag_of, must_match
from countermand.wire.native.meaning import DOOR, scope_of
from countermand.wire.native.messages import JsonRoute, Limit, Strict
from countermand.wire.native.once import Once, ReplayedError, Shown, change_once, location
from countermand.wire.native.pages import ONE_MORE, begin, page
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/parties", responses=PROBLEMS, route_class=JsonRoute)

PREFIX: Final = "pty"
Begin = Annotated[str, Query(min_length=2, max_length=200), AfterValidator(named("bad_text", read_text))]


class PartyIn(Strict):
    """A new party. Its name is its own."""

    kind: PartyKind
    name: Name


class PartyChange(Strict):
    """Another name."""

    name: Name | None = None


class Leaving(Strict):
    """Why the party takes no part any more."""

    note: NeededNote


class PartyPage(BaseModel):
    """Some parties, newest first. ``next`` is the ``after`` of the following page."""

    parties: list[PartyShown]
    next: str | None


@router.get("", operation_id="parties.list")
async def list_parties(
    services: Inside,
    who: Who,
    period: PeriodGiven,
    kind: PartyKind | None = None,
    status: Literal["active", "deactivated"] | None = None,
    q: Begin | None = None,
    after: str | None = None,
    limit: Limit = 50,
) -> PartyPage:
    """Parties, newest first: the caller's own and its partners; all for the platform.

    `q` is how their names begin. A retailer's partners are the suppliers of its orders, a supplier's the retailers.
    """
    wanted = PartyFilter(
        kind=kind.value if kind else None,
        status=status,
        begins=q,
        since=period.since,
        until=period.until,
        after=begin(PREFIX, after),
        limit=limit + ONE_MORE,
    )
    found = await services.database.read(partial(party_reads.parties_seen, scope=scope_of(who), wanted=wanted))
    rows, more = page(PREFIX, found, limit)
    return PartyPage(parties=[party_document(row) for row in rows], next=more)


@router.get("/{party}", operation_id="parties.get")
async def get_party(services: Inside, who: Who, party: str) -> PartyShown:
    """One party: the caller's own or a partner; any for the platform."""
    with told():
        found = await services.database.read(partial(party_reads.party_seen, scope=scope_of(who), party=_id(party)))
        if found is None:
            raise UnknownPartyError("There is no such party.")
    return party_document(found)


@router.post("", operation_id="parties.create", status_code=201, response_model=PartyShown)
async def create_party(services: Inside, who: Who, by: By, body: PartyIn, once: Once) -> Response:
    """Add a party. Nobody calls for it until it has a credential."""
    add = partial(parties.add_shown, author=by, kind=body.kind, name=body.name)
    async with once.of(body) as key:
        return await _change(services, key, add, status=201)


@router.patch("/{party}", operation_id="parties.update", response_model=PartyShown)
async def update_party(
    services: Inside,
    who: Who,
    by: By,
    party: str,
    body: PartyChange,
    once: Once,
    if_match: IfMatch = None,
) -> Response:
    """Rename a party. Needs ``If-Match``: the ``ETag`` of the party, or ``*``."""
    async with once.of(body) as key:
        with told():
            rename = partial(
                parties.rename,
                author=by,
                party=_id(party),
                name=body.name,
                as_seen=must_match(if_match, party_document),
            )
        return await _change(services, key, rename)


@router.post("/{party}/deactivate", operation_id="parties.deactivate", response_model=PartyShown)
async def deactivate_party(services: Inside, who: Who, by: By, party: str, body: Leaving, once: Once) -> Response:
    """Let a party take no part any more: its credentials open nothing, and the platform answers what waits for it.

    Its deadlines go on, and orders that it holds stay as they are.
    """
    try:
        async with once.of(body) as key:
            with told():
                wanted = _id(party)
            switch = partial(parties.set_active, author=by, party=wanted, active=False, note=body.note)
            response: Response = await _change(services, key, switch)
    except ReplayedError as replayed:
        # The first call may not have come as far as to hand over.
        response = replayed.response
    await hand_over(services.database, services.lanes, _id(party), who.actor, DOOR)
    return response


@router.post("/{party}/activate", operation_id="parties.activate", response_model=PartyShown)
async def activate_party(services: Inside, who: Who, by: By, party: str, once: Once) -> Response:
    """Let a party take part again. What the platform has to answer stays with it."""
    async with once.of() as key:
        with told():
            wanted = _id(party)
        switch = partial(parties.set_active, author=by, party=wanted, active=True)
        return await _change(services, key, switch)


async def _change(services: Services, key: IdempotencyKey | None, act: Work[PartyView], status: int = 200) -> Response:
    with told():
        return await change_once(services, key, act, partial(_shown, status=status))


def _shown(row: PartyView, status: int) -> Shown:
    document = party_document(row)
    headers = {"ETag": etag_of(document)} | (location("parties", str(row.id)) if status == 201 else {})
    return Shown(status=status, body=document, headers=headers)


def _id(text: str) -> UUID:
    wanted = read(PREFIX, text)
    if wanted is None:
        raise UnknownPartyError("There is no such party.")
    return wanted
