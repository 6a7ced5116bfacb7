"""The call that is being answered, as logs, metrics and traces report it."""

import random
import re
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

_USABLE: Final = re.compile(r"[A-Za-z0-9._-]{8,128}", re.ASCII)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?", re.ASCII)
_NO_TRACE: Final = "0" * 32


@dataclass(slots=True)
class ObservedCall:
    """One call, filled in on its way: ``operation`` by its door, ``code`` by what ended it, the rest by the lane.

    ``status`` is the one of the answer, 0 until it begins. ``code`` is the refusal or the problem; it is empty for a
    call that did what it should. ``batch`` is how many calls shared its transaction, 0 if it had none. ``subjects`` are
    the ids of what it made or changed, at most ``SUBJECTS_MAX`` of them.
    """

    request_id: str
    status: int = 0
    operation: str = ""
    code: str = ""
    batch: int = 0
    subjects: tuple[str, ...] = ()


SUBJECTS_MAX: Final = 10

current_call: ContextVar[ObservedCall | None] = ContextVar("current_call", default=None)
"""The call whose answer is being made; ``None`` in the worker and in commands."""


def request_id_of(request_id: str | None, traceparent: str | None) -> str:
    """The id of a call: the caller's ``Request-Id`` if it can be used, else the id of its trace, else a new one."""
    if request_id is not None and _USABLE.fullmatch(request_id):
        return request_id
    if traceparent is not None and (found := _TRACEPARENT.fullmatch(traceparent)) and found[1] != _NO_TRACE:
        return found[1]
    # It only has to be another one than those of other calls, and nobody gains by guessing it.
    return f"req_{random.getrandbits(128):032x}"


def note_operation(name: str) -> None:
    """The call turned out to be this operation of its door."""
    call = current_call.get()
    if call is not None:
        call.operation = name


def note_code(code: str) -> None:
    """The call ends with this refusal or problem."""
    call = current_call.get()
    if call is not None:
        call.code = code
