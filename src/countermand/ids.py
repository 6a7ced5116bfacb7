"""Ids and tokens: made by the application, from a clock and a source of randomness that it is handed."""

import hashlib
import re
import zlib
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random, SystemRandom
from typing import Final
from uuid import UUID

Clock = Callable[[], datetime]

DRAWN: Final = 128
"""For so many ids random bits are drawn at once."""

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def system_clock() -> datetime:
    """The time, aware and in UTC."""
    return datetime.now(UTC)


class Ids:
    """Makes UUIDs of version 7 (RFC 9562, 5.7): they sort by the millisecond in which they were made."""

    def __init__(self, clock: Clock = system_clock, source: Random | None = None) -> None:
        self._clock = clock
        self._random = source or SystemRandom()
        self._drawn: deque[int] = deque()

    def new(self) -> UUID:
        """A fresh id."""
        millis = int(self._clock().timestamp() * 1000)
        bits = self._bits()
        return UUID(int=millis << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & (1 << 62) - 1)

    def _bits(self) -> int:
        """74 random bits. They are drawn for many ids at once, as each draw asks the system."""
        try:
            # Threads may come here at the same time: each pop is one's own.
            return self._drawn.pop()
        except IndexError:
            drawn = self._random.getrandbits(80 * DRAWN).to_bytes(10 * DRAWN, "big")
            mask = (1 << 74) - 1
            fresh = [int.from_bytes(drawn[at : at + 10], "big") & mask for at in range(0, len(drawn), 10)]
            self._drawn.extend(fresh[1:])
            return fresh[0]

    def random_bytes(self, count: int) -> bytes:
        """So many random bytes, for a key."""
        return self._random.randbytes(count)

    def token(self, prefix: str) -> str:
        """A secret of 256 random bits, with a prefix that says what it is and a checksum that finds typing errors."""
        secret = _in_base62(self._random.getrandbits(256), 43)
        return f"{prefix}_{secret}{_in_base62(zlib.crc32(secret.encode()), 6)}"


def made_at(moment: datetime) -> UUID:
    """A fresh id of version 7, as one that is made at this moment."""
    return Ids(lambda: moment).new()


def earliest(moment: datetime) -> UUID:
    """No id of version 7 that was made from this moment's millisecond on sorts before this one."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62)


def moment_of(value: UUID) -> datetime:
    """When an id of version 7 was made, to the millisecond.

    Raises:
        OverflowError: it was made after the year 9999, so it is none.
    """
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=value.int >> 80)


def digest(secret: str) -> str:
    """What is stored of a token: its SHA-256. Tokens are random, so a slow hash would add nothing but cost."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def show(prefix: str, value: UUID) -> str:
    """An id as people and programs see it, e.g. ``can_0190...``."""
    return f"{prefix}_{value.hex}"


def read(prefix: str, text: str) -> UUID | None:
    """The id in ``text``, with or without its prefix, in any letter case; ``None`` when it is not one."""
    try:
        return read_named(prefix, text)
    except ValueError:
        return None


def read_named(prefix: str, given: object) -> UUID:
    """The id that was given, with or without its prefix, in any letter case.

    Raises:
        ValueError: it is none.
    """
    if isinstance(given, str) and given[: len(prefix) + 1].lower() == f"{prefix}_":
        given = given[len(prefix) + 1 :]
    return read_uuid(given)


def read_uuid(given: object) -> UUID:
    """The UUID that a text is, with or without its hyphens.

    Raises:
        ValueError: it is none. Braces, ``urn:uuid:`` and digits of other scripts are for other readers.
    """
    if isinstance(given, UUID):
        return given
    if not (isinstance(given, str) and _UUID.fullmatch(given)):
        raise ValueError(f"must be a UUID such as {UUID(int=0)}")
    return UUID(given)


_UUID: Final = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _in_base62(number: int, width: int) -> str:
    digits = []
    while number:
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits)).rjust(width, "0")
