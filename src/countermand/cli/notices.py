"""Commands about notices: list them, and send again those that were given up."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Final

from cyclopts import Parameter

from countermand.admin.endpoints import PREFIX
from countermand.cli import nouns
from countermand.cli.durations import seconds
from countermand.cli.inputs import moment
from countermand.cli.listing import export, minute, newest_of
from countermand.cli.nouns import Document, WantedNotices
from countermand.cli.orders import LimitFlag
from countermand.cli.output import print_json, print_table, report, say
from countermand.cli.parties import find_id
from countermand.cli.running import CsvFlag, DatabaseFlag, JsonFlag
from countermand.cli.timelines import SECONDS
from countermand.documents.sentences import one_line
from countermand.domain.delivery import NoticeState
from countermand.ids import show

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
    wanted = WantedNotices(
        state=state.value if state else None,
        endpoint=show(PREFIX, find_id(PREFIX, endpoint)) if endpoint else None,
        since=_moment(since, datetime.now(UTC)) if since else None,
        attempts=attempts,
    )
    read = partial(nouns.notices(database).read, wanted)
    if csv:
        return export(read, _COLUMNS, lambda row: [row], limit)
    rows = newest_of(read, limit)
    if json:
        print_json(rows)
        return None
    columns = ("Id", "State", "Event", "To", "Attempts", "Made (UTC)", "Due (UTC)", "Last attempt")
    print_table(columns, [_row(each) for each in rows], empty="There are no notices.")
    if attempts:
        _print_attempts([each for row in rows for each in row["attempts"]])
    return None


def _row(told: Document) -> tuple[object, ...]:
    return (
        *(told["id"], told["state"], told["type"], told["url"], told["attempts_made"]),
        *(minute(told["created_at"]), minute(told["due_at"]), told["last_result"]),
    )


def _print_attempts(tried: Sequence[Document]) -> None:
    shown = [
        (
            each["notice"] or "",
            each["at"][:SECONDS].replace("T", " "),
            "yes" if each["ok"] else "no",
            each["status"] or "",
            f"{each['duration_ms']} ms",
            one_line(each["answer"] or each["error"], 200),
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


_COLUMNS: Final = (
    *("id", "state", "type", "event", "line", "endpoint", "url", "attempts_made", "created_at", "due_at", "sent_at"),
    "last_result",
)
