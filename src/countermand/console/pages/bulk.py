"""Answers to several cancellations at once: a preview, then a result for each; and the list as a file."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from countermand.console import words
from countermand.console.errors import PageError
from countermand.console.forms import FieldError
from countermand.console.markup import amount
from countermand.console.pages.cancellations import PATH, Row, rows_of, sums_of, view_of, wanted_of
from countermand.console.rendering import show_page
from countermand.console.spreadsheets import as_spreadsheet
from countermand.console.visit import Visit
from countermand.documents.cancellations import ListedCancellation, listed_cancellation
from countermand.documents.sentences import count
from countermand.domain.commands import AcceptCancellation, Command, DeclineCancellation
from countermand.domain.line import State
from countermand.domain.reasons import DeclineReason
from countermand.ids import read, show
from countermand.reads.cancellations import (
    PAGE_MAX,
    CancellationView,
    DuePlace,
    cancellation_by_id,
    list_cancellations,
    waiting_units,
)
from countermand.service.calls import Done, Outcome, Refused
from countermand.wire.response import Reply

MOST: Final = 50
EXPORT_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A cancellation that was ticked, and why it is left out; ``step`` is the one that the visitor saw."""

    row: Row
    step: int
    why_not: str

    @property
    def value(self) -> str:
        """What the form says of it."""
        return f"{show('can', self.row.cancellation.id)}-{self.step}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one."""

    chosen: Chosen
    is_done: bool
    text: str


def _act(visit: Visit) -> str:
    act = visit.form.text("do") or visit.query.get("do", "")
    if act not in ("accept", "decline"):
        raise PageError(400, "Say what to do", "Choose Accept or Decline.", links={PATH: "Cancellations"})
    return act


async def _chosen(visit: Visit) -> list[Chosen]:
    """What was ticked, without those that the visitor may not see."""
    given = visit.form.all("id") or visit.ticked
    if not given:
        raise PageError(400, "Nothing is ticked", "Tick what you want to answer.", links={PATH: "Cancellations"})
    found: list[tuple[CancellationView, int]] = []
    for text in dict.fromkeys(given[:MOST]):
        name, _, step = text.partition("-")
        wanted = read("can", name)
        row = await visit.read(cancellation_by_id, visit.scope, wanted) if wanted else None
        if row is not None:
            found.append((row, int(step) if step.isascii() and step.isdigit() and len(step) < 10 else row.step))
    rows = await rows_of(visit, [row for row, _ in found])
    return [
        Chosen(row=row, step=step, why_not=_why_not(visit, row.cancellation))
        for row, (_, step) in zip(rows, found, strict=True)
    ]


def _why_not(visit: Visit, row: CancellationView) -> str:
    if row.state != State.ASKED:
        return words.standing(row, visit.now, answered_by="somebody")
    if row.agreed:
        return "It waits for the lines that were asked together with it."
    if visit.is_platform or row.awaiting == visit.caller.party:
        return ""
    return f"{row.awaiting_name or 'An operator'} answers next, not you."


async def preview(visit: Visit) -> Reply:
    """What answering the ticked ones would do."""
    return _preview(visit, _act(visit), await _chosen(visit))


def _preview(
    visit: Visit, act: str, chosen: Sequence[Chosen], *, status: int = 200, wrong: FieldError | None = None
) -> Reply:
    able = [each for each in chosen if not each.why_not]
    units = sum(waiting_units(each.row.cancellation) for each in able)
    sums = words.listed(sums_of([each.row for each in able])) if act == "accept" else ""
    button = f"{act.capitalize()} {count(units)}" + (f", refund {sums}" if sums else "")
    return show_page(
        visit,
        "bulk.html",
        title=f"{act.capitalize()} {count(len(able), 'cancellation')}?",
        status=status,
        act=act,
        chosen=chosen,
        able=able,
        button=button,
        waiting=waiting_units,
        reasons=words.DECLINE_REASONS,
        once=visit.form.text("once") or visit.new_once(),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def answer(visit: Visit) -> Reply:
    """Answer each of them, and say what became of each."""
    act, chosen = _act(visit), await _chosen(visit)
    try:
        note, reason = visit.form.note(), _reason(visit, act)
    except FieldError as error:
        return _preview(visit, act, chosen, status=422, wrong=error)
    # Together, so that they share transactions. Each has an outcome of its own.
    results = await asyncio.gather(*(_answer(visit, each, reason, note) for each in chosen))
    done = [each for each in results if each.is_done]
    after = await rows_of(visit, [row for each in done if (row := await _again(visit, each)) is not None])
    return show_page(
        visit,
        "bulk_done.html",
        title=f"{len(done)} of {len(results)} {'were' if len(results) > 1 else 'was'} {act.removesuffix('e')}ed",
        status=200 if done else 409,
        act=act,
        results=results,
        done=len(done),
        owed=words.listed(_owed(after)),
    )


async def _again(visit: Visit, result: Result) -> CancellationView | None:
    return await visit.read(cancellation_by_id, visit.scope, result.chosen.row.cancellation.id)


def _owed(rows: Sequence[Row]) -> list[str]:
    sums: dict[str, int] = {}
    for row in rows:
        if row.worth and row.worth.owed:
            sums[row.worth.currency] = sums.get(row.worth.currency, 0) + row.worth.minor
    return [amount(minor, currency) for currency, minor in sorted(sums.items())]


def _reason(visit: Visit, act: str) -> DeclineReason | None:
    given = visit.form.text("reason")
    if act == "accept":
        return None
    if given not in set(words.DECLINE_REASONS):
        raise FieldError("reason", "Choose why they are declined. The askers read it.")
    return DeclineReason(given)


async def _answer(visit: Visit, chosen: Chosen, reason: DeclineReason | None, note: str) -> Result:
    row = chosen.row.cancellation
    command: Command = AcceptCancellation(
        line=row.line_id, actor=visit.caller.actor, cancellation=row.id, step=chosen.step, note=note
    )
    if reason is not None:
        command = DeclineCancellation(
            line=row.line_id,
            actor=visit.caller.actor,
            cancellation=row.id,
            step=chosen.step,
            reason=reason,
            note=note,
        )
    return _result(chosen, await visit.submit(command, row.retailer_id, part=row.id.hex))


def _result(chosen: Chosen, outcome: Outcome) -> Result:
    match outcome:
        case Done():
            return Result(chosen=chosen, is_done=True, text="")
        case Refused(refusal=refusal):
            return Result(chosen=chosen, is_done=False, text=refusal.detail)
        case _:
            text = "The database did not answer. Nobody knows whether this was stored: look at it, and answer again."
            return Result(chosen=chosen, is_done=False, text=text)


# The list as a file

_COLUMNS: Final = tuple(ListedCancellation.__annotations__)


async def export(visit: Visit) -> Reply:
    """The rows of a list with its filters, as a file for a spreadsheet: the first 10,000."""
    view = view_of(visit)
    try:
        wanted = replace(await wanted_of(visit, view), limit=PAGE_MAX)
    except ValueError as error:
        raise PageError(422, "This filter cannot be read", f"{error}.", links={PATH: "Cancellations"}) from None
    rows: list[CancellationView] = []
    while len(rows) < EXPORT_MAX:
        found = await visit.count(list_cancellations, visit.scope, wanted)
        rows += found
        if len(found) < PAGE_MAX:
            break
        last = found[-1]
        wanted = replace(wanted, after=last.id, behind=DuePlace(last.due_at, last.id) if wanted.by_due else None)
    return await as_spreadsheet(f"cancellations-{view.name}", _COLUMNS, map(_cells, rows))


def _cells(row: CancellationView) -> Iterator[str]:
    for value in listed_cancellation(row).values():
        yield "" if value is None else str(value)
