"""Parties: what they are called, whether they take part, who logs in for them, and which programs call."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

from countermand.admin import parties
from countermand.admin.callers import PLATFORM, Permission
from countermand.admin.parties import NAME_MAX, BadNameError, TakenError
from countermand.admin.roles import role_of
from countermand.console.errors import unknown
from countermand.console.forms import FieldError
from countermand.console.pages.saved_views import keeping
from countermand.console.rendering import Note, redirect, show_page
from countermand.console.visit import DOOR, Visit
from countermand.console.words import ROLES
from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.ids import read, show
from countermand.reads.cancellations import CancellationFilter, list_cancellations
from countermand.reads.credentials import CredentialFilter, CredentialView, list_credentials
from countermand.reads.parties import PartyNames, UnknownPartyError, find_party, parties_by_name
from countermand.reads.users import UserFilter, UserView, list_users
from countermand.reads.views import PartyView
from countermand.service.leaving import hand_over
from countermand.wire.response import Reply

SHOWN: Final = 100
LISTED: Final = 200
CHOICES_MAX: Final = 100
WAITING: Final = 200
"""More cancellations that wait for a party are not counted."""

PATH: Final = "/console/parties"
_STATES: Final = ("", "active", "deactivated")


def path_of(party: UUID) -> str:
    """Where the page of a party is."""
    return f"{PATH}/{show('pty', party)}"


async def party_of(visit: Visit) -> PartyView:
    """The party that the path names: one's own, or any for the platform.

    Raises:
        PageError: there is none, or it is another's.
    """
    wanted = read("pty", visit.names["party"])
    if wanted is not None and (visit.is_platform or wanted == visit.caller.party):
        try:
            return await visit.read(find_party, str(wanted))
        except UnknownPartyError:
            pass
    raise unknown("party", PATH, "Parties")


async def choices(visit: Visit, *kinds: PartyKind) -> list[PartyView]:
    """The parties to choose from; none where there are so many that a name is easier to write."""
    wanted = PartyNames(kinds=tuple(kind.value for kind in kinds or PartyKind), limit=CHOICES_MAX + 1)
    found = await visit.read(parties_by_name, wanted)
    return found if len(found) <= CHOICES_MAX else []


async def look(visit: Visit) -> Reply:
    """All parties, for the platform; another party sees its own page."""
    if not visit.is_platform:
        return redirect(path_of(visit.caller.party))
    text = visit.query.get("q", "").strip()[:100]
    status = visit.query.get("status", "")
    status = status if status in _STATES else ""
    wanted = PartyNames(has=text, status=status or None, limit=LISTED + 1)
    shown = await visit.read(parties_by_name, wanted)
    return show_page(
        visit,
        "parties.html",
        title="Parties",
        parties=shown[:LISTED],
        more=len(shown) > LISTED,
        text=text,
        chosen=status,
        keeping=await keeping(visit, "parties"),
        may_add=visit.may(Permission.MANAGE_PARTIES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who can log in, and the role in words."""

    user: UserView
    role: str


async def look_at_one(visit: Visit) -> Reply:
    """One party with its users and credentials."""
    party = await party_of(visit)
    may_manage = visit.may(Permission.MANAGE_ACCESS)
    users: Sequence[UserView] = ()
    credentials: list[CredentialView] = []
    if may_manage:
        users = await visit.read(list_users, UserFilter(party=party.id, limit=SHOWN + 1))
        credentials = await visit.read(list_credentials, CredentialFilter(party=party.id, limit=SHOWN + 1))
    return show_page(
        visit,
        "party.html",
        title=party.name,
        note=_NOTES.get(visit.query.get("done", "")),
        party=party,
        path=path_of(party.id),
        people=[Person(user=each, role=role_words(each.permissions, party)) for each in users[:SHOWN]],
        credentials=[(each, state_of(each, visit.now)) for each in credentials[:SHOWN]],
        more=SHOWN if max(len(users), len(credentials)) > SHOWN else 0,
        may_manage=may_manage,
        may_change=visit.is_platform and visit.may(Permission.MANAGE_PARTIES),
        is_platform=party.id == PLATFORM,
    )


_NOTES: Final = {
    "added": Note(
        title="The party is added.", text="It can do nothing until it has a person, a token or a key.", mood="good"
    ),
    "renamed": Note(
        title="The party has another name.", text="What was written before keeps the old one.", mood="good"
    ),
    "deactivated": Note(
        title="The party is deactivated.", text="What waited for its answer waits for an operator.", mood="good"
    ),
    "activated": Note(title="The party is active again.", mood="good"),
    "user": Note(title="The person is added.", text="Hand over the first password by another way.", mood="good"),
    "revoked": Note(title="It is revoked.", text="Whatever calls with it is refused within seconds.", mood="good"),
}


def role_words(permissions: Sequence[str], party: PartyView) -> str:
    """What somebody does, in a word or two."""
    role = role_of(permissions, PartyKind(party.kind))
    if role is not None:
        return ROLES[role][0]
    return f"{len(permissions)} permissions" if len(permissions) != 1 else "1 permission"


def state_of(credential: CredentialView, now: datetime) -> tuple[str, str]:
    """The shape and the word of a credential."""
    if credential.revoked_at is not None:
        return "disabled", "Revoked"
    if credential.expires_at is not None and credential.expires_at <= now:
        return "disabled", "Expired"
    return "active", "Counts"


# Parties are added, renamed, and take part or not


async def confirm_add(visit: Visit) -> Reply:
    """The form of a new party."""
    return _name_page(visit, None)


def _name_page(visit: Visit, party: PartyView | None, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    return show_page(
        visit,
        "party_name.html",
        title=f"Rename {party.name}" if party else "Add a party",
        status=status,
        party=party,
        back=path_of(party.id) if party else PATH,
        name=visit.form.text("name") if visit.form.pairs else party.name if party else "",
        name_max=NAME_MAX,
        kind=visit.form.text("kind"),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def add(visit: Visit) -> Reply:
    """Add a party."""
    try:
        name = visit.form.line("name", needed="Write what it is called.")
        add = partial(parties.add, author=visit.author, kind=_kind(visit), name=name)
        made = await visit.change_once(add, lambda made: f"{path_of(made)}?done=added")
    except FieldError as error:
        return _name_page(visit, None, status=422, wrong=error)
    except BadNameError as error:
        return _name_page(visit, None, status=422, wrong=FieldError("name", str(error)))
    except TakenError as error:
        return _name_page(visit, None, status=409, wrong=FieldError("name", str(error)))
    return redirect(f"{path_of(made)}?done=added")


def _kind(visit: Visit) -> PartyKind:
    given = visit.form.text("kind")
    if given not in (PartyKind.RETAILER.value, PartyKind.SUPPLIER.value):
        raise FieldError("kind", "Choose what it is. It cannot be changed later.")
    return PartyKind(given)


async def confirm_rename(visit: Visit) -> Reply:
    """The form of another name."""
    return _name_page(visit, await party_of(visit))


async def rename(visit: Visit) -> Reply:
    """Give a party another name."""
    party = await party_of(visit)
    seen = visit.form.text("seen")

    def as_seen(before: PartyView) -> None:
        if seen != before.name:
            raise FieldError("name", f"Somebody else has renamed it to {before.name}. Send it again to change that.")

    try:
        name = visit.form.line("name", needed="Write what it is called.")
        await visit.change(parties.rename, visit.author, party.id, name, as_seen=as_seen)
    except FieldError as error:
        return _name_page(visit, await party_of(visit), status=422, wrong=error)
    except BadNameError as error:
        return _name_page(visit, party, status=422, wrong=FieldError("name", str(error)))
    except TakenError as error:
        return _name_page(visit, party, status=409, wrong=FieldError("name", str(error)))
    return redirect(f"{path_of(party.id)}?done=renamed")


async def confirm_deactivate(visit: Visit) -> Reply:
    """Once more before a party takes no part any more, with what that leaves to operators."""
    return await _deactivate_page(visit, await party_of(visit))


async def _deactivate_page(
    visit: Visit, party: PartyView, *, status: int = 200, wrong: FieldError | None = None
) -> Reply:
    wanted = CancellationFilter(state=State.ASKED.value, awaiting=party.id, limit=WAITING + 1)
    waiting = len(await visit.read(list_cancellations, visit.scope, wanted))
    return show_page(
        visit,
        "party_deactivate.html",
        title=f"Deactivate {party.name}?",
        status=status,
        party=party,
        back=path_of(party.id),
        waiting=f"More than {WAITING}" if waiting > WAITING else str(waiting),
        some=waiting > 0,
        filled=visit.form.text("note"),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def deactivate(visit: Visit) -> Reply:
    """Let a party take no part any more, and hand what waits for it to the operators."""
    party = await party_of(visit)
    try:
        note = visit.form.note(needed="Write why. It stands in the audit trail.")
        await visit.change(parties.set_active, visit.author, party.id, active=False, note=note)
    except FieldError as error:
        return await _deactivate_page(visit, party, status=422, wrong=error)
    await hand_over(visit.services.database, visit.services.lanes, party.id, visit.caller.actor, DOOR)
    return redirect(f"{path_of(party.id)}?done=deactivated")


async def activate(visit: Visit) -> Reply:
    """Let a party take part again."""
    party = await party_of(visit)
    await visit.change(parties.set_active, visit.author, party.id, active=True)
    return redirect(f"{path_of(party.id)}?done=activated")
