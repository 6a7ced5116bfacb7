"""Commands about refunds: what would go back, what does, and what a person decides about it."""

from decimal import Decimal
from functools import partial
from typing import Annotated, Final

from cyclopts import Parameter

from countermand.cli import nouns
from countermand.cli.inputs import NeededNote, Note, Whole
from countermand.cli.listing import Sought, export
from countermand.cli.nouns import Document, WantedRefunds
from countermand.cli.orders import LimitFlag
from countermand.cli.output import print_json, print_table, report, say_more
from countermand.cli.running import DatabaseFlag, JsonFlag
from countermand.domain.money.refunds import RefundState

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
    document = nouns.refunds(database).quote(line, units)
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
    wanted = WantedRefunds(sought=sought, state=state.value if state else None, provider=provider, party=party)
    read = partial(nouns.refunds(database).read, wanted)
    if csv:
        return export(read, _CSV_COLUMNS, lambda row: [row], limit)
    rows: list[Document] = []
    most = limit or REFUNDS_SHOWN
    if read(rows.extend, most):
        say_more("oldest", most)
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
    done = nouns.refunds(database).paid(refund, note=note)
    report("The refund is done.", json=json, refund=done)


def refund_close(refund: Which, *, note: ReasonFlag, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Close a refund that is not going to be paid."""
    done = nouns.refunds(database).close(refund, note=note)
    report("The refund is closed; nothing is paid back.", json=json, refund=done)


def refund_retry(refund: Which, *, note: NoteFlag = "", database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Try a parked refund again."""
    done = nouns.refunds(database).retry(refund, note=note)
    report("The refund is tried again.", json=json, refund=done)


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
    done = nouns.refunds(database).correct(refund, step=step, elsewhere=elsewhere, note=note)
    report("The refund is corrected.", json=json, refund=done)


def _state(row: Document) -> str:
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
