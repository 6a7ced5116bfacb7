"""Which door a call belongs to, by its path alone. No door knows of another."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from countermand.wire.http import one_host
from countermand.wire.limits import Asgi
from countermand.wire.response import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An API as an ASGI application: how its paths begin, and how it refuses a call whose Host is wrong.

    ``paths`` are those of its calls that do not begin so.
    """

    prefixes: tuple[str, ...]
    paths: frozenset[str] = frozenset()
    app: Asgi
    refuse_host: Asgi


def routed(doors: Sequence[Door], otherwise: Door) -> Asgi:
    """One application of these doors. A path that is none of theirs goes to the last one."""
    known = [(door.prefixes, door.paths, one_host(door.app, door.refuse_host)) for door in doors]
    rest = one_host(otherwise.app, otherwise.refuse_host)

    async def chosen(scope: Any, receive: Any, send: Any) -> None:
        path = path_of(scope)
        found = (app for prefixes, paths, app in known if path.startswith(prefixes) or path in paths)
        await next(found, rest)(scope, receive, send)

    return chosen


def path_of(scope: Scope) -> str:
    """The path of a call, without the prefix under which the whole service may be mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
