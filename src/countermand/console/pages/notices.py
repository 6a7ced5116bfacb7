"""One notice with its attempts: what was sent, what came back, and sending again; tests of an endpoint, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import orjson

from countermand.admin import notices as admin
from countermand.console.errors import PageError, unknown
from countermand.console.pages.webhooks import PATH, SHOWN, endpoint_of, notice_shape, path_of
from countermand.console.rendering import Note, redirect, show_page
from countermand.console.visit import Visit
from countermand.documents.attempts import AttemptRequestOut, attempt_document
from countermand.documents.events import TEST_KIND
from countermand.domain.delivery import NoticeState
from countermand.domain.endpoint import Endpoint
from countermand.domain.events import MEANINGS, EventKind
from countermand.domain.subscriptions import PROCESS_FINISHED
from countermand.ids import read, show
from countermand.reads.attempts import (
    AttemptFilter,
    AttemptView,
    attempt_by_id,
    attempts_of,
    list_attempts,
)
from countermand.reads.notices import NoticeFilter, NoticeView, list_notices, notice_shown
from countermand.store.attempts import record
from countermand.wire.endpoint_tests import send_test
from countermand.wire.response import Reply

NOTICES: Final = "/console/notices"
ATTEMPTS: Final = "/console/attempts"
LISTED: Final = (NoticeState.DEAD.value, NoticeState.DUE.value)
MOST: Final = 100
TESTS_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An attempt as a person reads it: what was sent, line by line, and what came back."""

    attempt: AttemptView
    request: str
    answer: str
    curl: str

    @property
    def outcome(self) -> str:
        """How it ended, in a few words."""
        return outcome_of(self.attempt)


def outcome_of(attempt: AttemptView) -> str:
    """The status that came back, or why none did."""
    return str(attempt.status) if attempt.status is not None else attempt.error or "no answer"


def _sent(attempt: AttemptView, source: str) -> Sent:
    request = attempt_document(attempt, source).request
    return Sent(attempt=attempt, request=_call(request), answer=attempt.answer, curl=_curl(request))


def _call(request: AttemptRequestOut) -> str:
    parts = urlsplit(request.url)
    if not request.headers:
        return f"An e-mail to {request.url.removeprefix('mailto:')}"
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    headers = [f"{name}: {value}" for name, value in {"host": parts.netloc, **request.headers}.items()]
    return "\n".join([f"POST {path} HTTP/1.1", *headers, "", _pretty(request.body)])


def _pretty(body: str) -> str:
    try:
        return orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return body


def _curl(request: AttemptRequestOut) -> str:
    if not request.headers:
        return ""
    lines = [f"curl -i {_quoted(request.url)}"]
    lines += [f"  -H {_quoted(f'{name}: {value}')}" for name, value in request.headers.items()]
    return " \\\n".join([*lines, f"  --data {_quoted(request.body)}"])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


# All of them


async def look_at_all(visit: Visit) -> Reply:
    """Notices to the endpoints that the visitor may see, newest first: those that are dead, or that wait."""
    chosen = visit.query.get("state", NoticeState.DEAD.value)
    chosen = chosen if chosen in LISTED else NoticeState.DEAD.value
    after = read(admin.PREFIX, visit.query.get("after", "")) if visit.query.get("after") else None
    mine = None if visit.is_platform else visit.caller.party
    wanted = NoticeFilter(states=frozenset({chosen}), owner=mine, after=after)
    found = await visit.read(list_notices, wanted, SHOWN + 1, visit.now)
    more = ""
    if len(found) > SHOWN:
        more = f"{NOTICES}?state={chosen}&after={show(admin.PREFIX, found[SHOWN - 1].id)}"
    return show_page(
        visit,
        "notices.html",
        title="Notices",
        notices=[(each, notice_shape(each)) for each in found[:SHOWN]],
        states=LISTED,
        chosen=chosen,
        more=more,
        first=after is None,
    )


# A notice


async def _notice(visit: Visit) -> NoticeView:
    wanted = read(admin.PREFIX, visit.names["notice"])
    found = await visit.read(notice_shown, visit.scope, wanted) if wanted else None
    if found is None:
        raise unknown("notice", PATH, "Webhooks")
    return found


async def look(visit: Visit) -> Reply:
    """One notice: what it is about, every attempt, and one of them in full."""
    notice = await _notice(visit)
    attempts = list(reversed(await visit.read(attempts_of, [notice.id], MOST)))
    chosen = _chosen(visit, attempts)
    path = f"{NOTICES}/{show(admin.PREFIX, notice.id)}"
    return show_page(
        visit,
        "notice.html",
        title=notice.kind,
        note=Note(title="The notice is due again.", text="The worker sends it next.", mood="good")
        if visit.query.get("done") == "resend" and notice.state == NoticeState.DUE
        else None,
        notice=notice,
        shape_name=notice_shape(notice),
        meaning=_meaning(notice.kind),
        is_event=notice.kind != PROCESS_FINISHED,
        endpoint_path=path_of(notice.endpoint_id),
        attempts=[(each, outcome_of(each)) for each in attempts],
        sent=_sent(chosen, visit.services.settings.base_url) if chosen else None,
        path=path,
        days=visit.services.settings.attempt_days,
    )


def _chosen(visit: Visit, attempts: Sequence[AttemptView]) -> AttemptView | None:
    wanted = read("att", visit.query.get("attempt", "")) if visit.query.get("attempt") else None
    return next((each for each in attempts if each.id == wanted), attempts[0] if attempts else None)


def _meaning(kind: str) -> str:
    if kind == PROCESS_FINISHED:
        return "A process status of bol's Retailer API has become final. It is no event."
    return MEANINGS[EventKind(kind)].when if kind in set(EventKind) else ""


async def resend(visit: Visit) -> Reply:
    """Send a notice again, whether it is dead or was sent."""
    notice = await _notice(visit)
    await visit.change(admin.resend, visit.author, visit.scope, notice.id)
    return redirect(f"{NOTICES}/{show(admin.PREFIX, notice.id)}?done=resend")


# An attempt by itself, such as a test


async def look_at_attempt(visit: Visit) -> Reply:
    """One attempt: what was sent, and what came back. That of a notice is shown with the notice."""
    wanted = read("att", visit.names["attempt"])
    found = await visit.read(attempt_by_id, visit.scope, wanted) if wanted else None
    if found is None:
        raise unknown("attempt", PATH, "Webhooks")
    return show_page(
        visit,
        "attempt.html",
        title="A test" if found.notice_id is None else f"An attempt: {found.kind}",
        sent=_sent(found, visit.services.settings.base_url),
        endpoint_path=path_of(found.endpoint_id),
        notice_path=f"{NOTICES}/{show(admin.PREFIX, found.notice_id)}" if found.notice_id else "",
    )


# Tests


async def tests_of(visit: Visit, endpoint: Endpoint) -> list[tuple[AttemptView, str]]:
    """The last tests of an endpoint, newest first."""
    now = visit.now
    oldest = now - timedelta(days=visit.services.settings.attempt_days + 1)
    wanted = AttemptFilter(endpoint=endpoint.id, limit=MOST)
    found = await visit.read(list_attempts, visit.scope, wanted, now, oldest)
    return [(each, outcome_of(each)) for each in found if each.notice_id is None][:TESTS_SHOWN]


async def confirm_test(visit: Visit) -> Reply:
    """Which kind of event a test is a sample of, and what came of the last ones."""
    endpoint = await endpoint_of(visit)
    return show_page(
        visit,
        "webhook_test.html",
        title="Send a test",
        endpoint=endpoint,
        path=path_of(endpoint.id),
        test_kind=TEST_KIND,
        kinds=[] if endpoint.subscription else [(kind.value, MEANINGS[kind].when) for kind in EventKind],
        is_mailbox=not endpoint.kind.is_signed,
        unconfirmed=endpoint.unconfirmed_since is not None,
        tests=await tests_of(visit, endpoint),
    )


async def test(visit: Visit) -> Reply:
    """Send a test now, and show what came of it."""
    endpoint = await endpoint_of(visit)
    name = visit.form.text("event")
    if name and name not in set(EventKind):
        raise PageError(422, "There is no such kind of event", "Choose one of the list.", links={PATH: "Webhooks"})
    if endpoint.unconfirmed_since is not None:
        raise PageError(409, "This mailbox is not confirmed", "Only the link that it was sent confirms it.")
    tried = await send_test(visit.services, endpoint, EventKind(name) if name else None)
    await visit.change(record, [tried])
    return redirect(f"{ATTEMPTS}/{show('att', tried.id)}")
