"""Which door a call belongs to, by its path alone. No door knows of another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from countermand.wire.http import one_host
from countermand.wire.limits import Asgi
from countermand.wire.response import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """An API as an ASGI application: the paths that are its own, and how it refuses a call whose Host is wrong."""

    claims: Callable[[str], bool]
    app: Asgi
    refuse_host: Asgi


def routed(doors: Sequence[Door]) -> Asgi:
    """One application of these doors. Each path goes to the first that claims it; the last one has to take the rest."""
    checked = [(door.claims, one_host(door.app, door.refuse_host)) for door in doors]

    async def chosen(scope: Any, receive: Any, send: Any) -> None:
        path = path_of(scope)
        app = next(app for claims, app in checked if claims(path))
        await app(scope, receive, send)

    return chosen


def path_of(scope: Scope) -> str:
    """The path of a call, without the prefix under which the whole service may be mounted."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
