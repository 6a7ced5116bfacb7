"""Idempotency keys: all calls with one key and the same content have one effect and get one answer."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from countermand.domain.refusals import KEPT_UNDER_KEYS, Refusal, RefusalKind

OPERATION: Final = "operation"
"""The part of a call that says which one it is, and about what."""

WHOLE: Final = ""
"""The JSON pointer of the whole of a call, where nobody knows which part of it differs."""

DIFFERENCES_MAX: Final = 100
"""So many places are named in which two calls differ."""

_LEAVES_MAX: Final = 200
"""The values of a member with more of them are not told apart, so that what is stored of a call stays small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a call says, as digests. ``parts`` has one for each place, ``pointers`` the JSON pointer of each place.

    Places are as pointers are, but name a line by its id, as the order of lines means nothing.
    """

    parts: Mapping[str, str]
    pointers: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """One digest for all."""
        return _digest(dict(self.parts), 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotencyKey:
    """A call that must have its effect once: the caller, the key, and a fingerprint of the content.

    The keys of a ``party`` are in one space. Without one, they are in the space of the retailer that the call is about.
    ``former`` makes the fingerprint that earlier versions made of the call. A repeat of a call that was refused is
    decided again, unless the key ``keeps`` refusals of this kind.
    """

    caller: str
    key: str
    fingerprint: str
    keeps: frozenset[RefusalKind] = frozenset(RefusalKind)
    party: UUID | None = None
    content: Content | None = None
    former: Callable[[], str] = str

    @classmethod
    def of_party(cls, party: UUID, key: str, content: Content, former: Callable[[], str] = str) -> "IdempotencyKey":
        """A key of a party, for a call with this content."""
        return cls(
            caller=str(party),
            key=key,
            fingerprint=content.fingerprint,
            keeps=KEPT_UNDER_KEYS,
            party=party,
            content=content,
            former=former,
        )

    @property
    def parts(self) -> Mapping[str, str] | None:
        """The digests of the content, if they are kept."""
        return self.content.parts if self.content else None

    def places(self, retailer: UUID | None) -> list[tuple[UUID, str]]:
        """Under which owner and caller its answer can stand: first where it is kept, then where it was kept before."""
        own = [(self.party, self.caller), (self.party, f"{self.party} endpoints")] if self.party else []
        return [*own[:1], *([(retailer, self.caller)] if retailer and retailer != self.party else []), *own[1:]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """What was answered to the first call with a key, and when.

    ``reply`` is what the caller got, as its API wrote it.
    """

    fingerprint: str
    answer: Mapping[str, Any]
    at: datetime
    parts: Mapping[str, str] | None = None
    reply: bytes | None = None


def reused(kept: KeptAnswer, once: IdempotencyKey) -> Refusal | None:
    """The refusal of a key that was used for another call; nothing if this is the same call."""
    if kept.fingerprint == once.fingerprint or kept.fingerprint == once.former():
        return None
    return Refusal(
        kind=RefusalKind.KEY_REUSED,
        detail="This Idempotency-Key was used before, for a call with other content.",
        differs=_differences(kept.parts, once.content),
        first_used_at=kept.at,
    )


def content_of(operation: str, said: Mapping[str, Any]) -> Content:
    """What a call says, however it was spelled. ``said`` leaves out what has its default."""
    parts, pointers = {OPERATION: _digest(operation)}, {OPERATION: OPERATION}
    for place, pointer, value in _values(said, "", ""):
        parts[place], pointers[place] = _digest(value), pointer
    return Content(parts=parts, pointers=pointers)


def _values(value: Any, place: str, pointer: str) -> Iterator[tuple[str, str, Any]]:
    inner = list(_members(value))
    if not inner or (place and _count(value) > _LEAVES_MAX):
        if place:
            yield place, pointer, value
        return
    for name, shown, each in inner:
        yield from _values(each, f"{place}/{name}", f"{pointer}/{shown}")


def _members(value: Any) -> Iterator[tuple[str, str | int, Any]]:
    """What a value consists of: each with its name in places and its name in pointers."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            shown = str(name).replace("~", "~0").replace("/", "~1")
            yield shown, shown, each
    elif isinstance(value, list | tuple):
        for at, each in enumerate(value):
            line = each.get("line") if isinstance(each, Mapping) else None
            yield f"#{_plain(line)}" if line else str(at), at, each


def _count(value: Any) -> int:
    return sum(_count(each) for _, _, each in _members(value)) or 1


def _differences(before: Mapping[str, str] | None, now: Content | None) -> tuple[str, ...]:
    if before is None or now is None:
        return (WHOLE,)
    if before[OPERATION] != now.parts[OPERATION]:
        return (OPERATION,)
    places = [each for each in {**before, **now.parts} if before.get(each) != now.parts.get(each)]
    # A line that this call does not name has no place in it.
    pointers = {now.pointers.get(each, each.partition("/#")[0]) for each in places}
    outermost = {each for each in pointers if not any(each.startswith(f"{other}/") for other in pointers)}
    return tuple(sorted(outermost)[:DIFFERENCES_MAX])


def _digest(value: Any, length: int = 12) -> str:
    text = json.dumps(value, default=_plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _plain(value: Any) -> Any:
    """What a value means, without its spelling."""
    match value:
        case UUID():
            return value.hex
        case Decimal():
            return format(value.normalize(), "f")
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date() | time():
            return value.isoformat()
        case Enum():
            return value.value
        case set() | frozenset():
            return sorted(map(_plain, value))
        case _:
            return str(value)
