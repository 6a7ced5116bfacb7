"""One call of the console by somebody who is logged in: who, what is asked for, and what it reads and writes by."""

import hashlib
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from countermand.admin.audit import Author
from countermand.admin.callers import Caller, Permission
from countermand.admin.idempotency import once as once_for_key
from countermand.admin.web_sessions import WebSession
from countermand.console.forms import EMPTY, Form
from countermand.console.look import AS_IT_IS, Look
from countermand.domain.commands import Command
from countermand.domain.idempotency import IdempotencyKey, KeptAnswer
from countermand.domain.parties import PartyKind
from countermand.ids import digest
from countermand.reads.scope import Scope
from countermand.reads.waiting import NOTHING_WAITS, Waiting
from countermand.service.calls import Call, Outcome
from countermand.store.engines.transactions import change
from countermand.wire.services import Services

DOOR: Final = "console"


class SentBeforeError(Exception):
    """The same form was sent before, and counted. ``path`` is where that led."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """A call of a page. ``names`` are the parts of its path that vary, ``query`` what stands behind it.

    ``cursor`` is up to where open pages had been told what has changed when this one was begun.
    """

    services: Services
    session: WebSession
    secret: str
    path: str
    address: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    ticked: tuple[str, ...] = ()
    form: Form = EMPTY
    look: Look = AS_IT_IS
    cursor: str = ""
    kept: MutableMapping[Any, Any] = field(default_factory=dict)
    """Figures that may be some minutes old."""
    waiting: Waiting = NOTHING_WAITS
    """What waits for the visitor, for the navigation; in answers to forms it is left out."""

    @property
    def caller(self) -> Caller:
        """Who is logged in."""
        return self.session.caller

    @property
    def scope(self) -> Scope:
        """What this party may see."""
        return Scope(party=self.caller.party, kind=self.caller.kind)

    @property
    def now(self) -> datetime:
        """The time of the page."""
        return self.services.clock()

    @property
    def zone(self) -> ZoneInfo:
        """By whose clocks times are shown."""
        return ZoneInfo(self.services.settings.score_zone)

    @property
    def is_platform(self) -> bool:
        """Whether the visitor is of the platform."""
        return self.caller.kind is PartyKind.PLATFORM

    def may(self, permission: Permission) -> bool:
        """Whether the user has this permission."""
        return self.caller.may(permission)

    @property
    def seal(self) -> str:
        """What every form of this session carries. No other site can know it."""
        return seal_of(self.secret)

    @property
    def author(self) -> Author:
        """Who makes a change that is no event of a line."""
        return Author(name=self.caller.name, door=DOOR, at=self.now, ids=self.services.ids)

    def new_once(self) -> str:
        """A key for a form: sent twice it counts once."""
        return self.services.ids.new().hex

    async def read(self, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the database."""
        return await self.services.database.read(partial(_asked, question, args, kwargs))

    async def count(self, question: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the database for what takes long to compute, without keeping the calls of others waiting."""
        return await self.services.database.read(partial(_asked, question, args, kwargs), heavy=True)

    async def change(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Change what is no command on a line."""
        return await change(self.services.database, partial(_asked, work, args, kwargs))

    async def change_once(self, work: Callable[[Connection], T], then: Callable[[T], str]) -> T:
        """Change what is no command on a line, once for a form. ``then`` says where the visitor is led afterwards.

        Raises:
            SentBeforeError: the same form was sent before.
        """
        once = self._once("")
        if once is None:
            return await self.change(work)
        mine = replace(once, party=self.caller.party)
        kept_or_done: T | KeptAnswer = await self.change(
            once_for_key, self.now, mine, work, lambda result: then(result).encode()
        )
        if isinstance(kept_or_done, KeptAnswer):
            raise SentBeforeError((kept_or_done.reply or b"").decode())
        return kept_or_done

    async def submit(self, command: Command, retailer: UUID, part: str = "") -> Outcome:
        """Send a command down the write road. The same form sent twice is one call for each ``part`` of it."""
        once = self._once(part)
        return await self.services.lanes.submit(Call(command=command, door=DOOR, retailer=retailer, once=once))

    def _once(self, part: str) -> IdempotencyKey | None:
        once = self.form.text("once")
        if not once:
            return None
        content = hashlib.sha256(repr((self.path, part, sorted(self.form.content))).encode()).hexdigest()
        return IdempotencyKey(
            caller=f"console:{self.session.user.hex}", key=f"{once[:64]}:{content[:16]}", fingerprint=content
        )


def seal_of(secret: str) -> str:
    """What the forms of a session carry, made of the secret of its cookie, which no page shows."""
    return digest(f"the forms of {secret}")


def _asked(question: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any], connection: Connection) -> T:
    return question(connection, *args, **kwargs)
