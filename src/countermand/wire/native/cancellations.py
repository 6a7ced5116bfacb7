"""Calls about cancellations: ask, answer, take back, show and list."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from countermand.admin.callers import PLATFORM, Caller
from countermand.documents.cancellations import CancellationOut, cancellation_document
from countermand.domain.commands import (
    AcceptCancellation,
    AskCancellation,
    AskLines,
    DeclineCancellation,
    LineCommand,
    NoteCancellation,
    WithdrawCancellation,
)
from countermand.domain.dates import read_end
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.parties import Asker
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.refusals import UNKNOWN_CANCELLATION, UNKNOWN_LINE
from countermand.domain.texts import needed_text
from countermand.fields import Id, Note, Text
from countermand.ids import read, show
from countermand.reads import cancellations as cancellation_reads
from countermand.reads import lines as line_reads
from countermand.reads.cancellations import CancellationFilter, CancellationView, DuePlace
from countermand.service.calls import Call, Done
from countermand.store.engines.protocol import Work
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.meaning import DOOR, former_fingerprint, moment_of, scope_of
from countermand.wire.native.messages import JsonRoute, Limit, LineIn, Sought, Strict, Units, distinct
from countermand.wire.native.once import Once, Shown, submit_once
from countermand.wire.replies import CallError
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/cancellations", responses=PROBLEMS, route_class=JsonRoute)


class CancellationIn(Strict):
    """An ask to cancel units of lines of one order: all of it, or nothing."""

    lines: Annotated[list[LineIn], Field(min_length=1, max_length=100), AfterValidator(distinct)]
    asker: Literal[Asker.CUSTOMER, Asker.RETAILER] = Asker.CUSTOMER
    reason: CancelReason = CancelReason.NOT_STATED
    note: Note = ""


STEP: Final = "the step that is answered, or was seen; the platform must name the one that it answers"
Step = Annotated[int, Field(strict=True, ge=1, le=1_000_000, description=STEP)]


class Acceptance(Strict):
    """A yes to all units that were asked, or to so many of them; the rest is open again, for ``rest_reason``."""

    step: Step | None = None
    units: Units | None = None
    rest_reason: DeclineReason | None = None
    note: Note = ""


class Refusal(Strict):
    """A no, and why; ``tracking`` names the parcel where the units shipped already."""

    step: Step | None = None
    reason: DeclineReason | None = None
    note: Note = ""
    tracking: Text = ""


class Withdrawal(Strict):
    """The ask is taken back."""

    step: Step | None = None
    note: Note = ""


class Remark(Strict):
    """A note to a cancellation; ``tracking`` names the parcel that it is about."""

    note: Annotated[Note, Field(min_length=1), AfterValidator(needed_text)]
    tracking: Text = ""


class CancellationPage(BaseModel):
    """Some cancellations, newest first. ``next`` is the ``after`` of the following page."""

    cancellations: list[CancellationOut]
    next: str | None


class Asked(BaseModel):
    """The cancellations that an ask led to, one for each line."""

    cancellations: list[CancellationOut]


@router.post("", operation_id="cancellations.create", status_code=202, response_model=Asked)
async def ask_cancellation(services: Inside, who: Who, body: CancellationIn, once: Once) -> Response:
    """Ask to cancel units of lines of one order, for the customer or for the retailer itself.

    With an ``Idempotency-Key`` the same call gets the same answer for at least 30 days, and asks under other keys are
    separate, however equal. Without one, an equal ask that waits is the same ask: ``repeated`` says so.
    """
    async with once.of(body, former=former_fingerprint("ask", body)) as key:
        line = partial(line_reads.line_by_id, scope=scope_of(who), line=body.lines[0].line)
        first = await services.database.read(line)
        if first is None:
            raise CallError.of(UNKNOWN_LINE)
        command = _ask(who, body, first.order_id, key.key if key else "")
        call = Call(command=command, door=DOOR, retailer=first.retailer_id)
        return await submit_once(
            services,
            call,
            key,
            unknown=UNKNOWN_LINE,
            question=lambda done: partial(
                cancellation_reads.cancellations_by_id, scope=scope_of(who), cancellations=done.cancellations
            ),
            show=_asked,
        )


def _asked(rows: Sequence[CancellationView], done: Done) -> Shown:
    shown = [cancellation_document(row, repeated=row.id in done.repeated) for row in rows]
    return Shown(status=202, body=Asked(cancellations=shown))


ListedState = Literal["asked", "accepted", "declined", "withdrawn", "lapsed", "escalated"]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which cancellations a list shows: those that match all of these."""

    state: ListedState | None = None
    awaiting: Id | None = None
    awaiting_me: bool = False
    late: bool = False
    due_before: str | None = None
    line: Id | None = None
    order: Id | None = None
    sort: Literal["due_at"] | None = None


@router.get("", operation_id="cancellations.list")
async def list_cancellations(
    services: Inside,
    who: Who,
    filters: Annotated[Filters, Depends()],
    lookup: Sought,
    after: str | None = None,
    limit: Limit = 50,
) -> CancellationPage:
    """Cancellations that the caller may see, newest first; with `sort=due_at` those that wait, longest due first.

    `state=escalated` are those that wait for the platform, as `awaiting_me` says for it. `late` are those whose answer
    was due before now, and those that were escalated for that.
    """
    wanted = replace(_wanted(services, who, filters, after, limit + 1), lookup=lookup)
    rows = await services.database.read(
        partial(cancellation_reads.list_cancellations, scope=scope_of(who), wanted=wanted)
    )
    more = _place(rows[limit - 1], wanted) if len(rows) > limit else None
    return CancellationPage(cancellations=[cancellation_document(row) for row in rows[:limit]], next=more)


def _wanted(services: Services, who: Caller, filters: Filters, after: str | None, limit: int) -> CancellationFilter:
    by_due = filters.sort is not None
    if by_due and filters.state not in (None, "asked", "escalated"):
        detail = "sort=due_at lists what waits for an answer; those in another state have theirs."
        raise invalid(detail, "query", "sort")
    whose = {party for party in (filters.awaiting, who.party if filters.awaiting_me else None) if party}
    operators = PLATFORM in whose
    last = _last(after, by_due=by_due) if after is not None else None
    return CancellationFilter(
        state=None if filters.state == "escalated" else filters.state,
        escalated=operators or filters.state == "escalated",
        # Two parties never await one answer.
        awaiting=UUID(int=0) if len(whose) > 1 else next(iter(whose - {PLATFORM}), None),
        late=services.clock() if filters.late else None,
        due_before=moment_of(services, filters.due_before, read_end, "due_before"),
        line=filters.line,
        order=filters.order,
        by_due=by_due,
        after=last.id if last else None,
        behind=last if by_due else None,
        limit=limit,
    )


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
async def get_cancellation(services: Inside, who: Who, cancellation: str) -> CancellationOut:
    """One cancellation."""
    return cancellation_document(await _named(services, who, cancellation))


@router.post("/{cancellation}/accept", operation_id="cancellations.accept", response_model=CancellationOut)
async def accept_cancellation(
    services: Inside, who: Who, cancellation: str, once: Once, answer: Acceptance | None = None
) -> Response:
    """Accept asked units, all of them unless a number is given. The same answer again is success again.

    A retailer that accepts a customer's ask while a supplier holds the goods passes on what it accepts to the supplier.
    The platform must name the ``step`` that it answers; at another one the answer is ``state_changed``.
    """
    given = answer or Acceptance()
    async with once.of(given, former=_former("accept", cancellation, given)) as key:
        row = await _named(services, who, cancellation)
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
    async with once.of(answer, former=_former("decline", cancellation, answer)) as key:
        row = await _named(services, who, cancellation)
        # Not to state a reason is for dialects that have no room for one.
        reason = None if answer.reason is DeclineReason.NOT_STATED else answer.reason
        command = DeclineCancellation(
            line=row.line_id,
            actor=who.actor,
            cancellation=row.id,
            step=answer.step,
            reason=reason,
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
    async with once.of(answer, former=former) as key:
        row = await _named(services, who, cancellation)
        command = WithdrawCancellation(
            line=row.line_id, actor=who.actor, cancellation=row.id, step=answer.step, note=answer.note
        )
        return await _do(services, who, row, command, key)


@router.post("/{cancellation}/notes", operation_id="cancellations.note", response_model=CancellationOut)
async def note_cancellation(services: Inside, who: Who, cancellation: str, remark: Remark, once: Once) -> Response:
    """Put a note to a cancellation, such as what it cost that a label could not be voided. It changes nothing.

    All parties of the line are notified by the event ``cancellation.noted``. The same note again is saved once.
    """
    async with once.of(remark, former=_former("note", cancellation, remark)) as key:
        row = await _named(services, who, cancellation)
        command = NoteCancellation(
            line=row.line_id, actor=who.actor, cancellation=row.id, note=remark.note, tracking=remark.tracking
        )
        return await _do(services, who, row, command, key)


def _former(verb: str, cancellation: str, body: BaseModel | None) -> str:
    return former_fingerprint(f"{verb} {read('can', cancellation)}", body)


async def _do(
    services: Services, who: Caller, row: CancellationView, command: LineCommand, key: IdempotencyKey | None
) -> Response:
    return await submit_once(
        services,
        Call(command=command, door=DOOR, retailer=row.retailer_id),
        key,
        unknown=UNKNOWN_CANCELLATION,
        question=lambda _: _question(who, row.id),
        show=lambda after, done: Shown(body=cancellation_document(after or row, repeated=row.id in done.repeated)),
    )


async def _named(services: Services, who: Caller, text: str) -> CancellationView:
    wanted = read("can", text)
    row = await services.database.read(_question(who, wanted)) if wanted else None
    if row is None:
        raise CallError.of(UNKNOWN_CANCELLATION)
    return row


def _question(who: Caller, cancellation: UUID) -> Work[CancellationView | None]:
    return partial(cancellation_reads.cancellation_by_id, scope=scope_of(who), cancellation=cancellation)


def _ask(who: Caller, body: CancellationIn, order: UUID, key: str) -> AskLines:
    actor = who.actor
    return AskLines(
        order=order,
        actor=actor,
        lines=tuple(
            AskCancellation(
                line=each.line,
                actor=actor,
                asker=body.asker,
                units=each.units,
                reason=body.reason,
                note=body.note,
                key=key,
            )
            for each in body.lines
        ),
    )
