"""Commands about notices: list them, and send again those that were given up."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final

from cyclopts import Parameter
from sqlalchemy import Connection

from countermand.admin import endpoints
from countermand.cli import nouns
from countermand.cli.durations import seconds
from countermand.cli.inputs import moment
from countermand.cli.listing import export, newest_of
from countermand.cli.orders import LimitFlag
from countermand.cli.output import print_json, print_table, report, say
from countermand.cli.parties import find_id
from countermand.cli.running import (
    CsvFlag,
    DatabaseFlag,
    JsonFlag,
    ask_database,
    read_pages,
    read_settings,
)
from countermand.documents.attempts import attempt_document
from countermand.documents.notices import notice_document
from countermand.documents.sentences import one_line
from countermand.domain.delivery import NoticeState
from countermand.ids import show
from countermand.reads import attempts as attempt_reads
from countermand.reads import notices as notice_reads
from countermand.reads.attempts import AttemptView
from countermand.reads.cancellations import PAGE_MAX
from countermand.reads.notices import NoticeFilter, NoticeView

ATTEMPTS_EACH: Final = 20
"""So many attempts a notice has at most, unless it was sent again and again."""

SinceFlag = Annotated[str | None, Parameter(help="Made at this time or later: 2026-11-02T09:00, or 24h ago: 24h")]


def notices(
    *,
    state: NoticeState | None = None,
    endpoint: Annotated[str | None, Parameter(help="Id of an endpoint")] = None,
    since: SinceFlag = None,
    attempts: Annotated[bool, Parameter(negative=(), help="Show what was tried as well")] = False,
    limit: LimitFlag | None = None,
    csv: CsvFlag = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List notices, newest first: due, sent and dead ones.

    They are 50 unless --limit says otherwise, and all with --csv.
    """
    now = datetime.now(UTC)
    wanted = NoticeFilter(
        states=frozenset({state.value} if state else ()),
        endpoint=find_id(endpoints.PREFIX, endpoint) if endpoint else None,
        since=_moment(since, now) if since else None,
    )

    def page(connection: Connection, count: int, last: NoticeView | None) -> Sequence[NoticeView]:
        behind = replace(wanted, after=last.id if last else None)
        return notice_reads.list_notices(connection, behind, count, now)

    settings = read_settings(database=database)
    if csv:
        return export(partial(read_pages, settings, page), _NOTICE_COLUMNS, lambda row: [notice_document(row)], limit)
    rows = newest_of(settings, page, limit)
    tried = ask_database(settings, partial(_tried, rows=rows)) if attempts else []
    if json:
        source = settings.base_url
        print_json([_document(row, tried, source) if attempts else notice_document(row) for row in rows])
        return None
    shown = [
        (
            show("ntc", row.id),
            row.state,
            row.kind,
            row.url,
            row.attempts,
            f"{row.created_at:%Y-%m-%d %H:%M}",
            f"{row.due_at:%Y-%m-%d %H:%M}" if row.due_at else "",
            row.last_result,
        )
        for row in rows
    ]
    columns = ("Id", "State", "Event", "To", "Attempts", "Made (UTC)", "Due (UTC)", "Last attempt")
    print_table(columns, shown, empty="There are no notices.")
    if attempts:
        _print_attempts(tried)
    return None


def _tried(connection: Connection, rows: Sequence[NoticeView]) -> list[AttemptView]:
    """What was tried to send these notices, a page of them at a time."""
    ids = [row.id for row in rows]
    pages = [ids[begin : begin + PAGE_MAX] for begin in range(0, len(ids), PAGE_MAX)]
    return [each for page in pages for each in attempt_reads.attempts_of(connection, page, ATTEMPTS_EACH * len(page))]


def _document(row: NoticeView, tried: Sequence[AttemptView], source: str) -> dict[str, Any]:
    mine = [attempt_document(each, source).model_dump(mode="json") for each in tried if each.notice_id == row.id]
    return {**notice_document(row), "tried": mine}


def _print_attempts(tried: Sequence[AttemptView]) -> None:
    shown = [
        (
            show("ntc", each.notice_id) if each.notice_id else "",
            f"{each.at:%Y-%m-%d %H:%M:%S}",
            "yes" if each.ok else "no",
            each.status or "",
            f"{each.duration_ms} ms",
            one_line(each.answer or each.error, 200),
        )
        for each in tried
    ]
    print_table(("Notice", "Tried (UTC)", "Taken", "Status", "Took", "Answer"), shown, empty="Nothing was tried yet.")


def replay(
    notice: Annotated[str, Parameter(help="Id of the notice")], *, database: DatabaseFlag = None, json: JsonFlag = False
) -> None:
    """Send a notice again, whether it is dead or was sent. It is due at once, under the same id."""
    again = nouns.notices(database).replay(notice)
    report(_when("The notice", again.endpoint_state), json=json, notice=again.notice)


def recover(
    *,
    endpoint: Annotated[str, Parameter(help="Id of the endpoint")],
    since: Annotated[str, Parameter(help="Made at this time or later: 2026-11-02T09:00, or 24h ago: 24h")],
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Send all dead notices of an endpoint again. Prints how many."""
    again = nouns.notices(database).recover(endpoint, _moment(since, datetime.now(UTC)))
    if json:
        print_json({"recovered": again.count})
    else:
        print(again.count)
    if again.count:
        say(_when("They", again.endpoint_state))


def _when(what: str, state: str) -> str:
    if state == "active":
        return f"{what} will be sent as soon as a worker runs."
    if state == "unconfirmed":
        return f"{what} will be sent when the mailbox is confirmed; it is {state}."
    return f"{what} will be sent when the endpoint is resumed; it is {state}."


def _moment(text: str, now: datetime) -> datetime:
    """A time, UTC unless it says otherwise, or how long ago; ends the command when it is neither."""
    if re.fullmatch("[0-9]+[smhd]", text):
        # No notice is older than the first day that every database can store.
        return now - min(timedelta(seconds=seconds(text)), now - _EARLIEST)
    return min(moment(text), now)


_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


_NOTICE_COLUMNS: Final = (
    *("id", "state", "kind", "event", "line", "seq", "endpoint", "url", "attempts", "created_at", "due_at"),
    *("attempted_at", "last_result"),
)
