"""Several refunds that were paid by hand, marked as paid at once: a preview, then a result for each."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from countermand.console import words
from countermand.console.errors import PageError
from countermand.console.forms import FieldError
from countermand.console.pages.account import password_again
from countermand.console.pages.refunds import PATH, WAITS, is_much
from countermand.console.rendering import show_page
from countermand.console.visit import Visit
from countermand.documents.sentences import count
from countermand.domain.money.commands import CloseRefund
from countermand.ids import read, show
from countermand.reads.refunds import RefundView, refund_by_id
from countermand.service.calls import Done, Outcome, Refused
from countermand.wire.response import Reply

MOST: Final = 50
REFERENCE: Final = "reference-"
"""How the field of each refund begins that says by what it was paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A refund that was ticked, at the step that the visitor saw, and why it is left out."""

    row: RefundView
    step: int
    why_not: str

    @property
    def id(self) -> str:
        """Its id, as people see it."""
        return show("rfd", self.row.id)

    @property
    def value(self) -> str:
        """What the form says of it."""
        return f"{self.id}-{self.step}"

    @property
    def field(self) -> str:
        """The field with its reference."""
        return f"{REFERENCE}{self.id}"

    @property
    def left_minor(self) -> int:
        """What is still to be paid of it."""
        return self.row.amount_minor - self.row.elsewhere_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one."""

    chosen: Chosen
    is_done: bool
    text: str


async def _chosen(visit: Visit) -> list[Chosen]:
    given = visit.form.all("id") or visit.ticked
    if not given:
        raise PageError(400, "Nothing is ticked", "Tick the refunds that you have paid.", links={PATH: "Refunds"})
    found = []
    for text in dict.fromkeys(given[:MOST]):
        name, _, step = text.partition("-")
        wanted = read("rfd", name)
        row = await visit.read(refund_by_id, visit.scope, wanted) if wanted else None
        if row is not None:
            seen = int(step) if step.isascii() and step.isdigit() and len(step) < 10 else row.step
            found.append(Chosen(row=row, step=seen, why_not=_why_not(row)))
    return found


def _why_not(row: RefundView) -> str:
    return "" if row.state in WAITS else f"It is {words.plain(row.state)}. {words.next_step(row)}"


async def preview(visit: Visit) -> Reply:
    """What marking the ticked ones as paid would do."""
    return _preview(visit, await _chosen(visit))


def _preview(visit: Visit, chosen: Sequence[Chosen], *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    able = [each for each in chosen if not each.why_not]
    sums = words.money_words([_as_left(each) for each in able])
    return show_page(
        visit,
        "refunds_bulk.html",
        title=f"Mark {count(len(able), 'refund')} as paid?",
        status=status,
        chosen=chosen,
        able=able,
        button=f"Mark {sums} as paid",
        where_to=words.where_to,
        asks_password=_asks_password(visit, able),
        once=visit.form.text("once") or visit.new_once(),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


def _as_left(chosen: Chosen) -> RefundView:
    return replace(chosen.row, amount_minor=chosen.left_minor)


def _asks_password(visit: Visit, able: Sequence[Chosen]) -> bool:
    """For much money in one currency, if the password was given long ago."""
    sums: dict[str, int] = {}
    for each in able:
        sums[each.row.currency] = sums.get(each.row.currency, 0) + each.left_minor
    return any(is_much(visit, minor, currency) for currency, minor in sums.items())


async def pay(visit: Visit) -> Reply:
    """Mark each as paid, and say what became of each."""
    chosen = await _chosen(visit)
    able = [each for each in chosen if not each.why_not]
    try:
        note = visit.form.note()
        notes = {each.id: _note(visit, each, note) for each in chosen}
        visit, cookie = await password_again(visit) if _asks_password(visit, able) else (visit, ())
    except FieldError as error:
        return _preview(visit, chosen, status=422, wrong=error)
    # Together, so that they share transactions. Each has an outcome of its own.
    results = await asyncio.gather(*(_pay(visit, each, notes[each.id]) for each in chosen))
    done = [each.chosen for each in results if each.is_done]
    reply = show_page(
        visit,
        "refunds_bulk_done.html",
        title=f"{len(done)} of {len(results)} {'were' if len(results) > 1 else 'was'} marked as paid",
        status=200 if done else 409,
        results=results,
        done=len(done),
        sums=words.money_words([_as_left(each) for each in done]),
        where_to=words.where_to,
    )
    return replace(reply, headers=(*reply.headers, *cookie))


def _note(visit: Visit, chosen: Chosen, note: str) -> str:
    """The note of one: its own reference, and what was written for all."""
    return "\n".join(filter(None, [visit.form.line(chosen.field), note]))


async def _pay(visit: Visit, chosen: Chosen, note: str) -> Result:
    row = chosen.row
    command = CloseRefund(
        line=row.line_id, refund=row.id, actor=visit.caller.actor, paid=True, note=note, step=chosen.step
    )
    return _result(chosen, await visit.submit(command, row.retailer_id, part=row.id.hex))


def _result(chosen: Chosen, outcome: Outcome) -> Result:
    match outcome:
        case Done():
            return Result(chosen=chosen, is_done=True, text="")
        case Refused(refusal=refusal):
            return Result(chosen=chosen, is_done=False, text=refusal.detail)
        case _:
            text = "The database did not answer. Nobody knows whether this was stored: look at it, and mark it again."
            return Result(chosen=chosen, is_done=False, text=text)
