"""Who comes into the console, by what, until when; and what no other site can make a browser do."""

import re
from functools import partial
from typing import Any
from urllib.parse import urlencode

import httpx2
import pytest
from sqlalchemy import select

from countermand.admin import users, web_sessions
from countermand.admin.audit import Author
from countermand.console.login import SESSION_COOKIE, local_path
from countermand.console.rendering import HEADERS
from countermand.ids import digest
from countermand.serving import doors
from countermand.store import tables as t
from tests.console.visiting import FORM, PASSWORD, Person, link, operator, person, words
from tests.support.world import Clock, World, running

pytestmark = pytest.mark.anyio


async def log_in(world: World, email: str, password: str = PASSWORD, **more: Any) -> httpx2.Response:
    fields = {"email": email, "password": password, **more}
    async with world.client() as client:
        return await client.post("/console/login", content=urlencode(fields), headers=FORM)


def cookie(reply: httpx2.Response) -> str:
    found = re.fullmatch(rf"{SESSION_COOKIE}=([^;]*); (.*)", reply.headers["set-cookie"])
    assert found, reply.headers
    assert found[2] in (
        "Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Lax",
        "Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax",
    )
    return found[1]


async def test_a_right_password_leads_in(world: World) -> None:
    who = await operator(world)
    reply = await log_in(world, who.email.upper(), next="/console/orders?q=x")
    assert (reply.status_code, reply.headers["location"]) == (303, "/console/orders?q=x")
    page = await Person(world, cookie(reply), who.email).look("/console/")
    assert page.status_code == 200
    assert "Ada Lindqvist" in page.text
    assert "Platform operator" in page.text


async def test_of_a_session_the_database_has_only_the_digest(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    rows = await sqlite_world.application.database.read(
        lambda connection: list(connection.execute(select(t.credentials).where(t.credentials.c.kind == "session")))
    )
    assert [row.lookup for row in rows] == [digest(who.secret)]
    assert who.secret not in repr(rows)


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + "x", PASSWORD.upper()])
async def test_a_wrong_password_does_not(sqlite_world: World, password: str) -> None:
    who = await operator(sqlite_world)
    reply = await log_in(sqlite_world, who.email, password)
    assert reply.status_code == 401
    assert "set-cookie" not in reply.headers
    assert "The e-mail address or the password is wrong" in words(reply)
    assert f'value="{who.email}"' in reply.text


async def test_an_unknown_person_is_told_the_same(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    known, unknown = await log_in(sqlite_world, who.email, "wrong"), await log_in(sqlite_world, "a@b.example", "wrong")
    assert known.text.replace(who.email, "#") == unknown.text.replace("a@b.example", "#")


async def test_who_guesses_has_to_wait_at_either_log_in(sqlite_world: World) -> None:
    who = await person(sqlite_world, sqlite_world.retailer)
    for _ in range(5):
        assert (await log_in(sqlite_world, who.email, "wrong")).status_code == 401
    reply = await log_in(sqlite_world, who.email)
    assert (reply.status_code, int(reply.headers["retry-after"]) > 0) == (429, True)
    async with sqlite_world.client() as client:
        body = {"username": who.email, "password": PASSWORD}
        crux = await client.post("/organizations/user-login/", json=body)
    assert crux.status_code == 429
    sqlite_world.clock.advance(minutes=1)
    assert (await log_in(sqlite_world, who.email)).status_code == 303


@pytest.mark.parametrize("path", ["/console/", "/console/cancellations?view=all&q=%C3%A9", "/console/nothing"])
async def test_a_stranger_is_led_to_the_log_in(sqlite_world: World, path: str) -> None:
    async with sqlite_world.client() as client:
        reply = await client.get(path)
    assert reply.status_code == 303
    assert reply.headers["location"] == f"/console/login?{urlencode({'next': path})}"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example",
        "/orders/",
        "/console/\\evil",
        "/console/login",
        "\n/console/",
    ],
)
async def test_the_log_in_leads_nowhere_else(elsewhere: str) -> None:
    assert local_path(elsewhere) == ""


async def test_a_session_ends_after_twelve_hours(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    sqlite_world.clock.advance(hours=11, minutes=59)
    assert (await who.look("/console/")).status_code == 200
    sqlite_world.clock.advance(minutes=1)
    assert (await who.look("/console/")).status_code == 303


async def test_what_was_typed_comes_back_after_the_log_in(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    sqlite_world.clock.advance(hours=12)
    path = "/console/account/look"
    asked = await who.post(path, {"theme": "dark", "once": "1"})
    assert asked.status_code == 401
    assert "You were logged out." in words(asked)
    kept = re.search('name="kept" value="([^"]*)"', asked.text)
    assert kept
    assert "password" not in kept[1]
    reply = await log_in(sqlite_world, who.email, next=path, kept=kept[1].replace("&amp;", "&"))
    assert "Send it now?" in words(reply)
    again = Person(sqlite_world, cookie(reply), who.email)
    fields = dict(re.findall('<input type="hidden" name="([^"]+)" value="([^"]*)"', reply.text))
    assert fields["theme"] == "dark"
    assert (await again.post(path, fields, seal=False)).status_code == 303


@pytest.mark.parametrize("how", ["here", "everywhere", "disabled", "password", "party"])
async def test_a_log_in_ends_at_once(world: World, how: str) -> None:
    who, application = await person(world, world.retailer), world.application
    other = cookie(await log_in(world, who.email))
    author = Author(name="test", door="test", at=world.clock(), ids=application.ids)
    find = partial(users.find_user, text=who.email)
    if how == "here":
        reply = await who.post("/console/logout", {})
        assert (reply.headers["location"], cookie(reply)) == ("/console/login", "")
    elif how == "everywhere":
        await who.post("/console/logout-everywhere", {})
    elif how == "disabled":
        await application.database.write(lambda c: users.disable(c, author, find(c)))
    elif how == "password":
        await application.database.write(lambda c: users.change_password(c, author, find(c), "another password"))
    else:
        retired = t.parties.update().where(t.parties.c.id == world.retailer).values(status="deactivated")
        await application.database.write(lambda c: c.execute(retired))
    assert (await who.look("/console/")).status_code == 303
    left = await Person(world, other, who.email).look("/console/")
    assert left.status_code == (200 if how == "here" else 303)


async def test_a_session_is_no_token_and_a_token_no_session(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    async with sqlite_world.client() as client:
        reply = await client.get("/v1/me", headers={"authorization": f"Bearer {who.secret}"})
    assert reply.status_code == 401
    token = Person(sqlite_world, sqlite_world.tokens[sqlite_world.retailer], "")
    assert (await token.look("/console/")).status_code == 303


async def test_a_password_is_changed_by_who_knows_it(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    other = cookie(await log_in(sqlite_world, who.email))
    for old, new, field in (("wrong", "a longer password", "old"), (PASSWORD, "short", "new")):
        reply = await who.post("/console/account/password", {"old": old, "new": new})
        assert reply.status_code == 422
        assert f'id="{field}-wrong"' in reply.text
    reply = await who.post("/console/account/password", {"old": PASSWORD, "new": "a longer password"})
    assert reply.status_code == 303
    assert (await Person(sqlite_world, cookie(reply), who.email).look("/console/account")).status_code == 200
    assert (await Person(sqlite_world, other, who.email).look("/console/")).status_code == 303
    assert (await log_in(sqlite_world, who.email, "a longer password")).status_code == 303


# Links


async def user_of(who: Person) -> Any:
    find = partial(users.find_user, text=who.email)
    return (await who.world.application.database.read(find)).id


async def test_a_link_logs_in_once(world: World) -> None:
    who = await person(world, world.supplier, name="Nadia")
    path = await link(world, await user_of(who), world.supplier)
    async with world.client() as client:
        for _ in range(2):
            looked = await client.get(path)
            assert "Log in as Nadia" in words(looked)
            assert "set-cookie" not in looked.headers
        reply = await client.post(path, headers=FORM)
        assert (reply.status_code, reply.headers["location"]) == (303, "/console/")
        again = await client.post(path, headers=FORM)
        assert again.status_code == 410
        assert "This link can no longer be used" in words(again)
    page = await Person(world, cookie(reply), who.email).look("/console/")
    assert "Supplier, supplier" in page.text


async def test_a_link_ends_after_an_hour_and_a_made_up_one_is_none(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    path = await link(sqlite_world, await user_of(who))
    sqlite_world.clock.advance(hours=1)
    async with sqlite_world.client() as client:
        for each in (path, "/console/once/cmw_x", "/console/once/"):
            assert (await client.get(each)).status_code == 410
            assert (await client.post(each, headers=FORM)).status_code == 410


async def test_the_first_operator_is_made_by_a_link(world: World) -> None:
    path = await link(world)
    async with world.client() as client:
        assert "Make the first operator" in words(await client.get(path))
        for fields in (
            {"email": "ada@example.com", "password": "short"},
            {"email": "nobody", "password": PASSWORD},
            {"email": "", "password": PASSWORD},
        ):
            wrong = await client.post(path, content=urlencode(fields), headers=FORM)
            assert wrong.status_code == 422
        fields = {"email": "Ada@example.com", "name": "Ada", "password": PASSWORD}
        reply = await client.post(path, content=urlencode(fields), headers=FORM)
        assert reply.status_code == 303
        assert (await client.post(path, content=urlencode(fields), headers=FORM)).status_code == 410
    ada = Person(world, cookie(reply), "ada@example.com")
    assert "Platform operator" in (await ada.look("/console/")).text
    assert (await log_in(world, "ada@example.com")).status_code == 303
    # Once there is an operator, such a link makes no other one.
    async with world.client() as client:
        other = await client.post(
            await link(world), content=urlencode({"email": "eve@example.com", "password": PASSWORD}), headers=FORM
        )
    assert other.status_code == 410
    assert await world.application.database.read(web_sessions.has_operator)


# Other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "same-origin", "origin": "https://evil.example"},
        {},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/console/account/look", "/console/login", "/console/logout", "/console/once/x"])
async def test_a_form_of_another_site_changes_nothing(sqlite_world: World, path: str, headers: dict[str, str]) -> None:
    who = await operator(sqlite_world)
    kind = {"content-type": FORM["content-type"]}
    fields = {"theme": "dark", "email": who.email, "password": PASSWORD}
    reply = await who.post(path, fields, headers={**kind, **headers})
    assert reply.status_code == 403
    assert "This form did not come from here" in words(reply)
    assert "set-cookie" not in reply.headers
    assert (await who.look("/console/")).status_code == 200


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "same-origin"}, {"origin": "http://test"}], ids=str)
async def test_a_form_of_this_site_counts(sqlite_world: World, headers: dict[str, str]) -> None:
    who = await operator(sqlite_world)
    kind = {"content-type": FORM["content-type"]}
    reply = await who.post("/console/account/look", {"theme": "dark"}, headers={**kind, **headers})
    assert reply.status_code == 303
    look = reply.headers["set-cookie"].partition(";")[0].partition("=")
    assert (
        '<html lang="en" data-theme="dark">'
        in (await Person(sqlite_world, who.secret, "", {look[0]: look[2]}).look("/console/")).text
    )


@pytest.mark.parametrize("seal", ["", "0" * 64, "é"])
async def test_a_form_without_the_seal_of_the_session_changes_nothing(sqlite_world: World, seal: str) -> None:
    who = await operator(sqlite_world)
    reply = await who.post("/console/account/look", {"seal": seal, "theme": "dark"}, seal=False)
    assert reply.status_code == 403
    assert "This form has expired" in words(reply)


@pytest.mark.parametrize("path", ["/console/", "/console/login", "/console/account", "/console/no", "/console/once/x"])
async def test_every_page_is_guarded_by_its_headers(sqlite_world: World, path: str) -> None:
    reply = await (await operator(sqlite_world)).look(path)
    for name, value in HEADERS:
        assert reply.headers[name.decode()] == value.decode()
    assert " style=" not in reply.text
    assert not re.search(r"<script(?! src=\"/console/static/)", reply.text)
    assert not re.search(r"\son\w+=", reply.text)
    assert not re.search(r"(src|href|action)=\"(https?:)?//", reply.text)


async def test_files_are_kept_and_nothing_else(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    page = (await who.look("/console/")).text
    files = re.findall('(?:href|src)="(/console/static/[^"]+)"', page)
    assert len(files) == 3
    for each in files:
        reply = await who.look(each)
        assert (reply.status_code, "immutable" in reply.headers["cache-control"]) == (200, True)
    assert (await who.look("/console/static/console.css")).headers["cache-control"] == "public, max-age=300"
    for wrong in ("/console/static/", "/console/static/../door.py", "/console/static/base.html"):
        assert (await who.look(wrong)).status_code == 404


async def test_the_script_and_the_style_are_small(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    for name, most in (("console.js", 60_000), ("console.css", 60_000)):
        assert len((await who.look(f"/console/static/{name}")).content) < most


@pytest.mark.parametrize(("method", "status"), [("PUT", 405), ("DELETE", 405), ("HEAD", 200), ("OPTIONS", 405)])
async def test_other_verbs_are_none_of_a_page(sqlite_world: World, method: str, status: int) -> None:
    reply = await (await operator(sqlite_world)).look("/console/account", method)
    assert reply.status_code == status


async def test_bodies_that_are_no_forms_are_refused(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    same = {**who.headers, "sec-fetch-site": "same-origin"}
    async with sqlite_world.client() as client:
        for body, kind, status in (
            (b"{}", "application/json", 415),
            (b"\xff", FORM["content-type"], 400),
            (b"a=1&" * 400, FORM["content-type"], 400),
            (b"a" * 70_000, FORM["content-type"], 413),
        ):
            reply = await client.post("/console/logout", content=body, headers={**same, "content-type": kind})
            assert reply.status_code == status, (kind, words(reply))


async def test_over_plain_http_the_log_in_warns(tmp_path: Any, clock: Clock) -> None:
    url = f"sqlite:///{tmp_path}/plain.sqlite3"
    for public, warns in (("http://shop.example", True), ("https://shop.example", False), ("", False)):
        async with running(url, clock, public_url=public) as application:
            asgi = httpx2.ASGITransport(app=doors(application))
            async with httpx2.AsyncClient(transport=asgi, base_url="http://test") as client:
                reply = await client.get("/console/login")
            assert ("This address is not secure." in words(reply)) == warns
            assert ("strict-transport-security" in reply.headers) == public.startswith("https")
