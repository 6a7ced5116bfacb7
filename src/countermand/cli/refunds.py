"""Commands about refunds: what would go back, what does, and what a person decides about it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final

from cyclopts import Parameter
from sqlalchemy import Connection

from countermand.admin.finding import EVERYTHING, find_line, scope_of
from countermand.cli.inputs import NeededNote, Note, Whole, amount
from countermand.cli.listing import Sought, export
from countermand.cli.orders import DOOR, LimitFlag, operator
from countermand.cli.outcomes import accepted
from countermand.cli.output import Exit, fail, print_json, print_table, report, say_more
from countermand.cli.parties import find_id
from countermand.cli.running import DatabaseFlag, JsonFlag, ask_database, read_pages, read_settings, with_database
from countermand.documents.refunds import quote_document, refund_document
from countermand.domain.money.amounts import to_minor, write_minor
from countermand.domain.money.commands import CloseRefund, CorrectRefund, RefundCommand, RetryRefund
from countermand.domain.money.refunds import RefundState
from countermand.domain.refusals import Refusal
from countermand.ids import show
from countermand.reads import refunds as reads
from countermand.reads.lookup import Lookup, all_orders_found
from countermand.reads.refunds import RefundFilter, RefundView
from countermand.road import Application
from countermand.service.calls import Call, Outcome

Which = Annotated[str, Parameter(help="Id of the refund")]
REFUNDS_SHOWN: Final = 1000
NoteFlag = Annotated[Note, Parameter(help="A note, kept with the refund")]
ReasonFlag = Annotated[NeededNote, Parameter(help="Why")]


def quote(
    *,
    line: Annotated[str, Parameter(help="Id of the line, or bol's number of it")],
    units: Annotated[Whole | None, Parameter(help="How many; by default all that can still be cancelled")] = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Show what would go back to the customer if units of a line were cancelled. Changes nothing."""
    found = ask_database(read_settings(database=database), partial(_quoted, line=line, units=units))
    if isinstance(found, Refusal):
        fail(Exit.REFUSED, found.kind.value, found.detail)
    document = quote_document(found)
    if json:
        print_json(document)
        return
    rows = [
        *((f"Refund to payment {each['id']}", each["refund"], each["method"]) for each in document["payments"]),
        *((f"Release of payment {each['id']}", each["release"], each["method"]) for each in document["payments"]),
        ("Refund in all", document["refund"], ""),
        ("Goods", document["goods"], ""),
        ("Shipping", document["shipping"], ""),
        ("Tax in both", document["tax"], ""),
        ("Discount taken back", document["discount_taken_back"], ""),
        ("Not paid yet", document["unpaid"], ""),
        ("Commission returned", document["commission_returned"], ""),
    ]
    kept = [row for row in rows if Decimal(row[1]) or row[0] == "Refund in all"]
    print_table(("What", document["currency"], "Method"), kept, empty="Nothing goes back.")


def refunds(
    sought: Sought = None,
    *,
    state: Annotated[RefundState | None, Parameter(help="Their state")] = None,
    provider: Annotated[str | None, Parameter(help="The payment provider")] = None,
    party: Annotated[str | None, Parameter(help="Of this retailer")] = None,
    limit: LimitFlag | None = None,
    csv: Annotated[bool, Parameter(negative=(), help="As a file for a spreadsheet or a bank, with every row")] = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List refunds, oldest first: 1000 unless --limit says otherwise, and all with --csv.

    `--state by_hand` lists the refunds that a person has to pay.
    """
    settings = read_settings(database=database)
    wanted = RefundFilter(state=state.value if state else None, provider=provider)
    page = partial(_page, party=party, wanted=wanted, sought=sought)
    if csv:
        return export(settings, page, _CSV_COLUMNS, lambda row: [refund_document(row)], limit)
    found: list[RefundView] = []
    most = limit or REFUNDS_SHOWN
    if read_pages(settings, page, found.extend, most):
        say_more("oldest", most)
    rows = [refund_document(row) for row in found]
    if json:
        print_json(rows)
    else:
        columns = ("Id", "State", "Amount", "Payment", "Order", "SKU", "Last result")
        shown = [
            (
                row["id"],
                _state(row),
                f"{row['amount']} {row['currency']}",
                f"{row['provider']} {row['payment_reference']}".strip(),
                row["reference"],
                row["sku"],
                row["last_result"],
            )
            for row in rows
        ]
        print_table(columns, shown, empty="There are no refunds.")
    return None


def refund_paid(refund: Which, *, note: NoteFlag = "", database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Mark a refund as paid by hand. It counts as done."""
    _do(refund, database, lambda row: _close(row, paid=True, note=note), "The refund is done.", json=json)


def refund_close(refund: Which, *, note: ReasonFlag, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Close a refund that is not going to be paid."""
    done = "The refund is closed; nothing is paid back."
    _do(refund, database, lambda row: _close(row, paid=False, note=note), done, json=json)


def refund_retry(refund: Which, *, note: NoteFlag = "", database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Try a parked refund again."""
    _do(
        refund,
        database,
        lambda row: RetryRefund(line=row.line_id, refund=row.id, actor=operator(), note=note),
        "The refund is tried again.",
        json=json,
    )


def refund_correct(
    refund: Which,
    *,
    elsewhere: Annotated[str, Parameter(help="How much of it was paid outside this service: 0 to its amount")],
    note: ReasonFlag,
    step: Annotated[Whole | None, Parameter(help="The step that you saw; by default the present one")] = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Correct how much of a refund was paid outside this service. The rest is then paid."""

    def command(row: RefundView) -> CorrectRefund:
        return CorrectRefund(
            line=row.line_id,
            refund=row.id,
            actor=operator(),
            step=row.step if step is None else step,
            elsewhere_minor=_elsewhere(row, elsewhere),
            note=note,
        )

    _do(refund, database, command, "The refund is corrected.", json=json)


def _elsewhere(row: RefundView, written: str) -> int:
    try:
        minor = to_minor(amount(written), row.currency)
    except ValueError as error:
        fail(Exit.USAGE, "bad_amount", f"{error}.")
    if not 0 <= minor <= row.amount_minor:
        most = f"{write_minor(row.amount_minor, row.currency)} {row.currency}"
        fail(Exit.USAGE, "bad_amount", f"The refund is of {most}: give an amount from 0 to {most}.")
    return minor


def _do(
    text: str, database: str | None, command: Callable[[RefundView], RefundCommand], done: str, *, json: bool
) -> None:
    wanted = find_id("rfd", text)

    async def work(application: Application) -> Outcome:
        row = await application.database.read(partial(reads.refund_by_id, scope=EVERYTHING, refund=wanted))
        if row is None:
            fail(Exit.NOT_FOUND, "unknown_refund", f"There is no refund {text}.", "See `countermand refunds`.")
        return await application.lanes.submit(Call(command=command(row), door=DOOR, retailer=row.retailer_id))

    outcome = with_database(read_settings(database=database), work)
    accepted(outcome)
    report(done, json=json, refund=show("rfd", wanted))


def _close(row: RefundView, *, paid: bool, note: str) -> CloseRefund:
    return CloseRefund(line=row.line_id, refund=row.id, actor=operator(), paid=paid, note=note)


def _page(
    connection: Connection,
    count: int,
    last: RefundView | None,
    *,
    party: str | None,
    wanted: RefundFilter,
    sought: str | None,
) -> Sequence[RefundView]:
    scope = scope_of(connection, party)
    if sought is not None:
        wanted = replace(wanted, orders=all_orders_found(connection, scope, Lookup(anything=sought)))
    return reads.list_refunds(connection, scope, replace(wanted, after=last.id if last else None, limit=count))


def _state(row: dict[str, Any]) -> str:
    """Its state, and what it waits for if only time helps."""
    waits = row["waiting_for"]
    return f"{row['state']} (waiting for {waits.replace('_', ' ')})" if waits else str(row["state"])


_CSV_COLUMNS: Final = (
    "id",
    "state",
    "kind",
    "amount",
    "currency",
    "method",
    "provider",
    "payment_reference",
    "retailer",
    "reference",
    "sku",
    "created_at",
    "settled_at",
    "note",
)


def _quoted(connection: Connection, *, line: str, units: int | None) -> reads.Quoted | Refusal:
    row = find_line(connection, line)
    return reads.quote_units(connection, EVERYTHING, {row.id: units})
