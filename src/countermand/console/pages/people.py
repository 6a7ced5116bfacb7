"""People who log in: added, given a role, disabled, and logged out. Managers of a party do so for their own people."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final
from uuid import UUID

from countermand.admin import access, users
from countermand.admin.access import BeyondError
from countermand.admin.callers import PERMISSIONS, Permission
from countermand.admin.parties import TakenError
from countermand.admin.roles import Role, permissions_of, role_of
from countermand.admin.sessions import hash_of_password
from countermand.admin.users import UserChange
from countermand.console.errors import PageError, unknown
from countermand.console.forms import FieldError
from countermand.console.login import new_password
from countermand.console.pages.account import authenticated_again
from countermand.console.pages.parties import PATH, party_of, path_of, role_words
from countermand.console.rendering import Note, redirect, show_page
from countermand.console.visit import Visit
from countermand.console.words import ROLES
from countermand.domain.parties import PartyKind
from countermand.ids import read, show
from countermand.reads.credentials import logins_of_user
from countermand.reads.parties import find_party
from countermand.reads.users import UserView, user_by_id
from countermand.reads.views import PartyView
from countermand.wire.response import Reply

CHOSEN: Final = "chosen"
"""The role of whoever was given permissions one by one."""

TOKENS_SHOWN: Final = 20


def may_give(visit: Visit, party: PartyView) -> list[Permission]:
    """What this visitor can give: what the kind of party can have, and the visitor has."""
    return sorted(each for each in PERMISSIONS[PartyKind(party.kind)] if visit.may(each))


def given_permissions(visit: Visit, party: PartyView) -> Sequence[Permission]:
    """What was chosen: a role, or permissions one by one.

    Raises:
        FieldError: nothing, or what cannot be given.
    """
    can = {each.value: each for each in may_give(visit, party)}
    role = visit.form.text("role")
    wanted: Sequence[str] = visit.form.all("permission")
    if role in set(Role):
        wanted = sorted(each.value for each in permissions_of(Role(role), PartyKind(party.kind)))
    if not wanted:
        raise FieldError("permission", "Tick what it may do.")
    if any(each not in can for each in wanted):
        raise FieldError(
            "permission", "You can give only what you may do yourself, and what a party of this kind can do."
        )
    return [can[each] for each in wanted]


def _path(user: UUID) -> str:
    return f"/console/users/{show('usr', user)}"


# A new person


async def confirm_add_user(visit: Visit) -> Reply:
    """The form of a new person."""
    return _add_page(visit, await party_of(visit))


def _add_page(visit: Visit, party: PartyView, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    return show_page(
        visit,
        "user_add.html",
        title=f"Add a person to {party.name}",
        status=status,
        party=party,
        path=path_of(party.id),
        **role_choice(visit, party, Role.SUPPORT.value, ()),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


def role_choice(visit: Visit, party: PartyView, role: str, ticked: Sequence[str]) -> dict[str, Any]:
    """What the form of a role needs: roles that this visitor can give, and the permissions one by one."""
    can, kind = may_give(visit, party), PartyKind(party.kind)
    roles = [(each.value, *ROLES[each]) for each in Role if permissions_of(each, kind) <= set(can)]
    if visit.form.pairs:
        role, ticked = visit.form.text("role") or CHOSEN, visit.form.all("permission")
    if role not in {name for name, *_ in roles}:
        role = CHOSEN
    return {"roles": roles, "role": role, "permissions": [each.value for each in can], "ticked": ticked}


async def add_user(visit: Visit) -> Reply:
    """Add a person who can log in for a party."""
    party, form = await party_of(visit), visit.form
    try:
        email = form.line("email", needed="Write the e-mail address to log in with.")
        if "@" not in email:
            raise FieldError("email", "This is no e-mail address.")
        name, permissions = form.line("name") or email, given_permissions(visit, party)
        add = partial(
            access.add_user,
            author=visit.author,
            party=party,
            email=email,
            name=name,
            password_hash=await _hashed(new_password(form)),
            permissions=permissions,
        )
        made = await visit.change_once(add, lambda made: f"{_path(made.id)}?done=added")
    except FieldError as error:
        return _add_page(visit, party, status=422, wrong=error)
    except TakenError as error:
        return _add_page(visit, party, status=409, wrong=FieldError("email", str(error)))
    return redirect(f"{_path(made.id)}?done=added")


async def _hashed(password: str) -> str:
    """Slow on purpose, so it is done beside the other calls, and in no transaction."""
    return await asyncio.to_thread(hash_of_password, password)


# One person


async def _user(visit: Visit) -> UserView:
    wanted = read("usr", visit.names["user"])
    mine = None if visit.is_platform else visit.caller.party
    found = await visit.read(user_by_id, wanted, mine) if wanted else None
    if found is None:
        raise unknown("person", PATH, "Parties")
    return found


async def look_at_one(visit: Visit) -> Reply:
    """One person: what they may do, how they came in, and what can be done about it."""
    user = await _user(visit)
    party = await visit.read(find_party, str(user.party))
    return show_page(
        visit,
        "user.html",
        title=user.name,
        note=_NOTES.get(visit.query.get("done", "")),
        user=user,
        party=party,
        path=_path(user.id),
        back=path_of(user.party),
        role=role_words(user.permissions, party),
        is_me=user.id == visit.session.user,
        beyond=sorted(set(user.permissions) - set(visit.caller.permissions)),
        tokens=await visit.read(logins_of_user, user.id, visit.now, TOKENS_SHOWN),
    )


_NOTES: Final = {
    "added": Note(title="The person is added.", text="Hand over the first password by another way.", mood="good"),
    "changed": Note(title="Saved.", text="It holds from the next page on.", mood="good"),
    "password": Note(
        title="The password is changed.", text="All log-ins and tokens of the person have ended.", mood="good"
    ),
    "disabled": Note(title="The person is disabled.", text="All log-ins and tokens have ended.", mood="good"),
    "enabled": Note(title="The person can log in again.", mood="good"),
    "logged-out": Note(title="All log-ins and tokens of the person have ended.", mood="good"),
}


async def confirm_edit(visit: Visit) -> Reply:
    """The form of a name and a role."""
    return await _edit_page(visit, await _user(visit))


async def _edit_page(visit: Visit, user: UserView, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    party = await visit.read(find_party, str(user.party))
    role = role_of(user.permissions, PartyKind(party.kind))
    return show_page(
        visit,
        "user_edit.html",
        title=f"Change {user.name}",
        status=status,
        user=user,
        party=party,
        path=_path(user.id),
        back=path_of(user.party),
        name=visit.form.text("name") if visit.form.pairs else user.name,
        seen=_seen(user),
        is_me=user.id == visit.session.user,
        **role_choice(visit, party, role.value if role else CHOSEN, user.permissions),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


def _seen(user: UserView) -> str:
    """What the page showed of a person, to see that nobody has changed it since."""
    return hashlib.sha256(repr((user.name, sorted(user.permissions), user.status)).encode()).hexdigest()[:16]


async def edit(visit: Visit) -> Reply:
    """Change a person's name and role."""
    user = await _user(visit)
    try:
        name = visit.form.line("name", needed="Write a name.")
        permissions = None
        if user.id != visit.session.user:
            # What somebody has and the visitor lacks is neither given nor taken.
            beyond = [each for each in Permission if each in user.permissions and not visit.may(each)]
            party = await visit.read(find_party, str(user.party))
            permissions = [*given_permissions(visit, party), *beyond]
        await _change(visit, user, UserChange(name=name, permissions=permissions), seen=visit.form.text("seen"))
    except FieldError as error:
        return await _edit_page(visit, await _user(visit), status=422, wrong=error)
    return redirect(f"{_path(user.id)}?done=changed")


async def _change(visit: Visit, user: UserView, change: UserChange, seen: str | None = None) -> None:
    def as_seen(before: UserView) -> None:
        if seen is not None and seen != _seen(before):
            raise FieldError("form", "Somebody else has changed this person meanwhile. The page shows how it is now.")

    await visit.change(
        access.change_user,
        visit.author,
        user=user.id,
        party=None if visit.is_platform else visit.caller.party,
        change=change,
        held=visit.caller.permissions,
        as_seen=as_seen,
    )


async def confirm_password(visit: Visit) -> Reply:
    """The form of a new password for somebody who lost theirs."""
    return _password_page(visit, await _user(visit))


def _password_page(visit: Visit, user: UserView, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    if user.id == visit.session.user:
        raise PageError(
            409, "This is your own password", "Change it in your account.", links={"/console/account": "Account"}
        )
    return show_page(
        visit,
        "user_password.html",
        title=f"Give {user.name} a new password",
        status=status,
        user=user,
        path=_path(user.id),
        back=path_of(user.party),
        asks_password=not visit.session.is_fresh(visit.now),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def set_password(visit: Visit) -> Reply:
    """Give a person a new password, and end what was begun with the old one."""
    user = await _user(visit)
    try:
        if user.id == visit.session.user:
            raise FieldError("new", "Change your own password in your account.")
        chosen = new_password(visit.form, "new")
        access.check_beyond(user.permissions, visit.caller.permissions)
        cookie = () if visit.session.is_fresh(visit.now) else await authenticated_again(visit)
        await _change(visit, user, UserChange(password_hash=await _hashed(chosen)))
    except FieldError as error:
        return _password_page(visit, user, status=422, wrong=error)
    except BeyondError:
        sentence = "This person may do more than you, so somebody else has to."
        return _password_page(visit, user, status=403, wrong=FieldError("new", sentence))
    led = redirect(f"{_path(user.id)}?done=password")
    return replace(led, headers=(*led.headers, *cookie))


async def disable_user(visit: Visit) -> Reply:
    """Let a person log in no more."""
    user = await _user(visit)
    if user.id == visit.session.user:
        raise PageError(409, "You cannot disable yourself", "Somebody else has to.", links={_path(user.id): "Back"})
    await _change(visit, user, UserChange(active=False))
    return redirect(f"{_path(user.id)}?done=disabled")


async def enable_user(visit: Visit) -> Reply:
    """Let a person log in again."""
    user = await _user(visit)
    await _change(visit, user, UserChange(active=True))
    return redirect(f"{_path(user.id)}?done=enabled")


async def log_out_user(visit: Visit) -> Reply:
    """End all log-ins and tokens of a person."""
    user = await _user(visit)
    await visit.change(users.log_out, visit.author, await visit.read(users.find_user, show("usr", user.id)))
    return redirect(f"{_path(user.id)}?done=logged-out")
