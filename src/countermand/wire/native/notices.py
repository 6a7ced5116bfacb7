"""Notices of the caller's endpoints: what was to be sent, what became of it, and sending it again."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from countermand.admin import endpoints
from countermand.admin import notices as admin
from countermand.admin.callers import Caller
from countermand.documents.notices import NoticeOut, notice_out, notices_shown
from countermand.domain.delivery import NoticeState
from countermand.domain.parties import PartyKind
from countermand.ids import read, show
from countermand.reads import notices as notice_reads
from countermand.reads.notices import NoticeFilter, NoticeView
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.authors import By
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.events import TypesGiven, kinds_of
from countermand.wire.native.meaning import scope_of
from countermand.wire.native.messages import EXPAND, JsonRoute, Limit
from countermand.wire.native.once import Once, Shown, change_once
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.replies import CallError, Problem

router: Final = APIRouter(prefix="/v1/notices", responses=PROBLEMS, route_class=JsonRoute)

NoticeExpands = Annotated[list[Literal["attempts"]], EXPAND]


class NoticePage(BaseModel):
    """Some notices, newest first. ``next`` is the ``after`` of the following page."""

    notices: list[NoticeOut]
    next: str | None


@router.get("", operation_id="notices.list", response_model_exclude_unset=True)
async def list_notices(
    services: Inside,
    who: Who,
    period: PeriodGiven,
    state: Annotated[list[NoticeState], Query(max_length=3)] = [],  # noqa: B006 - nothing changes it
    endpoint: Annotated[str | None, Query(description="Only those for this endpoint")] = None,
    event: Annotated[str | None, Query(description="Only those about this event")] = None,
    type: TypesGiven = [],  # noqa: A002, B006 - the parameter's name; nothing changes it
    expand: NoticeExpands = [],  # noqa: B006
    after: str | None = None,
    limit: Limit = 50,
) -> NoticePage:
    """Notices for the endpoints of the caller's party, newest first; the platform sees those of all."""
    wanted = NoticeFilter(
        states=frozenset(each.value for each in state),
        endpoint=id_in_query(endpoints.PREFIX, endpoint, "endpoint"),
        owner=owner_of(who),
        event=id_in_query("evt", event, "event"),
        kinds=kinds_of(type),
        since=period.since,
        until=period.until,
        after=id_in_query(admin.PREFIX, after, "after"),
    )
    now = services.clock()

    def look(connection: Any) -> tuple[Sequence[NoticeView], list[NoticeOut]]:
        rows = notice_reads.list_notices(connection, wanted, limit + 1, now)
        page = rows[:limit]
        source = services.settings.base_url
        return rows, notices_shown(connection, page, with_attempts=bool(expand), source=source)

    rows, shown = await services.database.read(look)
    more = len(rows) > limit
    return NoticePage(notices=shown, next=shown[-1].id if more else None)


@router.get("/{notice}", operation_id="notices.get", response_model_exclude_unset=True)
async def get_notice(services: Inside, who: Who, notice: str, expand: NoticeExpands = []) -> NoticeOut:  # noqa: B006
    """One notice."""
    wanted, scope = _id(notice), scope_of(who)

    def look(connection: Any) -> list[NoticeOut]:
        row = notice_reads.notice_shown(connection, scope, wanted)
        source = services.settings.base_url
        return notices_shown(connection, [row] if row else [], with_attempts=bool(expand), source=source)

    found = await services.database.read(look)
    if not found:
        raise CallError(Problem.UNKNOWN_NOTICE, UNKNOWN)
    return found[0]


@router.post("/{notice}/resend", operation_id="notices.resend", status_code=202, response_model=NoticeOut)
async def resend_notice(services: Inside, who: Who, by: By, notice: str, once: Once) -> Response:
    """Send a notice again, whether it is dead or was sent: at once, under the id of the same event."""
    resend = partial(admin.resend, author=by, scope=scope_of(who), notice=_id(notice))
    try:
        async with once.of() as key:
            return await change_once(services, key, resend, _again)
    except admin.UnknownNoticeError:
        raise CallError(Problem.UNKNOWN_NOTICE, UNKNOWN) from None
    except admin.EndpointRemovedError as error:
        raise CallError(Problem.ENDPOINT_REMOVED, str(error)) from None


def _again(row: NoticeView) -> Shown:
    return Shown(status=202, body=notice_out(row).model_dump(mode="json", exclude_unset=True))


UNKNOWN: Final = "There is no such notice."


def owner_of(who: Caller) -> UUID | None:
    """Whose endpoints the caller sees: only its own, or those of all."""
    return None if who.kind is PartyKind.PLATFORM else who.party


def id_in_query(prefix: str, text: str | None, name: str) -> UUID | None:
    """The id that a parameter is.

    Raises:
        CallError: it is none.
    """
    found = None if text is None else read(prefix, text)
    if text is not None and found is None:
        raise invalid(f"{name} is no id such as {show(prefix, UUID(int=0))}.", "query", name, code="bad_id")
    return found


def _id(text: str) -> UUID:
    wanted = read(admin.PREFIX, text)
    if wanted is None:
        raise CallError(Problem.UNKNOWN_NOTICE, UNKNOWN)
    return wanted
