"""Which files of ours a call enters, and how often it goes from one of them to another."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import countermand

ROOT: Final = f"{Path(str(countermand.__file__)).parent}/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A call from one file of ours to a function of another. What the event loop or a thread calls comes from none."""

    source: str
    file: str
    function: str


@dataclass(slots=True)
class Route:
    """Every move of a call, in order."""

    moves: list[Move] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """The files that it enters, in the order in which it does."""
        return list(dict.fromkeys(move.file for move in self.moves))


class Tracer:
    """Follows every thread that starts after it. Coroutines and generators that go on are not entered again."""

    def __init__(self) -> None:
        self._route: Route | None = None
        self._begun: set[FrameType] = set()
        self._names: dict[CodeType, str | None] = {}

    def _follow(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or self._route is None:
            return
        name = self._name(frame.f_code)
        if name is None or frame in self._begun:
            return
        self._begun.add(frame)
        caller = frame.f_back
        while caller is not None and self._name(caller.f_code) is None:
            caller = caller.f_back
        source = str(self._name(caller.f_code)) if caller else ""
        if source != name:
            self._route.moves.append(Move(source=source, file=name, function=frame.f_code.co_name))

    def _name(self, code: CodeType) -> str | None:
        if code not in self._names:
            ours = code.co_filename.startswith(ROOT) and code.co_name != "<module>"
            self._names[code] = code.co_filename.removeprefix(ROOT) if ours else None
        return self._names[code]

    @contextmanager
    def tracing(self) -> Iterator[Route]:
        """Follow what is done meanwhile."""
        route = self._route = Route()
        try:
            yield route
        finally:
            self._route = None
            self._begun.clear()

    @contextmanager
    def installed(self) -> Iterator["Tracer"]:
        """Hear of every call in this thread and those that start from now on."""
        before, before_in_threads = sys.getprofile(), threading.getprofile()
        threading.setprofile(self._follow)
        sys.setprofile(self._follow)
        try:
            yield self
        finally:
            sys.setprofile(before)
            threading.setprofile(before_in_threads)
