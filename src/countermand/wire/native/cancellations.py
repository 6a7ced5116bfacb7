"""Calls about cancellations: ask, answer, take back, show and list."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from countermand.admin.callers import PLATFORM, Caller
from countermand.documents.cancellations import CancellationOut, OutcomeOut, cancellation_document, outcome_document
from countermand.documents.expanded import CancellationExpand, ExpandedCancellation, expanded_cancellations
from countermand.documents.refunds import QuoteOut, quote_document
from countermand.domain.commands import (
    AcceptCancellation,
    AskCancellation,
    AskLines,
    CancelOrder,
    DeclineCancellation,
    LineCommand,
    NoteCancellation,
    WithdrawCancellation,
)
from countermand.domain.dates import read_end
from countermand.domain.decide import report_of
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.orders import LINES_MAX
from countermand.domain.parties import Asker, PartyKind
from countermand.domain.reasons import AskReason, CancelReason, StatedReason
from countermand.domain.refusals import UNKNOWN_CANCELLATION, UNKNOWN_LINE, UNKNOWN_ORDER, LineReport
from countermand.domain.refusals import Refusal as DomainRefusal
from countermand.fields import LineId, NeededNote, Note, OrderId, PartyId, Text
from countermand.ids import read, show
from countermand.reads import cancellations as cancellation_reads
from countermand.reads import lines as line_reads
from countermand.reads.asks import SavedAsk, asked
from countermand.reads.cancellations import CancellationFilter, CancellationView, DuePlace
from countermand.reads.refunds import Quoted
from countermand.reads.scope import Scope
from countermand.reads.views import LineRow
from countermand.service.calls import Call, Done
from countermand.store.engines.protocol import Work
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.meaning import DOOR, NOBODY, former_fingerprint, moment_of, party_named, scope_of, submit
from countermand.wire.native.messages import EXPAND, JsonRoute, Limit, LineIn, Sought, Strict, Units, Word, distinct
from countermand.wire.native.once import Once, OnceFor, Shown, response_of, submit_once
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/cancellations", responses=PROBLEMS, route_class=JsonRoute)


CancellationExpands = Annotated[list[CancellationExpand], EXPAND]


class CancellationIn(Strict):
    """An ask to cancel units of ``lines`` of one order, all of it or nothing; or all that is open of an ``order``.

    ``dry_run`` says what would come of it, and changes nothing. What the platform asks for itself, as ``asker``, counts
    against nobody.
    """

    lines: Annotated[list[LineIn], Field(min_length=1, max_length=LINES_MAX), AfterValidator(distinct)] | None = None
    order: OrderId | None = None
    asker: Literal[Asker.CUSTOMER, Asker.RETAILER, Asker.PLATFORM] = Asker.CUSTOMER
    reason: AskReason = CancelReason.NOT_STATED
    note: Note = ""
    dry_run: StrictBool = False

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if (self.lines is None) == (self.order is None):
            raise PydanticCustomError("required", "name lines, or an order")
        return self


STEP: Final = "the step that is answered, or was seen; the platform must name the one that it answers"
Step = Annotated[int, Field(strict=True, ge=1, le=1_000_000, description=STEP)]


class Acceptance(Strict):
    """A yes to all units that were asked, or to so many of them; the rest is open again, for ``rest_reason``."""

    step: Step | None = None
    units: Units | None = None
    rest_reason: StatedReason | None = None
    note: Note = ""


class Refusal(Strict):
    """A no, and why; ``tracking`` names the parcel where the units shipped already."""

    step: Step | None = None
    reason: StatedReason | None = None
    note: Note = ""
    tracking: Text = ""


class Withdrawal(Strict):
    """The ask is taken back."""

    step: Step | None = None
    note: Note = ""


class Remark(Strict):
    """A note to a cancellation; ``tracking`` names the parcel that it is about."""

    note: NeededNote
    tracking: Text = ""


class CancellationPage(BaseModel):
    """Some cancellations, newest first. ``next`` is the ``after`` of the following page."""

    cancellations: list[ExpandedCancellation]
    next: str | None


class Asked(BaseModel):
    """What an ask came to: the cancellations, an outcome for each line, and what goes back if all are accepted."""

    dry_run: bool
    cancellations: list[CancellationOut]
    outcomes: list[OutcomeOut]
    quote: QuoteOut | None


@router.post(
    "", operation_id="cancellations.create", status_code=202, response_model=Asked, responses={200: {"model": Asked}}
)
async def ask_cancellation(services: Inside, who: Who, body: CancellationIn, once: Once) -> Response:
    """Ask to cancel units of lines of one order, for the customer or for the retailer itself.

    With an ``Idempotency-Key`` the same call gets the same answer for at least 30 days, and asks under other keys are
    separate, however equal. Without one, an equal ask that waits is the same ask: ``repeated`` says so. If nothing can
    be asked, the answer is the first refusal, with `outcomes` for all lines; a dry run answers 200 all the same.
    """
    if body.asker is Asker.PLATFORM and who.kind is not PartyKind.PLATFORM:
        raise CallError(Problem.WRONG_PARTY, "Only the platform asks for itself.")
    if body.dry_run:
        return await _dry_run(services, who, body)
    former, first_line = former_fingerprint("ask", body), _first_line(who, body)
    if first_line is None:
        async with once.unread(body, former=former) as key:
            return await _submitted(services, who, body, _command(who, body, None, key), key)
    async with once.reading(first_line, body, former=former) as (key, line):
        return await _submitted(services, who, body, _command(who, body, line, key), key)


async def _submitted(
    services: Services, who: Caller, body: CancellationIn, call: Call, key: IdempotencyKey | None
) -> Response:
    return await submit_once(
        services,
        call,
        key,
        unknown=_unknown(body),
        question=lambda done: _what_came(who, _reports(done), done.cancellations),
        show=lambda found, done: Shown(status=202, body=_asked(who, body, found, _reports(done), done)),
        ask=asked,
    )


def _unknown(body: CancellationIn) -> DomainRefusal:
    return UNKNOWN_ORDER if body.order else UNKNOWN_LINE


async def _dry_run(services: Services, who: Caller, body: CancellationIn) -> Response:
    first_line = _first_line(who, body)
    line = await services.database.read(first_line) if first_line else None
    call = replace(_command(who, body, line, None), dry_run=True)
    try:
        done = await submit(services, call, unknown=_unknown(body))
        reports = _reports(done)
    except CallError as error:
        reports = error.refusal.reports if error.refusal else ()
        if not reports:
            raise
    [found] = await services.database.read(partial(asked, asks=[_what_came(who, reports, ())]))
    return response_of(Shown(body=_asked(who, body, found, reports, None)))


Found = tuple[list[CancellationView], Quoted | None]


def _what_came(who: Caller, reports: Sequence[LineReport], cancellations: Sequence[UUID]) -> SavedAsk:
    units = {each.line: each.units for each in reports if each.outcome != "refused" and each.units}
    known = set(cancellations)
    accepted = [
        each.cancellation
        for each in reports
        if each.outcome == "accepted" and each.cancellation is not None and each.cancellation in known
    ]
    return SavedAsk(scope=scope_of(who), cancellations=cancellations, units=units, accepted=accepted)


def _asked(who: Caller, body: CancellationIn, found: Found, reports: Sequence[LineReport], done: Done | None) -> Asked:
    rows, quoted = found
    repeated = done.repeated if done else frozenset()
    return Asked(
        dry_run=done is None,
        cancellations=[cancellation_document(row, scope_of(who), repeated=row.id in repeated) for row in rows],
        outcomes=[outcome_document(each, done=done is not None) for each in reports],
        quote=QuoteOut.model_validate(quote_document(quoted)) if quoted else None,
    )


def _first_line(who: Caller, body: CancellationIn) -> Work[LineRow | None] | None:
    """The read of the line that says of which order several lines are; ``None`` where nothing need be read."""
    if body.lines is None or len(body.lines) == 1:
        return None
    return partial(line_reads.line_by_id, scope=scope_of(who), line=body.lines[0].line)


def _command(who: Caller, body: CancellationIn, first: LineRow | None, key: IdempotencyKey | None) -> Call:
    """What is asked for. ``first`` is the first of several lines: one line by itself is found when it is decided."""
    said: dict[str, Any] = {
        "actor": who.actor,
        "asker": body.asker,
        "reason": body.reason,
        "note": body.note,
        "key": key.key if key else "",
    }
    if body.order is not None:
        return Call(command=CancelOrder(order=body.order, **said), door=DOOR)
    asks = tuple(AskCancellation(line=each.line, units=each.units, **said) for each in body.lines or ())
    if len(asks) == 1:
        return Call(command=asks[0], door=DOOR)
    if first is None:
        raise CallError.of(UNKNOWN_LINE)
    return Call(
        command=AskLines(order=first.order_id, actor=who.actor, lines=asks), door=DOOR, retailer=first.retailer_id
    )


def _reports(done: Done) -> Sequence[LineReport]:
    return [report_of(each) for each in done.outcomes]


ListedState = Literal["asked", "accepted", "declined", "withdrawn", "lapsed", "escalated"]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which cancellations a list shows: those that match all of these."""

    state: Annotated[list[ListedState] | None, Query()] = None
    retailer: Word | None = None
    fulfiller: Word | None = None
    asker: Asker | None = None
    reason: Annotated[list[CancelReason] | None, Query()] = None
    sku: Word | None = None
    awaiting: PartyId | None = None
    awaiting_me: bool = False
    late: bool = False
    due_before: str | None = None
    line: LineId | None = None
    order: OrderId | None = None
    sort: Literal["due_at"] | None = None


@router.get("", operation_id="cancellations.list")
async def list_cancellations(
    services: Inside,
    who: Who,
    filters: Annotated[Filters, Depends()],
    lookup: Sought,
    period: PeriodGiven,
    expand: CancellationExpands = [],  # noqa: B006 - nothing changes it
    after: str | None = None,
    limit: Limit = 50,
) -> CancellationPage:
    """Cancellations that the caller may see, newest first; with `sort=due_at` those that wait, longest due first.

    `state=escalated` are those that wait for the platform, as `awaiting_me` says for it. `late` are those whose answer
    was due before now, and those that were escalated for that.
    """
    wanted = replace(
        _wanted(services, who, filters, after, limit + 1),
        lookup=lookup,
        retailer=await party_named(services, filters.retailer),
        fulfiller=await party_named(services, filters.fulfiller),
        since=period.since,
        until=period.until,
    )
    scope = _scope(who, expand)

    def look(connection: Any) -> CancellationPage:
        rows = cancellation_reads.list_cancellations(connection, scope, wanted)
        more = _place(rows[limit - 1], wanted) if len(rows) > limit else None
        shown = expanded_cancellations(connection, scope, rows[:limit], expand)
        return CancellationPage(cancellations=shown, next=more)

    return await services.database.read(look)


def _scope(who: Caller, expand: Collection[CancellationExpand]) -> Scope:
    """What the caller may see.

    Raises:
        CallError: it wants to see more.
    """
    if "refunds" in expand and who.kind is PartyKind.SUPPLIER:
        raise CallError(Problem.WRONG_PARTY, "A supplier cannot see refunds.")
    return scope_of(who)


def _wanted(services: Services, who: Caller, filters: Filters, after: str | None, limit: int) -> CancellationFilter:
    by_due = filters.sort is not None
    states = set(filters.state or ())
    if by_due and not states <= {"asked", "escalated"}:
        detail = "sort=due_at lists what waits for an answer; those in another state have theirs."
        raise invalid(detail, "query", "sort")
    whose = {party for party in (filters.awaiting, who.party if filters.awaiting_me else None) if party}
    operators = PLATFORM in whose
    last = _last(after, by_due=by_due) if after is not None else None
    return CancellationFilter(
        states=tuple(sorted(_stored(states))) if states != {"escalated"} else (),
        asked_if_escalated="escalated" in states and "asked" not in states and len(states) > 1,
        escalated=operators or states == {"escalated"},
        asker=filters.asker.value if filters.asker else None,
        reasons=tuple(each.value for each in filters.reason or ()),
        sku=filters.sku,
        # Two parties never await one answer.
        awaiting=NOBODY if len(whose) > 1 else next(iter(whose - {PLATFORM}), None),
        late=services.clock() if filters.late else None,
        due_before=moment_of(services, filters.due_before, read_end, "due_before"),
        line=filters.line,
        order=filters.order,
        by_due=by_due,
        after=last.id if last else None,
        behind=last if by_due else None,
        limit=limit,
    )


def _stored(states: Collection[str]) -> set[str]:
    """The states that rows have: what is escalated is asked for."""
    return {"asked" if each == "escalated" else each for each in states}


def _place(row: CancellationView, wanted: CancellationFilter) -> str:
    """Where the next page begins."""
    if not wanted.by_due:
        return show("can", row.id)
    return f"{row.due_at:%Y%m%dT%H%M%S.%f}_{row.id.hex}" if row.due_at else f"_{row.id.hex}"


def _last(after: str, *, by_due: bool) -> DuePlace:
    due, _, name = after.rpartition("_") if by_due else ("", "", after)
    found = read("can", name)
    if found is not None and not due:
        return DuePlace(None, found)
    try:
        due_at = datetime.strptime(due, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    except ValueError:
        found, due_at = None, None
    if found is None:
        detail = "after is not the id of a cancellation; use next of the page before."
        raise invalid("after is not next of the page before." if by_due else detail, "query", "after")
    return DuePlace(due_at, found)


@router.get("/{cancellation}", operation_id="cancellations.get")
async def get_cancellation(
    services: Inside,
    who: Who,
    cancellation: str,
    expand: CancellationExpands = [],  # noqa: B006
) -> ExpandedCancellation:
    """One cancellation."""
    wanted, scope = read("can", cancellation), _scope(who, expand)

    def look(connection: Any) -> list[ExpandedCancellation]:
        row = cancellation_reads.cancellation_by_id(connection, scope, wanted) if wanted else None
        return expanded_cancellations(connection, scope, [row] if row else [], expand)

    found = await services.database.read(look)
    if not found:
        raise CallError.of(UNKNOWN_CANCELLATION)
    return found[0]


@router.post("/{cancellation}/accept", operation_id="cancellations.accept", response_model=CancellationOut)
async def accept_cancellation(
    services: Inside, who: Who, cancellation: str, once: Once, answer: Acceptance | None = None
) -> Response:
    """Accept asked units, all of them unless a number is given. The same answer again is success again.

    A retailer that accepts a customer's ask while a supplier holds the goods passes on what it accepts to the supplier.
    The platform must name the ``step`` that it answers; at another one the answer is ``state_changed``.
    """
    given = answer or Acceptance()
    former = _former("accept", cancellation, given)
    async with _about(once, who, cancellation, given, former) as (key, row):
        command = AcceptCancellation(
            line=row.line_id,
            actor=who.actor,
            cancellation=row.id,
            step=given.step,
            units=given.units,
            rest_reason=given.rest_reason,
            note=given.note,
        )
        return await _do(services, who, row, command, key)


@router.post("/{cancellation}/decline", operation_id="cancellations.decline", response_model=CancellationOut)
async def decline_cancellation(services: Inside, who: Who, cancellation: str, answer: Refusal, once: Once) -> Response:
    """Decline asked units, which stay on order. A reason is required.

    Where the policy wants proof of ``already_shipped``, the decline counts once it names the parcel in ``tracking``.
    The platform must name the ``step`` that it answers; at another one the answer is ``state_changed``.
    """
    former = _former("decline", cancellation, answer)
    async with _about(once, who, cancellation, answer, former) as (key, row):
        command = DeclineCancellation(
            line=row.line_id,
            actor=who.actor,
            cancellation=row.id,
            step=answer.step,
            reason=answer.reason,
            note=answer.note,
            tracking=answer.tracking,
        )
        return await _do(services, who, row, command, key)


@router.post("/{cancellation}/withdraw", operation_id="cancellations.withdraw", response_model=CancellationOut)
async def withdraw_cancellation(
    services: Inside, who: Who, cancellation: str, once: Once, body: Withdrawal | None = None
) -> Response:
    """Take an ask back while nobody has answered it. Only the party that asked can, and the platform."""
    answer = body or Withdrawal()
    former = _former("withdraw", cancellation, body if answer != Withdrawal() else None)
    async with _about(once, who, cancellation, answer, former) as (key, row):
        command = WithdrawCancellation(
            line=row.line_id, actor=who.actor, cancellation=row.id, step=answer.step, note=answer.note
        )
        return await _do(services, who, row, command, key)


@router.post("/{cancellation}/notes", operation_id="cancellations.note", response_model=CancellationOut)
async def note_cancellation(services: Inside, who: Who, cancellation: str, remark: Remark, once: Once) -> Response:
    """Put a note to a cancellation, such as what it cost that a label could not be voided. It changes nothing.

    All parties of the line are notified by the event ``cancellation.noted``. The same note again is saved once.
    """
    former = _former("note", cancellation, remark)
    async with _about(once, who, cancellation, remark, former) as (key, row):
        command = NoteCancellation(
            line=row.line_id, actor=who.actor, cancellation=row.id, note=remark.note, tracking=remark.tracking
        )
        return await _do(services, who, row, command, key)


@asynccontextmanager
async def _about(
    once: OnceFor, who: Caller, cancellation: str, body: BaseModel, former: Callable[[], str]
) -> AsyncIterator[tuple[IdempotencyKey | None, CancellationView]]:
    """The key of a call about a cancellation, and that as it is before.

    Raises:
        CallError: there is no such cancellation that the caller may see, or what ``OnceFor`` raises.
    """
    wanted = read("can", cancellation)
    question = _question(who, wanted) if wanted else None
    async with once.reading(question, body, former=former) as (key, row):
        if row is None:
            raise CallError.of(UNKNOWN_CANCELLATION)
        yield key, row


def _former(verb: str, cancellation: str, body: BaseModel | None) -> Callable[[], str]:
    return former_fingerprint(f"{verb} {read('can', cancellation)}", body)


async def _do(
    services: Services, who: Caller, row: CancellationView, command: LineCommand, key: IdempotencyKey | None
) -> Response:
    return await submit_once(
        services,
        Call(command=command, door=DOOR, retailer=row.retailer_id),
        key,
        unknown=UNKNOWN_CANCELLATION,
        question=lambda _: (scope_of(who), [row.id]),
        show=lambda after, done: Shown(
            body=cancellation_document((after or [row])[0], scope_of(who), repeated=row.id in done.repeated)
        ),
        ask=cancellation_reads.cancellations_by_id,
    )


def _question(who: Caller, cancellation: UUID) -> Work[CancellationView | None]:
    return partial(cancellation_reads.cancellation_by_id, scope=scope_of(who), cancellation=cancellation)
