"""The native API under ``/v1``: JSON, bearer tokens, OpenAPI. Shops and platforms call it; every party can."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from countermand import reads
from countermand.domain.line import State
from countermand.ids import read, show
from countermand.parties import Caller, Permission
from countermand.store.columns import Record
from countermand.store.engine import Database
from countermand.wire.auth import Authenticator

__all__ = ["native_api"]


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


def native_api(*, database: Database, authenticator: Authenticator) -> FastAPI:
    """The application for ``/v1`` and its description at ``/openapi.json``."""
    api = FastAPI(title="Countermand", version="1", docs_url=None, redoc_url=None)
    caller = _caller_dependency(authenticator)

    @api.get("/v1/cancellations", response_model=CancellationPage)
    async def list_cancellations(
        who: Annotated[Caller, Depends(caller)],
        state: State | None = None,
        awaiting_me: bool = False,
        line: UUID | None = None,
        after: str | None = None,
        limit: Annotated[int, Query(ge=1, le=reads.PAGE_MAX)] = 50,
    ) -> CancellationPage:
        """Cancellations that the caller may see, newest first."""
        wanted = reads.CancellationFilter(
            state=state.value if state else None,
            awaiting=who.party if awaiting_me else None,
            line=line,
            after=read("can", after) if after else None,
            limit=limit,
        )
        rows = await database.read(partial(reads.list_cancellations, scope=_scope(who), wanted=wanted))
        more = show("can", rows[-1].id) if len(rows) == limit else None
        return CancellationPage(cancellations=[_out(row) for row in rows], next=more)

    @api.get("/v1/cancellations/{cancellation}", response_model=CancellationOut)
    async def get_cancellation(who: Annotated[Caller, Depends(caller)], cancellation: str) -> CancellationOut:
        """One cancellation."""
        wanted = read("can", cancellation)
        row = None
        if wanted:
            row = await database.read(partial(reads.cancellation_by_id, scope=_scope(who), cancellation=wanted))
        if row is None:
            raise HTTPException(404, "There is no such cancellation.")
        return _out(row)

    @api.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        """Whether the process is alive; asks no database."""
        return {"status": "ok"}

    return api


def _caller_dependency(authenticator: Authenticator) -> Callable[..., Awaitable[Caller]]:
    bearer = HTTPBearer(auto_error=False)

    async def caller(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Caller:
        found = await authenticator.caller(given.credentials) if given else None
        if found is None:
            raise HTTPException(401, "This call needs a valid token.", {"WWW-Authenticate": "Bearer"})
        if not found.may(Permission.VIEW_ORDER):
            raise HTTPException(403, "This token may not view orders.")
        return found

    return caller


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
