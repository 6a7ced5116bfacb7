"""People of a world who are logged in to its console, and what they see there."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from html import unescape
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import httpx2
from sqlalchemy import Connection

from countermand.admin import users, web_sessions
from countermand.admin.callers import PLATFORM
from countermand.console.login import SESSION_COOKIE
from countermand.console.visit import seal_of
from countermand.reads.parties import find_party
from tests.support.world import World

PASSWORD: Final = "correct horse battery"
FORM: Final = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}


@dataclass
class Person:
    """Somebody with a browser that has logged in."""

    world: World
    secret: str
    email: str
    more: dict[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        cookies = {SESSION_COOKIE: self.secret, **self.more}
        return {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items() if value)}

    async def look(self, path: str, method: str = "GET") -> httpx2.Response:
        async with self.world.client() as client:
            return await client.request(method, path, headers=self.headers)

    async def post(
        self, path: str, fields: Mapping[str, Any], *, seal: bool = True, headers: Mapping[str, str] = FORM
    ) -> httpx2.Response:
        sealed = {"seal": seal_of(self.secret)} if seal else {}
        async with self.world.client() as client:
            body = urlencode({**sealed, **fields}, doseq=True)
            return await client.post(path, content=body, headers={**self.headers, **headers})

    async def fill_in(self, path: str, **fields: Any) -> httpx2.Response:
        """Open a page with a form, and send the form with what it holds, and these fields."""
        page = await self.look(path)
        assert page.status_code == 200, (path, page.status_code, words(page))
        found = page.text.partition("<main")[2]
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', found))
        return await self.post(path.partition("?")[0], {**hidden, **fields}, seal=False)


async def person(
    world: World, party: UUID, *, name: str = "Ada Lindqvist", permissions: list[str] | None = None
) -> Person:
    """A user of a party who is logged in."""
    application = world.application
    email = f"{application.ids.new().hex}@example.com"

    def add(connection: Connection) -> str:
        row = find_party(connection, str(party))
        user = users.enter(
            connection,
            application.ids,
            world.clock(),
            party=row,
            email=email,
            name=name,
            password=PASSWORD,
            permissions=permissions,
        )
        return web_sessions.open_session(
            connection, application.ids, world.clock(), user=user, party=party, label="test"
        )

    return Person(world, await application.database.write(add), email)


async def operator(world: World, **more: Any) -> Person:
    return await person(world, PLATFORM, **more)


def words(reply: httpx2.Response) -> str:
    """What a person reads on the page."""
    main = reply.text.partition("<main")[2].partition(">")[2].partition("</main>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())


def links_in(reply: httpx2.Response) -> list[str]:
    """Where the links of the page itself lead."""
    main = reply.text.partition("<main")[2].partition("</main>")[0]
    return [unescape(each) for each in re.findall(r'<a [^>]*href="([^"]+)"', main)]


async def link(world: World, user: UUID | None = None, party: UUID = PLATFORM) -> str:
    """The path of a one-time link."""
    application = world.application
    issue = partial(web_sessions.issue_link, ids=application.ids, now=world.clock(), user=user, party=party)
    return f"/console/once/{await application.database.write(issue)}"
