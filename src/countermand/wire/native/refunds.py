"""Quotes and refunds: what would go back to the customer, and what does."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import JSONResponse, Response

from countermand.admin.callers import Caller
from countermand.documents.expanded import ExpandedRefund, RefundExpand, expanded_refunds
from countermand.documents.refunds import QuoteOut, RefundOut, quote_document, refund_document
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.money.amounts import parse_minor, write_minor
from countermand.domain.money.commands import CloseRefund, CorrectRefund, RefundCommand, RetryRefund
from countermand.domain.money.refunds import RefundState
from countermand.domain.orders import LINES_MAX
from countermand.domain.refusals import UNKNOWN_REFUND, Refusal, RefusalKind
from countermand.fields import CancellationId, LineId, NeededNote, Note, OrderId, Text
from countermand.ids import read, show
from countermand.reads import refunds
from countermand.reads.refunds import RefundView
from countermand.service.calls import Call
from countermand.store.engines.protocol import Work
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.meaning import DOOR, former_fingerprint, party_named, scope_of
from countermand.wire.native.messages import (
    EXPAND,
    JsonRoute,
    Limit,
    LineIn,
    Sought,
    Strict,
    Word,
    distinct,
)
from countermand.wire.native.once import Once, Shown, one_by_one, submit_once
from countermand.wire.native.pages import begin
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.replies import CallError
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1", responses=PROBLEMS, route_class=JsonRoute)


RefundExpands = Annotated[list[RefundExpand], EXPAND]


class RefundPage(BaseModel):
    """Some refunds, oldest first. ``next`` is the ``after`` of the following page."""

    refunds: list[ExpandedRefund]
    next: str | None


class QuoteIn(Strict):
    """Units of ``lines`` of one order, or all of an ``order``. Without a number, all that can still be cancelled."""

    lines: Annotated[list[LineIn], Field(min_length=1, max_length=LINES_MAX), AfterValidator(distinct)] | None = None
    order: OrderId | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if (self.lines is None) == (self.order is None):
            raise PydanticCustomError("required", "name lines, or an order")
        return self


Step = Annotated[int, Field(strict=True, ge=1, le=2**53)]


class NoteIn(Strict):
    """A note. ``step`` is the step that the caller saw."""

    note: Note = ""
    step: Step | None = None


class ClosureIn(Strict):
    """Why a refund is not going to be paid. ``step`` is the step that the caller saw."""

    note: NeededNote
    step: Step | None = None


class CorrectionIn(Strict):
    """How much of a refund was paid outside this service, with a note. ``step`` is the step that the caller saw."""

    refunded_elsewhere: Annotated[str, Field(pattern=r"^[0-9]{1,16}(\.[0-9]{1,4})?$")]
    note: NeededNote
    step: Step | None = None


@router.post("/quotes", operation_id="quotes.create", responses={200: {"model": QuoteOut}})
async def make_quote(services: Inside, who: Who, wanted: QuoteIn) -> JSONResponse:
    """What would go back to the customer if these units were cancelled. It changes nothing."""
    if wanted.order:
        question: Work[refunds.Quoted | Refusal] = partial(refunds.quote_order, scope=scope_of(who), order=wanted.order)
    else:
        units = {each.line: each.units for each in wanted.lines or ()}
        question = partial(refunds.quote_units, scope=scope_of(who), wanted=units)
    quoted = await services.database.read(question)
    if isinstance(quoted, Refusal):
        raise CallError.of(quoted)
    return JSONResponse(quote_document(quoted))


@router.get("/refunds", operation_id="refunds.list")
async def list_refunds(
    services: Inside,
    who: Who,
    lookup: Sought,
    period: PeriodGiven,
    state: Annotated[list[RefundState] | None, Query()] = None,
    provider: Text | None = None,
    line: LineId | None = None,
    order: OrderId | None = None,
    cancellation: CancellationId | None = None,
    retailer: Word | None = None,
    expand: RefundExpands = [],  # noqa: B006 - nothing changes it
    after: str | None = None,
    limit: Limit = 50,
) -> RefundPage:
    """Refunds of the caller's orders, oldest first, or of the orders that match the search."""
    filters = refunds.RefundFilter(
        states=tuple(each.value for each in state or ()),
        provider=provider,
        line=line,
        order=order,
        cancellation=cancellation,
        retailer=await party_named(services, retailer),
        since=period.since,
        until=period.until,
        lookup=lookup,
        after=begin("rfd", after, "a refund"),
        limit=limit + 1,
    )
    scope = scope_of(who)

    def look(connection: Any) -> RefundPage:
        rows = refunds.list_refunds(connection, scope, filters)
        more = show("rfd", rows[limit - 1].id) if len(rows) > limit else None
        return RefundPage(refunds=expanded_refunds(connection, scope, rows[:limit], expand), next=more)

    return await services.database.read(look)


@router.get("/refunds/{refund}", operation_id="refunds.get")
async def show_refund(services: Inside, who: Who, refund: str, expand: RefundExpands = []) -> ExpandedRefund:  # noqa: B006
    """One refund."""
    wanted, scope = read("rfd", refund), scope_of(who)

    def look(connection: Any) -> list[ExpandedRefund]:
        row = refunds.refund_by_id(connection, scope, wanted) if wanted else None
        return expanded_refunds(connection, scope, [row] if row else [], expand)

    found = await services.database.read(look)
    if not found:
        raise CallError.of(UNKNOWN_REFUND)
    return found[0]


@router.post("/refunds/{refund}/paid", operation_id="refunds.mark_paid", responses={200: {"model": RefundOut}})
async def mark_refund_paid(services: Inside, who: Who, refund: str, once: Once, body: NoteIn | None = None) -> Response:
    """Mark a refund that is `by_hand` or `parked` as paid by a person. Only the platform can."""
    given = body or NoteIn()
    async with once.of(given, former=_former("paid", refund, given)) as key:
        row = await _named(services, who, refund)
        command = CloseRefund(
            line=row.line_id, refund=row.id, actor=who.actor, paid=True, note=given.note, step=given.step
        )
        return await _do(services, who, row, command, key)


@router.post("/refunds/{refund}/close", operation_id="refunds.close", responses={200: {"model": RefundOut}})
async def close_refund(services: Inside, who: Who, refund: str, body: ClosureIn, once: Once) -> Response:
    """Close a refund that is `by_hand` or `parked` and is not going to be paid. Only the platform can."""
    async with once.of(body, former=_former("close", refund, body)) as key:
        row = await _named(services, who, refund)
        command = CloseRefund(
            line=row.line_id, refund=row.id, actor=who.actor, paid=False, note=body.note, step=body.step
        )
        return await _do(services, who, row, command, key)


@router.post("/refunds/{refund}/retry", operation_id="refunds.retry", responses={200: {"model": RefundOut}})
async def retry_refund(services: Inside, who: Who, refund: str, once: Once, body: NoteIn | None = None) -> Response:
    """Try a `parked` refund again. Only the platform can."""
    given = body or NoteIn()
    async with once.of(given, former=_former("retry", refund, given)) as key:
        row = await _named(services, who, refund)
        command = RetryRefund(line=row.line_id, refund=row.id, actor=who.actor, note=given.note, step=given.step)
        return await _do(services, who, row, command, key)


@router.post("/refunds/{refund}/correct", operation_id="refunds.correct", responses={200: {"model": RefundOut}})
async def correct_refund(services: Inside, who: Who, refund: str, body: CorrectionIn, once: Once) -> Response:
    """Correct how much of a refund was paid outside this service. The rest is then paid. Only the platform can."""
    row = await _find(services, who, refund)
    # Neither the amount of a refund nor its currency changes, so a repeat is told the same before its key counts.
    elsewhere_minor = _elsewhere(row, body.refunded_elsewhere) if row else 0
    async with once.of(body, former=_former("correct", refund, body)) as key:
        if row is None:
            raise CallError.of(UNKNOWN_REFUND)
        if body.step is None:
            raise CallError(
                RefusalKind.STEP_NEEDED, f"Name the step of the refund that you saw. It is now at step {row.step}."
            )
        command = CorrectRefund(
            line=row.line_id,
            refund=row.id,
            actor=who.actor,
            step=body.step,
            elsewhere_minor=elsewhere_minor,
            note=body.note,
        )
        return await _do(services, who, row, command, key)


def _former(verb: str, refund: str, body: BaseModel) -> Callable[[], str]:
    return former_fingerprint(f"refund {verb} {read('rfd', refund)}", body)


def _elsewhere(row: RefundView, written: str) -> int:
    where = ("body", "refunded_elsewhere")
    try:
        minor = parse_minor(written, row.currency)
    except ValueError as error:
        raise invalid(f"{error}.", *where, code="bad_amount") from None
    if minor > row.amount_minor:
        most = f"{write_minor(row.amount_minor, row.currency)} {row.currency}"
        raise invalid(
            f"The refund is of {most}, so no more than that was refunded elsewhere.", *where, code="out_of_range"
        )
    return minor


async def _do(
    services: Services, who: Caller, row: RefundView, command: RefundCommand, key: IdempotencyKey | None
) -> Response:
    return await submit_once(
        services,
        Call(command=command, door=DOOR, retailer=row.retailer_id),
        key,
        unknown=UNKNOWN_REFUND,
        question=lambda _: partial(refunds.refund_by_id, scope=scope_of(who), refund=row.id),
        show=lambda after, _: Shown(body=refund_document(after or row, scope_of(who))),
        ask=one_by_one,
    )


async def _named(services: Services, who: Caller, text: str) -> RefundView:
    row = await _find(services, who, text)
    if row is None:
        raise CallError.of(UNKNOWN_REFUND)
    return row


async def _find(services: Services, who: Caller, text: str) -> RefundView | None:
    wanted = read("rfd", text)
    if wanted is None:
        return None
    return await services.database.read(partial(refunds.refund_by_id, scope=scope_of(who), refund=wanted))
