"""Log-in by OpenID Connect, against a provider on loopback that signs with a real key and keeps its codes."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from joserfc.jwk import RSAKey
from pydantic import ValidationError

from countermand.admin import users
from countermand.admin.callers import PERMISSIONS, PLATFORM
from countermand.admin.roles import Role
from countermand.console.login import OPENID, SESSION_COOKIE
from countermand.console.openid.login import BACK, COOKIE
from countermand.domain.parties import PartyKind
from countermand.reads.users import UserFilter, list_users
from countermand.settings import ROLES, Settings
from tests.console.visiting import Person, person, words
from tests.support.openid import (
    CLIENT,
    SECRET,
    Provider,
    changed_afterwards,
    signed_by_another,
    signed_by_the_public_key,
    unsigned,
)
from tests.support.receiver import answer, hang_up, raw
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

NAME: Final = "the shop’s log-in"


@dataclass
class Browser:
    """Keeps cookies as browsers do."""

    world: World
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, address: str) -> httpx2.Response:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with self.world.client() as client:
            reply = await client.get(address, headers={"cookie": cookie} if cookie else {})
        for line in reply.headers.get_list("set-cookie"):
            for name, each in SimpleCookie(line).items():
                self.cookies[name] = each.value
                if each["max-age"] == "0":
                    del self.cookies[name]
        return reply

    async def log_in(self, provider: Provider, then: str = "", **more: str) -> httpx2.Response:
        """The whole way there and back."""
        query = "&".join(f"{name}={value}" for name, value in {"next": then, **more}.items())
        begun = await self.get(f"{OPENID}?{query}")
        assert begun.status_code == 303, words(begun) or begun.text
        return await self.get(f"{BACK}?{provider.log_in(begun.headers['location'])}")


@dataclass(kw_only=True)
class Scene:
    world: World
    provider: Provider
    browser: Browser


@pytest.fixture
def scene_of(tmp_path: Path, clock: Clock) -> Callable[..., Any]:
    @asynccontextmanager
    async def opened(**settings: Any) -> AsyncIterator[Scene]:
        async with Provider(clock=clock) as provider:
            oidc = {
                "oidc_issuer": provider.issuer, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET,
                "oidc_name": NAME, **settings,
            }  # fmt: skip
            async with running(f"sqlite:///{tmp_path}/openid.sqlite3", clock, **oidc) as application:
                world = await populate(application, clock)
                yield Scene(world=world, provider=provider, browser=Browser(world))

    return opened


@pytest.fixture
async def scene(scene_of: Callable[..., Any]) -> AsyncIterator[Scene]:
    async with scene_of() as found:
        yield found


async def add(world: World, email: str = "ada@example.com", **more: Any) -> Person:
    """A user who is there, by this address."""
    who = await person(world, more.pop("party", PLATFORM), **more)
    from countermand.store import tables as t

    renamed = t.users.update().where(t.users.c.email == who.email).values(email=email)
    await world.application.database.write(lambda c: c.execute(renamed))
    return who


async def test_who_is_vouched_for_by_a_verified_address_is_logged_in(scene: Scene) -> None:
    await add(scene.world, email="ada@example.com")
    page = await scene.browser.get("/console/login?next=%2Fconsole%2Forders")
    assert f"Log in with {NAME}" in page.text
    # Nothing is asked of the provider before somebody logs in.
    assert scene.provider.calls == []
    reply = await scene.browser.log_in(scene.provider, then="/console/orders")
    assert (reply.status_code, reply.headers["location"]) == (303, "/console/orders")
    assert SESSION_COOKIE in scene.browser.cookies
    assert COOKIE not in scene.browser.cookies
    assert (await scene.browser.get("/console/orders")).status_code == 200


async def test_the_way_back_leads_nowhere_else(scene: Scene) -> None:
    await add(scene.world)
    reply = await scene.browser.log_in(scene.provider, then="https://evil.example/console/")
    assert reply.headers["location"] == "/console/"


REFUSED: Final[dict[str, dict[str, Any]]] = {
    "another nonce": {"claims": {"nonce": "another"}},
    "no nonce": {"claims": {"nonce": None}},
    "another issuer": {"claims": {"iss": "https://id.evil.example"}},
    "no issuer": {"claims": {"iss": None}},
    "another audience": {"claims": {"aud": "another"}},
    "no audience": {"claims": {"aud": None}},
    "several audiences and no authorized party": {"claims": {"aud": [CLIENT, "another"]}},
    "another authorized party": {"claims": {"azp": "another"}},
    "expired": {"claims": {"exp": 1}},
    "no expiry": {"claims": {"exp": None}},
    "not valid yet": {"claims": {"nbf": 2**33}},
    "issued in the future": {"claims": {"iat": 2**33}},
    "no subject": {"claims": {"sub": None}},
    "hash of another access token": {"claims": {"at_hash": "AAAA"}},
    "a time that is none": {"claims": {"exp": "soon"}},
    "no signature": {"sign": unsigned},
    "signed by the public key": {"sign": signed_by_the_public_key},
    "signed by another key of this name": {"sign": signed_by_another},
    "changed after it was signed": {"sign": changed_afterwards},
    "no token": {"sign": lambda claims: "x"},
    "no text": {"sign": lambda claims: None},
    "an address that is not verified": {"claims": {"email_verified": False}},
    "an address verified by a word": {"claims": {"email_verified": "true"}},
    "an address of which nobody says that it is verified": {"claims": {"email_verified": None}},
    "no address": {"claims": {"email": None}},
    "an address of nobody": {"claims": {"email": "nobody@example.com"}},
    "an address that is none": {"claims": {"email": ["ada@example.com"]}},
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_may_not_be_believed_lets_nobody_in(scene: Scene, what: str) -> None:
    await add(scene.world)
    await add(scene.world, email="boss@example.com")
    for name, value in REFUSED[what].items():
        setattr(scene.provider, name, value)
    reply = await scene.browser.log_in(scene.provider)
    assert (reply.status_code, SESSION_COOKIE in scene.browser.cookies) == (401, False)
    assert f"You are not logged in by {NAME}" in reply.text
    assert COOKIE not in scene.browser.cookies


async def test_an_answer_counts_once_and_only_in_the_browser_that_asked(scene: Scene) -> None:
    await add(scene.world)
    begun = await scene.browser.get(OPENID)
    query = scene.provider.log_in(begun.headers["location"])
    kept = dict(scene.browser.cookies)
    stranger = Browser(scene.world)
    assert (await stranger.get(f"{BACK}?{query}")).status_code == 401
    other = Browser(scene.world)
    await other.get(OPENID)
    assert (await other.get(f"{BACK}?{query}")).status_code == 401
    assert (await scene.browser.get(f"{BACK}?{query}")).status_code == 303
    # The code is used up, even for who has the cookie.
    again = Browser(scene.world, kept)
    assert (await again.get(f"{BACK}?{query}")).status_code == 401
    assert SESSION_COOKIE not in again.cookies


@pytest.mark.parametrize(
    ("change", "by"),
    [
        (lambda query: query.replace("state=", "state=x"), "state"),
        (lambda query: query.replace("code=", "code=x"), "code"),
        (lambda query: query.partition("&iss=")[0], "iss"),
        (lambda query: f"{query.partition('&iss=')[0]}&iss=https%3A%2F%2Fid.evil.example", "iss"),
        (lambda query: query.replace("code=", "error=access_denied&x="), "error"),
        (lambda query: f"{query.replace('code=', 'x=')}&code={'x' * 5000}", "code"),
        (lambda query: "", "nothing"),
    ],
)
async def test_another_answer_than_the_one_that_was_asked_for_is_refused(
    scene: Scene, change: Callable[[str], str], by: str
) -> None:
    await add(scene.world)
    begun = await scene.browser.get(OPENID)
    query = change(scene.provider.log_in(begun.headers["location"]))
    assert (await scene.browser.get(f"{BACK}?{query}")).status_code == 401, by
    assert SESSION_COOKIE not in scene.browser.cookies


async def test_who_takes_too_long_begins_anew(scene: Scene) -> None:
    await add(scene.world)
    begun = await scene.browser.get(OPENID)
    query = scene.provider.log_in(begun.headers["location"])
    scene.world.clock.advance(minutes=11)
    reply = await scene.browser.get(f"{BACK}?{query}")
    assert (reply.status_code, "belongs to no log-in" in reply.text) == (401, True)


@pytest.mark.parametrize("kept", ["", "x", "gAAAA", "=" * 3000])
async def test_a_cookie_that_is_none_is_no_log_in(scene: Scene, kept: str) -> None:
    scene.browser.cookies[COOKIE] = kept
    assert (await scene.browser.get(f"{BACK}?code=x&state=")).status_code == 401


async def test_a_disabled_user_stays_out(scene: Scene) -> None:
    await add(scene.world)
    author = scene.world.application
    from countermand.admin.audit import Author

    by = Author(name="test", door="test", at=scene.world.clock(), ids=author.ids)
    user = await author.database.read(partial(users.find_user, text="ada@example.com"))
    await author.database.write(lambda c: users.disable(c, by, user))
    assert (await scene.browser.log_in(scene.provider)).status_code == 401


# The provider


@pytest.mark.parametrize(
    ("path", "behaviour"),
    [
        (".well-known/openid-configuration", answer(500, b"{}")),
        (".well-known/openid-configuration", answer(200, b"[]")),
        (".well-known/openid-configuration", answer(200, b"{" * 1000)),
        (".well-known/openid-configuration", hang_up),
        (".well-known/openid-configuration", raw(b"nonsense\r\n\r\n")),
        ("token", answer(200, b"{}")),
        ("token", answer(200, b"x" * 2_000_000)),
        ("keys", answer(200, b'{"keys": 1}')),
        ("keys", answer(200, b'{"keys": [1, {"kty": "RSA"}, {"kty": "oct", "k": "AA"}]}')),
        ("keys", hang_up),
    ],
)
async def test_a_provider_that_does_not_answer_as_it_should_is_an_error_for_people(
    scene: Scene, path: str, behaviour: Any
) -> None:
    await add(scene.world)
    scene.provider.script[f"/realm/{path}"] = behaviour
    begun = await scene.browser.get(OPENID)
    reply = begun
    if begun.status_code == 303:
        reply = await scene.browser.get(f"{BACK}?{scene.provider.log_in(begun.headers['location'])}")
    assert (reply.status_code, "The log-in did not come through" in reply.text) == (401, True)
    # A later log-in is another one.
    del scene.provider.script[f"/realm/{path}"]
    scene.world.clock.advance(minutes=2)
    assert (await scene.browser.log_in(scene.provider)).status_code == 303


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://id.evil.example"},
        {"token_endpoint": "http://id.evil.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"jwks_uri": ["https://x"]},
    ],
    ids=str,
)
async def test_a_provider_that_names_what_may_not_be_called_is_not_called(scene: Scene, document: Any) -> None:
    scene.provider.document = document
    assert (await scene.browser.get(OPENID)).status_code == 401
    assert scene.provider.calls == ["/realm/.well-known/openid-configuration"]


async def test_a_new_key_is_found_and_what_is_known_is_not_asked_again(scene: Scene) -> None:
    await add(scene.world)
    for _ in range(2):
        assert (await scene.browser.log_in(scene.provider)).status_code == 303
    assert scene.provider.calls.count("/realm/keys") == 1
    assert scene.provider.calls.count("/realm/.well-known/openid-configuration") == 1
    scene.world.clock.advance(minutes=2)
    scene.provider.key = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
    scene.provider.published = [scene.provider.key.as_dict(private=False)]
    assert (await scene.browser.log_in(scene.provider)).status_code == 303
    assert scene.provider.calls.count("/realm/keys") == 2
    # Who signs by keys that nobody knows does not make us ask at each log-in.
    scene.provider.sign = signed_by_another
    for _ in range(3):
        assert (await scene.browser.log_in(scene.provider)).status_code == 401
    assert scene.provider.calls.count("/realm/keys") == 2


async def test_a_wrong_secret_is_an_error_for_people(scene_of: Callable[..., Any]) -> None:
    async with scene_of(oidc_client_secret="wrong") as scene:
        await add(scene.world)
        assert (await scene.browser.log_in(scene.provider)).status_code == 401


async def test_log_ins_that_fail_are_limited_by_address(scene_of: Callable[..., Any]) -> None:
    async with scene_of(login_address_limit="3/minute") as scene:
        statuses = [(await scene.browser.get(BACK)).status_code for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]


async def test_without_the_setting_there_is_no_such_page(sqlite_world: World) -> None:
    browser = Browser(sqlite_world)
    assert (await browser.get(f"{BACK}?code=x")).headers["location"].startswith("/console/login")
    assert "Log in with" not in (await browser.get("/console/login")).text


# Groups


async def test_a_group_gives_a_role_and_takes_it(scene_of: Callable[..., Any]) -> None:
    roles = {"ops": "Platform:manager", "desk": "retailer:support", "store": "supplier:viewer"}
    async with scene_of(oidc_roles=roles, oidc_groups_claim="cognito:groups") as scene:
        world, provider = scene.world, scene.provider

        async def known() -> Any:
            return await world.application.database.read(lambda c: list_users(c, UserFilter(begins="ada@example.com")))

        for groups, status in ((["other"], 401), ({"desk": 1}, 401), (None, 401), (["x", "desk", "ops"], 303)):
            provider.claims = {"cognito:groups": groups}
            assert (await scene.browser.log_in(provider)).status_code == status, groups
        # The first of the setting counts, not the first of the token.
        [ada] = await known()
        assert (ada.party, ada.name, set(ada.permissions)) == (PLATFORM, "Ada", set(PERMISSIONS[PartyKind.PLATFORM]))
        provider.claims = {"cognito:groups": "desk"}
        reply = await scene.browser.log_in(provider)
        assert (reply.status_code, "You are a user of another party than retailer." in reply.text) == (401, True)
        async with world.client() as client:
            headers = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
            for password in ("", "none"):
                form = f"email=ada%40example.com&password={password}"
                assert (await client.post("/console/login", content=form, headers=headers)).status_code == 401


async def test_a_role_follows_the_group_at_each_log_in(scene_of: Callable[..., Any]) -> None:
    async with scene_of(oidc_roles={"desk": "retailer:support", "look": "retailer:viewer"}) as scene:
        world = scene.world
        await add(world, party=world.retailer)
        for group, count in (("look", 1), ("desk", 5)):
            scene.provider.claims = {"groups": [group]}
            assert (await scene.browser.log_in(scene.provider)).status_code == 303
            [ada] = await world.application.database.read(lambda c: list_users(c, UserFilter(begins="ada@")))
            assert len(ada.permissions) == count


async def test_a_role_of_a_party_that_is_not_here_lets_nobody_in(scene_of: Callable[..., Any]) -> None:
    async with scene_of(oidc_roles={"desk": "Nordic:support"}) as scene:
        scene.provider.claims = {"groups": ["desk"]}
        reply = await scene.browser.log_in(scene.provider)
        assert (reply.status_code, "Your group belongs to Nordic, which is not here." in reply.text) == (401, True)


# Proving again who one is


async def test_a_secret_is_shown_after_a_log_in_anew(scene: Scene) -> None:
    await add(scene.world)
    assert (await scene.browser.log_in(scene.provider)).status_code == 303
    former = scene.browser.cookies[SESSION_COOKIE]
    scene.world.clock.advance(minutes=20)
    page = await scene.browser.get("/console/webhooks/add")
    assert f"log in again with {NAME}" in page.text
    scene.provider.claims = {"auth_time": int((scene.world.clock() - timedelta(minutes=20)).timestamp())}
    late = await scene.browser.log_in(scene.provider, then="/console/webhooks/add", again="yes")
    assert (late.status_code, "did not ask for the password again" in late.text) == (401, True)
    scene.provider.claims = {"auth_time": None}
    assert (await scene.browser.log_in(scene.provider, again="yes")).status_code == 401
    scene.provider.claims = {}
    reply = await scene.browser.log_in(scene.provider, then="/console/webhooks/add", again="yes")
    assert reply.headers["location"] == "/console/webhooks/add"
    assert "Your password" not in (await scene.browser.get("/console/webhooks/add")).text
    assert (await Person(scene.world, former, "").look("/console/")).status_code == 303


# Settings


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"oidc_issuer": "http://id.shop.example", "oidc_client_id": "x"}, "is not https"),
        ({"oidc_issuer": "https://id.shop.example"}, "oidc_client_id must be set"),
        ({"oidc_issuer": "https://i.example", "oidc_client_id": "x", "oidc_scopes": "openid"}, "must have openid and"),
        ({"oidc_roles": {"ops": "manager"}}, "is no role; write it like Platform:manager"),
        ({"oidc_roles": {"ops": "Platform:king"}}, "is no role"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings(database="sqlite://", **given)


def test_the_roles_of_settings_are_those_there_are() -> None:
    assert tuple(Role) == ROLES


def test_nothing_of_it_is_loaded_before_somebody_logs_in() -> None:
    code = (
        "import sys, countermand.console.door, countermand.serving;"
        "print([name for name in ('authlib', 'joserfc') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
