"""Tokens, Plaza keys and clients of the Retailer API, by which programs call: made, replaced, revoked.

A secret is shown once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from sqlalchemy import Connection

from countermand.admin import access, credentials
from countermand.admin.access import NewCredential
from countermand.admin.callers import Permission
from countermand.admin.credentials import PLAZA_KEYS_MAX, TooManyKeysError
from countermand.console.errors import PageError, unknown
from countermand.console.forms import FieldError
from countermand.console.pages.account import authenticated_again
from countermand.console.pages.parties import PATH, party_of, path_of
from countermand.console.pages.people import given_permissions, role_choice
from countermand.console.rendering import redirect, show_page
from countermand.console.visit import Visit
from countermand.domain.parties import PartyKind
from countermand.domain.texts import NO_LABEL, is_label
from countermand.ids import read
from countermand.reads.credentials import CredentialFilter, CredentialView, credential_by_id, list_credentials
from countermand.reads.parties import find_party
from countermand.reads.views import PartyView
from countermand.wire.replies import Header
from countermand.wire.response import Reply

DAYS_MAX: Final = 3660
TOKEN: Final = "token"  # noqa: S105 - the name of a kind of credential
PLAZA_KEY: Final = "plaza_key"
CLIENT: Final = "oauth_client"
COUNTED: Final = 50
"""So many that count are counted."""


# A new token


async def confirm_add_token(visit: Visit) -> Reply:
    """The form of a new token."""
    return _token_page(visit, await party_of(visit))


def _token_page(visit: Visit, party: PartyView, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    return show_page(
        visit,
        "token_add.html",
        title=f"Make a token for {party.name}",
        status=status,
        party=party,
        path=path_of(party.id),
        **role_choice(visit, party, "", ()),
        asks_password=not visit.session.is_fresh(visit.now),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def add_token(visit: Visit) -> Reply:
    """Make a token, and show it once."""
    party = await party_of(visit)
    try:
        label, given, days = _label(visit), given_permissions(visit, party), _days(visit.form.text("days"))
        cookie = await _fresh(visit)
    except FieldError as error:
        return _token_page(visit, party, status=422, wrong=error)
    ends = visit.now + timedelta(days=days) if days else None
    add = partial(access.add_token, author=visit.author, party=party, permissions=given, label=label, expires_at=ends)
    made = await visit.change_once(add, lambda _: path_of(party.id))
    return _secret_page(visit, made, cookie, title="The token is made")


def _label(visit: Visit) -> str:
    label = visit.form.line("label", needed="Write what it is for.")
    if not is_label(label):
        raise FieldError("label", NO_LABEL)
    return label


def _days(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text[:9]) <= DAYS_MAX):
        raise FieldError("days", f"Write a number of days from 1 to {DAYS_MAX:,}, or nothing for no end.")
    return int(text)


async def _fresh(visit: Visit) -> tuple[Header, ...]:
    """The cookie of a new session, where the password had to be given again.

    Raises:
        FieldError, ThrottledError: it was not given, or is wrong.
    """
    return () if visit.session.is_fresh(visit.now) else await authenticated_again(visit)


def _secret_page(visit: Visit, made: NewCredential, cookie: tuple[Header, ...], *, title: str) -> Reply:
    """The one time that a secret can be read."""
    shown = show_page(
        visit,
        "token.html",
        title=title,
        made=made,
        label=made.credential.label,
        halves=_OF_BOL.get(made.credential.kind),
        path=path_of(made.credential.party),
    )
    return replace(shown, headers=(*shown.headers, *cookie))


# A new pair of Plaza keys, or a new client of the Retailer API


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfBol:
    """What a program calls one of bol's APIs by: it may do all that its retailer may, and has no end."""

    kind: str
    api: str
    name: str
    heading: str
    public: str
    private: str
    most: int | None = None

    @property
    def heading_low(self) -> str:
        return f"{self.heading[:1].lower()}{self.heading[1:]}"


_KEY: Final = _OfBol(
    kind=PLAZA_KEY,
    api="the Plaza API",
    name="Plaza key",
    heading="The pair of keys",
    public="Public half",
    private="Private half",
    most=PLAZA_KEYS_MAX,
)
_CLIENT: Final = _OfBol(
    kind=CLIENT,
    api="bol’s Retailer API",
    name="Retailer API client",
    heading="The client",
    public="Client id",
    private="Client secret",
)
_OF_BOL: Final = {each.kind: each for each in (_KEY, _CLIENT)}


async def confirm_add_key(visit: Visit) -> Reply:
    """The form of a new pair of keys."""
    return await _bol_page(visit, await party_of(visit), _KEY)


async def confirm_add_client(visit: Visit) -> Reply:
    """The form of a new client."""
    return await _bol_page(visit, await party_of(visit), _CLIENT)


async def _bol_page(
    visit: Visit, party: PartyView, what: _OfBol, *, status: int = 200, wrong: FieldError | None = None
) -> Reply:
    _check_is_retailer(party, what)
    held = CredentialFilter(kind=what.kind, party=party.id, status="active", now=visit.now, limit=COUNTED + 1)
    count = len(await visit.read(list_credentials, held))
    is_full = what.most is not None and count >= what.most
    return show_page(
        visit,
        "bol_add.html",
        title=f"Make a {what.name} for {party.name}",
        status=status,
        party=party,
        what=what,
        path=path_of(party.id),
        count=count,
        counted=COUNTED,
        why_not=_lacks(visit, party) or (f"{what.most} are valid already. Revoke one first." if is_full else ""),
        asks_password=not visit.session.is_fresh(visit.now),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


def _check_is_retailer(party: PartyView, what: _OfBol) -> None:
    if party.kind != PartyKind.RETAILER.value:
        sentence = f"Only a retailer calls {what.api}."
        raise PageError(409, f"A {party.kind} has no {what.name}", sentence, links={path_of(party.id): "Back"})


def _lacks(visit: Visit, party: PartyView) -> str:
    """It may do all that a retailer may: why this visitor cannot give that, if so."""
    beyond = sorted(set(access.of_retailer(party)) - set(visit.caller.permissions))
    return f"It may do all that a retailer may. Your user lacks {', '.join(beyond)}." if beyond else ""


async def add_key(visit: Visit) -> Reply:
    """Make a pair of keys, and show its private half once."""
    return await _add_of_bol(visit, _KEY)


async def add_client(visit: Visit) -> Reply:
    """Make a client, and show its secret once."""
    return await _add_of_bol(visit, _CLIENT)


async def _add_of_bol(visit: Visit, what: _OfBol) -> Reply:
    party = await party_of(visit)
    _check_is_retailer(party, what)
    try:
        label = _label(visit)
        if lacks := _lacks(visit, party):
            raise FieldError("label", lacks)
        cookie = await _fresh(visit)
        add = partial(_made_of_bol, visit=visit, what=what, party=party, label=label)
        made = await visit.change_once(add, lambda _: path_of(party.id))
    except FieldError as error:
        return await _bol_page(visit, party, what, status=422, wrong=error)
    except TooManyKeysError as error:
        return await _bol_page(visit, party, what, status=409, wrong=FieldError("label", str(error)))
    return _secret_page(visit, made, cookie, title=f"{what.heading} is made")


def _made_of_bol(connection: Connection, *, visit: Visit, what: _OfBol, party: PartyView, label: str) -> NewCredential:
    if what is _CLIENT:
        return access.add_client(connection, visit.author, party=party, label=label)
    return access.add_plaza_key(connection, visit.author, visit.services.keyring, party=party, label=label)


# What there is


@dataclass(frozen=True, slots=True, kw_only=True)
class _Credential:
    view: CredentialView
    path: str

    @property
    def noun(self) -> str:
        return {PLAZA_KEY: "key", CLIENT: "client"}.get(self.view.kind, "token")


async def _credential(visit: Visit) -> _Credential:
    wanted = read("crd", visit.names["credential"])
    found = await visit.read(credential_by_id, wanted) if wanted else None
    mine = found is not None and (visit.is_platform or found.party == visit.caller.party)
    if found is None or not mine or found.kind not in (TOKEN, *_OF_BOL):
        raise unknown("token", PATH, "Parties")
    return _Credential(view=found, path=path_of(found.party))


async def _one_that_counts(visit: Visit) -> _Credential:
    found = await _credential(visit)
    if found.view.revoked_at is not None:
        raise PageError(409, "It has been revoked", "No program can use it any more.", links={found.path: "Back"})
    return found


async def confirm_replace(visit: Visit) -> Reply:
    """Once more before a token, a key or a client gets a successor."""
    return _replace_page(visit, await _one_that_counts(visit))


def _replace_page(visit: Visit, found: _Credential, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    return show_page(
        visit,
        "token_replace.html",
        title=f"Replace this {found.noun}?",
        status=status,
        credential=found.view,
        noun=found.noun,
        path=found.path,
        asks_password=not visit.session.is_fresh(visit.now),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def replace_it(visit: Visit) -> Reply:
    """Make a successor with the same label, permissions and end. The old one ends now, or when somebody revokes it."""
    found = await _one_that_counts(visit)
    try:
        beyond = sorted(set(found.view.permissions) - set(visit.caller.permissions))
        if beyond:
            raise FieldError("old", f"It may do what you may not: {', '.join(beyond)}. Somebody else has to.")
        cookie = await _fresh(visit)
        party = await visit.read(find_party, str(found.view.party))
        ends_now = visit.form.text("old") == "revoke"
        successor = partial(_successor, visit=visit, old=found.view, party=party, ends_now=ends_now)
        made = await visit.change_once(successor, lambda _: path_of(party.id))
    except FieldError as error:
        return _replace_page(visit, found, status=422, wrong=error)
    except TooManyKeysError as error:
        return _replace_page(visit, found, status=409, wrong=FieldError("old", str(error)))
    return _secret_page(visit, made, cookie, title=f"The new {found.noun} is made")


def _successor(
    connection: Connection, *, visit: Visit, old: CredentialView, party: PartyView, ends_now: bool
) -> NewCredential:
    if ends_now:
        access.revoke(connection, visit.author, credential=old.id, party=None, note="replaced")
    if what := _OF_BOL.get(old.kind):
        return _made_of_bol(connection, visit=visit, what=what, party=party, label=old.label)
    return access.add_token(
        connection,
        visit.author,
        party=party,
        permissions=_permissions(old.permissions),
        label=old.label,
        expires_at=_same_length(old, visit.now),
    )


def _permissions(names: Sequence[str]) -> list[Permission]:
    return [each for each in Permission if each in names]


def _same_length(old: CredentialView, now: datetime) -> datetime | None:
    """When the successor ends: after as long as the old one was made for."""
    return None if old.expires_at is None else now + (old.expires_at - old.created_at)


async def confirm_revoke(visit: Visit) -> Reply:
    """Once more before a token ends."""
    found = await _one_that_counts(visit)
    return show_page(visit, "token_revoke.html", title="Revoke it?", credential=found.view, path=found.path)


async def revoke(visit: Visit) -> Reply:
    """End a token, a key or a client."""
    found = await _credential(visit)
    if found.view.revoked_at is None:
        await visit.change(credentials.revoke, visit.author, found.view.id)
    return redirect(f"{found.path}?done=revoked")
