"""The call that has the notices of an endpoint sent again, as a job."""

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from countermand.admin import endpoints, jobs
from countermand.documents.jobs import JobOut
from countermand.domain.dates import read_end, read_moment
from countermand.domain.texts import TEXT_MAX
from countermand.ids import read
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.authors import By
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.jobs import job_shown, told
from countermand.wire.native.messages import JsonRoute, Strict
from countermand.wire.native.notices import owner_of
from countermand.wire.native.once import Once, change_once
from countermand.wire.replies import CallError, Problem

router: Final = APIRouter(prefix="/v1/endpoints", responses=PROBLEMS, route_class=JsonRoute)

When = Annotated[str, Field(max_length=TEXT_MAX)]


class Recovery(Strict):
    """Which notices: those made at this time or later, and before another one; those that are dead, or all."""

    since: When
    until: When | None = None
    which: Literal["dead", "all"] = "dead"


@router.post("/{endpoint}/recover", operation_id="endpoints.recover", status_code=202, response_model=JobOut)
async def recover_notices(services: Inside, who: Who, by: By, endpoint: str, body: Recovery, once: Once) -> Response:
    """Send notices again, each under its own id: those that are dead, or all that do not wait anyway.

    It is a job without a file: `GET /v1/jobs/<id>` shows how many are due again. Notices that are made later are not
    concerned.
    """
    found = read(endpoints.PREFIX, endpoint)
    if found is None:
        raise _unknown()
    zone = ZoneInfo(services.settings.score_zone)
    since = _moment(body.since, "since", zone)
    until = _end(body.until, zone) if body.until is not None else None
    if until is not None and until <= since:
        raise invalid("until is not after since.", "body", "until", code="out_of_range")
    recover = partial(
        jobs.recover,
        author=by,
        job=services.ids.new(),
        party=who.party,
        endpoint=found,
        since=since,
        until=until,
        which=body.which,
        owner=owner_of(who),
    )
    async with once.of(body) as key:
        try:
            with told():
                return await change_once(services, key, recover, job_shown)
        except endpoints.UnknownEndpointError:
            raise _unknown() from None


def _unknown() -> CallError:
    return CallError(Problem.UNKNOWN_ENDPOINT, "There is no such endpoint.")


def _moment(text: str, name: str, zone: ZoneInfo) -> datetime:
    """A time, or the beginning of a day of the zone that the settings name."""
    try:
        return read_moment(text, zone)
    except ValueError as error:
        raise invalid(f"{name} {error}.", "body", name, code="bad_time") from None


def _end(text: str, zone: ZoneInfo) -> datetime:
    begin = _moment(text, "until", zone)
    last = read_end(text, zone)
    # A day ends with its last moment, which belongs to it; a time is its own end.
    return begin if last == begin else last + timedelta(microseconds=1)
