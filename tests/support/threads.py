"""In which threads something is computed."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest


@dataclass
class Threads:
    """The threads that a function was called in, and the one that this was made in."""

    own: int = field(default_factory=threading.get_ident)
    used: set[int] = field(default_factory=set)

    @property
    def aside(self) -> bool:
        """Whether it was called, and never in the thread of the event loop."""
        return bool(self.used) and self.own not in self.used


def watch(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> Threads:
    """Note the thread of each call of a function, until the end of the test."""
    threads, function = Threads(), getattr(module, name)

    def noted(*args: Any, **kwargs: Any) -> Any:
        threads.used.add(threading.get_ident())
        return function(*args, **kwargs)

    noting: Callable[..., Any] = noted
    monkeypatch.setattr(module, name, noting)
    return threads
