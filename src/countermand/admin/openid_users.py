"""Whom a provider of OpenID Connect lets in: users that are there, by e-mail address, or whom a group gives a role."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from countermand.admin import users
from countermand.admin.audit import Author
from countermand.admin.callers import Permission
from countermand.admin.roles import Role, permissions_of
from countermand.admin.sessions import LoginUser, find_user
from countermand.admin.users import UnknownUserError, UserChange
from countermand.domain.parties import PartyKind
from countermand.domain.problems import RefusedError
from countermand.domain.texts import why_unfit
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.reads.users import user_by_id
from countermand.reads.views import PartyView

GROUPS_MAX: Final = 1000
TEXT_MAX: Final = 255


class NotAllowedError(RefusedError):
    """The provider knows the person, and nobody lets them in here. The message is for the person."""

    code = "forbidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who somebody is, as the provider says."""

    email: str
    name: str


def person_of(claims: Mapping[str, Any]) -> Person:
    """Who the provider says it is.

    Raises:
        NotAllowedError: it names no e-mail address, or has not verified it: anybody could have written it.
    """
    email = _text(claims, "email")
    if "@" not in email:
        raise NotAllowedError("It names no e-mail address of yours.")
    if claims.get("email_verified") is not True:
        raise NotAllowedError(f"It has not verified that {email} is yours.")
    return Person(email=email.lower(), name=_text(claims, "name") or email)


def _text(claims: Mapping[str, Any], name: str) -> str:
    """A text that can be kept; empty if there is none."""
    value = claims.get(name)
    fit = isinstance(value, str) and len(value) <= TEXT_MAX and not why_unfit(value)
    return value.strip() if fit and isinstance(value, str) else ""


def groups_in(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """The groups that the provider says the person is in. One alone may stand as a text."""
    given = claims.get(name)
    listed = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return frozenset(each for each in listed[:GROUPS_MAX] if isinstance(each, str))


def let_in(
    connection: Connection, author: Author, person: Person, groups: Collection[str], roles: Mapping[str, str]
) -> LoginUser:
    """The user that this person is. Where groups have roles, the person gets the role of the first that fits.

    Raises:
        NotAllowedError: there is none, or no group of theirs has a role.
    """
    if roles:
        _give_role(connection, author, person, _role(groups, roles))
    user = find_user(connection, person.email)
    if user is None:
        raise NotAllowedError(f"Nobody with the e-mail address {person.email} can log in here. An operator adds you.")
    return user


def _role(groups: Collection[str], roles: Mapping[str, str]) -> str:
    found = next((role for group, role in roles.items() if group in groups), None)
    if found is None:
        raise NotAllowedError("You are in no group that may log in here.")
    return found


def _give_role(connection: Connection, author: Author, person: Person, role: str) -> None:
    """Add the person, or change what the person may do, as the group says."""
    name, _, what = role.rpartition(":")
    try:
        party = find_party(connection, name)
    except UnknownPartyError:
        raise NotAllowedError(f"Your group belongs to {name}, which is not here. Ask who runs this service.") from None
    permissions = sorted(permissions_of(Role(what), PartyKind(party.kind)))
    try:
        known = users.find_user(connection, person.email)
    except UnknownUserError:
        _add(connection, author, party, person, permissions)
        return
    if known.party_id != party.id:
        raise NotAllowedError(f"You are a user of another party than {party.name}. An operator can change that.")
    before = user_by_id(connection, known.id, lock=True)
    assert before
    users.update_user(connection, author, party, before, UserChange(permissions=permissions))


def _add(
    connection: Connection, author: Author, party: PartyView, person: Person, permissions: Collection[Permission]
) -> None:
    # No password fits an empty hash.
    users.add(
        connection,
        author,
        party=party,
        email=person.email,
        name=person.name,
        password_hash=NO_PASSWORD,
        permissions=permissions,
    )


NO_PASSWORD: Final = "none"  # noqa: S105 - no hash, so that no password fits
