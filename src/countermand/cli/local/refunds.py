"""Refunds of a database."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from sqlalchemy import Connection

from countermand.admin.finding import EVERYTHING, find_line, scope_of
from countermand.cli.inputs import amount
from countermand.cli.nouns import Document, WantedRefunds
from countermand.cli.orders import DOOR, operator
from countermand.cli.outcomes import accepted
from countermand.cli.output import Exit, fail
from countermand.cli.parties import find_id
from countermand.cli.running import ask_database, read_pages, read_settings, with_database
from countermand.documents.refunds import quote_document, refund_document
from countermand.domain.money.amounts import to_minor, write_minor
from countermand.domain.money.commands import CloseRefund, CorrectRefund, RefundCommand, RetryRefund
from countermand.domain.refusals import Refusal
from countermand.ids import show
from countermand.reads import refunds as reads
from countermand.reads.lookup import Lookup, all_orders_found
from countermand.reads.refunds import RefundFilter, RefundView
from countermand.road import Application
from countermand.service.calls import Call, Outcome


class LocalRefunds:
    """Refunds, read from the database and put to its rules."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def quote(self, line: str, units: int | None) -> Document:
        """What would go back for units of a line."""

        def question(connection: Connection) -> reads.Quoted | Refusal:
            return reads.quote_units(connection, EVERYTHING, {find_line(connection, line).id: units})

        found = ask_database(self._settings, question)
        if isinstance(found, Refusal):
            fail(Exit.REFUSED, found.kind.value, found.detail)
        return quote_document(found)

    def read(self, wanted: WantedRefunds, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them. Returns whether there are more."""
        filtered = RefundFilter(state=wanted.state, provider=wanted.provider)

        def page(connection: Connection, count: int, last: RefundView | None) -> Sequence[RefundView]:
            scope, chosen = scope_of(connection, wanted.party), filtered
            if wanted.sought is not None:
                chosen = replace(chosen, orders=all_orders_found(connection, scope, Lookup(anything=wanted.sought)))
            return reads.list_refunds(connection, scope, replace(chosen, after=last.id if last else None, limit=count))

        return read_pages(
            self._settings,
            page,
            lambda rows: take([refund_document(row, EVERYTHING).model_dump(mode="json") for row in rows]),
            most,
        )

    def paid(self, refund: str, *, note: str) -> str:
        """Mark one as paid by hand."""
        return self._do(refund, partial(_close, paid=True, note=note))

    def close(self, refund: str, *, note: str) -> str:
        """Close one that is not going to be paid."""
        return self._do(refund, partial(_close, paid=False, note=note))

    def retry(self, refund: str, *, note: str) -> str:
        """Try a parked one again."""
        return self._do(refund, lambda row: RetryRefund(line=row.line_id, refund=row.id, actor=operator(), note=note))

    def correct(self, refund: str, *, step: int | None, elsewhere: str, note: str) -> str:
        """Correct how much of one was paid outside."""

        def command(row: RefundView) -> CorrectRefund:
            return CorrectRefund(
                line=row.line_id,
                refund=row.id,
                actor=operator(),
                step=row.step if step is None else step,
                elsewhere_minor=_elsewhere(row, elsewhere),
                note=note,
            )

        return self._do(refund, command)

    def _do(self, text: str, command: Callable[[RefundView], RefundCommand]) -> str:
        wanted = find_id("rfd", text)

        async def work(application: Application) -> Outcome:
            row = await application.database.read(partial(reads.refund_by_id, scope=EVERYTHING, refund=wanted))
            if row is None:
                fail(Exit.NOT_FOUND, "unknown_refund", f"There is no refund {text}.", "See `countermand refunds`.")
            return await application.lanes.submit(Call(command=command(row), door=DOOR, retailer=row.retailer_id))

        accepted(with_database(self._settings, work))
        return show("rfd", wanted)


def _close(row: RefundView, *, paid: bool, note: str) -> CloseRefund:
    return CloseRefund(line=row.line_id, refund=row.id, actor=operator(), paid=paid, note=note)


def _elsewhere(row: RefundView, written: str) -> int:
    try:
        minor = to_minor(amount(written), row.currency)
    except ValueError as error:
        fail(Exit.USAGE, "bad_amount", f"{error}.")
    if not 0 <= minor <= row.amount_minor:
        most = f"{write_minor(row.amount_minor, row.currency)} {row.currency}"
        fail(Exit.USAGE, "bad_amount", f"The refund is of {most}: give an amount from 0 to {most}.")
    return minor
