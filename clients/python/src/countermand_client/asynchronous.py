"""How the steps of a call are taken.

``tools/write_clients.py`` makes ``blocking.py`` of this file, without ``async`` and ``await``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar

from countermand_client import flows
from countermand_client.configuration import Configuration

if TYPE_CHECKING:
    import httpx2

    from countermand_client.models import Event

P = ParamSpec("P")
T = TypeVar("T")


class AsyncCaller:
    """Calls the service. Close it, or use it in an ``async with``, so that its connections end.

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
        http_client: httpx2.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        # They take most of the time of an import, and are not needed before there is a client.
        import asyncio

        import httpx2

        self._configuration = Configuration.of(url, token)
        self._retrying = flows.Retrying(max_retries=max_retries)
        self._timeout = timeout
        self._http = http_client or httpx2.AsyncClient()
        self._sleep = sleep or asyncio.sleep

    async def aclose(self) -> None:
        """End its connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.aclose()

    async def with_raw_response(
        self, method: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> flows.RawResponse[T]:
        """Call ``method``, and give back the answer with status and headers beside what it returns."""
        kept: list[flows.Answer] = []
        before = flows.answers.set(kept)
        try:
            parsed = await method(*args, **kwargs)
        finally:
            flows.answers.reset(before)
        return flows.raw_response(kept, parsed)

    async def run(self, flow: flows.Flow[T]) -> T:
        """What a flow comes to."""
        stream = _Stream(self)
        try:
            step = flows.after(flow, None)
            while not isinstance(step, flows.Ended):
                step = await self._take(flow, step, stream)
            result: T = step.value
            return result
        finally:
            await stream.aclose()
            flow.close()

    async def iterate(self, flow: flows.Flow[None]) -> AsyncIterator[Any]:
        """What a flow emits."""
        stream = _Stream(self)
        try:
            step = flows.after(flow, None)
            while not isinstance(step, flows.Ended):
                if isinstance(step, flows.Emit):
                    yield step.value
                    step = flows.after(flow, None)
                else:
                    step = await self._take(flow, step, stream)
        finally:
            await stream.aclose()
            flow.close()

    async def _take(self, flow: flows.Flow[Any], step: flows.Step, stream: _Stream) -> flows.Step | flows.Ended:
        """Take a step. Returns the one that follows."""
        import httpx2

        try:
            outcome = await self._do(step, stream)
        except httpx2.TransportError as error:
            timed_out = isinstance(error, httpx2.TimeoutException)
            return flows.after_failure(flow, flows.connection_error(error, timed_out=timed_out))
        return flows.after(flow, outcome)

    async def _do(self, step: flows.Step, stream: _Stream) -> Any:
        match step:
            case flows.Send(request):
                answer = await self._http.request(**self._written(request))
                return flows.Answer(answer.status_code, _headers(answer), answer.content)
            case flows.Wait(seconds):
                return await self._sleep(seconds)
            case flows.Open(request):
                return await stream.open(self._written(request))
            case _:
                return await stream.line()

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

    def __init__(self, caller: AsyncCaller) -> None:
        self._http = caller._http
        self._open = AsyncExitStack()
        self._lines: AsyncIterator[str] | None = None

    async def open(self, request: Mapping[str, Any]) -> flows.Answer:
        await self.aclose()
        answer = await self._open.enter_async_context(self._http.stream(**request))
        if not answer.is_success:
            return flows.Answer(answer.status_code, _headers(answer), await answer.aread())
        self._lines = aiter(answer.aiter_lines())
        return flows.Answer(answer.status_code, _headers(answer), b"")

    async def line(self) -> str | None:
        return await anext(self._lines, None) if self._lines is not None else None

    async def aclose(self) -> None:
        await self._open.aclose()


class AsyncPages(Generic[T]):
    """A list: iterate to get all of it, page by page, or take one ``page()``."""

    def __init__(self, caller: AsyncCaller, id: str, arguments: Mapping[str, Any], options: flows.Options) -> None:  # noqa: A002
        self._caller = caller
        self._call = (caller._retrying, id, arguments, options)

    def __aiter__(self) -> AsyncIterator[T]:
        return self._caller.iterate(flows.listed(*self._call))

    async def page(self) -> flows.Page[T]:
        """The first page only. Its ``next`` is the ``after`` of the following one."""
        return await self._caller.run(flows.page(*self._call))


class AsyncEventStream:
    """Events as they happen, for as long as one iterates. ``cursor`` is the place after the last one."""

    def __init__(self, caller: AsyncCaller, arguments: Mapping[str, Any], options: flows.Options) -> None:
        self._caller = caller
        self._call = (caller._retrying, arguments, options)
        self._place = flows.Place(cursor=arguments.get("after"))

    @property
    def cursor(self) -> str | None:
        """Hand it to ``after`` to go on later, in another process too."""
        return self._place.cursor

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._caller.iterate(flows.stream(*self._call, self._place))


class AsyncNoun:
    """The calls about one noun."""

    def __init__(self, caller: AsyncCaller) -> None:
        self._caller = caller

    async def _call(self, id: str, arguments: Mapping[str, Any], options: flows.Options) -> Any:  # noqa: A002
        return await self._caller.run(flows.call(self._caller._retrying, id, arguments, options))

    def _list(self, id: str, arguments: Mapping[str, Any], options: flows.Options) -> AsyncPages[Any]:  # noqa: A002
        return AsyncPages(self._caller, id, arguments, options)

    def _stream(self, arguments: Mapping[str, Any], options: flows.Options) -> AsyncEventStream:
        return AsyncEventStream(self._caller, arguments, options)


def _headers(answer: httpx2.Response) -> Mapping[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}
