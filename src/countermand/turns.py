"""How long a thread may compute while the event loop waits for its turn: Python's own 5 ms, or less while that matters.

A call waits for its turn several times, each time for as long as this: where many are turned away, 5 ms made half a
second of it. A tenth more CPU a call is the price of short turns, so they are not always short.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SHORT_S: Final = 0.0005


class _Turns:
    """Short as long as anybody needs it."""

    def __init__(self) -> None:
        self._needed = 0
        self._usual_s = 0.0

    def shorten(self) -> None:
        if not self._needed:
            self._usual_s = sys.getswitchinterval()
            sys.setswitchinterval(SHORT_S)
        self._needed += 1

    def restore(self) -> None:
        self._needed -= 1
        if not self._needed:
            sys.setswitchinterval(self._usual_s)


_TURNS: Final = _Turns()

shorten: Final = _TURNS.shorten
"""Let threads take short turns. Each call is followed by one of ``restore``, from the thread of the event loop."""

restore: Final = _TURNS.restore
"""Whoever called ``shorten`` needs it no more."""


@contextmanager
def short() -> Iterator[None]:
    """Threads take short turns meanwhile. For the thread of the event loop."""
    shorten()
    try:
        yield
    finally:
        restore()


async def compute(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do what takes long and asks nobody, such as writing a large file, without keeping the calls of others waiting."""
    with short():
        return await asyncio.to_thread(work, *args, **kwargs)
