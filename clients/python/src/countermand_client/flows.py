"""What the client does for each call, without doing it: generators that say each next step.

A flow yields a step, gets back what came of it, and returns its result. ``blocking.py`` and ``asynchronous.py`` take
the steps, each in its way, so that everything here is written once.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar
from urllib.parse import quote

from countermand_client.errors import ApiError, ConnectionFailed, TimedOut, api_error
from countermand_client.operations import OPERATIONS, Operation

if TYPE_CHECKING:
    from countermand_client.models import Job

T = TypeVar("T")

MediaType = Literal["text/csv", "application/jsonl"]
"""Of a file of rows."""

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 8.0
RETRY_AFTER_MAX_S: Final = 60.0
"""A longer wait is the caller's to decide on."""
STREAM_QUIET_S: Final = 45.0
"""A stream that says nothing for so long is dead: the service comments every 15 seconds."""
PART_BYTES: Final = 4 * 1024 * 1024
POLL_S: Final = 1.0


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None
    timeout: float | None = None


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Send:
    """Send a request and read its answer."""

    request: Request


@dataclass(frozen=True)
class Wait:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Open:
    """Open a stream. Gives its answer, read to its end only if it is an error."""

    request: Request


@dataclass(frozen=True)
class ReadLine:
    """Read the next line of the stream; ``None`` at its end."""


@dataclass(frozen=True)
class Emit:
    """Hand this to whoever iterates."""

    value: Any


@dataclass(frozen=True)
class Ended:
    """The flow has no further step; this is its result."""

    value: Any


Step = Send | Wait | Open | ReadLine | Emit
Flow = Generator[Step, Any, T]


def after(flow: Flow[Any], outcome: Any) -> Step | Ended:
    """The step after one that came to this; the first, of a flow that has not begun."""
    try:
        return flow.send(outcome)
    except StopIteration as ended:
        return Ended(ended.value)


def after_failure(flow: Flow[Any], error: ConnectionFailed) -> Step | Ended:
    """The step after one that failed."""
    try:
        return flow.throw(error)
    except StopIteration as ended:
        return Ended(ended.value)


@dataclass(frozen=True)
class Options:
    """What can be said for one call besides its members."""

    idempotency_key: str | None = None
    if_match: str | None = None
    request_id: str | None = None
    timeout: float | None = None
    content: bytes | None = None
    media_type: MediaType | None = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Retrying:
    """How often a call is repeated, and after how long."""

    max_retries: int = 2
    chance: Callable[[], float] = random.random

    def wait_s(self, error: ApiError | ConnectionFailed, tries: int) -> float | None:
        """How long to wait before the next try; ``None`` if there is to be none."""
        if tries > self.max_retries:
            return None
        told = None
        if isinstance(error, ApiError):
            if not error.retryable:
                return None
            told = error.retry_after
            if told is not None and told > RETRY_AFTER_MAX_S:
                return None
        return max(self.pause_s(tries), told or 0.0)

    def pause_s(self, tries: int) -> float:
        """Half a second, doubled each time up to eight, with jitter."""
        longest: float = min(FIRST_WAIT_S * 2.0 ** (min(tries, 10) - 1), LONGEST_WAIT_S)
        return longest * (0.5 + 0.5 * self.chance())


answers: ContextVar[list[Answer] | None] = ContextVar("answers", default=None)
"""Where the answers of the calls under way are kept, for ``with_raw_response``."""


def call(retrying: Retrying, id: str, arguments: Mapping[str, Any], options: Options) -> Flow[Any]:  # noqa: A002
    """One call, as often as it takes."""
    operation = OPERATIONS[id]
    answer = yield from exchange(retrying, operation, request_of(operation, arguments, options))
    return result_of(operation, answer)


def page(retrying: Retrying, id: str, arguments: Mapping[str, Any], options: Options) -> Flow[Page[Any]]:  # noqa: A002
    """One page of a list."""
    operation = OPERATIONS[id]
    answer = yield from exchange(retrying, operation, request_of(operation, arguments, options))
    document = _document(answer)
    next_ = document.get("next")
    items = tuple(_read(operation.result, each) for each in document[operation.listed_as])
    return Page(items=items, next=next_ if isinstance(next_, str) else None)


def listed(retrying: Retrying, id: str, arguments: Mapping[str, Any], options: Options) -> Flow[None]:  # noqa: A002
    """All items of a list, page by page."""
    after = arguments.get("after")
    while True:
        # Each page is a call of its own, with an id of its own.
        found = yield from page(retrying, id, {**arguments, "after": after}, replace(options, request_id=None))
        for item in found.items:
            yield Emit(item)
        # A feed always names a next page, also when there is nothing there yet.
        if found.next is None or found.next == after or not found.items:
            return
        after = found.next


@dataclass(frozen=True)
class RawResponse(Generic[T]):
    """The answer to a call as it came, and what was made of it."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    parsed: T

    @property
    def request_id(self) -> str:
        """The id of the call."""
        return self.headers.get("request-id", "")


def raw_response(kept: Sequence[Answer], parsed: T) -> RawResponse[T]:
    """The last answer of a call that made some."""
    if not kept:
        raise TypeError(
            "with_raw_response takes a method that makes one call, such as client.orders.get; of a list, its page"
        )
    last = kept[-1]
    return RawResponse(status=last.status, headers=last.headers, content=last.content, parsed=parsed)


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items of a list. ``next`` is the ``after`` of the following page; ``None`` at the end."""

    items: tuple[T, ...]
    next: str | None

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


def exchange(retrying: Retrying, operation: Operation, request: Request) -> Flow[Answer]:
    """The answer to a request that is sent again while that can help: always under the same key."""
    tries = 0
    while True:
        tries += 1
        error: ApiError | ConnectionFailed
        try:
            answer: Answer = yield Send(request)
        except ConnectionFailed as failed:
            error = failed
        else:
            if answer.ok or answer.status in operation.answers:
                kept = answers.get()
                if kept is not None:
                    kept.append(answer)
                return answer
            error = api_error(answer.status, answer.headers, answer.content)
        wait_s = retrying.wait_s(error, tries)
        if wait_s is None:
            raise error
        yield Wait(wait_s)


def request_of(operation: Operation, arguments: Mapping[str, Any], options: Options) -> Request:
    """The request of a call."""
    path = operation.path
    for place in operation.places:
        path = path.replace(f"{{{place}}}", quote(str(arguments[place]), safe=""))
    headers = {
        "accept": "application/json",
        **({"if-match": options.if_match} if options.if_match is not None else {}),
        **({"request-id": options.request_id} if options.request_id is not None else {}),
        **({"content-type": options.media_type} if options.media_type is not None else {}),
        **(options.headers or {}),
    }
    if operation.keyed and options.idempotency_key != "":
        # An empty key is none: then the service knows a repeat by its content.
        headers["idempotency-key"] = options.idempotency_key or str(uuid.uuid4())
    content = options.content
    body = {name: value for name, value in _said(operation.body, arguments) if value is not None}
    if content is None and (body or any(each.needed for each in operation.body)):
        content = json.dumps(_plain(body), ensure_ascii=False).encode()
        headers["content-type"] = "application/json"
    return Request(
        method=operation.method,
        path=path,
        query=tuple(_query(operation, arguments)),
        headers=headers,
        content=content,
        timeout=options.timeout,
    )


def _said(members: Sequence[Any], arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((each.name, arguments.get(each.name)) for each in members)


def _query(operation: Operation, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in _said(operation.query, arguments):
        if value is None:
            continue
        several = [value] if isinstance(value, str) or not isinstance(value, Sequence) else value
        for each in several:
            written = _plain(each)
            yield name, str(written).lower() if isinstance(written, bool) else str(written)


def _plain(value: Any) -> Any:
    """A value as JSON has it. What is not said is left out: ``null`` is no value of the API."""
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items() if each is not None}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(each) for each in value]
    return value


def result_of(operation: Operation, answer: Answer) -> Any:
    """The object that an answer brings; ``None`` where there is nothing to bring."""
    if operation.kind == "none" or operation.result == "None":
        return None
    found = _read(operation.result, _document(answer))
    found._etag = answer.headers.get("etag", "")
    found._replayed = answer.headers.get("idempotent-replayed") == "true"
    return found


def _document(answer: Answer) -> Any:
    try:
        return json.loads(answer.content)
    except ValueError as error:
        raise api_error(answer.status, answer.headers, answer.content) from error


def _read(result: str, document: Any) -> Any:
    # The types take a while to import; nothing needs them before the first answer.
    from countermand_client import models

    return models.event(document) if result == "Event" else getattr(models, result).read(document)


@dataclass
class Place:
    """Where a stream is: the cursor of the last event that it gave."""

    cursor: str | None = None
    retry_s: float = 3.0


def stream(retrying: Retrying, arguments: Mapping[str, Any], options: Options, place: Place) -> Flow[None]:
    """Events as they come. When the connection ends it is opened again, after the last event."""
    operation = OPERATIONS["events.stream"]
    first = request_of(operation, {**arguments, "after": None}, options)
    failures, opened = 0, False
    while True:
        try:
            answer: Answer = yield Open(_from(first, place))
            if not answer.ok:
                raise api_error(answer.status, answer.headers, answer.content)
            failures, opened = 0, True
            yield from _events(place)
        except ConnectionFailed as failed:
            failures += 1
            if not opened and failures > retrying.max_retries:
                raise failed
        except ApiError as error:
            failures += 1
            wait_s = retrying.wait_s(error, 1 if opened else failures)
            if wait_s is None:
                raise
            yield Wait(wait_s)
            continue
        yield Wait(retrying.pause_s(failures) if failures else place.retry_s)


def _from(request: Request, place: Place) -> Request:
    headers = {**request.headers, "accept": "text/event-stream"}
    if place.cursor is not None:
        headers["last-event-id"] = place.cursor
    return replace(request, headers=headers, timeout=request.timeout or STREAM_QUIET_S)


def _events(place: Place) -> Flow[None]:
    """The events of one connection, by the rules of Server-Sent Events."""
    data: list[str] = []
    cursor: str | None = None
    while (line := (yield ReadLine())) is not None:
        if not line:
            if data:
                found = _read("Event", json.loads("\n".join(data)))
                place.cursor = cursor or place.cursor
                yield Emit(found)
            data, cursor = [], None
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            cursor = value
        elif name == "retry" and value.isascii() and value.isdigit():
            place.retry_s = int(value) / 1000


def run_job(
    retrying: Retrying,
    kind: str,
    content: bytes,
    *,
    format: str,  # noqa: A002
    dry_run: bool | None,
    label: str | None,
    progress: Callable[[Job], None] | None,
    poll_s: float,
) -> Flow[Job]:
    """Create a job, upload its rows, start it, and wait until it has ended."""
    none = Options()
    wanted = {"kind": kind, "format": format, "dry_run": dry_run, "label": label}
    job: Job = yield from call(retrying, "jobs.create", wanted, none)
    media_type: MediaType = "text/csv" if format == "csv" else "application/jsonl"
    parts = list(_parts(content))
    for number, part in enumerate(parts, start=1):
        sent = Options(content=part, media_type=media_type)
        yield from call(retrying, "jobs.upload", {"job": job.id, "part": number}, sent)
    job = yield from call(retrying, "jobs.start", {"job": job.id, "parts": len(parts)}, none)
    while True:
        if progress is not None:
            progress(job)
        if job.ended:
            return job
        yield Wait(poll_s)
        job = yield from call(retrying, "jobs.get", {"job": job.id}, none)


def download(retrying: Retrying, job: str, *, format: str) -> Flow[bytes]:  # noqa: A002
    """All results of a job as a file."""
    operation = OPERATIONS["jobs.results"]
    media = {"accept": "text/csv" if format == "csv" else "application/jsonl"}
    request = request_of(operation, {"job": job}, Options(headers=media))
    answer = yield from exchange(retrying, operation, request)
    return answer.content


def _parts(content: bytes) -> Iterator[bytes]:
    """Pieces that the service takes in one call, cut after a line."""
    start = 0
    while start < len(content) or start == 0:
        end = min(start + PART_BYTES, len(content))
        if end < len(content):
            end = content.rfind(b"\n", start, end) + 1 or end
        yield content[start:end]
        start = end
        if not content:
            return


def connection_error(error: Exception, *, timed_out: bool) -> ConnectionFailed:
    """What the HTTP library reports, as an error of this library."""
    kind = TimedOut if timed_out else ConnectionFailed
    return kind(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
