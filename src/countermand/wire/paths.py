"""Which call a path belongs to: found segment by segment, as fast for the last of many calls as for the first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from countermand.wire.limits import Asgi, Receive
from countermand.wire.response import Send
from countermand.wire.router import path_of

_REST: Final = ":path}"


@dataclass(slots=True, eq=False)
class _Place:
    """Where some segments lead: on by a segment that is spelled out, or by any other, or to a call."""

    spelled: "dict[str, _Place]" = field(default_factory=dict)
    any_other: "_Place | None" = None
    call: "_Call | None" = None
    call_with_rest: "_Call | None" = None


@dataclass(frozen=True, slots=True)
class _Call:
    app: Asgi
    names: Sequence[str]


class Paths:
    """ASGI applications, each at a path such as ``/orders/{order}/``, as one application.

    ``{order}`` is one segment that is not empty, and stands in the scope as ``path_params["order"]``. ``{name:path}``,
    at the end, is all that is left, slashes and line breaks included. Segments that are spelled out go before others.
    Nothing is forgiven: a slash or a line break too many makes another path. Those that lead nowhere are answered by
    ``otherwise``.
    """

    def __init__(self, apps: Mapping[str, Asgi], otherwise: Asgi) -> None:
        self._start = _Place()
        self._otherwise = otherwise
        for path, app in apps.items():
            self._add(path, app)

    def _add(self, path: str, app: Asgi) -> None:
        here, names = self._start, list[str]()
        for segment in path.split("/"):
            if not segment.startswith("{"):
                here = here.spelled.setdefault(segment, _Place())
                continue
            names.append(segment.strip("{}").removesuffix(":path"))
            if segment.endswith(_REST):
                here.call_with_rest = _Call(app, names)
                return
            here.any_other = here.any_other or _Place()
            here = here.any_other
        here.call = _Call(app, names)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Hand the call on."""
        values: list[str] = []
        call = _found(self._start, path_of(scope).split("/"), 0, values)
        if call is None:
            await self._otherwise(scope, receive, send)
            return
        await call.app({**scope, "path_params": dict(zip(call.names, values, strict=True))}, receive, send)


def _found(here: _Place, segments: Sequence[str], at: int, values: list[str]) -> _Call | None:
    """The call to which these segments lead, from the one ``at`` which the way goes on; its ``values`` are appended."""
    if at == len(segments):
        return here.call
    segment = segments[at]
    if (spelled := here.spelled.get(segment)) and (found := _found(spelled, segments, at + 1, values)):
        return found
    if segment and here.any_other:
        values.append(segment)
        if found := _found(here.any_other, segments, at + 1, values):
            return found
        values.pop()
    if here.call_with_rest:
        values.append("/".join(segments[at:]))
    return here.call_with_rest
