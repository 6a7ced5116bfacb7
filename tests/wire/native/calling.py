"""How these tests call the native door: JSON and a bearer token, and every refusal held against one shape."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx2

from countermand.admin import credentials, parties
from countermand.domain.commands import Command
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import PartyKind
from countermand.domain.refusals import RefusalKind
from countermand.reads.parties import find_party
from countermand.service.calls import Done
from countermand.wire.replies import Problem
from tests.support.world import Clock, World, populate, running

PATH: Final = "/v1/cancellations"
CODES: Final = {each.value for each in (*Problem, *RefusalKind)}


REQUEST_ID: Final = "call-of-a-test"
"""Every call has the same, so that equal answers are equal in every byte."""


@dataclass(frozen=True, kw_only=True)
class Native:
    """A world, a client for its native door, and a retailer of this test's own."""

    world: World
    http: httpx2.AsyncClient
    retailer: UUID

    async def call(
        self,
        method: str,
        path: str,
        who: UUID | str | None,
        body: Any = None,
        *,
        content: bytes | AsyncIterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """One call. ``who`` is a party or a token; a refusal must have the shape of refusals."""
        token = self.world.tokens[who] if isinstance(who, UUID) else who
        credential = {"Authorization": f"Bearer {token}"} if token is not None else {}
        sent = {"Request-Id": REQUEST_ID, **credential, **(headers or {})}
        if content is not None:
            sent = {"Content-Type": "application/json", **sent}
        response = await self.http.request(
            method, path, headers=sent, **({"content": content} if content is not None else {"json": body})
        )
        if response.status_code >= 400:
            check_problem(response)
        await self._check_described(method, path, response)
        return response

    async def _check_described(self, method: str, path: str, response: httpx2.Response) -> None:
        """An answer is one of those that the description names for the operation, by its status and its problem."""
        if not _DESCRIBED:
            _DESCRIBED.extend(described_answers((await self.http.get("/openapi.json")).json()))
        plain, name = path.partition("?")[0].rstrip("/"), f"{response.status_code}"
        if response.status_code >= 400:
            name += f" {response.json()['code']}"
        for verb, pattern, operation, answers in _DESCRIBED:
            # An id with a coded slash in it makes another path.
            if verb == method and pattern.fullmatch(plain) and not name.endswith(" not_found"):
                assert name in answers, f"{operation} does not describe {name}: {response.text}"
                break

    async def ask(
        self, *lines: UUID | str | dict[str, Any], who: UUID | str | None = None, key: str | None = None, **more: Any
    ) -> httpx2.Response:
        """The call of a shop; a bare id stands for all of that line."""
        named = [line if isinstance(line, dict) else {"line": str(line)} for line in lines]
        headers = self.keyed(key) if key is not None else None
        return await self.call("POST", PATH, who or self.retailer, {"lines": named, **more}, headers=headers)

    def keyed(self, key: str) -> dict[str, str]:
        """The header of a key that no other test uses, as the parties that they share have one space of keys."""
        return {"Idempotency-Key": f"{self.retailer.hex}-{key}"}

    async def asked(self, *lines: UUID | str | dict[str, Any], **more: Any) -> list[dict[str, Any]]:
        """The cancellations of an ask that was taken."""
        response = await self.ask(*lines, **more)
        assert response.status_code == 202, response.text
        made: list[dict[str, Any]] = response.json()["cancellations"]
        return made

    async def refused(self, *lines: UUID | str | dict[str, Any], **more: Any) -> tuple[int, str]:
        """The status and name of the refusal."""
        response = await self.ask(*lines, **more)
        return response.status_code, response.json()["code"]

    async def listed(self, query: str = "", who: UUID | str | None = None) -> list[dict[str, Any]]:
        response = await self.call("GET", PATH + query, who or self.retailer)
        assert response.status_code == 200, response.text
        page: list[dict[str, Any]] = response.json()["cancellations"]
        return page

    async def order(self, *units: int, by: UUID | None = None, held: bool = False) -> PlaceOrder:
        """An order of this retailer's; a supplier holds the goods unless ``by`` says who does."""
        holders = (by or self.world.supplier,) * len(units)
        return await self.world.order(*units, fulfillers=holders, retailer=self.retailer, held=held)

    async def line(self, units: int = 1, *, by: UUID | None = None) -> UUID:
        return (await self.order(units, by=by)).lines[0].id

    async def do(self, command: Command) -> None:
        outcome = await self.world.submit(command)
        assert isinstance(outcome, Done), outcome

    async def token(self, party: UUID, **terms: Any) -> str:
        application, now = self.world.application, self.world.clock()
        return await application.database.write(
            lambda connection: credentials.issue_token(
                connection, application.ids, now, party=find_party(connection, str(party)), **terms
            )
        )


Described = tuple[str, re.Pattern[str], str, frozenset[str]]

_DESCRIBED: Final[list[Described]] = []


def described_answers(described: dict[str, Any]) -> Iterator[Described]:
    """Verb, path and name of each operation, with the statuses and problems that it can end with."""
    for path, methods in sorted(described["paths"].items(), key=lambda each: "{" in each[0]):
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path))
        for method, call in methods.items():
            answers = set()
            for status, answer in call["responses"].items():
                shared = answer.get("$ref", "").rpartition("/")[2]
                content = (described["components"]["responses"][shared] if shared else answer).get("content", {})
                codes = content.get("application/problem+json", {}).get("examples", {})
                answers |= {f"{status} {code}" for code in codes} or {status}
            answers |= {"304"} if method == "get" else set()
            yield method.upper(), pattern, call["operationId"], frozenset(answers)


def check_problem(response: httpx2.Response) -> None:
    """RFC 9457, with the name of what is wrong."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    problem = response.json()
    assert set(problem) - {"cancellation", "order", "current", "errors", "differs", "first_used_at", "outcomes"} == {
        *("type", "title", "status", "detail", "code", "request_id", "retryable")
    }
    assert problem["type"].endswith(f"/problems/{problem['code']}")
    assert problem["request_id"] == response.headers["request-id"]
    assert problem["status"] == response.status_code < 500
    assert problem["code"] in CODES
    assert problem["title"].casefold() == problem["code"].replace("_", " ")
    assert problem["detail"].endswith("."), problem["detail"]
    assert (response.headers.get("www-authenticate") == "Bearer") == (response.status_code == 401)
    assert ("allow" in response.headers) == (response.status_code == 405)


def places(response: httpx2.Response) -> list[list[str | int]]:
    """Where the errors of a problem are: the part of the call, then the way in it."""
    return [[each["in"], *_way(each)] for each in response.json()["errors"]]


def _way(error: dict[str, Any]) -> list[str | int]:
    if "name" in error:
        return [error["name"]]
    steps = [each.replace("~1", "/").replace("~0", "~") for each in error["pointer"].split("/")[1:]]
    return [int(each) if each.isdigit() else each for each in steps]


async def new_retailer(world: World, http: httpx2.AsyncClient) -> Native:
    application, now = world.application, world.clock()
    party = await application.database.write(
        lambda connection: parties.enter(
            connection, application.ids, now, kind=PartyKind.RETAILER, name=f"retailer {application.ids.new()}"
        )
    )
    native = Native(world=world, http=http, retailer=party)
    world.tokens[party] = await native.token(party)
    return native


@asynccontextmanager
async def opened_native(url: str, **settings: Any) -> AsyncIterator[Native]:
    """A fresh world in this database."""
    clock = Clock()
    async with running(url, clock, **settings) as application:
        world = await populate(application, clock)
        async with world.client() as http:
            yield await new_retailer(world, http)
