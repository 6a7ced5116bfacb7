"""People who can log in: of the caller's own party, and of any for the platform."""

import asyncio
from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field, SecretStr
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from countermand.admin import access
from countermand.admin.callers import Permission
from countermand.admin.sessions import hash_of_password
from countermand.admin.users import UnknownUserError, UserChange
from countermand.documents.users import UserShown, user_shown
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.passwords import PASSWORD_MAX, PASSWORD_MIN
from countermand.domain.texts import why_unfit
from countermand.fields import Name, Text
from countermand.ids import read
from countermand.reads.users import UserFilter, UserView, list_users
from countermand.store.engines.protocol import Work
from countermand.wire.native.access import own_only, party_listed, party_meant, told, usual_permissions
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.authors import By
from countermand.wire.native.errors import PROBLEMS
from countermand.wire.native.etags import IfMatch, etag_of, must_match
from countermand.wire.native.messages import JsonRoute, Limit, Strict, Word
from countermand.wire.native.once import Once, Shown, change_once, location
from countermand.wire.native.pages import ONE_MORE, begin, page
from countermand.wire.native.parties import Begin
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/users", responses=PROBLEMS, route_class=JsonRoute)

PREFIX: Final = "usr"


def _fit(password: SecretStr) -> SecretStr:
    problem = why_unfit(password.get_secret_value())
    if problem:
        raise PydanticCustomError("bad_text", "{problem}", {"problem": f"cannot be a password: {problem}"})
    return password


Password = Annotated[SecretStr, Field(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX), AfterValidator(_fit)]
Email = Annotated[Text, Field(pattern=r"^[^@\s]+@[^@\s]+$")]
Permissions = Annotated[list[Permission], Field(max_length=100)]


class UserIn(Strict):
    """A new user. Without a password nobody can log in as the user, until one is set.

    Without permissions the user gets those that the caller has and its kind of party can have.
    """

    email: Email
    name: Text = ""
    party: Name | None = None
    permissions: Permissions | None = None
    password: Password | None = None


class UserUpdate(Strict):
    """What changes of a user. A new password, and `disabled`, end the user's log-ins and tokens."""

    name: Name | None = None
    permissions: Permissions | None = None
    password: Password | None = None
    status: Literal["active", "disabled"] | None = None


class UserPage(BaseModel):
    """Some users, newest first. ``next`` is the ``after`` of the following page."""

    users: list[UserShown]
    next: str | None


@router.get("", operation_id="users.list")
async def show_users(
    services: Inside,
    who: Who,
    period: PeriodGiven,
    party: Annotated[Word | None, Query(description="Of this party; only the platform can name another")] = None,
    status: Literal["active", "disabled"] | None = None,
    q: Begin | None = None,
    after: str | None = None,
    limit: Limit = 50,
) -> UserPage:
    """Users of the caller's party, newest first; of all parties for the platform. `q` is how their addresses begin."""
    wanted = UserFilter(
        party=await party_listed(services, who, party),
        status=status,
        begins=q,
        since=period.since,
        until=period.until,
        after=begin(PREFIX, after),
        limit=limit + ONE_MORE,
    )
    rows, more = page(PREFIX, await services.database.read(partial(list_users, wanted=wanted)), limit)
    return UserPage(users=[user_shown(row) for row in rows], next=more)


@router.get("/{user}", operation_id="users.get")
async def get_user(services: Inside, who: Who, user: str) -> UserShown:
    """One user of the caller's party; of any for the platform."""
    with told():
        find = partial(access.find_user, user=_id(user), party=own_only(who))
        return user_shown(await services.database.read(find))


@router.post("", operation_id="users.create", status_code=201, response_model=UserShown)
async def create_user(services: Inside, who: Who, by: By, body: UserIn, once: Once) -> Response:
    """Add a person who can log in. Nobody gives more than it has: that is `forbidden`."""
    async with once.of(body) as key:
        party = await party_meant(services, who, body.party)
        permissions = body.permissions if body.permissions is not None else usual_permissions(who, party)
        with told():
            access.check_beyond(permissions, who.permissions)
        add = partial(
            access.add_user,
            author=by,
            party=party,
            email=body.email,
            name=body.name or body.email,
            password_hash=await _hashed(body.password) or "",
            permissions=permissions,
        )
        return await _change(services, key, add, status=201)


@router.patch("/{user}", operation_id="users.update", response_model=UserShown)
async def update_user(
    services: Inside, who: Who, by: By, user: str, body: UserUpdate, once: Once, if_match: IfMatch = None
) -> Response:
    """Change a user. Needs ``If-Match``: the ``ETag`` of the user, or ``*``.

    Nobody gives more than it has, nor sets the password of a user who has more: that is `forbidden`.
    """
    async with once.of(body) as key:
        change = UserChange(
            name=body.name,
            permissions=body.permissions,
            password_hash=await _hashed(body.password),
            active=None if body.status is None else body.status == "active",
        )
        with told():
            update = partial(
                access.change_user,
                author=by,
                user=_id(user),
                party=own_only(who),
                change=change,
                held=who.permissions,
                as_seen=must_match(if_match, user_shown),
            )
        return await _change(services, key, update)


@router.post("/{user}/end_sessions", operation_id="users.end_sessions", response_model=UserShown)
async def end_sessions(services: Inside, who: Who, by: By, user: str, once: Once) -> Response:
    """End all log-ins and tokens of a user, who can log in again."""
    async with once.of() as key:
        with told():
            end = partial(access.end_sessions, author=by, user=_id(user), party=own_only(who))
        return await _change(services, key, end)


async def _change(services: Services, key: IdempotencyKey | None, act: Work[UserView], status: int = 200) -> Response:
    with told():
        return await change_once(services, key, act, partial(_shown, status=status))


def _shown(row: UserView, status: int) -> Shown:
    document = user_shown(row)
    headers = {"ETag": etag_of(document)} | (location("users", document.id) if status == 201 else {})
    return Shown(status=status, body=document, headers=headers)


async def _hashed(password: SecretStr | None) -> str | None:
    """Slow on purpose, so it is done beside the other calls."""
    if password is None:
        return None
    return await asyncio.to_thread(hash_of_password, password.get_secret_value())


def _id(text: str) -> UUID:
    wanted = read(PREFIX, text)
    if wanted is None:
        raise UnknownUserError("There is no such user.")
    return wanted
