"""Who may come in: people are added and disabled, tokens made and revoked. A secret is shown once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from countermand.admin import credentials, users
from countermand.admin.callers import PERMISSIONS, Permission
from countermand.admin.parties import TakenError
from countermand.admin.users import UnknownUserError, User
from countermand.console.errors import PageError, unknown
from countermand.console.forms import FieldError
from countermand.console.login import new_password
from countermand.console.pages.account import authenticated_again
from countermand.console.pages.parties import PATH
from countermand.console.rendering import redirect, show_page
from countermand.console.visit import Visit
from countermand.domain.parties import PartyKind
from countermand.domain.texts import NO_LABEL, is_label
from countermand.ids import read, show
from countermand.reads.credentials import CredentialView, credential_by_id
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.reads.views import PartyView
from countermand.wire.response import Reply

DAYS_MAX: Final = 3660


async def _party(visit: Visit) -> PartyView:
    wanted = read("pty", visit.names["party"])
    try:
        if wanted is not None:
            return await visit.read(find_party, str(wanted))
    except UnknownPartyError:
        pass
    raise unknown("party", PATH, "Parties")


def may_give(visit: Visit, party: PartyView) -> list[Permission]:
    """What this visitor can give: what the kind of party can have, and the visitor has."""
    return sorted(each for each in PERMISSIONS[PartyKind(party.kind)] if visit.may(each))


def _given(visit: Visit, party: PartyView) -> Sequence[Permission]:
    """What was ticked.

    Raises:
        FieldError: nothing, or what cannot be given.
    """
    can = {each.value: each for each in may_give(visit, party)}
    ticked = visit.form.all("permission")
    if not ticked:
        raise FieldError("permission", "Tick what it may do.")
    if any(each not in can for each in ticked):
        raise FieldError("permission", "Nobody gives more than it has, or than such a party can have.")
    return [can[each] for each in ticked]


def _path(party: UUID) -> str:
    return f"{PATH}/{show('pty', party)}"


# People


async def confirm_add_user(visit: Visit) -> Reply:
    """The form of a new person."""
    return _user_page(visit, await _party(visit))


def _user_page(visit: Visit, party: PartyView, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    return show_page(
        visit,
        "user_add.html",
        title=f"Add a person to {party.name}",
        status=status,
        party=party,
        path=_path(party.id),
        permissions=[each.value for each in may_give(visit, party)],
        ticked=visit.form.all("permission") if visit.form.pairs else [each.value for each in may_give(visit, party)],
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def add_user(visit: Visit) -> Reply:
    """Add a person who can log in for a party."""
    party, form = await _party(visit), visit.form
    try:
        email = form.line("email", needed="Write the e-mail address to log in with.")
        if "@" not in email:
            raise FieldError("email", "This is no e-mail address.")
        await visit.change(
            users.add,
            visit.author,
            party=party,
            email=email,
            name=form.line("name") or email,
            password=new_password(form),
            permissions=_given(visit, party),
        )
    except FieldError as error:
        return _user_page(visit, party, status=422, wrong=error)
    except TakenError as error:
        return _user_page(visit, party, status=409, wrong=FieldError("email", str(error)))
    return redirect(f"{_path(party.id)}?done=user")


async def _user(visit: Visit) -> User:
    wanted = read("usr", visit.names["user"])
    try:
        found = await visit.read(users.find_user, str(wanted)) if wanted else None
    except UnknownUserError:
        found = None
    if found is None or (not visit.is_platform and found.party_id != visit.caller.party):
        raise unknown("person", PATH, "Parties")
    return found


async def disable_user(visit: Visit) -> Reply:
    """Let a person log in no more."""
    user = await _user(visit)
    if user.id == visit.session.user:
        back = {_path(user.party_id): "Back"}
        raise PageError(409, "You cannot disable yourself", "Somebody else has to.", links=back)
    await visit.change(users.disable, visit.author, user)
    return redirect(f"{_path(user.party_id)}?done=disabled")


async def enable_user(visit: Visit) -> Reply:
    """Let a person log in again."""
    user = await _user(visit)
    await visit.change(users.enable, visit.author, user)
    return redirect(f"{_path(user.party_id)}?done=enabled")


async def log_out_user(visit: Visit) -> Reply:
    """End all log-ins and tokens of a person."""
    user = await _user(visit)
    await visit.change(users.log_out, visit.author, user)
    return redirect(f"{_path(user.party_id)}?done=logged-out")


# Tokens


async def confirm_add_token(visit: Visit) -> Reply:
    """The form of a new token."""
    return _token_page(visit, await _party(visit))


def _token_page(visit: Visit, party: PartyView, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    return show_page(
        visit,
        "token_add.html",
        title=f"Make a token for {party.name}",
        status=status,
        party=party,
        path=_path(party.id),
        permissions=[each.value for each in may_give(visit, party)],
        ticked=visit.form.all("permission"),
        asks_password=not visit.session.is_fresh(visit.now),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def add_token(visit: Visit) -> Reply:
    """Make a token, and show it once."""
    party, form = await _party(visit), visit.form
    try:
        label = form.line("label", needed="Write what it is for.")
        if not is_label(label):
            raise FieldError("label", NO_LABEL)
        given, days = _given(visit, party), _days(form.text("days"))
        cookie = () if visit.session.is_fresh(visit.now) else await authenticated_again(visit)
    except FieldError as error:
        return _token_page(visit, party, status=422, wrong=error)
    made = await visit.change(
        credentials.create_token,
        visit.author,
        party=party,
        permissions=given,
        label=label,
        expires_at=visit.now + timedelta(days=days) if days else None,
    )
    shown = show_page(
        visit, "token.html", title="The token is made", secret=made.secret, label=label, path=_path(party.id)
    )
    return replace(shown, headers=(*shown.headers, *cookie))


def _days(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= DAYS_MAX):
        raise FieldError("days", f"Write a number of days from 1 to {DAYS_MAX:,}, or nothing for no end.")
    return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Credential:
    view: CredentialView
    path: str


async def _credential(visit: Visit) -> _Credential:
    wanted = read("crd", visit.names["credential"])
    found = await visit.read(credential_by_id, wanted) if wanted else None
    if found is None or (not visit.is_platform and found.party != visit.caller.party):
        raise unknown("token", PATH, "Parties")
    return _Credential(view=found, path=_path(found.party))


async def confirm_revoke(visit: Visit) -> Reply:
    """Once more before a token ends."""
    found = await _credential(visit)
    if found.view.revoked_at is not None:
        raise PageError(409, "It was revoked before", "Nothing calls with it any more.", links={found.path: "Back"})
    return show_page(visit, "token_revoke.html", title="Revoke it?", credential=found.view, path=found.path)


async def revoke(visit: Visit) -> Reply:
    """End a token or a key."""
    found = await _credential(visit)
    if found.view.revoked_at is None:
        await visit.change(credentials.revoke, visit.author, found.view.id)
    return redirect(f"{found.path}?done=revoked")
