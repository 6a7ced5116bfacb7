"""/v1/parties, /v1/users, /v1/credentials and /v1/audit: who sees and manages whom, and gives no more than it has."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from countermand.admin.callers import PERMISSIONS, PLATFORM, Permission
from countermand.domain.parties import PartyKind
from countermand.store.engines.protocol import UnavailableError
from countermand.wire import auth
from tests.wire.native.calling import PATH, Native, new_retailer, places

pytestmark = pytest.mark.anyio

ALL = sorted(Permission)


async def platform(native: Native, *permissions: Permission) -> str:
    return await native.token(PLATFORM, permissions=permissions or None)


async def ok(native: Native, method: str, path: str, who: UUID | str, body: Any = None, **more: Any) -> Any:
    if method != "GET":
        # Ids sort by the millisecond in which they were made.
        native.world.clock.advance(milliseconds=1)
    response = await native.call(method, path, who, body, **more)
    assert response.status_code < 300, response.text
    return response.json()


async def refused(native: Native, method: str, path: str, who: UUID | str, body: Any = None, **more: Any) -> Any:
    response = await native.call(method, path, who, body, **more)
    assert response.status_code >= 400, response.text
    return response.status_code, response.json()["code"]


def fresh() -> str:
    return f"Shop {uuid4().hex}"


# Parties


async def test_a_party_is_added_renamed_and_leaves(native: Native) -> None:
    operator = await platform(native)
    name, other = fresh(), fresh()
    made = await native.call("POST", "/v1/parties", operator, {"kind": "supplier", "name": name})
    party = made.json()
    assert (made.status_code, made.headers["location"]) == (201, f"/v1/parties/{party['id']}")
    assert party.keys() == {"id", "number", "kind", "name", "status", "created_at"}
    assert (party["kind"], party["name"], party["status"]) == ("supplier", name, "active")
    path = f"/v1/parties/{party['id']}"
    shown = await native.call("GET", path, operator)
    assert (shown.json(), shown.headers["etag"]) == (party, made.headers["etag"])
    assert await refused(native, "PATCH", path, operator, {"name": other}) == (428, "if_match_needed")
    stale = await native.call("PATCH", path, operator, {"name": other}, headers={"If-Match": '"old"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "etag_mismatch")
    assert stale.headers["etag"] == shown.headers["etag"]
    native.world.clock.advance(milliseconds=1)
    renamed = await native.call("PATCH", path, operator, {"name": other}, headers={"If-Match": stale.headers["etag"]})
    assert (renamed.status_code, renamed.json()) == (200, {**party, "name": other})
    assert renamed.headers["etag"] == (await native.call("GET", path, operator)).headers["etag"]
    again = await native.call("PATCH", path, operator, {"name": name}, headers={"If-Match": stale.headers["etag"]})
    assert again.status_code == 412
    gone = await ok(native, "POST", f"{path}/deactivate", operator, {"note": "bankrupt"})
    assert gone["status"] == "deactivated"
    assert await ok(native, "POST", f"{path}/deactivate", operator, {"note": "bankrupt"}) == gone
    assert (await ok(native, "POST", f"{path}/activate", operator))["status"] == "active"
    trail = await ok(native, "GET", f"/v1/audit?object={party['id']}", operator)
    assert [each["action"] for each in trail["audit"]] == [
        *("party.activated", "party.deactivated", "party.renamed", "party.added")
    ]
    assert trail["audit"][1]["detail"] == {"note": "bankrupt"}
    assert trail["audit"][0]["request_id"] == "call-of-a-test"
    assert {(each["party"], each["object"]) for each in trail["audit"]} == {
        (party["id"], f"pty_{UUID(party['id']).hex}")
    }


async def test_what_waits_for_a_party_that_leaves_goes_to_the_platform(native: Native) -> None:
    stranger = await new_retailer(native.world, native.http)
    (made,) = await stranger.asked({"line": str(await stranger.line(2)), "units": 1})
    assert made["awaiting"] == str(stranger.retailer)
    operator = await platform(native)
    key = native.keyed("leave")
    path = f"/v1/parties/{stranger.retailer}/deactivate"
    first = await native.call("POST", path, operator, {"note": "gone"}, headers=key)
    assert first.status_code == 200
    shown = await ok(native, "GET", f"{PATH}/{made['id']}", operator)
    assert (shown["awaiting"], shown["escalated"]) == (None, True)
    again = await native.call("POST", path, operator, {"note": "gone"}, headers=key)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert await refused(native, "GET", "/v1/me", stranger.retailer) == (401, "unauthenticated")


async def test_the_platform_stays(sqlite_native: Native) -> None:
    path = f"/v1/parties/{PLATFORM}/deactivate"
    assert await refused(sqlite_native, "POST", path, await platform(sqlite_native), {"note": "x"}) == (
        403,
        "forbidden",
    )


async def test_a_name_belongs_to_one_party(native: Native) -> None:
    operator, name = await platform(native), fresh()
    twins = await asyncio.gather(
        *(native.call("POST", "/v1/parties", operator, {"kind": "retailer", "name": name}) for _ in range(4))
    )
    assert sorted(each.status_code for each in twins) == [201, 409, 409, 409]
    assert {each.json()["code"] for each in twins if each.status_code == 409} == {"name_taken"}
    other = await ok(native, "POST", "/v1/parties", operator, {"kind": "retailer", "name": fresh()})
    taken = await refused(
        native, "PATCH", f"/v1/parties/{other['id']}", operator, {"name": name}, headers={"If-Match": "*"}
    )
    assert taken == (409, "name_taken")


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "shop", "name": "x"},
        {"kind": "retailer"},
        {"name": "x"},
        {"kind": "retailer", "name": ""},
        {"kind": "retailer", "name": " x"},
        {"kind": "retailer", "name": "x" * 256},
        {"kind": "retailer", "name": "a\x00b"},
        {"kind": "retailer", "name": None},
        {"kind": "retailer", "name": "x", "more": 1},
    ],
)
async def test_a_party_that_makes_no_sense(sqlite_native: Native, body: Any) -> None:
    operator = await platform(sqlite_native)
    assert await refused(sqlite_native, "POST", "/v1/parties", operator, body) == (422, "invalid")


async def test_a_party_sees_itself_and_its_partners(native: Native) -> None:
    stranger = await new_retailer(native.world, native.http)
    await native.line()
    world = native.world
    mine = await ok(native, "GET", "/v1/parties", native.retailer)
    assert {each["id"] for each in mine["parties"]} == {str(native.retailer), str(world.supplier)}
    for who in (native.retailer, world.supplier):
        assert (await ok(native, "GET", f"/v1/parties/{native.retailer}", who))["kind"] == "retailer"
    for unseen in (stranger.retailer, world.other_supplier, uuid4(), "nonsense", PLATFORM):
        assert await refused(native, "GET", f"/v1/parties/{unseen}", native.retailer) == (404, "unknown_party")
    assert await refused(native, "GET", f"/v1/parties/{stranger.retailer}", world.supplier) == (404, "unknown_party")


async def test_parties_are_listed_in_pages_and_found(native: Native) -> None:
    operator, begin = await platform(native), f"Zz{uuid4().hex[:8]}"
    made = [
        await ok(native, "POST", "/v1/parties", operator, {"kind": kind, "name": f"{begin} {kind} {at}"})
        for at, kind in enumerate(("retailer", "supplier", "supplier"))
    ]
    newest = [each["id"] for each in reversed(made)]
    first = await ok(native, "GET", f"/v1/parties?q={begin.upper()}&limit=2", operator)
    assert [each["id"] for each in first["parties"]] == newest[:2]
    rest = await ok(native, "GET", f"/v1/parties?q={begin}&limit=2&after={first['next']}", operator)
    assert ([each["id"] for each in rest["parties"]], rest["next"]) == (newest[2:], None)
    for query, count in (
        ("kind=supplier", 2),
        ("status=active", 3),
        ("status=deactivated", 0),
        ("since=2027-01-01", 0),
    ):
        found = await ok(native, "GET", f"/v1/parties?q={begin}&{query}", operator)
        assert len(found["parties"]) == count, query
    assert await refused(native, "GET", "/v1/parties?after=x", operator) == (422, "invalid")


# Users


def person(**more: Any) -> dict[str, Any]:
    return {"email": f"{uuid4().hex}@shop.example", "name": "Ann", **more}


async def test_a_retailer_manages_its_users(native: Native) -> None:
    made = await native.call("POST", "/v1/users", native.retailer, person(password="a long password"))
    user = made.json()
    assert (made.status_code, made.headers["location"]) == (201, f"/v1/users/{user['id']}")
    assert user["party"]["id"] == str(native.retailer)
    assert user["permissions"] == sorted(PERMISSIONS[PartyKind.RETAILER])
    assert (user["status"], user["last_login_at"]) == ("active", None)
    path = f"/v1/users/{user['id']}"
    assert await ok(native, "GET", path, native.retailer) == user
    assert (await ok(native, "GET", "/v1/users", native.retailer))["users"] == [user]
    assert (await ok(native, "GET", f"/v1/users?q={user['email'][:9].upper()}", native.retailer))["users"] == [user]
    assert (await ok(native, "GET", "/v1/users?status=disabled", native.retailer))["users"] == []
    assert await refused(native, "PATCH", path, native.retailer, {"name": "Bo"}) == (428, "if_match_needed")
    change = {"name": "Bo", "permissions": ["view_order"], "status": "disabled"}
    changed = await native.call("PATCH", path, native.retailer, change, headers={"If-Match": made.headers["etag"]})
    assert changed.status_code == 200, changed.text
    assert changed.json() == {**user, "name": "Bo", "permissions": ["view_order"], "status": "disabled"}
    stale = await native.call("PATCH", path, native.retailer, change, headers={"If-Match": made.headers["etag"]})
    assert (stale.status_code, stale.headers["etag"]) == (412, changed.headers["etag"])
    twice = await refused(native, "POST", "/v1/users", native.retailer, person(email=user["email"].upper()))
    assert twice == (409, "name_taken")


async def test_users_of_others_are_not_there(native: Native) -> None:
    stranger = await new_retailer(native.world, native.http)
    theirs = await ok(native, "POST", "/v1/users", stranger.retailer, person())
    anyones = {"If-Match": "*"}
    for named in (theirs["id"], f"usr_{uuid4().hex}", "nonsense"):
        path, unknown = f"/v1/users/{named}", (404, "unknown_user")
        assert await refused(native, "GET", path, native.retailer) == unknown
        assert await refused(native, "PATCH", path, native.retailer, {"name": "x"}, headers=anyones) == unknown
        assert await refused(native, "POST", f"{path}/end_sessions", native.retailer) == unknown
    for path, body in (("/v1/users", person()), ("/v1/credentials", {"kind": "token"})):
        for party in (str(stranger.retailer), str(uuid4()), "nobody"):
            foreign = await refused(native, "POST", path, native.retailer, {**body, "party": party})
            assert foreign == (403, "wrong_party")
            assert await refused(native, "GET", f"{path}?party={party}", native.retailer) == (403, "wrong_party")
        assert (await ok(native, "POST", path, native.retailer, {**body, "party": str(native.retailer)}))["id"]
    operator = await platform(native)
    assert await refused(native, "POST", "/v1/users", operator, person(party="nobody")) == (404, "unknown_party")
    found = await ok(native, "GET", f"/v1/users?party={stranger.retailer}", operator)
    assert [each["id"] for each in found["users"]] == [theirs["id"]]
    assert (await ok(native, "GET", f"/v1/users?party={uuid4()}", operator))["users"] == []


async def test_nobody_gives_more_than_it_has(native: Native) -> None:
    held = [Permission.MANAGE_ACCESS, Permission.VIEW_ORDER]
    desk = await native.token(native.retailer, permissions=held)
    usual = await ok(native, "POST", "/v1/users", desk, person())
    assert usual["permissions"] == sorted(held)
    token = await ok(native, "POST", "/v1/credentials", desk, {"kind": "token"})
    assert token["permissions"] == sorted(held)
    more = {"permissions": ["view_order", "cancel_order"]}
    forbidden = (403, "forbidden")
    assert await refused(native, "POST", "/v1/users", desk, person(**more)) == forbidden
    assert await refused(native, "POST", "/v1/credentials", desk, {"kind": "token", **more}) == forbidden
    assert await refused(native, "POST", "/v1/credentials", desk, {"kind": "plaza_key"}) == forbidden
    path, anyones = f"/v1/users/{usual['id']}", {"If-Match": "*"}
    assert await refused(native, "PATCH", path, desk, more, headers=anyones) == forbidden
    boss = await ok(native, "POST", "/v1/users", native.retailer, person(**more))
    path = f"/v1/users/{boss['id']}"
    # Whoever sets the password of somebody with more can log in as them.
    assert await refused(native, "PATCH", path, desk, {"password": "a long password"}, headers=anyones) == forbidden
    kept = await ok(native, "PATCH", path, desk, {"permissions": ["cancel_order"]}, headers=anyones)
    assert kept["permissions"] == ["cancel_order"], "what the user has already is not given"
    impossible = {"permissions": ["manage_refunds"]}
    assert await refused(native, "POST", "/v1/users", native.retailer, person(**impossible)) == forbidden
    operator = await platform(native)
    beyond = await refused(native, "POST", "/v1/users", operator, person(party=str(native.retailer), **impossible))
    assert beyond == (422, "invalid"), "its kind of party cannot have it"


@pytest.mark.parametrize("how", ["password", "disabled", "end_sessions"])
async def test_sessions_end(native: Native, how: str) -> None:
    user = await ok(native, "POST", "/v1/users", native.retailer, person(password="a long password"))
    token = await native.token(native.retailer, user=UUID(user["id"].removeprefix("usr_")))
    assert (await ok(native, "GET", f"/v1/users/{user['id']}", native.retailer))["last_login_at"]
    assert (await ok(native, "GET", "/v1/me", token))["user"]["email"] == user["email"]
    path, anyones = f"/v1/users/{user['id']}", {"If-Match": "*"}
    if how == "end_sessions":
        await ok(native, "POST", f"{path}/end_sessions", native.retailer)
    else:
        change = {"password": "another password"} if how == "password" else {"status": "disabled"}
        await ok(native, "PATCH", path, native.retailer, change, headers=anyones)
    assert await refused(native, "GET", "/v1/me", token) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"email": "nobody"}, ["email"]),
        ({"email": "a b@c"}, ["email"]),
        ({"password": "short"}, ["password"]),
        ({"password": "x" * 201}, ["password"]),
        ({"password": "bad \ud800 password"}, ["password"]),
        ({"permissions": ["everything"]}, ["permissions", 0]),
        ({"permissions": "view_order"}, ["permissions"]),
        ({"name": None}, ["name"]),
        ({"party": 7}, ["party"]),
        ({"status": "active"}, ["status"]),
    ],
)
async def test_a_user_that_makes_no_sense(sqlite_native: Native, more: dict[str, Any], place: list[str | int]) -> None:
    import json

    body = json.dumps(person() | more).encode()
    response = await sqlite_native.call("POST", "/v1/users", sqlite_native.retailer, content=body)
    assert (response.status_code, response.json()["code"]) == (422, "invalid"), response.text
    assert places(response) == [["body", *place]]


async def test_all_that_is_wrong_is_told_at_once(sqlite_native: Native) -> None:
    wrong = {"email": "x", "password": "y", "more": 1}
    response = await sqlite_native.call("POST", "/v1/users", sqlite_native.retailer, wrong)
    assert sorted(places(response)) == [["body", "email"], ["body", "more"], ["body", "password"]]


async def test_a_password_is_not_kept_under_a_key(native: Native) -> None:
    body, key = person(password="a long password"), native.keyed("user")
    first = await native.call("POST", "/v1/users", native.retailer, body, headers=key)
    again = await native.call("POST", "/v1/users", native.retailer, body, headers=key)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    other = {**body, "password": "another password"}
    reused = await native.call("POST", "/v1/users", native.retailer, other, headers=key)
    assert (reused.json()["code"], reused.json()["differs"]) == ("key_reused", ["/password"])


# Credentials


async def test_a_token_is_made_used_and_revoked(native: Native) -> None:
    native.world.clock.advance(minutes=1)
    wish = {"kind": "token", "label": "ERP", "permissions": ["view_order"], "expires_at": "2026-12-31T00:00:00Z"}
    made = await native.call("POST", "/v1/credentials", native.retailer, wish, headers=native.keyed("made"))
    token = made.json()
    secret = token.pop("secret")
    assert (made.status_code, made.headers["location"]) == (201, f"/v1/credentials/{token['id']}")
    assert made.headers["cache-control"] == "no-store"
    assert (token["kind"], token["label"], token["status"]) == ("token", "ERP", "active")
    assert (token["permissions"], token["public"]) == (["view_order"], None)
    assert (await ok(native, "GET", "/v1/me", secret))["credential"] == token["id"]
    again = await native.call("POST", "/v1/credentials", native.retailer, wish, headers=native.keyed("made"))
    assert again.json() == {**token, "secret": None}
    path = f"/v1/credentials/{token['id']}"
    await native.world.application.uses.settle()
    shown = await ok(native, "GET", path, native.retailer)
    assert shown.pop("last_used_at") is not None
    assert shown == {name: value for name, value in token.items() if name != "last_used_at"}
    listed = (await ok(native, "GET", "/v1/credentials?kind=token", native.retailer))["credentials"]
    assert {**shown, "last_used_at": listed[0]["last_used_at"]} in listed
    assert secret not in str(listed)
    revoked = await ok(native, "POST", f"{path}/revoke", native.retailer, {"note": "lost"})
    assert (revoked["status"], revoked["revoked_at"] is not None) == ("revoked", True)
    assert await ok(native, "POST", f"{path}/revoke", native.retailer) == revoked
    assert await refused(native, "GET", "/v1/me", secret) == (401, "unauthenticated")
    for status, count in (("revoked", 1), ("expired", 0)):
        found = await ok(native, "GET", f"/v1/credentials?status={status}", native.retailer)
        assert len(found["credentials"]) == count
    stranger = await new_retailer(native.world, native.http)
    for named in (token["id"], f"crd_{uuid4().hex}", "nonsense"):
        path, unknown = f"/v1/credentials/{named}", (404, "unknown_credential")
        assert await refused(native, "GET", path, stranger.retailer) == unknown
        assert await refused(native, "POST", f"{path}/revoke", stranger.retailer) == unknown


async def test_plaza_keys_are_a_retailers_and_two(native: Native) -> None:
    made = [await ok(native, "POST", "/v1/credentials", native.retailer, {"kind": "plaza_key"}) for _ in range(2)]
    assert all(each["public"].startswith("cmp_") and each["secret"].startswith("cmps_") for each in made)
    third = await refused(native, "POST", "/v1/credentials", native.retailer, {"kind": "plaza_key"})
    assert third == (409, "limit_reached")
    supplier = await refused(native, "POST", "/v1/credentials", native.world.supplier, {"kind": "plaza_key"})
    assert supplier == (422, "invalid")


async def test_an_oauth_client_is_a_retailers_and_gets_access_tokens(native: Native) -> None:
    made = await ok(native, "POST", "/v1/credentials", native.retailer, {"kind": "oauth_client", "label": "shop"})
    assert made["secret"].startswith("cmc_")
    shown = await ok(native, "GET", f"/v1/credentials/{made['id']}", native.retailer)
    assert (shown["public"], shown["label"]) == (made["public"], "shop")
    listed = await ok(native, "GET", "/v1/credentials?kind=oauth_client", native.retailer)
    assert made["id"] in [each["id"] for each in listed["credentials"]]

    async def token() -> int:
        auth = (made["public"], made["secret"])
        return (await native.http.post("/token?grant_type=client_credentials", auth=auth)).status_code

    assert await token() == 200
    await ok(native, "POST", f"/v1/credentials/{made['id']}/revoke", native.retailer)
    assert await token() == 401
    supplier = await refused(native, "POST", "/v1/credentials", native.world.supplier, {"kind": "oauth_client"})
    assert supplier == (422, "invalid")


@pytest.mark.parametrize(
    "more",
    [
        {"kind": "password"},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "soon"},
        {"label": "a\nb"},
        {"kind": "plaza_key", "permissions": ["view_order"]},
        {"kind": "plaza_key", "expires_at": "2026-12-31T00:00:00Z"},
        {"kind": "oauth_client", "permissions": ["view_order"]},
        {"kind": "oauth_client", "expires_at": "2026-12-31T00:00:00Z"},
    ],
)
async def test_a_credential_that_makes_no_sense(sqlite_native: Native, more: dict[str, Any]) -> None:
    wish = {"kind": "token", **more}
    found = await refused(sqlite_native, "POST", "/v1/credentials", sqlite_native.retailer, wish)
    assert found == (422, "invalid")


# The audit trail


async def test_the_audit_trail_is_filtered(native: Native) -> None:
    user = await ok(native, "POST", "/v1/users", native.retailer, person())
    await ok(native, "POST", "/v1/credentials", native.retailer, {"kind": "token"})
    operator = await platform(native)
    trail = await ok(native, "GET", f"/v1/audit?party={native.retailer}&limit=1", operator)
    assert [each["action"] for each in trail["audit"]] == ["credential.created"]
    rest = await ok(native, "GET", f"/v1/audit?party={native.retailer}&limit=1&after={trail['next']}", operator)
    assert [(each["action"], each["object"]) for each in rest["audit"]] == [("user.added", user["id"])]
    assert rest["audit"][0]["door"] == "native"
    for query, count in (
        (f"object={user['id']}", 1),
        (f"object={user['id']}&action=user.disabled", 0),
        (f"party={uuid4()}", 0),
        (f"party={native.retailer}&since=2027-01-01", 0),
    ):
        assert len((await ok(native, "GET", f"/v1/audit?{query}", operator))["audit"]) == count, query
    for wrong in ("object=x", "action=nothing", "after=x"):
        assert await refused(native, "GET", f"/v1/audit?{wrong}", operator) == (422, "invalid")
    assert await refused(native, "GET", "/v1/audit", native.retailer) == (403, "wrong_party")


# When they were used


async def test_a_credential_shows_when_it_was_last_used_to_the_minute(native: Native) -> None:
    operator, clock = await platform(native), native.world.clock
    made = await ok(native, "POST", "/v1/credentials", operator, {"kind": "token", "party": str(native.retailer)})
    path = f"/v1/credentials/{made['id']}"
    assert (await ok(native, "GET", path, operator))["last_used_at"] is None
    used = []
    for seconds in (0, 59, 1):
        clock.advance(seconds=seconds)
        await ok(native, "GET", "/v1/me", made["secret"])
        await native.world.application.uses.settle()
        used.append((await ok(native, "GET", path, operator))["last_used_at"])
    assert used[0] == used[1] < used[2]
    newest = (await ok(native, "GET", "/v1/credentials", operator))["credentials"][0]
    assert newest["last_used_at"] == used[2]
    # A call that is refused for want of a permission used it too; one with a token that ended did not.
    clock.advance(minutes=2)
    await refused(native, "GET", "/v1/audit", made["secret"])
    await native.world.application.uses.settle()
    last = (await ok(native, "GET", path, operator))["last_used_at"]
    assert last > used[2]
    await ok(native, "POST", f"{path}/revoke", operator, {})
    clock.advance(minutes=2)
    assert await refused(native, "GET", "/v1/me", made["secret"]) == (401, "unauthenticated")
    await native.world.application.uses.settle()
    assert (await ok(native, "GET", path, operator))["last_used_at"] == last


async def test_a_database_that_is_away_holds_up_no_note_of_a_use(
    sqlite_native: Native, monkeypatch: pytest.MonkeyPatch
) -> None:
    native, application = sqlite_native, sqlite_native.world.application
    operator = await platform(native)
    made = await ok(native, "POST", "/v1/credentials", operator, {"kind": "token", "party": str(native.retailer)})

    def away(*_: Any, **__: Any) -> None:
        raise UnavailableError

    with monkeypatch.context() as patched:
        patched.setattr(auth, "save_uses", away)
        assert (await ok(native, "GET", "/v1/me", made["secret"]))["label"] == ""
        await application.uses.settle()
    path = f"/v1/credentials/{made['id']}"
    assert (await ok(native, "GET", path, operator))["last_used_at"] is None
    native.world.clock.advance(minutes=1)
    await ok(native, "GET", "/v1/me", made["secret"])
    await application.uses.settle()
    assert (await ok(native, "GET", path, operator))["last_used_at"] is not None
