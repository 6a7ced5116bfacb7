"""Parties, the people who log in for them, and the tokens and keys by which programs call."""

from datetime import datetime
from typing import Final

from countermand.admin.callers import Permission
from countermand.console.errors import unknown
from countermand.console.rendering import Note, redirect, show_page
from countermand.console.visit import Visit
from countermand.ids import read, show
from countermand.reads.credentials import CredentialFilter, CredentialView, list_credentials
from countermand.reads.parties import UnknownPartyError, find_party, list_parties
from countermand.reads.users import UserFilter, list_users
from countermand.wire.response import Reply

SHOWN: Final = 100
LISTED: Final = 200
PATH: Final = "/console/parties"
_ORDER: Final = {"platform": 0, "retailer": 1, "supplier": 2}


async def look(visit: Visit) -> Reply:
    """All parties, for the platform; another party sees its own page."""
    if not visit.is_platform:
        return redirect(f"{PATH}/{show('pty', visit.caller.party)}")
    found = await visit.read(list_parties)
    text = visit.query.get("q", "").strip().casefold()
    shown = [each for each in found if text in each.name.casefold()] if text else found
    shown.sort(key=lambda party: (_ORDER.get(party.kind, 9), party.name.casefold()))
    return show_page(
        visit, "parties.html", title="Parties", parties=shown[:LISTED], more=len(shown) > LISTED, text=text
    )


async def look_at_one(visit: Visit) -> Reply:
    """One party with its users and credentials."""
    wanted = read("pty", visit.names["party"])
    if wanted is None or (not visit.is_platform and wanted != visit.caller.party):
        raise unknown("party", PATH, "Parties")
    try:
        party = await visit.read(find_party, str(wanted))
    except UnknownPartyError:
        raise unknown("party", PATH, "Parties") from None
    users = await visit.read(list_users, UserFilter(party=party.id, limit=SHOWN))
    tokens = await visit.read(list_credentials, CredentialFilter(kind="token", party=party.id, limit=SHOWN))
    keys = await visit.read(list_credentials, CredentialFilter(kind="plaza_key", party=party.id, limit=SHOWN))
    return show_page(
        visit,
        "party.html",
        title=party.name,
        note=_NOTES.get(visit.query.get("done", "")),
        may_manage=visit.is_platform and visit.may(Permission.MANAGE_ACCESS),
        party=party,
        users=users,
        credentials=[(each, _state(each, visit.now)) for each in (*tokens, *keys)],
    )


_NOTES: Final = {
    "user": Note(title="The person is added.", text="Hand over the first password by another way.", mood="good"),
    "disabled": Note(title="The person is disabled.", text="All log-ins and tokens have ended.", mood="good"),
    "enabled": Note(title="The person can log in again.", mood="good"),
    "logged-out": Note(title="All log-ins and tokens of the person have ended.", mood="good"),
    "revoked": Note(title="It is revoked.", text="Whatever calls with it is refused within seconds.", mood="good"),
}


def _state(credential: CredentialView, now: datetime) -> tuple[str, str]:
    """The shape and the word of a credential."""
    if credential.revoked_at is not None:
        return "disabled", "Revoked"
    if credential.expires_at is not None and credential.expires_at <= now:
        return "disabled", "Expired"
    return "active", "Counts"
