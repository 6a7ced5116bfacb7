"""The rows of a job as calls on the write road, and what became of them."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin.orders import WrongPartyError, parties_of
from countermand.documents.orders import place
from countermand.domain.bulk_rows import Answer, AnswerRow, AskRow, BadRow, CellProblem
from countermand.domain.commands import (
    AcceptCancellation,
    AskCancellation,
    DeclineCancellation,
    LineCommand,
    WithdrawCancellation,
)
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.jobs import RowResult
from countermand.domain.orders import Repeats
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.refusals import UNKNOWN_CANCELLATION, Refusal, RefusalKind
from countermand.domain.texts import fit
from countermand.ids import Ids, read, show
from countermand.input_errors import error_at
from countermand.reads.bulk import NUMBER, CancellationKey, LineKey, NotFound, cancellations_named, lines_named
from countermand.reads.jobs import JobView
from countermand.reads.parties import UnknownPartyError
from countermand.reads.scope import Scope
from countermand.reads.views import PartyView
from countermand.service.calls import Call, Done, Refused
from countermand.service.job_rows import JobRow
from countermand.service.order_rows import OrderRow
from countermand.store.jobs import RowOutcome

T = TypeVar("T")

DOOR: Final = "native"

FAILED: Final = "This row could not be carried out. It was logged; hand it in again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A row, and the call that it is or else what became of it."""

    row: JobRow
    call: Call | None = None
    outcome: RowOutcome | None = None


def planned(connection: Connection, job: JobView, rows: Sequence[JobRow], *, ids: Ids, now: datetime) -> list[Planned]:
    """The call of each row, by the party of the job, for what that party may see. ``ids`` makes those of orders."""
    scope = Scope(party=job.party_id, kind=PartyKind(job.party_kind))
    asks = [row.meaning for row in rows if isinstance(row.meaning, AskRow)]
    answers = [row.meaning for row in rows if isinstance(row.meaning, AnswerRow)]
    lines = _by_place(asks, lines_named(connection, scope, asks) if asks else ())
    cancellations = _by_place(answers, cancellations_named(connection, scope, answers) if answers else ())
    orders = partial(_order, connection, job, {}, ids, now)
    return [_planned(job, row, lines, cancellations, orders) for row in rows]


def _by_place(rows: Sequence[AskRow | AnswerRow], found: Sequence[T]) -> dict[int, T]:
    return {row.place: each for row, each in zip(rows, found, strict=True)}


def _planned(
    job: JobView,
    row: JobRow,
    lines: Mapping[int, LineKey | NotFound],
    cancellations: Mapping[int, CancellationKey | NotFound],
    orders: Callable[[JobRow, OrderRow], Planned],
) -> Planned:
    meaning = row.meaning
    match meaning:
        case AskRow():
            if meaning.asker is Asker.PLATFORM and job.party_kind != PartyKind.PLATFORM.value:
                return Planned(row=row, outcome=_refused_as(row, "wrong_party", "Only the platform asks for itself."))
            line = lines[meaning.place]
            if isinstance(line, LineKey):
                return Planned(
                    row=row, call=_call(job, _ask(job, meaning, line), line.retailer_id, meaning, meaning.key)
                )
            return Planned(row=row, outcome=_not_found(row, line, meaning.line))
        case AnswerRow():
            if meaning.answer is Answer.WITHDRAW and job.party_kind == PartyKind.SUPPLIER.value:
                return Planned(row=row, outcome=_refused_as(row, "wrong_party", "A supplier cannot withdraw."))
            found = cancellations[meaning.place]
            if isinstance(found, CancellationKey):
                return Planned(row=row, call=_call(job, _answer(job, meaning, found), found.retailer_id, meaning))
            return Planned(row=row, outcome=_not_found(row, found, meaning.cancellation))
        case OrderRow():
            return orders(row, meaning)
        case BadRow():
            return Planned(row=row, outcome=_bad(row, meaning))


def key_of(job: JobView, row: int) -> str:
    """The idempotency key of a row."""
    return f"{show('job', job.id)}:{row}"


def _call(job: JobView, command: LineCommand, retailer: UUID, meaning: AskRow | AnswerRow, key: str = "") -> Call:
    once = _once(job, key or key_of(job, meaning.place), repr(replace(meaning, place=0)), chosen=bool(key))
    return Call(command=command, door=DOOR, retailer=retailer, once=once, dry_run=job.dry_run)


def _once(job: JobView, key: str, said: str, *, chosen: bool = False) -> IdempotencyKey | None:
    """The key of a row; that of a dry run stays free."""
    if job.dry_run:
        return None
    fingerprint = hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()
    # A key that somebody chose is one of the party's, whoever's line it is about.
    space = job.party_id if chosen else None
    once = IdempotencyKey(caller=str(job.party_id), key=key, fingerprint=fingerprint, party=space)
    # A file that is taken again asks again for what was refused.
    return replace(once, keeps=frozenset()) if chosen else once


def _order(
    connection: Connection,
    job: JobView,
    found: dict[str, PartyView],
    ids: Ids,
    now: datetime,
    row: JobRow,
    meaning: OrderRow,
) -> Planned:
    order = meaning.order
    try:
        known = parties_of(connection, order, found)
    except (UnknownPartyError, WrongPartyError) as error:
        return Planned(row=row, outcome=_refused_as(row, "unknown_party", str(error)))
    if job.party_kind == PartyKind.RETAILER.value and known[order.retailer] != job.party_id:
        return Planned(row=row, outcome=_refused_as(row, "wrong_party", "A retailer places its own orders."))
    repeats = Repeats.ID if order.allow_same_reference else Repeats.REFERENCE
    try:
        command = place(order, actor=_actor(job), party=known.__getitem__, ids=ids, now=now, repeats=repeats)
    except ValueError as error:
        detail = f"{error}."
        errors = [error_at(("body", "placed_at"), "in_future", detail)]
        return Planned(row=row, outcome=_invalid(row, detail, errors))
    once = _once(job, key_of(job, meaning.place), order.model_dump_json())
    dry_run = job.dry_run or order.dry_run
    call = Call(command=command, door=DOOR, retailer=command.retailer, once=None if dry_run else once, dry_run=dry_run)
    return Planned(row=row, call=call)


def _actor(job: JobView) -> Actor:
    return Actor(party=job.party_id, kind=PartyKind(job.party_kind), name=job.by)


def _ask(job: JobView, row: AskRow, line: LineKey) -> AskCancellation:
    return AskCancellation(
        line=line.id,
        actor=_actor(job),
        asker=row.asker,
        units=row.units,
        reason=row.reason,
        note=row.note,
        key=row.key or key_of(job, row.place),
    )


def _answer(job: JobView, row: AnswerRow, found: CancellationKey) -> LineCommand:
    about: dict[str, Any] = {
        "line": found.line_id,
        "actor": _actor(job),
        "cancellation": found.id,
        "step": row.step,
        "note": row.note,
    }
    match row.answer:
        case Answer.ACCEPT:
            return AcceptCancellation(**about, units=row.units, rest_reason=row.rest_reason)
        case Answer.DECLINE:
            return DeclineCancellation(**about, reason=row.reason, tracking=row.tracking)
        case Answer.WITHDRAW:
            return WithdrawCancellation(**about)


# What became of it


def outcome_of(planned: Planned, outcome: Done | Refused, *, dry_run: bool) -> RowOutcome:
    """What became of a row whose call was made."""
    row = planned.row
    if isinstance(outcome, Refused):
        return _refused(row, outcome.refusal)
    # What is taken back has no id that anybody could use.
    found = outcome.order or next(iter(outcome.cancellations), None)
    made = None if dry_run and not outcome.order_repeated else found
    return RowOutcome(row=row.row, result=RowResult.OK, subject=made, input=row.input)


def _refused(row: JobRow, refusal: Refusal) -> RowOutcome:
    if refusal.kind is RefusalKind.UNITS_INVALID:
        return _invalid(row, refusal.detail, [error_at(("body", "units"), "out_of_range", refusal.detail)])
    if isinstance(row.meaning, AnswerRow) and refusal.kind is RefusalKind.UNKNOWN_LINE:
        # The rules find the line unknown; the row named a cancellation.
        refusal = UNKNOWN_CANCELLATION
    return RowOutcome(
        row=row.row,
        result=RowResult.REFUSED,
        subject=refusal.order or refusal.cancellation,
        code=refusal.kind.value,
        detail=refusal.detail,
        input=row.input,
    )


def _refused_as(row: JobRow, code: str, detail: str) -> RowOutcome:
    return RowOutcome(row=row.row, result=RowResult.REFUSED, code=code, detail=detail, input=row.input)


def failed(row: JobRow) -> RowOutcome:
    """A row whose call failed again and again, while others did not."""
    return RowOutcome(row=row.row, result=RowResult.REFUSED, code="internal", detail=FAILED, input=row.input)


def left_out(row: JobRow) -> RowOutcome:
    """A row of a job that was cancelled before it came to it."""
    return RowOutcome(row=row.row, result=RowResult.CANCELLED, input=row.input)


def _not_found(row: JobRow, found: NotFound, text: str) -> RowOutcome:
    """Nothing is there by this name, or it is no name at all, or one of several."""
    name = _name_in(row, found.name)
    detail = fit(found.message)
    if found.code == "ambiguous":
        return _invalid(row, detail, [error_at(("body", name), "not_listed", detail)])
    if found.name in _PREFIXES and not (NUMBER.fullmatch(text) or read(_PREFIXES[found.name], text)):
        return _invalid(row, detail, [error_at(("body", name), "bad_id", "is no id")])
    return RowOutcome(row=row.row, result=RowResult.REFUSED, code=found.code, detail=detail, input=row.input)


_PREFIXES: Final = {"line": "lin", "cancellation": "can"}
_NAMES: Final = {"line": ("line", "number"), "order": ("order", "reference")}


def _name_in(row: JobRow, name: str) -> str:
    given = row.input or {}
    return next((each for each in _NAMES.get(name, ()) if each in given), name)


def _bad(row: JobRow, bad: BadRow) -> RowOutcome:
    errors = [error_at(("body", *_way(each)), each.code, fit(each.detail)) for each in bad.problems]
    return _invalid(row, fit(bad.message), errors)


def _way(problem: CellProblem) -> Sequence[str | int]:
    return [fit(each) if isinstance(each, str) else each for each in problem.way or (problem.name,)]


def _invalid(row: JobRow, detail: str, errors: Sequence[Mapping[str, str]]) -> RowOutcome:
    return RowOutcome(
        row=row.row, result=RowResult.INVALID, code="invalid", detail=detail, errors=errors, input=row.input
    )
