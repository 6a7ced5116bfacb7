"""The audit trail: who changed which party, user or credential, and when."""

from typing import Final
from urllib.parse import urlencode

from countermand.admin.audit import Action
from countermand.console.rendering import show_page
from countermand.console.visit import Visit
from countermand.documents.audit import entry_document
from countermand.ids import read, show
from countermand.reads.audit import AuditFilter, list_entries
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.wire.response import Reply

SHOWN: Final = 50
PATH: Final = "/console/audit"


async def look(visit: Visit) -> Reply:
    """Entries, newest first."""
    action = visit.query.get("action", "")
    action = action if action in set(Action) else ""
    name = visit.query.get("party", "").strip()
    party, wrong = None, ""
    if name:
        try:
            party = (await visit.read(find_party, name)).id
        except UnknownPartyError as error:
            wrong = str(error)
    after = read("aud", visit.query.get("after", "")) if visit.query.get("after") else None
    wanted = AuditFilter(party=party, action=action or None, after=after, limit=SHOWN + 1)
    found = [] if wrong else await visit.read(list_entries, wanted)
    more = ""
    if len(found) > SHOWN:
        kept = {"action": action, "party": name, "after": show("aud", found[SHOWN - 1].id)}
        more = f"{PATH}?{urlencode({key: value for key, value in kept.items() if value})}"
    return show_page(
        visit,
        "audit.html",
        title="Audit",
        entries=[(each, entry_document(each)) for each in found[:SHOWN]],
        actions=[each.value for each in Action],
        action=action,
        party=name,
        wrong=wrong,
        more=more,
    )
