"""Parties, the people who log in for them, and tokens and keys, by what operators and managers see and do there."""

import re
from functools import partial
from typing import Any, Final
from uuid import UUID

import httpx2
import pytest

from countermand.admin import users
from countermand.admin.callers import PERMISSIONS, Permission
from countermand.admin.roles import Role, permissions_of, role_of
from countermand.domain.parties import PartyKind
from countermand.ids import show
from countermand.reads.audit import AuditFilter, list_entries
from countermand.reads.cancellations import CancellationFilter, list_cancellations
from countermand.reads.users import UserView, user_by_id
from tests.console.test_pages import asked
from tests.console.visiting import PASSWORD, Person, links_in, operator, person, words
from tests.support.world import World

pytestmark = pytest.mark.anyio

TOKEN: Final = re.compile("cmt_[0-9A-Za-z]{49}")


def page_of(party: UUID) -> str:
    return f"/console/parties/{show('pty', party)}"


async def user_of(world: World, who: Person) -> UserView:
    user = await world.application.database.read(partial(users.find_user, text=who.email))
    found = await world.application.database.read(partial(user_by_id, user=user.id))
    assert found
    return found


async def page_of_user(world: World, who: Person) -> str:
    return f"/console/users/{show('usr', (await user_of(world, who)).id)}"


async def audited(world: World, target: UUID) -> list[str]:
    entries = await world.application.database.read(partial(list_entries, wanted=AuditFilter(target=target)))
    return sorted(each.action for each in entries)


async def works(world: World, secret: str) -> bool:
    async with world.client() as client:
        reply = await client.get("/v1/me", headers={"authorization": f"Bearer {secret}"})
    return reply.status_code == 200


def wrong_fields(reply: httpx2.Response) -> list[str]:
    return re.findall('id="([a-z]+)-wrong"', reply.text)


# Parties


async def test_a_party_is_added_renamed_deactivated_and_activated(world: World) -> None:
    who = await operator(world)
    assert "/console/parties/add" in links_in(await who.look("/console/parties"))
    for form, field, status in (
        ({"name": "", "kind": "retailer"}, "name", 422),
        ({"name": "x" * 256, "kind": "retailer"}, "name", 422),
        ({"name": "Nordic", "kind": "platform"}, "kind", 422),
        ({"name": "Nordic"}, "kind", 422),
        ({"name": "supplier", "kind": "supplier"}, "name", 409),
    ):
        reply = await who.post("/console/parties/add", form)
        assert (reply.status_code, wrong_fields(reply)) == (status, [field]), form
        assert f'value="{form["name"]}"' in reply.text
    made = await who.post("/console/parties/add", {"name": "Nordic", "kind": "supplier"})
    told = await who.look(made.headers["location"])
    assert "The party is added." in words(told)
    path = made.headers["location"].partition("?")[0]
    reply = await who.fill_in(f"{path}/rename", name="Nordic Goods")
    assert "The party has another name." in words(await who.look(reply.headers["location"]))
    taken = await who.post(f"{path}/rename", {"seen": "Nordic Goods", "name": "supplier"})
    assert (taken.status_code, wrong_fields(taken)) == (409, ["name"])
    late = await who.post(f"{path}/rename", {"seen": "Nordic", "name": "Northern"})
    assert "Somebody else has renamed it to Nordic Goods." in words(late)
    assert (await who.post(f"{path}/deactivate", {"note": " "})).status_code == 422
    reply = await who.fill_in(f"{path}/deactivate", note="The contract has ended.")
    assert "The party is deactivated." in words(await who.look(reply.headers["location"]))
    assert "Nordic Goods" in words(await who.look("/console/parties?status=deactivated"))
    assert "Nordic Goods" not in words(await who.look("/console/parties?status=active"))
    reply = await who.post(f"{path}/activate", {})
    assert "The party is active again." in words(await who.look(reply.headers["location"]))
    party = UUID(path.rpartition("_")[2])
    assert await audited(world, party) == ["party.activated", "party.added", "party.deactivated", "party.renamed"]


async def test_what_waits_for_a_party_that_leaves_waits_for_an_operator(world: World) -> None:
    one = await asked(world)
    who = await operator(world)
    page = await who.look(f"{page_of(world.supplier)}/deactivate")
    assert "1 ask waits for its answer. They go to an operator." in words(page)
    await who.post(f"{page_of(world.supplier)}/deactivate", {"note": "It has closed."})
    waiting = CancellationFilter(escalated=True)
    scope = world.scope(world.retailer)
    found = await world.application.database.read(partial(list_cancellations, scope=scope, wanted=waiting))
    assert [each.id for each in found] == [one.cancellation]


async def test_the_platform_stays(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    path = f"/console/parties/{show('pty', UUID(int=1))}"
    assert f"{path}/deactivate" not in links_in(await who.look(path))
    reply = await who.post(f"{path}/deactivate", {"note": "x"})
    assert (reply.status_code, "The platform cannot leave." in reply.text) == (409, True)


async def test_a_party_has_its_people_and_its_tokens_and_no_secret(world: World) -> None:
    who = await operator(world)
    nadia = await person(world, world.supplier, name="Nadia")
    path = page_of(world.supplier)
    assert path in links_in(await who.look("/console/parties?q=SUPP"))
    for each in (who, nadia):
        page = await each.look(path)
        assert "Nadia" in words(page)
        assert nadia.email in words(page)
        assert "Counts test" in words(page)
        assert nadia.secret not in page.text
        assert world.tokens[world.supplier] not in page.text
    own = await nadia.look("/console/parties")
    assert own.headers["location"] == path


async def test_people_are_shown_to_those_who_manage_them(sqlite_world: World) -> None:
    viewer = await person(sqlite_world, sqlite_world.supplier, permissions=["view_order"])
    page = await viewer.look(page_of(sqlite_world.supplier))
    assert page.status_code == 200
    assert viewer.email not in words(page)
    assert "lacks the permission manage access" in words(page)


# People


@pytest.mark.parametrize("by", ["operator", "manager"])
async def test_a_person_is_added_given_a_role_disabled_and_enabled(world: World, by: str) -> None:
    for party, kind in ((world.retailer, PartyKind.RETAILER), (world.supplier, PartyKind.SUPPLIER)):
        who = await operator(world) if by == "operator" else await person(world, party)
        path = page_of(party)
        form = {"name": "Mila", "email": f"{party.hex}@example.com", "password": "a first password", "role": "support"}
        for field, wrong in (("email", "nobody"), ("email", who.email), ("password", "short")):
            reply = await who.post(f"{path}/users/add", {**form, field: wrong})
            assert (reply.status_code in (409, 422), wrong_fields(reply)) == (True, [field])
            assert "a first password" not in reply.text
        wrongs: list[dict[str, Any]] = [{"permission": ["manage_refunds"]}, {"permission": []}, {"role": "king"}]
        for chosen in wrongs:
            reply = await who.post(f"{path}/users/add", {**form, "role": "chosen", **chosen})
            assert (reply.status_code, wrong_fields(reply)) == (422, ["permission"]), chosen
        reply = await who.post(f"{path}/users/add", form)
        page = reply.headers["location"].partition("?")[0]
        assert "The person is added." in words(await who.look(reply.headers["location"]))
        user = UUID(page.rpartition("_")[2])
        assert page in links_in(await who.look(path))
        reply = await who.fill_in(f"{page}/edit", name="Mila Novak", role="viewer")
        assert "Viewer of" in words(await who.look(reply.headers["location"]))
        reply = await who.fill_in(f"{page}/edit", name="Mila Novak", role="manager")
        row = await world.application.database.read(partial(user_by_id, user=user))
        assert row
        assert (row.name, set(row.permissions)) == ("Mila Novak", set(PERMISSIONS[kind]))
        for act, said in (("disable", "is disabled"), ("enable", "can log in again"), ("logout", "have ended")):
            reply = await who.post(f"{page}/{act}", {})
            assert said in words(await who.look(reply.headers["location"])), act
        trail = ["added", "changed", "changed", "disabled", "enabled", "logged_out"]
        assert await audited(world, user) == [f"user.{each}" for each in trail]


async def test_a_page_that_is_out_of_date_changes_nothing(sqlite_world: World) -> None:
    who, mila = await operator(sqlite_world), await person(sqlite_world, sqlite_world.retailer, name="Mila")
    page = await page_of_user(sqlite_world, mila)
    form = await who.look(f"{page}/edit")
    seen = re.search('name="seen" value="([0-9a-f]+)"', form.text)
    assert seen
    first = await who.post(f"{page}/edit", {"seen": seen[1], "name": "Mila N", "role": "viewer"})
    assert first.status_code == 303
    late = await who.post(f"{page}/edit", {"seen": seen[1], "name": "Mila N", "role": "manager"})
    assert (late.status_code, "Somebody else has changed this person meanwhile." in words(late)) == (422, True)
    assert list((await user_of(sqlite_world, mila)).permissions) == ["view_order"]


async def test_a_lost_password_is_replaced_and_the_person_logs_in_anew(world: World) -> None:
    who, mila = await operator(world), await person(world, world.retailer, name="Mila")
    page = await page_of_user(world, mila)
    world.clock.advance(minutes=20)
    form = {"new": "a second password"}
    for given, field in (({"new": "short"}, "new"), ({}, "password"), ({"password": "wrong"}, "password")):
        reply = await who.post(f"{page}/password", {**form, **given})
        assert (reply.status_code, wrong_fields(reply)) == (422, [field]), given
        assert "a second password" not in reply.text
    reply = await who.post(f"{page}/password", {**form, "password": PASSWORD})
    assert reply.status_code == 303
    assert (await mila.look("/console/")).status_code == 303
    async with world.client() as client:
        for password, status in ((PASSWORD, 401), ("a second password", 303)):
            reply = await client.post(
                "/console/login",
                content=f"email={mila.email}&password={password}".replace(" ", "+"),
                headers={"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"},
            )
            assert reply.status_code == status


async def test_nobody_changes_what_they_may_do_themselves(sqlite_world: World) -> None:
    who = await person(sqlite_world, sqlite_world.retailer, permissions=["manage_access", "view_order"])
    page = await page_of_user(sqlite_world, who)
    assert (await who.post(f"{page}/disable", {})).status_code == 409
    assert (await who.look(f"{page}/password")).status_code == 409
    assert (await who.post(f"{page}/password", {"new": "another password"})).status_code == 409
    reply = await who.fill_in(f"{page}/edit", name="Ada L", role="manager")
    assert reply.status_code == 303
    row = await user_of(sqlite_world, who)
    assert (row.name, sorted(row.permissions)) == ("Ada L", ["manage_access", "view_order"])


async def test_nobody_gives_more_than_it_has(sqlite_world: World) -> None:
    held = ["view_order", Permission.MANAGE_ACCESS.value]
    who = await operator(sqlite_world, permissions=held)
    path = page_of(sqlite_world.retailer)
    for chosen in ({"permission": ["view_order", "cancel_order"]}, {"role": "manager"}):
        reply = await who.post(f"{path}/tokens/add", {"label": "x", **chosen})
        assert (reply.status_code, "You can give only what you may do yourself" in words(reply)) == (422, True)
    for of_bol in ("keys", "clients"):
        reply = await who.post(f"{path}/{of_bol}/add", {"label": "x"})
        assert (reply.status_code, "Your user lacks" in words(reply)) == (422, True), of_bol
    mila = await person(sqlite_world, sqlite_world.retailer, name="Mila")
    page = await page_of_user(sqlite_world, mila)
    reply = await who.post(f"{page}/password", {"new": "a second password"})
    assert (reply.status_code, "may do more than you" in words(reply)) == (403, True)
    before = sorted((await user_of(sqlite_world, mila)).permissions)
    # What the person has beyond the visitor is left.
    assert (await who.fill_in(f"{page}/edit", name="M", permission=["view_order"])).status_code == 303
    after = sorted((await user_of(sqlite_world, mila)).permissions)
    assert after == sorted(set(before) - {"manage_access"})


async def test_managers_reach_their_own_people_only(sqlite_world: World) -> None:
    who = await person(sqlite_world, sqlite_world.retailer)
    theirs = await person(sqlite_world, sqlite_world.other_retailer, name="Foreign")
    page = await page_of_user(sqlite_world, theirs)
    other = page_of(sqlite_world.other_retailer)
    for path in (page, f"{page}/edit", f"{page}/password", f"{other}/users/add", f"{other}/tokens/add"):
        assert (await who.look(path)).status_code == 404, path
    for path in (f"{page}/disable", f"{page}/logout", f"{page}/edit", f"{other}/keys/add"):
        assert (await who.post(path, {"label": "x", "name": "x"})).status_code == 404, path
    assert (await theirs.look("/console/")).status_code == 200
    for path in ("/console/parties/add", f"{page_of(sqlite_world.retailer)}/rename"):
        assert (await who.look(path)).status_code == 403, path


@pytest.mark.parametrize("kind", PartyKind)
@pytest.mark.parametrize("role", Role)
def test_a_role_is_within_what_its_kind_of_party_can_have(kind: PartyKind, role: Role) -> None:
    permissions = permissions_of(role, kind)
    assert permissions <= PERMISSIONS[kind]
    assert role_of([each.value for each in permissions], kind) is role
    assert role_of([], kind) is None


# Tokens and keys


async def test_a_token_is_shown_once_and_ends_when_it_is_revoked(world: World) -> None:
    who = await person(world, world.supplier)
    path = page_of(world.supplier)
    form = {"label": "the warehouse", "permission": ["view_order"], "days": "30"}
    for field, wrong in (("label", " "), ("days", "0"), ("days", "x"), ("permission", "create_order")):
        reply = await who.post(f"{path}/tokens/add", {**form, field: wrong})
        assert (reply.status_code, wrong_fields(reply) in ([], [field])) == (422, True), field
        assert f"{field}-wrong" in reply.text
    made = await who.post(f"{path}/tokens/add", form)
    token = TOKEN.search(made.text)
    assert token
    page = await who.look(path)
    assert "cmt_" not in page.text
    assert await works(world, token[0])
    revoke = re.search(r'(/console/credentials/crd_[0-9a-f]+/revoke)">Revoke…<span[^>]*> the ware', page.text)
    assert revoke
    assert "Revoke the warehouse" in words(await who.look(revoke[1]))
    reply = await who.post(revoke[1], {})
    assert "It is revoked." in words(await who.look(reply.headers["location"]))
    assert not await works(world, token[0])
    assert (await who.look(revoke[1])).status_code == 409


@pytest.mark.parametrize(("old", "counts"), [("keep", True), ("revoke", False)])
async def test_a_token_is_replaced_by_one_that_may_the_same(world: World, old: str, counts: bool) -> None:
    who = await person(world, world.supplier)
    made = await who.post(f"{page_of(world.supplier)}/tokens/add", {"label": "the van", "role": "viewer", "days": "30"})
    first = TOKEN.search(made.text)
    assert first
    page = await who.look(page_of(world.supplier))
    link = re.search(r'(/console/credentials/crd_[0-9a-f]+)/replace">Replace…<span[^>]*> the van', page.text)
    assert link
    world.clock.advance(days=10)
    who = await person(world, world.supplier)
    reply = await who.post(f"{link[1]}/replace", {"old": old})
    second = TOKEN.search(reply.text)
    assert second
    assert second[0] != first[0]
    assert await works(world, second[0])
    assert await works(world, first[0]) is counts
    # The successor lasts as long as the first one was made for.
    world.clock.advance(days=25)
    assert await works(world, second[0])
    world.clock.advance(days=6)
    assert not await works(world, second[0])


async def test_a_secret_needs_the_password_again(sqlite_world: World) -> None:
    who = await person(sqlite_world, sqlite_world.retailer)
    path = page_of(sqlite_world.retailer)
    tried: dict[str, dict[str, str]] = {
        "tokens/add": {"label": "x", "role": "viewer"},
        "keys/add": {"label": "x"},
        "clients/add": {"label": "x"},
    }
    for action, form in tried.items():
        sqlite_world.clock.advance(minutes=20)
        assert 'id="password"' in (await who.look(f"{path}/{action}")).text
        for password in ("", "wrong"):
            reply = await who.post(f"{path}/{action}", {**form, "password": password})
            assert (reply.status_code, wrong_fields(reply)) == (422, ["password"]), action
            assert "cmp" not in reply.text
    reply = await who.post(f"{path}/tokens/add", {"label": "x", "role": "viewer", "password": PASSWORD})
    assert TOKEN.search(reply.text)
    assert "set-cookie" in reply.headers


async def test_plaza_keys_are_made_replaced_and_never_more_than_two(world: World) -> None:
    who = await person(world, world.retailer)
    path = page_of(world.retailer)
    made = await who.post(f"{path}/keys/add", {"label": "the shop"})
    assert (made.status_code, "cmps_" in made.text, "cmp_" in made.text) == (200, True, True)
    page = await who.look(path)
    assert ("cmps_" in page.text, "cmp_" in page.text) == (False, True)
    link = re.search(r'(/console/credentials/crd_[0-9a-f]+)/replace">Replace…<span[^>]*> the shop', page.text)
    assert link
    assert "cmps_" in (await who.post(f"{link[1]}/replace", {"old": "keep"})).text
    full = await who.look(f"{path}/keys/add")
    assert "2 are valid already. Revoke one first." in words(full)
    assert (await who.post(f"{path}/keys/add", {"label": "x"})).status_code == 409
    reply = await who.post(f"{link[1]}/replace", {"old": "keep"})
    assert (reply.status_code, wrong_fields(reply)) == (409, ["old"])
    assert "cmps_" in (await who.post(f"{link[1]}/replace", {"old": "revoke"})).text
    supplier = await operator(world)
    assert (await supplier.look(f"{page_of(world.supplier)}/keys/add")).status_code == 409


async def log_in_as(world: World, client: str, secret: str) -> int:
    """The status of a log-in to the Retailer API by these two."""
    async with world.client() as calls:
        body = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        return (await calls.post("/token", data=body)).status_code


async def test_a_client_of_the_retailer_api_is_shown_once_replaced_and_revoked(world: World) -> None:
    who = await person(world, world.retailer)
    path = page_of(world.retailer)
    assert f"{path}/clients/add" in links_in(await who.look(path))
    made = await who.post(f"{path}/clients/add", {"label": "the shop"})
    secret = re.search(r"cmc_\w+", made.text)
    client = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", words(made))
    assert secret
    assert client
    assert "Client secret is shown this once." in words(made)
    assert await log_in_as(world, client[0], secret[0]) == 200
    page = await who.look(path)
    assert ("cmc_" in page.text, client[0] in page.text) == (False, True)
    assert "1 is valid already." in words(await who.look(f"{path}/clients/add"))
    link = re.search(r'(/console/credentials/crd_[0-9a-f]+)/replace">Replace…<span[^>]*> the shop', page.text)
    assert link
    assert "A new client is made" in words(await who.look(f"{link[1]}/replace"))
    successor = re.search(r"cmc_\w+", (await who.post(f"{link[1]}/replace", {"old": "keep"})).text)
    assert successor
    assert successor[0] != secret[0]
    assert await log_in_as(world, client[0], secret[0]) == 200
    assert (await who.post(f"{link[1]}/revoke", {})).status_code == 303
    world.clock.advance(minutes=1)
    assert await log_in_as(world, client[0], secret[0]) == 401
    by = await operator(world)
    assert (await by.look(f"{page_of(world.supplier)}/clients/add")).status_code == 409
