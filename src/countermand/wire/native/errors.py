"""What went wrong, as a problem document (RFC 9457). Its status comes from the one table, ``wire/replies.py``."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import orjson
from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from countermand.documents.cancellations import OutcomeOut, outcome_document
from countermand.domain.dates import write_moment
from countermand.ids import show
from countermand.input_errors import error_at, error_named
from countermand.json_input import MalformedJsonError, UnfitTextError
from countermand.observability.calls import current_call, request_id_of
from countermand.wire import limits
from countermand.wire.endings import note_end
from countermand.wire.replies import BUSY, NOT_ANSWERED, REPLIES, SORRY, CallError, Header, Problem
from countermand.wire.response import Reply, header

ERRORS_MAX: Final = 100
"""At most so many errors of one call are listed. Otherwise a body full of errors would get megabytes."""

MEDIA_TYPE: Final = "application/problem+json"


REQUEST_ID: Final = "countermand.request_id"
PROBLEM_PAGES: Final = "countermand.problem_pages"
"""Where a call's scope has the id of the call, and the address below which problems have their pages."""

UNREAD: Final = "countermand.unread"
"""Where a call's scope has why its JSON cannot be read."""

UNCLEAR: Final = "The call cannot be understood; errors lists what is wrong."


class CurrentOut(BaseModel):
    """Where the cancellation or refund stands that was answered at another step: who made it so, and when."""

    state: str
    step: int
    awaiting: UUID | None
    answered_by: UUID | None
    answered_at: datetime | None


class ErrorOut(BaseModel):
    """One thing that is wrong with a call: where, and what. A place in a body is a JSON pointer (RFC 6901)."""

    in_: Annotated[Literal["body", "query", "path", "header"], Field(alias="in")]
    pointer: str | None = None
    name: str | None = None
    code: str
    detail: str


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457). ``code`` is the name of the refusal or problem; ``type`` opens a page about it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    retryable: Annotated[bool, Field(description="whether the same call, with the same key, can succeed later")]
    cancellation: str | None = None
    order: UUID | None = None
    current: CurrentOut | None = None
    differs: Annotated[
        list[str] | None, Field(description="where two calls differ that should be one: JSON pointers, or operation")
    ] = None
    first_used_at: datetime | None = None
    errors: list[ErrorOut] | None = None
    outcomes: list[OutcomeOut] | None = None


PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {422: {"model": ProblemOut}}
"""For the description: the form of all problems. ``describing.py`` says which of them a call can end with."""


def invalid(detail: str, *where: str | int, code: str = "not_listed") -> CallError:
    """What the call says has the right form and makes no sense; ``where`` is the place in it."""
    return CallError(Problem.INVALID, detail, errors=[error_at(where, code, detail)] if where else None)


class BodyError(HTTPException):
    """What is wrong with a body, in a form that FastAPI hands on as it is."""

    def __init__(self, error: CallError) -> None:
        super().__init__(400)
        self.error = error


@contextmanager
def told_of_body() -> Iterator[None]:
    """What cannot be read becomes a problem of the caller's."""
    try:
        yield
    except UnfitTextError as error:
        wrong = error_at(("body", *error.place), "bad_text", str(error))
        raise BodyError(CallError(Problem.INVALID, UNCLEAR, errors=[wrong])) from None
    except MalformedJsonError as error:
        raise BodyError(CallError(Problem.MALFORMED, f"The body is not JSON as it has to be: {error}.")) from None


def throttled(retry_in_s: int) -> CallError:
    """The caller calls too often."""
    when = (b"retry-after", str(retry_in_s).encode())
    return CallError(Problem.RATE_LIMITED, f"Too many calls; call again in {retry_in_s} s.", when)


async def on_unavailable(request: Request, error: Exception) -> Response:
    """The database is away."""
    return problem(CallError(Problem.UNAVAILABLE, NOT_ANSWERED), request.scope)


_NARROWER: Final = {
    "cancellations": "Name a state, a line or an order, or say awaiting_me.",
    "events": "Name a line, or begin later, with since or after.",
    "refunds": "Name a line or a state.",
    "scorecards": "Ask for fewer weeks, or without evidence.",
}
"""Which filters of a call help, by its path."""


async def on_too_broad(request: Request, error: Exception) -> Response:
    """A read that took longer than one may."""
    noun = request.url.path.removeprefix("/v1/").partition("/")[0]
    advice = getattr(error, "advice", "") or _NARROWER.get(noun, "Name what it is about.")
    return problem(CallError(Problem.TOO_BROAD, f"{error} {advice}"), request.scope)


async def on_call_error(request: Request, error: Exception) -> Response:
    """A call that ended with a problem."""
    assert isinstance(error, CallError)
    return problem(error, request.scope)


async def on_invalid(request: Request, error: Exception) -> Response:
    """A body or a parameter that has the wrong form."""
    assert isinstance(error, RequestValidationError)
    errors = [error_named(each) for each in error.errors()[:ERRORS_MAX]]
    return problem(CallError(Problem.INVALID, UNCLEAR, errors=errors), request.scope)


async def on_http_error(request: Request, error: Exception) -> Response:
    """No such call, or no such verb; OPTIONS gets the verbs that there are."""
    assert isinstance(error, HTTPException)
    if isinstance(error, BodyError):
        return problem(error.error, request.scope)
    by_status = {404: Problem.NOT_FOUND, 405: Problem.METHOD_NOT_ALLOWED}
    wrong = CallError(by_status.get(error.status_code, Problem.MALFORMED), f"{error.detail}.")
    reply = problem(wrong, request.scope)
    reply.headers.update(error.headers or {})
    if error.status_code == 405:
        allow = {"Allow": ", ".join(sorted(_methods(request)))}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=allow)
        reply.headers.update(allow)
    return reply


def _methods(request: Request) -> set[str]:
    """All that can be done at the path of a call."""
    methods = {
        method
        for method in ("DELETE", "GET", "PATCH", "POST", "PUT")
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] is Match.FULL
    }
    return {"OPTIONS", *methods, *({"HEAD"} if "GET" in methods else set())}


async def refuse_host(scope: Any, receive: limits.Receive, send: Any) -> None:
    """Say what is wrong with the Host header."""
    await problem(CallError(Problem.MALFORMED, scope["error"]), scope)(scope, receive, send)


async def refuse_body(scope: Any, receive: limits.Receive, send: Any) -> None:
    """A body that is too large, too slow or too deep; it was not read to its end."""
    match scope["error"]:
        case limits.BodyTooLargeError() as large:
            error = CallError(Problem.TOO_LARGE, str(large))
        case limits.BodyTooSlowError():
            error = CallError(Problem.TOO_SLOW, "The body did not arrive in time.")
        case malformed:
            error = CallError(Problem.MALFORMED, f"The body is {malformed}.")
    await problem(error, scope)(scope, receive, send)


def busy(scope: Mapping[str, Any], pages: str) -> Reply:
    """There is no room for a call."""
    name = request_id_of(header(scope, b"request-id"), header(scope, b"traceparent"))
    return _our_fault(Problem.UNAVAILABLE, BUSY, name, pages, (b"retry-after", b"1"))


def failed(scope: Mapping[str, Any], pages: str) -> Reply:
    """A fault of ours ended a call. The log has more under its id."""
    call = current_call.get()
    name = call.request_id if call else request_id_of(header(scope, b"request-id"), header(scope, b"traceparent"))
    if call:
        call.code = Problem.INTERNAL.value
    return _our_fault(Problem.INTERNAL, SORRY, name, pages)


def _our_fault(kind: Problem, detail: str, request_id: str, pages: str, *headers: Header) -> Reply:
    body = {
        "type": f"{pages}/problems/{kind.value}",
        "title": kind.value.capitalize(),
        "status": REPLIES[kind].native,
        "detail": detail,
        "code": kind.value,
        "request_id": request_id,
        "retryable": True,
    }
    return Reply(
        status=REPLIES[kind].native,
        body=orjson.dumps(body),
        media_type=MEDIA_TYPE.encode(),
        headers=((b"request-id", request_id.encode()), *headers),
    )


def problem(error: CallError, scope: Mapping[str, Any]) -> Response:
    """The problem document."""
    note_end(error)
    status, code = REPLIES[error.kind].native, error.kind.value
    body = {
        "type": f"{scope.get(PROBLEM_PAGES, '')}/problems/{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "detail": error.detail,
        "code": code,
        "request_id": scope.get(REQUEST_ID, ""),
        "retryable": error.kind in RETRYABLE,
        **{name: value for name, value in _more(error) if value is not None},
    }
    headers = {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "1"}}.get(status, {})
    headers |= {name.decode(): value.decode() for name, value in error.headers}
    return JSONResponse(jsonable_encoder(body), status, headers, MEDIA_TYPE)


RETRYABLE: Final = frozenset(
    {Problem.RATE_LIMITED, Problem.TOO_SLOW, Problem.UNAVAILABLE, Problem.INTERNAL, Problem.KEY_IN_USE}
)
"""After these the same call, with the same key, can succeed."""


def _more(error: CallError) -> Iterator[tuple[str, Any]]:
    """What a refusal names besides, and which places of the call are wrong."""
    if error.refusal:
        refusal = error.refusal
        yield "cancellation", show("can", refusal.cancellation) if refusal.cancellation else None
        yield "order", refusal.order
        yield "outcomes", [outcome_document(each, done=False) for each in refusal.reports] or None
        yield "current", CurrentOut(**asdict(refusal.current)) if refusal.current else None
        yield "first_used_at", write_moment(refusal.first_used_at) if refusal.first_used_at else None
    yield "errors", error.errors
    differs = error.differs or (list(error.refusal.differs) if error.refusal else None)
    yield "differs", differs or None
