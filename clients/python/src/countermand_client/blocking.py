"""How the steps of a call are taken.

Written by ``tools/write_clients.py`` from ``asynchronous.py``. Do not edit it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from countermand_client import flows
from countermand_client.configuration import Configuration

if TYPE_CHECKING:
    import httpx2

    from countermand_client.models import Event

P = ParamSpec("P")
T = TypeVar("T")


class Caller:
    """Calls the service. Close it, or use it in a ``with``, so that its connections end.

    ``url`` and ``token`` come from ``COUNTERMAND_URL`` and ``COUNTERMAND_TOKEN`` or ``COUNTERMAND_TOKEN_FILE`` if they
    are not given. ``timeout`` is in seconds, for each try. ``http_client`` can be one with a proxy or other limits.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 30.0,
        max_retries: int = 2,
        http_client: httpx2.Client | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        # They take most of the time of an import, and are not needed before there is a client.
        import time

        import httpx2

        self._configuration = Configuration.of(url, token)
        self._retrying = flows.Retrying(max_retries=max_retries)
        self._timeout = timeout
        self._http = http_client or httpx2.Client()
        self._sleep = sleep or time.sleep

    def close(self) -> None:
        """End its connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def with_raw_response(self, method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> flows.RawResponse[T]:
        """Call ``method``, and give back the answer with status and headers beside what it returns."""
        kept: list[flows.Answer] = []
        before = flows.answers.set(kept)
        try:
            parsed = method(*args, **kwargs)
        finally:
            flows.answers.reset(before)
        return flows.raw_response(kept, parsed)

    def run(self, flow: flows.Flow[T]) -> T:
        """What a flow comes to."""
        stream = _Stream(self)
        try:
            step = flows.after(flow, None)
            while not isinstance(step, flows.Ended):
                step = self._take(flow, step, stream)
            result: T = step.value
            return result
        finally:
            stream.close()
            flow.close()

    def iterate(self, flow: flows.Flow[None]) -> Iterator[Any]:
        """What a flow emits."""
        stream = _Stream(self)
        try:
            step = flows.after(flow, None)
            while not isinstance(step, flows.Ended):
                if isinstance(step, flows.Emit):
                    yield step.value
                    step = flows.after(flow, None)
                else:
                    step = self._take(flow, step, stream)
        finally:
            stream.close()
            flow.close()

    def _take(self, flow: flows.Flow[Any], step: flows.Step, stream: _Stream) -> flows.Step | flows.Ended:
        """Take a step. Returns the one that follows."""
        import httpx2

        try:
            outcome = self._do(step, stream)
        except httpx2.TransportError as error:
            timed_out = isinstance(error, httpx2.TimeoutException)
            return flows.after_failure(flow, flows.connection_error(error, timed_out=timed_out))
        return flows.after(flow, outcome)

    def _do(self, step: flows.Step, stream: _Stream) -> Any:
        match step:
            case flows.Send(request):
                answer = self._http.request(**self._written(request))
                return flows.Answer(answer.status_code, _headers(answer), answer.content)
            case flows.Wait(seconds):
                return self._sleep(seconds)
            case flows.Open(request):
                return stream.open(self._written(request))
            case _:
                return stream.line()

    def _written(self, request: flows.Request) -> dict[str, Any]:
        return {
            "method": request.method,
            "url": self._configuration.url + request.path,
            "params": list(request.query),
            "headers": {**self._configuration.headers, **request.headers},
            "content": request.content,
            "timeout": self._timeout if request.timeout is None else request.timeout,
            "follow_redirects": False,
        }


class _Stream:
    """The stream that is open, if one is."""

    def __init__(self, caller: Caller) -> None:
        self._http = caller._http
        self._open = ExitStack()
        self._lines: Iterator[str] | None = None

    def open(self, request: Mapping[str, Any]) -> flows.Answer:
        self.close()
        answer = self._open.enter_context(self._http.stream(**request))
        if not answer.is_success:
            return flows.Answer(answer.status_code, _headers(answer), answer.read())
        self._lines = answer.iter_lines()
        return flows.Answer(answer.status_code, _headers(answer), b"")

    def line(self) -> str | None:
        return next(self._lines, None) if self._lines is not None else None

    def close(self) -> None:
        self._open.close()


class Pages(Generic[T]):
    """A list: iterate to get all of it, page by page, or take one ``page()``."""

    def __init__(self, caller: Caller, id: str, arguments: Mapping[str, Any], options: flows.Options) -> None:  # noqa: A002
        self._caller = caller
        self._call = (caller._retrying, id, arguments, options)

    def __iter__(self) -> Iterator[T]:
        return self._caller.iterate(flows.listed(*self._call))

    def page(self) -> flows.Page[T]:
        """The first page only. Its ``next`` is the ``after`` of the following one."""
        return self._caller.run(flows.page(*self._call))


class EventStream:
    """Events as they happen, for as long as one iterates. ``cursor`` is the place after the last one."""

    def __init__(self, caller: Caller, arguments: Mapping[str, Any], options: flows.Options) -> None:
        self._caller = caller
        self._call = (caller._retrying, arguments, options)
        self._place = flows.Place(cursor=arguments.get("after"))

    @property
    def cursor(self) -> str | None:
        """Hand it to ``after`` to go on later, in another process too."""
        return self._place.cursor

    def __iter__(self) -> Iterator[Event]:
        return self._caller.iterate(flows.stream(*self._call, self._place))


class Noun:
    """The calls about one noun."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def _call(self, id: str, arguments: Mapping[str, Any], options: flows.Options) -> Any:  # noqa: A002
        return self._caller.run(flows.call(self._caller._retrying, id, arguments, options))

    def _list(self, id: str, arguments: Mapping[str, Any], options: flows.Options) -> Pages[Any]:  # noqa: A002
        return Pages(self._caller, id, arguments, options)

    def _stream(self, arguments: Mapping[str, Any], options: flows.Options) -> EventStream:
        return EventStream(self._caller, arguments, options)


def _headers(answer: httpx2.Response) -> Mapping[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}
