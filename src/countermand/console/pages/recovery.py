"""What a receiver missed is sent again: a time is chosen, the page says how many notices that is, then it is a job."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal

from countermand.admin import jobs
from countermand.console.forms import FieldError
from countermand.console.pages.webhook_edit import COUNTED
from countermand.console.pages.webhooks import endpoint_of, path_of
from countermand.console.rendering import Note, redirect, show_page
from countermand.console.visit import Visit
from countermand.domain.dates import read_end, read_moment
from countermand.domain.endpoint import Endpoint
from countermand.reads.notices import NoticeFilter, list_notices
from countermand.store.recovery import STATES
from countermand.wire.response import Reply

Which = Literal["dead", "all"]
WHICH: Final[dict[Which, tuple[str, str]]] = {
    "dead": ("Those that are dead", "They were given up, and never arrived."),
    "all": ("All, except those that still wait", "For a receiver that has lost what it had. Each keeps its id."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """Which notices: made from ``since`` on and before ``until``."""

    since: datetime
    until: datetime | None
    which: Which


async def confirm(visit: Visit) -> Reply:
    """The form: from when on, until when, and which."""
    return _page(visit, await endpoint_of(visit))


def _page(
    visit: Visit,
    endpoint: Endpoint,
    *,
    status: int = 200,
    wrong: FieldError | None = None,
    count: int | None = None,
    note: Note | None = None,
) -> Reply:
    form = visit.form
    return show_page(
        visit,
        "webhook_recover.html",
        title="Recover what was missed",
        status=status,
        note=note,
        endpoint=endpoint,
        path=path_of(endpoint.id),
        since=form.text("since"),
        until=form.text("until"),
        which=form.text("which") or "dead",
        choices=WHICH,
        count=count,
        count_words="" if count is None else f"More than {COUNTED:,}" if count > COUNTED else f"{count:,}",
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def recover(visit: Visit) -> Reply:
    """Say how many notices that would be, or have them sent again as a job."""
    endpoint = await endpoint_of(visit)
    try:
        span = _span(visit)
        if visit.form.text("do") != "recover":
            return _page(visit, endpoint, count=await _count(visit, endpoint, span))
        recover = partial(
            jobs.recover,
            author=visit.author,
            job=visit.services.ids.new(),
            party=visit.caller.party,
            endpoint=endpoint.id,
            since=span.since,
            until=span.until,
            which=span.which,
            owner=None if visit.is_platform else visit.caller.party,
        )
        job = await visit.change(recover)
    except FieldError as error:
        return _page(visit, endpoint, status=422, wrong=error)
    except jobs.TooManyJobsError as error:
        return _page(visit, endpoint, status=409, wrong=FieldError("since", str(error)))
    return redirect(f"/console/jobs/{jobs.PREFIX}_{job.id.hex}?done=begun")


async def _count(visit: Visit, endpoint: Endpoint, span: _Span) -> int:
    wanted = NoticeFilter(
        states=frozenset(STATES[span.which]), endpoint=endpoint.id, since=span.since, until=span.until or visit.now
    )
    return len(await visit.read(list_notices, wanted, COUNTED + 1, visit.now))


def _span(visit: Visit) -> _Span:
    """What the form says.

    Raises:
        FieldError: a time cannot be read, or nothing lies between them.
    """
    since = _moment(visit, "since")
    if since is None:
        raise FieldError("since", "Write from when on.")
    until = _moment(visit, "until")
    if until is not None and until <= since:
        raise FieldError("until", "This is not after the time above.")
    which = next((each for each in WHICH if each == visit.form.text("which")), None)
    if which is None:
        raise FieldError("which", "Choose which.")
    return _Span(since=since, until=until, which=which)


def _moment(visit: Visit, name: str) -> datetime | None:
    """A time of this page's clocks; of a day, its first moment, or for ``until`` the one after its last."""
    text = visit.form.text(name)
    if not text:
        return None
    try:
        if "T" in text and len(text) in (16, 19):
            return datetime.fromisoformat(text).replace(tzinfo=visit.zone)
        if name == "until" and len(text) == 10:
            return read_end(text, visit.zone) + timedelta(microseconds=1)
        return read_moment(text, visit.zone)
    except ValueError:
        raise FieldError(name, f"“{text[:30]}” is no time. Write one such as 2026-11-28T09:00.") from None
