"""Who calls, as the service sees it."""

from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel

from countermand.admin.callers import Permission
from countermand.documents.parties import PartyOut
from countermand.domain.parties import PartyKind
from countermand.ids import show
from countermand.reads.credentials import credential_by_id
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS
from countermand.wire.native.messages import JsonRoute
from countermand.wire.replies import CallError, Problem

router: Final = APIRouter(prefix="/v1/me", responses=PROBLEMS, route_class=JsonRoute)


class UserOut(BaseModel):
    """The person of a log-in token."""

    id: str
    name: str
    email: str


class MeOut(BaseModel):
    """The caller: its party, its credential, and what that credential may do."""

    party: PartyOut
    kind: PartyKind
    credential: str
    label: str
    permissions: list[Permission]
    expires_at: datetime | None
    user: UserOut | None


@router.get("", operation_id="me.get")
async def show_caller(services: Inside, who: Who) -> MeOut:
    """Who the token says the caller is, and what it may do."""
    view = await services.database.read(partial(credential_by_id, credential=who.credential))
    if view is None:
        raise CallError(Problem.UNAUTHENTICATED, "This call needs a valid bearer token.")
    return MeOut(
        party=PartyOut(id=view.party, name=view.party_name),
        kind=who.kind,
        credential=show("crd", view.id),
        label=view.label,
        permissions=sorted(Permission(each) for each in who.permissions),
        expires_at=view.expires_at,
        user=UserOut(id=show("usr", view.user), name=view.user_name or "", email=view.email or "")
        if view.user
        else None,
    )


def _user(user: UUID, name: str, email: str) -> UserOut:
    return UserOut(id=show("usr", user), name=name, email=email)
