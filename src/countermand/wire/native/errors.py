"""What went wrong, as a problem document (RFC 9457). Its status comes from the one table, ``wire/replies.py``."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from fastapi import Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Match

from countermand.domain.refusals import Refusal, RefusalKind
from countermand.domain.texts import writable
from countermand.ids import show
from countermand.json_input import MalformedJsonError, UnfitTextError
from countermand.service.calls import Done, Outcome, Refused
from countermand.wire import limits
from countermand.wire.replies import REPLIES, Problem

ERRORS_MAX: Final = 100
"""So many errors of one call are told; a body of nothing but errors would be answered with megabytes."""

MEDIA_TYPE: Final = "application/problem+json"


UNCLEAR: Final = "The call cannot be understood; errors lists what is wrong."


class CurrentOut(BaseModel):
    """Where the cancellation or refund stands that was answered at another step: who made it so, and when."""

    state: str
    step: int
    awaiting: UUID | None
    answered_by: UUID | None
    answered_at: datetime | None


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457). ``code`` is the name of the refusal or problem."""

    title: str
    status: int
    detail: str
    code: str
    cancellation: str | None = None
    current: CurrentOut | None = None
    errors: list[dict[str, Any]] | None = None


PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ProblemOut} for status in (400, 401, 403, 404, 409, 413, 422, 428, 429, 503)
}
"""For the description: what every call can answer besides success."""


class CallError(Exception):
    """The call ends here, with a problem."""

    def __init__(self, kind: Problem | RefusalKind, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers: dict[str, str] = {}
        self.more = more

    def with_header(self, header: tuple[bytes, bytes]) -> Self:
        """The same, with a header of its own."""
        self.headers[header[0].decode()] = header[1].decode()
        return self


def invalid(detail: str, *where: str | int) -> CallError:
    """What the call says has the right form and makes no sense; ``where`` is the place in it."""
    errors = [{"loc": list(where), "msg": detail}] if where else None
    return CallError(Problem.INVALID, detail, errors=errors)


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
        where = ["body", *(each if isinstance(each, int) else writable(each) for each in error.place)]
        raise BodyError(CallError(Problem.INVALID, UNCLEAR, errors=[{"loc": where, "msg": str(error)}])) from None
    except MalformedJsonError as error:
        raise BodyError(CallError(Problem.MALFORMED, f"The body is not JSON as it has to be: {error}.")) from None


def refused(refusal: Refusal) -> CallError:
    """The rules did not heed the call."""
    standing = show("can", refusal.cancellation) if refusal.cancellation else None
    current = CurrentOut(**asdict(refusal.current)) if refusal.current else None
    return CallError(refusal.kind, refusal.detail, cancellation=standing, current=current)


def heeded(outcome: Outcome, *, unknown: Refusal) -> Done:
    """The outcome, when it is a good one. ``unknown`` says of what the caller named that it is not the caller's.

    Raises:
        CallError: the call was refused, or the database failed.
    """
    match outcome:
        case Done():
            return outcome
        case Refused():
            nobodys = outcome.refusal.kind in _UNKNOWN
            raise refused(unknown if nobodys else outcome.refusal)
        case _:
            raise unavailable()


_UNKNOWN: Final = frozenset({RefusalKind.UNKNOWN_LINE, RefusalKind.UNKNOWN_ORDER, RefusalKind.UNKNOWN_CANCELLATION})
"""Whichever of them the rules found unknown, the caller hears it of the one that was named."""


def unavailable() -> CallError:
    """The database is away."""
    return CallError(Problem.UNAVAILABLE, "The database did not answer. Nothing is lost; repeat the call.")


def throttled(retry_in_s: int) -> CallError:
    """The caller calls too often."""
    error = CallError(Problem.RATE_LIMITED, f"Too many calls; call again in {retry_in_s} s.")
    return error.with_header((b"Retry-After", str(retry_in_s).encode()))


async def on_unavailable(request: Request, error: Exception) -> Response:
    """The database is away."""
    return problem(unavailable())


_NARROWER: Final = {
    "cancellations": "Name a state, a line or an order, or say awaiting_me.",
    "events": "Name a line, or begin later with after.",
    "refunds": "Name a line or a state.",
    "scorecards": "Ask for fewer weeks, or without evidence.",
}
"""Which filters of a call help, by its path."""


async def on_too_broad(request: Request, error: Exception) -> Response:
    """A read that took longer than one may."""
    noun = request.url.path.removeprefix("/v1/").partition("/")[0]
    return problem(CallError(Problem.TOO_BROAD, f"{error} {_NARROWER.get(noun, 'Name what it is about.')}"))


async def on_call_error(request: Request, error: Exception) -> Response:
    """A call that ended with a problem."""
    assert isinstance(error, CallError)
    return problem(error)


async def on_invalid(request: Request, error: Exception) -> Response:
    """A body or a parameter that has the wrong form."""
    assert isinstance(error, RequestValidationError)
    # A name in a query may hold half a surrogate pair, which UTF-8 cannot write.
    errors = [
        {
            "loc": [each if isinstance(each, int) else writable(each) for each in one["loc"]],
            "msg": one["msg"].removeprefix("Value error, "),
        }
        for one in error.errors()[:ERRORS_MAX]
    ]
    return problem(CallError(Problem.INVALID, UNCLEAR, errors=errors))


async def on_http_error(request: Request, error: Exception) -> Response:
    """No such call, or no such verb; OPTIONS is told which verbs there are."""
    assert isinstance(error, HTTPException)
    if isinstance(error, BodyError):
        return problem(error.error)
    by_status = {404: Problem.NOT_FOUND, 405: Problem.METHOD_NOT_ALLOWED}
    reply = problem(CallError(by_status.get(error.status_code, Problem.MALFORMED), f"{error.detail}."))
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
    await problem(CallError(Problem.MALFORMED, scope["error"]))(scope, receive, send)


async def refuse_body(scope: Any, receive: limits.Receive, send: Any) -> None:
    """A body that is too large, too slow or too deep; it was not read to its end."""
    match scope["error"]:
        case limits.BodyTooLargeError() as large:
            error = CallError(Problem.TOO_LARGE, str(large))
        case limits.BodyTooSlowError():
            error = CallError(Problem.TOO_SLOW, "The body did not arrive in time.")
        case malformed:
            error = CallError(Problem.MALFORMED, f"The body is {malformed}.")
    await problem(error)(scope, receive, send)


def problem(error: CallError) -> Response:
    """The problem document."""
    status = REPLIES[error.kind].native
    body = {
        "title": error.kind.value.replace("_", " ").capitalize(),
        "status": status,
        "detail": error.detail,
        "code": error.kind.value,
        **{name: value for name, value in error.more.items() if value is not None},
    }
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(status, {})
    return JSONResponse(jsonable_encoder(body), status, {**headers, **error.headers}, MEDIA_TYPE)
