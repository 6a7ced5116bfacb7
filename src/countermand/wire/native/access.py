"""What calls about parties, users and credentials have in common: whose they are, and what may be given."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Final
from uuid import UUID

from countermand.admin.access import BeyondError
from countermand.admin.callers import PERMISSIONS, Caller, Permission
from countermand.admin.credentials import BadLabelError, BadPermissionError, TooManyKeysError, UnknownCredentialError
from countermand.admin.parties import BadNameError, PlatformStaysError, TakenError
from countermand.admin.users import UnknownUserError
from countermand.domain.parties import PartyKind
from countermand.domain.problems import ProblemError
from countermand.ids import read
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.reads.views import PartyView
from countermand.wire.native.errors import invalid
from countermand.wire.native.meaning import NOBODY
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services


async def party_meant(services: Services, who: Caller, text: str | None) -> PartyView:
    """The party that a call is for, by id or name: the caller's own, unless the platform names another.

    Raises:
        CallError: another kind of party names another than itself, or there is no such party.
    """
    own = await services.database.read(partial(find_party, text=str(who.party)))
    if text is None or text == own.name or read("pty", text) == own.id:
        return own
    if who.kind is not PartyKind.PLATFORM:
        raise CallError(Problem.WRONG_PARTY, "Only the platform can name another party.")
    try:
        return await services.database.read(partial(find_party, text=text))
    except UnknownPartyError as error:
        raise CallError(Problem.UNKNOWN_PARTY, str(error)) from None


async def party_listed(services: Services, who: Caller, text: str | None) -> UUID | None:
    """Of which party a list is; ``None`` for all, which a platform sees. One that is unknown has nothing."""
    if text is None:
        return own_only(who)
    try:
        return (await party_meant(services, who, text)).id
    except CallError as error:
        if error.kind is Problem.UNKNOWN_PARTY:
            return NOBODY
        raise


def own_only(who: Caller) -> UUID | None:
    """Whose users and credentials the caller sees: its party's, or all."""
    return None if who.kind is PartyKind.PLATFORM else who.party


def usual_permissions(who: Caller, party: PartyView) -> Sequence[Permission]:
    """What a user or a token may do if nobody says it: what its kind of party can have, and the caller has."""
    return sorted(each for each in PERMISSIONS[PartyKind(party.kind)] if who.may(each))


@contextmanager
def told() -> Iterator[None]:
    """What goes wrong becomes a problem of the caller's."""
    try:
        yield
    except tuple(_MEMBERS) as error:
        raise invalid(_sentence(error), "body", _MEMBERS[type(error)]) from None
    except tuple(_PROBLEMS) as error:
        raise CallError(_PROBLEMS[type(error)], _sentence(error)) from None


def _sentence(error: Exception) -> str:
    text = str(error)
    return text if text.endswith(".") else f"{text}."


_MEMBERS: Final[dict[type[ProblemError], str]] = {
    BadNameError: "name",
    BadLabelError: "label",
    BadPermissionError: "permissions",
}
"""The member of the body that makes no sense."""

_PROBLEMS: Final[dict[type[ProblemError], Problem]] = {
    TakenError: Problem.NAME_TAKEN,
    BeyondError: Problem.FORBIDDEN,
    PlatformStaysError: Problem.FORBIDDEN,
    TooManyKeysError: Problem.LIMIT_REACHED,
    UnknownPartyError: Problem.UNKNOWN_PARTY,
    UnknownUserError: Problem.UNKNOWN_USER,
    UnknownCredentialError: Problem.UNKNOWN_CREDENTIAL,
}
