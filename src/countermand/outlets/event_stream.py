"""A stream of a broker: every event in one place, for other systems. See docs/how-to/nats.md."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class StreamError(Exception):
    """The broker, or its stream, does not do what it is asked. The message says what is wrong, without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event. Of two messages with one ``id`` the broker keeps the first. ``after`` goes along as it is."""

    id: str
    kind: str
    retailer: str
    body: bytes
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamState:
    """What a stream is: when the broker made it, and the number of its last message."""

    made_at: datetime
    last_sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The numbers that messages have in the stream. Those that it had already are ``repeated``."""

    new: Sequence[int] = field(default_factory=list)
    repeated: int = 0


class EventStream(Protocol):
    """A stream. After a ``StreamError`` the next call connects anew."""

    @property
    def name(self) -> str:
        """What the broker calls it."""

    async def open(self) -> StreamState:
        """How it is. It is made if it is not there.

        Raises:
            StreamError: it cannot be looked at or made.
        """

    async def publish(self, messages: Sequence[Message]) -> Published:
        """Publish these, in no order, and wait until the stream has stored all of them.

        Raises:
            StreamError: it is not known of at least one that it was stored.
        """

    async def after_of(self, sequence: int) -> str | None:
        """The ``after`` of one message; ``None`` if there is no such message of ours.

        Raises:
            StreamError: it cannot be read.
        """

    async def problems(self) -> list[str]:
        """What a person should look at, in sentences. Nothing is made.

        Raises:
            StreamError: it cannot be looked at.
        """

    async def close(self) -> None:
        """Let go of the connection."""
