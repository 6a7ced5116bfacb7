"""The native API under ``/v1``: JSON, bearer tokens, OpenAPI. Shops and platforms call it; every party can."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, FastAPI, Header, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from countermand import reads
from countermand.domain.commands import Actor, AskCancellation, Asker, AskLines
from countermand.domain.line import State
from countermand.domain.reasons import CancelReason
from countermand.domain.refusals import UNKNOWN_CANCELLATION, UNKNOWN_LINE, Refusal, RefusalKind
from countermand.ids import read, show
from countermand.lanes import Lanes
from countermand.ordering import printable
from countermand.parties import Caller, Permission
from countermand.service import Call, Done, Failed, Once, Refused
from countermand.settings import Settings
from countermand.store.columns import Record
from countermand.store.engine import Database, UnavailableError
from countermand.wire import limits
from countermand.wire.auth import Authenticator
from countermand.wire.replies import REPLIES, Problem

DOOR: Final = "native"


class Strict(BaseModel):
    """Unknown members are refused, so that a misspelt one is not lost in silence."""

    model_config = ConfigDict(extra="forbid")


class LineIn(Strict):
    """Units of one line; all that are open when no number is given."""

    line: UUID
    units: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None


def _distinct(lines: list[LineIn]) -> list[LineIn]:
    """The same line twice could mean its units twice or once."""
    if len({each.line for each in lines}) < len(lines):
        raise ValueError("a line is named more than once")
    return lines


class CancellationIn(Strict):
    """An ask to cancel units of lines of one order: all of it, or nothing."""

    lines: Annotated[list[LineIn], Field(min_length=1, max_length=100), AfterValidator(_distinct)]
    asker: Asker = Asker.CUSTOMER
    reason: CancelReason = CancelReason.NOT_STATED
    note: Annotated[str, Field(max_length=1000), AfterValidator(printable)] = ""


class CancellationOut(BaseModel):
    """A cancellation: an ask for some units of one line, with its answer."""

    id: str
    line: UUID
    order: UUID
    sku: str
    units: int
    of_units: int
    state: State
    asker: str
    asked_at: datetime
    awaiting: UUID | None
    due_at: datetime | None
    reason: str
    note: str
    accepted_units: int
    answered_at: datetime | None
    answered_by: UUID | None
    decline_reason: str | None
    by_policy: bool
    unasked: bool


class CancellationPage(BaseModel):
    """Some cancellations, newest first. ``next`` is the ``after`` of the following page."""

    cancellations: list[CancellationOut]
    next: str | None


class Asked(BaseModel):
    """The cancellations that an ask led to, one for each line."""

    cancellations: list[CancellationOut]


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457). ``code`` is the name of the refusal or problem."""

    title: str
    status: int
    detail: str
    code: str
    cancellation: str | None = None
    errors: list[dict[str, Any]] | None = None


class CallError(Exception):
    """The call ends here, with a problem."""

    def __init__(self, kind: Problem | RefusalKind, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.more = more


def native_api(*, database: Database, lanes: Lanes, authenticator: Authenticator, settings: Settings) -> limits.Asgi:
    """The application for ``/v1``, its description at ``/openapi.json``, and ``/healthz``."""
    api = FastAPI(title="Countermand", version="1", docs_url=None, redoc_url=None)
    api.add_exception_handler(CallError, _on_call_error)
    api.add_exception_handler(UnavailableError, _on_unavailable)
    api.add_exception_handler(RequestValidationError, _on_invalid)
    api.add_exception_handler(HTTPException, _on_http_error)
    viewer = _caller_with(authenticator, Permission.VIEW_ORDER)
    canceller = _caller_with(authenticator, Permission.CANCEL_ORDER)
    problems: dict[int | str, dict[str, Any]] = {
        status: {"model": ProblemOut} for status in (400, 401, 403, 404, 409, 413, 422, 503)
    }

    @api.post("/v1/cancellations", status_code=202, response_model=Asked, responses=problems)
    async def ask_cancellation(
        who: Annotated[Caller, Depends(canceller)],
        wish: CancellationIn,
        idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
    ) -> Asked:
        """Ask to cancel units of lines of one order, on the customer's wish or the retailer's own.

        With an ``Idempotency-Key`` the same call gets the same answer for at least 30 days.
        """
        if wish.asker is Asker.NOBODY:
            raise CallError(Problem.INVALID, "asker must be customer or retailer.")
        first = await database.read(partial(reads.line_by_id, scope=_scope(who), line=wish.lines[0].line))
        if first is None:
            raise _refused(UNKNOWN_LINE)
        outcome = await lanes.submit(
            Call(
                command=_command(who, wish, first.order_id),
                door=DOOR,
                retailer=first.retailer_id,
                once=_once(who, wish, idempotency_key),
            )
        )
        match outcome:
            case Done():
                rows = [
                    await database.read(partial(reads.cancellation_by_id, scope=_scope(who), cancellation=each))
                    for each in outcome.cancellations
                ]
                return Asked(cancellations=[_out(row) for row in rows if row])
            case Refused():
                # The caller named lines; that its order is not the caller's to touch says the same of the line.
                unknown = outcome.refusal.kind is RefusalKind.UNKNOWN_ORDER
                raise _refused(UNKNOWN_LINE if unknown else outcome.refusal)
            case Failed():
                raise CallError(Problem.UNAVAILABLE, "The database did not answer. Nothing is lost; repeat the call.")

    @api.get("/v1/cancellations", response_model=CancellationPage, responses=problems)
    async def list_cancellations(
        who: Annotated[Caller, Depends(viewer)],
        state: State | None = None,
        awaiting_me: bool = False,
        line: UUID | None = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=reads.PAGE_MAX)] = 50,
    ) -> CancellationPage:
        """Cancellations that the caller may see, newest first."""
        last = read("can", after) if after is not None else None
        if after is not None and last is None:
            raise CallError(Problem.INVALID, "after is not the id of a cancellation; use next of the page before.")
        wanted = reads.CancellationFilter(
            state=state.value if state else None,
            awaiting=who.party if awaiting_me else None,
            line=line,
            after=last,
            limit=limit,
        )
        rows = await database.read(partial(reads.list_cancellations, scope=_scope(who), wanted=wanted))
        more = show("can", rows[-1].id) if len(rows) == limit else None
        return CancellationPage(cancellations=[_out(row) for row in rows], next=more)

    @api.get("/v1/cancellations/{cancellation}", response_model=CancellationOut, responses=problems)
    async def get_cancellation(who: Annotated[Caller, Depends(viewer)], cancellation: str) -> CancellationOut:
        """One cancellation."""
        wanted = read("can", cancellation)
        row = None
        if wanted:
            row = await database.read(partial(reads.cancellation_by_id, scope=_scope(who), cancellation=wanted))
        if row is None:
            raise _refused(UNKNOWN_CANCELLATION)
        return _out(row)

    @api.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        """Whether the process is alive; asks no database."""
        return {"status": "ok"}

    return limits.bounded(api, _refuse_body, max_bytes=settings.body_max_bytes, timeout_s=settings.body_timeout_s)


def _command(who: Caller, wish: CancellationIn, order: UUID) -> AskLines:
    actor = Actor(party=who.party, kind=who.kind, name=who.name)
    return AskLines(
        order=order,
        actor=actor,
        lines=tuple(
            AskCancellation(
                line=each.line, actor=actor, asker=wish.asker, units=each.units, reason=wish.reason, note=wish.note
            )
            for each in wish.lines
        ),
    )


def _once(who: Caller, wish: CancellationIn, key: str | None) -> Once | None:
    if not key:
        return None
    fingerprint = hashlib.sha256(wish.model_dump_json().encode()).hexdigest()
    return Once(caller=str(who.party), key=key, fingerprint=fingerprint)


def _caller_with(authenticator: Authenticator, permission: Permission) -> Callable[..., Awaitable[Caller]]:
    bearer = HTTPBearer(auto_error=False)

    async def caller(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Caller:
        found = await authenticator.caller(given.credentials) if given else None
        if found is None:
            raise CallError(Problem.UNAUTHENTICATED, "This call needs a valid bearer token.")
        if not found.may(permission):
            raise CallError(Problem.FORBIDDEN, f"This token lacks the permission {permission.value}.")
        return found

    return caller


def _refused(refusal: Refusal) -> CallError:
    standing = show("can", refusal.cancellation) if refusal.cancellation else None
    return CallError(refusal.kind, refusal.detail, cancellation=standing)


async def _on_unavailable(request: Request, error: Exception) -> Response:
    return _problem(CallError(Problem.UNAVAILABLE, "The database did not answer. Nothing is lost; repeat the call."))


async def _on_call_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, CallError)
    return _problem(error)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    malformed = any(each["type"] == "json_invalid" for each in error.errors())
    kind = Problem.MALFORMED if malformed else Problem.INVALID
    # A member's name may hold half a surrogate pair, which JSON can write and UTF-8 cannot.
    errors = [
        {"loc": [each if isinstance(each, int) else _writable(each) for each in one["loc"]], "msg": one["msg"]}
        for one in error.errors()
    ]
    return _problem(CallError(kind, "The call cannot be understood; errors lists what is wrong.", errors=errors))


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    by_status = {404: Problem.NOT_FOUND, 405: Problem.METHOD_NOT_ALLOWED}
    reply = _problem(CallError(by_status.get(error.status_code, Problem.MALFORMED), f"{error.detail}."))
    reply.headers.update(error.headers or {})
    return reply


async def _refuse_body(scope: Any, receive: limits.Receive, send: Any) -> None:
    match scope["error"]:
        case limits.BodyTooLargeError():
            error = CallError(Problem.TOO_LARGE, "The body is too large.")
        case limits.BodyTooSlowError():
            error = CallError(Problem.TOO_SLOW, "The body did not arrive in time.")
        case malformed:
            error = CallError(Problem.MALFORMED, f"The body is {malformed}.")
    await _problem(error)(scope, receive, send)


def _problem(error: CallError) -> Response:
    status = REPLIES[error.kind].native
    body = {
        "title": error.kind.value.replace("_", " ").capitalize(),
        "status": status,
        "detail": error.detail,
        "code": error.kind.value,
        **{name: value for name, value in error.more.items() if value is not None},
    }
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(status)
    return JSONResponse(jsonable_encoder(body), status, headers, "application/problem+json")


def _scope(caller: Caller) -> reads.Scope:
    return reads.Scope(party=caller.party, kind=caller.kind)


def _out(row: Record) -> CancellationOut:
    return CancellationOut(
        id=show("can", row.id),
        line=row.line_id,
        order=row.order_id,
        sku=row.sku,
        units=row.units,
        of_units=row.ordered,
        state=State(row.state),
        asker=row.asker,
        asked_at=row.asked_at,
        awaiting=row.awaiting,
        due_at=row.due_at,
        reason=row.reason,
        note=row.note,
        accepted_units=row.accepted_units,
        answered_at=row.answered_at,
        answered_by=row.answered_by,
        decline_reason=row.decline_reason,
        by_policy=row.by_policy,
        unasked=row.unasked,
    )
