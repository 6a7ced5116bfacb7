"""Who takes part, on both engines: parties, users, tokens, and what each may do."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY
from sqlalchemy import Connection, select, update

from countermand.admin import callers, credentials, sessions, users
from countermand.admin.audit import Author
from countermand.admin.callers import PERMISSIONS, PLATFORM, Caller, Permission
from countermand.admin.parties import TakenError
from countermand.domain.parties import PartyKind
from countermand.ids import digest
from countermand.reads.parties import UnknownPartyError, find_party
from countermand.store import tables as t
from tests.support.world import World

pytestmark = pytest.mark.anyio

T = TypeVar("T")


async def write(world: World, work: Callable[[Connection], T]) -> T:
    return await world.application.database.write(work)


def author(world: World) -> Author:
    return Author(name="operator ann", door="test", at=world.clock(), ids=world.application.ids)


async def token_for(world: World, party: UUID, **more: Any) -> str:
    def work(connection: Connection) -> str:
        row = find_party(connection, str(party))
        return credentials.issue_token(connection, world.application.ids, world.clock(), party=row, **more)

    return await write(world, work)


async def caller(world: World, token: str) -> Caller | None:
    return await world.application.database.read(lambda c: callers.caller_of_token(c, digest(token)))


async def user_for(world: World, email: str = "Noor@Shop.example ", password: str = "long enough") -> UUID:
    def work(connection: Connection) -> UUID:
        row = find_party(connection, str(world.retailer))
        return users.enter(
            connection,
            world.application.ids,
            world.clock(),
            party=row,
            email=email,
            name="Noor",
            password=password,
        )

    return await write(world, work)


async def test_the_platform_is_there_from_the_start_and_numbers_are_bols(world: World) -> None:
    found = await world.application.database.read(lambda c: c.execute(select(t.parties)).all())
    numbers = {row.id: row.number for row in found}
    assert numbers[PLATFORM] == 1_000_000
    assert sorted(numbers.values()) == list(range(1_000_000, 1_000_005))


@pytest.mark.parametrize("spelled", ["{0}", "{1}", "pty_{1}", "retailer"])
async def test_a_party_is_found_by_id_or_name(world: World, spelled: str) -> None:
    text = spelled.format(world.retailer, world.retailer.hex)
    row = await world.application.database.read(lambda c: find_party(c, text))
    assert row.id == world.retailer


@pytest.mark.parametrize("text", ["nobody", "", "pty_", str(UUID(int=9)), "%", "retailer "])
async def test_a_party_that_is_not_there_is_named(world: World, text: str) -> None:
    with pytest.raises(UnknownPartyError, match="There is no party"):
        await world.application.database.read(lambda c: find_party(c, text))


async def test_a_token_says_who_calls_and_its_secret_is_not_kept(world: World) -> None:
    token = await token_for(world, world.supplier, label="warehouse")
    found = await caller(world, token)
    assert found is not None
    assert (found.party, found.kind, found.name) == (world.supplier, PartyKind.SUPPLIER, "supplier (warehouse)")
    assert found.expires_at is None
    stored = await world.application.database.read(lambda c: c.execute(select(t.credentials)).all())
    assert token not in str(stored)
    assert await caller(world, token + "x") is None


@pytest.mark.parametrize("kind", ["retailer", "supplier"])
async def test_a_token_never_may_more_than_its_party(world: World, kind: str) -> None:
    everything = await caller(world, await token_for(world, getattr(world, kind)))
    wished = await caller(world, await token_for(world, getattr(world, kind), permissions=[*Permission, "fly"]))
    one = await caller(world, await token_for(world, getattr(world, kind), permissions=["view_order"]))
    none = await caller(world, await token_for(world, getattr(world, kind), permissions=[]))
    assert everything is not None
    assert wished is not None
    assert one is not None
    assert none is not None
    assert everything.permissions == wished.permissions == PERMISSIONS[PartyKind(kind)]
    assert one.permissions == {"view_order"}
    assert one.may(Permission.VIEW_ORDER)
    assert not one.may(Permission.CANCEL_ORDER)
    assert none.permissions == frozenset()


async def test_a_token_ends_when_it_is_revoked_once(world: World) -> None:
    token = await token_for(world, world.retailer)
    await write(world, lambda c: credentials.revoke_token(c, author(world), token))
    assert await caller(world, token) is None
    for gone in (token, "cmt_nothing"):
        with pytest.raises(credentials.UnknownCredentialError):
            await write(world, partial(credentials.revoke_token, author=author(world), secret=gone))


async def test_a_token_says_when_it_ends(world: World) -> None:
    ends = world.clock() + timedelta(hours=2)
    found = await caller(world, await token_for(world, world.retailer, expires_at=ends))
    assert found is not None
    assert found.expires_at == ends


async def test_a_deactivated_party_has_no_callers_and_no_users(world: World) -> None:
    token = await token_for(world, world.retailer)
    await user_for(world)
    gone = update(t.parties).where(t.parties.c.id == world.retailer).values(status="deactivated")
    await write(world, lambda c: c.execute(gone))
    assert await caller(world, token) is None
    assert await world.application.database.read(lambda c: sessions.find_user(c, "noor@shop.example")) is None


async def test_a_deactivated_user_has_no_tokens_that_count(world: World) -> None:
    user = await user_for(world)
    token = await token_for(world, world.retailer, user=user)
    found = await caller(world, token)
    assert found is not None
    assert (found.user_name, found.email, found.name) == ("Noor", "noor@shop.example", "retailer (Noor)")
    await write(world, lambda c: c.execute(update(t.users).values(status="deactivated")))
    assert await caller(world, token) is None


async def test_a_user_logs_in_with_the_right_password_only(world: World) -> None:
    await user_for(world)
    user = await world.application.database.read(lambda c: sessions.find_user(c, " NOOR@shop.example"))
    assert user is not None
    assert sessions.is_password(user, "long enough")
    assert not sessions.is_password(user, "long enough ")
    assert not sessions.is_password(user, "")
    assert not sessions.is_password(None, "long enough")
    ends = world.clock() + timedelta(hours=2)
    login = await write(
        world, lambda c: sessions.log_in(c, world.application.ids, world.clock(), user=user, expires_at=ends)
    )
    found = await caller(world, login.token)
    assert found is not None
    assert (found.party, found.expires_at, found.user_name) == (world.retailer, ends, "Noor")
    assert (login.party, login.kind) == (world.retailer, PartyKind.RETAILER)
    assert frozenset(login.permissions) == found.permissions == PERMISSIONS[PartyKind.RETAILER]


async def test_a_password_is_kept_as_a_slow_hash(
    world: World, slow_hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "password_hasher", lambda: slow_hasher)
    await user_for(world)
    user = await world.application.database.read(lambda c: sessions.find_user(c, "noor@shop.example"))
    assert user is not None
    assert extract_parameters(user.password_hash) == RFC_9106_LOW_MEMORY
    assert "long enough" not in user.password_hash


async def test_an_address_belongs_to_one_user(world: World) -> None:
    await user_for(world)
    with pytest.raises(TakenError, match=r"noor@shop\.example"):
        await user_for(world, email="noor@SHOP.example")
