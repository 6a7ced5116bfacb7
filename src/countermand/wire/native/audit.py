"""The audit trail: who changed what that is no event of a line, and when."""

from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from countermand.admin.audit import Action
from countermand.documents.audit import PREFIXES, EntryOut, entry_shown
from countermand.ids import read
from countermand.reads.audit import AuditFilter, list_entries
from countermand.wire.native.access import party_listed
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.messages import JsonRoute, Limit, Word
from countermand.wire.native.pages import ONE_MORE, begin, page
from countermand.wire.native.periods import PeriodGiven

router: Final = APIRouter(prefix="/v1/audit", responses=PROBLEMS, route_class=JsonRoute)

PREFIX: Final = "aud"


class AuditPage(BaseModel):
    """Some entries, newest first. ``next`` is the ``after`` of the following page."""

    audit: list[EntryOut]
    next: str | None


@router.get("", operation_id="audit.list")
async def list_audit(
    services: Inside,
    who: Who,
    period: PeriodGiven,
    party: Annotated[Word | None, Query(description="Whose thing was changed: a party by id or name")] = None,
    object_: Annotated[str | None, Query(alias="object", description="What was changed: an id")] = None,
    action: Action | None = None,
    after: str | None = None,
    limit: Limit = 50,
) -> AuditPage:
    """Changes that are no event of a line, newest first."""
    wanted = AuditFilter(
        party=await party_listed(services, who, party),
        target=_target(object_) if object_ is not None else None,
        action=action.value if action else None,
        since=period.since,
        until=period.until,
        after=begin(PREFIX, after),
        limit=limit + ONE_MORE,
    )
    rows, more = page(PREFIX, await services.database.read(partial(list_entries, wanted=wanted)), limit)
    return AuditPage(audit=[entry_shown(row) for row in rows], next=more)


def _target(text: str) -> UUID:
    found = next((named for prefix in PREFIXES.values() if (named := read(prefix, text))), None)
    if found is None:
        raise invalid("object is no id such as usr_ and 32 hexadecimal digits.", "query", "object", code="bad_id")
    return found
