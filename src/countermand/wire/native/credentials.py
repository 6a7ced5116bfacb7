"""Tokens, Plaza keys and OAuth clients: of the caller's party, and of any for the platform. A secret is shown once."""

from datetime import datetime
from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from countermand.admin import access
from countermand.admin.access import NewCredential
from countermand.admin.audit import Author
from countermand.admin.callers import Caller
from countermand.admin.credentials import UnknownCredentialError
from countermand.documents.credentials import CredentialOut, credential_shown
from countermand.domain.dates import write_moment
from countermand.domain.parties import PartyKind
from countermand.fields import Moment, Name, Note, Text
from countermand.ids import read
from countermand.reads.credentials import CredentialFilter, CredentialView, list_credentials
from countermand.reads.views import PartyView
from countermand.store.engines.protocol import Work
from countermand.wire.native.access import own_only, party_listed, party_meant, told, usual_permissions
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.authors import By
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.messages import JsonRoute, Limit, Strict, Word
from countermand.wire.native.once import Once, Shown, change_once, location
from countermand.wire.native.pages import ONE_MORE, begin, page
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.native.users import Permissions
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/credentials", responses=PROBLEMS, route_class=JsonRoute)

PREFIX: Final = "crd"
Kind = Literal["token", "plaza_key", "oauth_client"]


class CredentialIn(Strict):
    """A new credential. Without permissions a token gets those that the caller has and its kind of party can have.

    A pair of Plaza keys, or an OAuth client of bol's Retailer API, is a retailer's, may do all that a retailer may, and
    does not expire.
    """

    kind: Kind
    party: Name | None = None
    label: Text = ""
    permissions: Permissions | None = None
    expires_at: Moment | None = None


class Ending(Strict):
    """Why it ends."""

    note: Note = ""


class CredentialMade(CredentialOut):
    """A credential with its secret, which is not shown again."""

    secret: str | None


class CredentialPage(BaseModel):
    """Some credentials, newest first. ``next`` is the ``after`` of the following page."""

    credentials: list[CredentialOut]
    next: str | None


@router.get("", operation_id="credentials.list")
async def show_credentials(
    services: Inside,
    who: Who,
    period: PeriodGiven,
    party: Annotated[Word | None, Query(description="Of this party; only the platform can name another")] = None,
    kind: Kind | None = None,
    status: Literal["active", "expired", "revoked"] | None = None,
    after: str | None = None,
    limit: Limit = 50,
) -> CredentialPage:
    """Credentials of the caller's party, newest first; of all parties for the platform. Never a secret."""
    now = services.clock()
    wanted = CredentialFilter(
        kind=kind,
        party=await party_listed(services, who, party),
        status=status,
        now=now,
        since=period.since,
        until=period.until,
        after=begin(PREFIX, after),
        limit=limit + ONE_MORE,
    )
    rows, more = page(PREFIX, await services.database.read(partial(list_credentials, wanted=wanted)), limit)
    return CredentialPage(credentials=[credential_shown(row, now) for row in rows], next=more)


@router.get("/{credential}", operation_id="credentials.get")
async def get_credential(services: Inside, who: Who, credential: str) -> CredentialOut:
    """One credential of the caller's party; of any for the platform. Never its secret."""
    with told():
        find = partial(access.find_credential, credential=_id(credential), party=own_only(who))
        return credential_shown(await services.database.read(find), services.clock())


@router.post("", operation_id="credentials.create", status_code=201, response_model=CredentialMade)
async def create_credential(services: Inside, who: Who, by: By, body: CredentialIn, once: Once) -> Response:
    """Make a credential. The secret is shown in this answer only. Nobody gives more than it has: `forbidden`."""
    _check(services, body)
    async with once.of(body) as key:
        party = await party_meant(services, who, body.party)
        act = _act(services, who, by, body, party)

        def shown(made: NewCredential) -> Shown:
            told_of = credential_shown(made.credential, services.clock())
            document = CredentialMade(**told_of.model_dump(), secret=made.secret)
            return Shown(status=201, body=document, headers=location("credentials", told_of.id))

        with told():
            return await change_once(services, key, act, shown)


_OF_BOL: Final = {"plaza_key": "A Plaza key", "oauth_client": "An OAuth client"}
"""What is a retailer's alone."""


def _check(services: Services, body: CredentialIn) -> None:
    """What makes no sense whoever it is for."""
    what = _OF_BOL.get(body.kind)
    if what and body.permissions is not None:
        raise invalid(f"{what} may do all that its retailer may; leave permissions out.", "body", "permissions")
    if what and body.expires_at is not None:
        raise invalid(f"{what} does not expire; leave expires_at out.", "body", "expires_at")
    now = services.clock()
    if body.expires_at is not None and body.expires_at <= now:
        detail = f"expires_at must be in the future; it is {write_moment(now, 'seconds')} here."
        raise invalid(detail, "body", "expires_at", code="out_of_range")


def _act(services: Services, who: Caller, by: Author, body: CredentialIn, party: PartyView) -> Work[NewCredential]:
    if body.kind == "token":
        permissions = body.permissions if body.permissions is not None else usual_permissions(who, party)
        with told():
            access.check_beyond(permissions, who.permissions)
        return partial(
            access.add_token,
            author=by,
            party=party,
            permissions=permissions,
            label=body.label,
            expires_at=body.expires_at,
        )
    if party.kind != PartyKind.RETAILER.value:
        has = f"Only a retailer has one; {party.name} is a {party.kind}."
        raise invalid(f"{_OF_BOL[body.kind]} is for bol's APIs. {has}", "body", "kind")
    with told():
        access.check_beyond(access.of_retailer(party), who.permissions)
    if body.kind == "oauth_client":
        return partial(access.add_client, author=by, party=party, label=body.label)
    return partial(access.add_plaza_key, author=by, keyring=services.keyring, party=party, label=body.label)


@router.post("/{credential}/revoke", operation_id="credentials.revoke", response_model=CredentialOut)
async def revoke_credential(
    services: Inside, who: Who, by: By, credential: str, once: Once, body: Ending | None = None
) -> Response:
    """End a credential. A running service honours it for a few seconds more."""
    given = body or Ending()
    async with once.of(given) as key:
        with told():
            revoke = partial(
                access.revoke,
                author=by,
                credential=_id(credential),
                party=own_only(who),
                note=given.note,
            )
            return await change_once(services, key, revoke, partial(_shown, now=services.clock()))


def _shown(row: CredentialView, now: datetime) -> Shown:
    return Shown(body=credential_shown(row, now))


def _id(text: str) -> UUID:
    wanted = read(PREFIX, text)
    if wanted is None:
        raise UnknownCredentialError("There is no such credential.")
    return wanted
