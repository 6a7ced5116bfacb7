"""The audit trail: who changed what that is no event of a line, and when; with filters, and as a file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from countermand.admin.audit import Action
from countermand.console.errors import PageError
from countermand.console.pages.saved_views import keeping
from countermand.console.rendering import show_page
from countermand.console.spreadsheets import as_spreadsheet
from countermand.console.visit import Visit
from countermand.documents.audit import PREFIXES, entry_shown, told
from countermand.domain.dates import read_end, read_moment
from countermand.ids import read, show
from countermand.reads.audit import AuditEntry, AuditFilter, list_entries
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.wire.response import Reply

SHOWN: Final = 50
EXPORT_MAX: Final = 10_000
PAGE: Final = 500
PATH: Final = "/console/audit"
_COLUMNS: Final = ("at", "action", "object", "party", "by", "through", "detail")
_KEPT: Final = ("action", "party", "by", "of", "since", "until")
_TITLES: Final = {"party": "Party", "by": "Who", "of": "Of", "since": "From", "until": "Until"}
_TARGETS: Final = {
    "pty": "/console/parties",
    "usr": "/console/users",
    "ept": "/console/webhooks",
    "ntc": "/console/notices",
    "ord": "/console/orders",
    "rfd": "/console/refunds",
}
"""Where the page of what was changed is, by how its id begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An entry, what changed in words, and the page of what was changed, if it has one."""

    entry: AuditEntry
    told: list[tuple[str, str]]
    target: str
    page: str


async def look(visit: Visit) -> Reply:
    """Entries, newest first."""
    wrong, found = "", []
    try:
        found = await visit.read(list_entries, replace(await _wanted(visit), limit=SHOWN + 1))
    except (UnknownPartyError, ValueError) as error:
        wrong = str(error)
    more = f"{PATH}?{_query(visit, after=show('aud', found[SHOWN - 1].id))}" if len(found) > SHOWN else ""
    return show_page(
        visit,
        "audit.html",
        title="Audit",
        rows=[_row(each) for each in found[:SHOWN]],
        actions=[each.value for each in Action],
        given={name: visit.query.get(name, "") for name in _KEPT},
        chips=[
            (_TITLES[name], visit.query[name], f"{PATH}?{_query(visit, **{name: ''})}")
            for name in _TITLES
            if visit.query.get(name)
        ],
        by_whom=lambda name: f"{PATH}?{urlencode({'by': name})}",
        csv=f"{PATH}.csv?{_query(visit)}",
        wrong=wrong,
        more=more,
        first="after" not in visit.query,
        keeping=await keeping(visit, "audit"),
    )


def _row(entry: AuditEntry) -> Row:
    target = entry_shown(entry).object
    where = _TARGETS.get(target.partition("_")[0], "")
    return Row(entry=entry, told=told(entry.detail), target=target, page=f"{where}/{target}" if where else "")


async def _wanted(visit: Visit) -> AuditFilter:
    """What the address asks for.

    Raises:
        UnknownPartyError: there is no such party.
        ValueError: a part of it cannot be read. The message is a sentence.
    """
    given = {name: visit.query.get(name, "").strip() for name in (*_KEPT, "after")}
    party = (await visit.read(find_party, given["party"])).id if given["party"] else None
    try:
        since = read_moment(given["since"], visit.zone) if given["since"] else None
        until = read_end(given["until"], visit.zone) if given["until"] else None
    except ValueError:
        raise ValueError("This day cannot be read. Write one such as 2026-11-28.") from None
    target = next((found for prefix in PREFIXES.values() if (found := read(prefix, given["of"]))), None)
    if given["of"] and target is None:
        raise ValueError("This is no id, such as that of a party, a person, a token or an endpoint.")
    return AuditFilter(
        party=party,
        action=given["action"] if given["action"] in set(Action) else None,
        by=given["by"] or None,
        target=target,
        since=since,
        until=until,
        after=read("aud", given["after"]) if given["after"] else None,
    )


def _query(visit: Visit, **changes: str) -> str:
    kept = {name: visit.query.get(name, "") for name in _KEPT} | changes
    return urlencode({name: value for name, value in kept.items() if value})


async def export(visit: Visit) -> Reply:
    """The entries with these filters as a file for a spreadsheet: the newest 10,000."""
    try:
        wanted = replace(await _wanted(visit), limit=PAGE)
    except (UnknownPartyError, ValueError) as error:
        raise PageError(422, "This filter cannot be read", str(error), links={PATH: "Audit"}) from None
    rows: list[AuditEntry] = []
    while len(rows) < EXPORT_MAX:
        found = await visit.count(list_entries, wanted)
        rows += found
        if len(found) < PAGE:
            break
        wanted = replace(wanted, after=found[-1].id)
    return await as_spreadsheet("audit", _COLUMNS, map(_cells, rows))


def _cells(row: AuditEntry) -> Iterator[str]:
    yield row.at.isoformat()
    yield row.action
    yield entry_shown(row).object
    yield row.party_name
    yield row.by
    yield row.door
    yield ", ".join(f"{name}: {value}" for name, value in told(row.detail))
