"""What all stories of the demo share: the parties, and steps that print a line and are checked."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import Connection

from countermand.admin.finding import EVERYTHING
from countermand.app import opened
from countermand.cli.output import say
from countermand.cli.running import read_settings
from countermand.documents import timeline
from countermand.reads import events as event_reads


@dataclass(kw_only=True)
class Cast:
    """Who plays, with what."""

    base_url: str
    database: str
    parties: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    plaza_public_key: str = ""
    plaza_private_key: str = ""
    bol_client_id: str = ""
    bol_client_secret: str = ""
    orders: list[dict[str, Any]] = field(default_factory=list)
    console: dict[str, str] = field(default_factory=dict)


class Story(ABC):
    """A story, with what its steps need. A step that does not go as expected counts as a failure."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._failures = 0
        self._http = httpx2.AsyncClient(base_url=cast.base_url, timeout=10, trust_env=False)

    async def play(self) -> int:
        """Play it. Returns how many steps failed."""
        async with self._http:
            await self._play()
        return self._failures

    @abstractmethod
    async def _play(self) -> None:
        """The steps."""

    def _line(self, order: int, line: int) -> tuple[dict[str, Any], dict[str, Any]]:
        chosen = self._cast.orders[order]
        return chosen, chosen["lines"][line]

    async def _show_timeline(self, title: str, line: str) -> None:
        self._title(title)
        for event in await self._read(lambda connection: event_reads.timeline(connection, EVERYTHING, UUID(line))):
            print(f"  {event.at:%d %b %H:%M:%S}  {timeline.sentence(event)}  [{timeline.state(event)}]")

    async def _read(self, question: Callable[[Connection], Any]) -> Any:
        async with opened(read_settings(database=self._cast.database)) as application:
            return await application.database.read(question)

    async def _step(
        self, what: str, method: str, path: str, who: str, expected: int, body: Any = None, **headers: str
    ) -> Any:
        scheme = "Bearer" if path.startswith("/v1/") else "Token"
        headers = {"Authorization": f"{scheme} {self._cast.tokens[who]}"} | headers
        answer = await self._http.request(method, path, headers=headers, json=body)
        self._answered(what, answer, expected)
        return answer.json() if answer.content else None

    def _answered(self, what: str, answer: httpx2.Response, expected: int) -> None:
        request = answer.request
        path = request.url.raw_path.decode()
        self._told(f"{what}\n      {request.method} {path} -> {answer.status_code}", answer.status_code == expected)
        if answer.status_code != expected:
            say(f"      expected {expected}: {answer.text}")

    def _check(self, what: str, found: Any, expected: Any) -> None:
        self._told(what, found == expected)
        if found != expected:
            say(f"      expected {expected!r}, found {found!r}")

    def _told(self, what: str, as_told: bool) -> None:
        print(f"  {'ok  ' if as_told else 'FAIL'} {what}", flush=True)
        self._failures += not as_told

    def _title(self, text: str) -> None:
        print(f"\n{text}", flush=True)
