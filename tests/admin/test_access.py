"""Ending a user's access, on both engines: what opened a door before opens it no more."""

import pytest
from sqlalchemy import Connection

from countermand.admin import callers, credentials, sessions, users
from countermand.admin.audit import Author
from countermand.ids import digest
from countermand.reads.credentials import CredentialFilter, list_credentials
from countermand.reads.parties import find_party
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def _logged_in(world: World) -> str:
    """A user of the retailer with a token of a log-in."""

    def work(connection: Connection) -> str:
        ids, now = world.application.ids, world.clock()
        party = find_party(connection, str(world.retailer))
        users.enter(connection, ids, now, party=party, email="ann@example.com", name="Ann", password="secret word")
        user = sessions.find_user(connection, "ann@example.com")
        assert user is not None
        return sessions.log_in(connection, ids, now, user=user, expires_at=None).token

    return await world.application.database.write(work)


@pytest.mark.parametrize("how", ["disable", "change_password", "log_out", "revoke"])
async def test_a_token_of_a_log_in_ends_with_the_access_of_its_user(world: World, how: str) -> None:
    token = await _logged_in(world)

    def end(connection: Connection) -> None:
        author = Author(name="operator", door="test", at=world.clock(), ids=world.application.ids)
        user = users.find_user(connection, "ann@example.com")
        if how == "change_password":
            assert users.change_password(connection, author, user, "another word") == 1
        elif how == "revoke":
            rows = list_credentials(connection, CredentialFilter(kind="token", party=user.party_id))
            credentials.revoke(connection, author, next(row.id for row in rows if row.email == user.email))
        else:
            assert getattr(users, how)(connection, author, user) == 1

    def look(connection: Connection) -> tuple[bool, bool, bool]:
        user = sessions.find_user(connection, "ann@example.com")
        known = callers.caller_of_token(connection, digest(token)) is not None
        return known, sessions.is_password(user, "secret word"), sessions.is_password(user, "another word")

    assert await world.application.database.read(look) == (True, True, False)
    await world.application.database.write(end)
    expected = {"disable": (False, False, False), "change_password": (False, False, True)}
    assert await world.application.database.read(look) == expected.get(how, (False, True, False))
