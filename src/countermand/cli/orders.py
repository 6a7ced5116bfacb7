"""Commands about orders and what happens to them."""

import getpass
import hashlib
import json as json_module
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from cyclopts import Parameter, validators
from pydantic import ValidationError
from sqlalchemy import Connection

from countermand import parties, policies, reads, scores, story
from countermand.app import Application
from countermand.cli.outcomes import heeded, not_answered
from countermand.cli.output import Exit, fail, first_of, plain, print_json, print_table, say
from countermand.cli.running import DatabaseFlag, JsonFlag, ask_database, read_settings, what_is_wrong, with_database
from countermand.cli.who import find_id, find_party
from countermand.domain.commands import Actor, AskCancellation, Asker, PartyKind
from countermand.domain.line import State
from countermand.domain.order import PlaceOrder
from countermand.ids import show
from countermand.ordering import OrderIn, place
from countermand.service.calls import Call, Done, Failed, Once, Outcome, Refused
from countermand.store.columns import Record

DOOR = "cli"
KEY_MAX = 255
EVERYTHING = reads.Scope(party=parties.PLATFORM, kind=PartyKind.PLATFORM)

LimitFlag = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=10_000), help="At most so many")]


def order_add(
    file: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help="A JSON file with one order or an array; - reads standard input"),
    ],
    *,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
    dry_run: Annotated[bool, Parameter(negative=(), help="Check the orders, add nothing")] = False,
) -> None:
    """Hand in orders. Prints the id of each order and of its lines."""
    orders = _read_orders(file)

    async def work(application: Application) -> list[tuple[PlaceOrder, Any]]:
        def prepare(connection: Connection) -> list[PlaceOrder]:
            found = _parties(connection, orders)
            now = application.clock()
            return [
                place(each, actor=operator(), party=found.__getitem__, ids=application.ids, now=now) for each in orders
            ]

        placed = await application.database.read(prepare)
        if dry_run:
            return []
        return [
            (each, await application.lanes.submit(Call(command=each, door=DOOR, retailer=each.retailer)))
            for each in placed
        ]

    results = with_database(read_settings(database=database), work)
    if dry_run:
        say(f"{len(orders)} orders are fine; nothing was added.")
        return
    _report(results, json=json)


def orders(
    *,
    party: Annotated[str | None, Parameter(help="As this party sees them")] = None,
    reference: Annotated[str | None, Parameter(help="With this purchase order number")] = None,
    limit: LimitFlag = 20,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List orders, newest first."""

    def question(connection: Connection) -> tuple[int, list[reads.OrderView]]:
        wanted = reads.OrderFilter(reference=reference)
        scope = scope_of(connection, party)
        return reads.list_orders(connection, scope, wanted, start=0, count=limit, newest_first=True)

    total, views = ask_database(read_settings(database=database), question)
    if json:
        print_json([_order(view) for view in views])
        return
    rows = [
        (
            view.row.reference,
            view.retailer_name,
            line.row.sku,
            line.supplier_name,
            _units(line.row),
            line.row.id,
            view.row.id,
        )
        for view in views
        for line in view.lines
    ]
    columns = ("Reference", "Retailer", "SKU", "Held by", "Units", "Line", "Order")
    print_table(columns, rows, empty="There are no orders.")
    if total > len(views):
        say(f"{len(views)} of {total} orders; --limit shows more.")


def cancellations(
    *,
    state: State | None = None,
    party: Annotated[str | None, Parameter(help="As this party sees them")] = None,
    awaiting: Annotated[str | None, Parameter(help="Whose answer is due")] = None,
    limit: LimitFlag = 50,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List cancellations, newest first."""

    def question(connection: Connection) -> list[Record]:
        scope = scope_of(connection, party)
        wanted = reads.CancellationFilter(
            state=state.value if state else None,
            awaiting=find_party(connection, awaiting).id if awaiting else None,
        )
        return _pages(connection, scope, wanted, limit + 1)

    found = ask_database(read_settings(database=database), question)
    rows = first_of(found, limit, "newest")
    if json:
        print_json([_cancellation(row) for row in rows])
        return
    shown = [
        (
            show("can", row.id),
            row.state,
            f"{row.units} of {row.ordered}",
            row.sku,
            row.asker,
            f"{row.asked_at:%Y-%m-%d %H:%M}",
            f"{row.due_at:%Y-%m-%d %H:%M}" if row.due_at and row.state == State.ASKED and not row.agreed else "",
            row.step,
        )
        for row in rows
    ]
    columns = ("Id", "State", "Units", "SKU", "Asked by", "Asked at (UTC)", "Answer due", "Step")
    print_table(columns, shown, empty="There are no cancellations.")


def ask(
    *,
    line: Annotated[str, Parameter(help="Id of the line, or bol's number of it")],
    units: Annotated[int | None, Parameter(help="How many; all that are open by default")] = None,
    by: Annotated[Literal["customer", "retailer"], Parameter(help="Whose wish it is")] = "customer",
    note: str = "",
    key: Annotated[
        str, Parameter(help="A key of your own: asks under other keys are separate, the same key is the same ask")
    ] = "",
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Ask to cancel units of a line and print the id of the cancellation."""
    if len(key) > KEY_MAX or not (key.isascii() and key.isprintable()):
        fail(Exit.USAGE, "usage", f"A key has 1 to {KEY_MAX} visible characters of ASCII.")

    async def work(application: Application) -> tuple[Done, Record | None]:
        row = await application.database.read(lambda connection: find_line(connection, line))
        command = AskCancellation(line=row.id, actor=operator(), asker=Asker(by), units=units, note=note, key=key)
        call = Call(command=command, door=DOOR, retailer=row.retailer_id, once=_once(command))
        done = heeded(await application.lanes.submit(call))
        seen = partial(reads.cancellation_by_id, scope=EVERYTHING, cancellation=done.cancellations[0])
        return done, await application.database.read(seen)

    done, found = with_database(read_settings(database=database), work)
    if found is None:
        not_answered()
    repeated = found.id in done.repeated
    if json:
        print_json(_cancellation(found) | {"repeated": repeated})
    else:
        print(show("can", found.id))
    if done.replayed:
        say("This key was used before, for this ask. Nothing was asked anew.")
    elif repeated:
        say("An equal ask waits already, and this is taken for the same one. To ask for more units, use --key.")


def _once(command: AskCancellation) -> Once | None:
    """What makes two asks one, where a key was given."""
    if not command.key:
        return None
    content = repr(("ask", command.line, command.asker, command.units, command.note))
    fingerprint = hashlib.sha256(content.encode(errors="surrogateescape")).hexdigest()
    return Once(caller=str(command.actor.party), key=command.key, fingerprint=fingerprint)


def timeline(
    id: Annotated[str, Parameter(help="Of a cancellation, a line or an order")],  # noqa: A002 - the flag's name
    *,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Tell the whole story of a line, in order."""
    subject = find_id("can", id)

    def question(connection: Connection) -> tuple[Sequence[Record], Sequence[Record], dict[UUID, str]]:
        told = reads.timeline(connection, EVERYTHING, subject)
        judged = scores.judgements_of(connection, [(event.retailer_id, event.line_id) for event in told])
        return told, judged, {line: _zone(connection, line) for line in {event.line_id for event in told}}

    events, judgements, zones = ask_database(read_settings(database=database), question)
    if not events:
        fail(Exit.NOT_FOUND, "unknown_id", f"Nothing is known of {id}.")
    if json:
        print_json(
            [
                {
                    "id": show("evt", event.id),
                    "line": str(event.line_id),
                    "seq": event.seq,
                    "kind": event.kind,
                    "at": event.at.isoformat(),
                    "recorded_at": (event.recorded_at or event.at).isoformat(),
                    "by": event.actor_name,
                    "as": event.actor,
                    "door": event.door,
                    "cancellation": show("can", event.cancellation_id) if event.cancellation_id else None,
                    **event.facts,
                }
                for event in events
            ]
            + [_judgement(judgement) for judgement in judgements]
        )
        return
    for line, told in groupby(events, key=lambda event: event.line_id):
        _tell_line(list(told), judgements, zones[line])


def _zone(connection: Connection, line: UUID) -> str:
    """Where the working hours of a line's policy are, if it has any: by its clock deadlines are told too (EC-30)."""
    row = reads.line_by_id(connection, EVERYTHING, line)
    hours = policies.in_force(connection, row.retailer_id, row.fulfiller_id).working_hours if row else None
    return hours.zone if hours else ""


def _tell_line(events: Sequence[Record], judgements: Sequence[Record], zone: str) -> None:
    line = events[0].line_id
    print(f"{events[0].ordered} x {plain(events[0].sku)}, line {line}")
    told = [
        (event.at, story.sentence(event, zone), f"{story.state(event)}; {event.door}, {event.actor}")
        for event in events
    ]
    told += [(each.at, story.judged(each), each.door) for each in judgements if each.line_id == line]
    for at, sentence, where in sorted(told, key=lambda each: each[0]):
        print(f"  {at:%Y-%m-%d %H:%M:%S}  {plain(sentence)}  [{plain(where)}]")


def _judgement(row: Record) -> dict[str, Any]:
    return {
        "line": str(row.line_id),
        "kind": "score.excluded" if row.excluded else "score.restored",
        "at": row.at.isoformat(),
        "by": None,
        "as": row.judged_by,
        "door": row.door,
        "cancellation": show("can", row.cancellation_id),
        "party": str(row.party_id),
        "note": row.reason,
    }


def operator() -> Actor:
    """Whoever sits at this terminal, acting for the platform."""
    return Actor(party=parties.PLATFORM, kind=PartyKind.PLATFORM, name=f"operator {getpass.getuser()}")


def scope_of(connection: Connection, party: str | None) -> reads.Scope:
    """What this party sees; everything when none is named."""
    if party is None:
        return EVERYTHING
    row = find_party(connection, party)
    return reads.Scope(party=row.id, kind=PartyKind(row.kind))


def _pages(connection: Connection, scope: reads.Scope, wanted: reads.CancellationFilter, count: int) -> list[Record]:
    """The newest ``count`` cancellations, page by page."""
    rows: list[Record] = []
    while len(rows) < count:
        size = min(reads.PAGE_MAX, count - len(rows))
        after = rows[-1].id if rows else None
        page = reads.list_cancellations(connection, scope, replace(wanted, after=after, limit=size))
        rows += page
        if len(page) < size:
            break
    return rows


def find_line(connection: Connection, text: str) -> Record:
    """The line with this id or number of bol's. Ends the command when there is none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 11 else None
    row = reads.line_of_bol_number(connection, number) if number is not None else None
    if number is None:
        row = reads.line_by_id(connection, EVERYTHING, find_id("lin", text))
    if row is None:
        fail(Exit.NOT_FOUND, "unknown_line", f"There is no line {text}.", "See `countermand orders`.")
    return row


def _read_orders(file: str) -> list[OrderIn]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
        value = json_module.loads(text)
    except OSError as error:
        fail(Exit.USAGE, "unreadable", f"{file} cannot be read: {error.strerror}.")
    except (ValueError, RecursionError) as error:
        fail(Exit.USAGE, "unreadable", f"{file} cannot be read as JSON: {error}")
    try:
        return [OrderIn.model_validate(each) for each in (value if isinstance(value, list) else [value])]
    except ValidationError as error:
        problems = "\n".join(f"  {problem}" for problem in what_is_wrong(error))
        fail(Exit.USAGE, "invalid_order", f"An order in {file} cannot be taken:\n{problems}")


def _parties(connection: Connection, orders: Sequence[OrderIn]) -> dict[str, UUID]:
    """Every party that is named, found once. Ends the command when one is unknown or cannot do what it shall."""
    sellers = {order.retailer for order in orders}
    named = sellers | {line.supplier for order in orders for line in order.lines if line.supplier}
    found = {text: find_party(connection, text) for text in sorted(named)}
    for text, row in found.items():
        kind = PartyKind(row.kind)
        if kind is PartyKind.PLATFORM or (text in sellers and kind is not PartyKind.RETAILER):
            place = "sell" if text in sellers else "hold goods"
            fail(Exit.USAGE, "wrong_party", f"{text} is a {kind.value}, which cannot {place}.")
    return {text: row.id for text, row in found.items()}


def _report(results: list[tuple[PlaceOrder, Any]], *, json: bool) -> None:
    if json:
        print_json([_placed(command, outcome) for command, outcome in results])
    failures = 0
    for command, outcome in results:
        if isinstance(outcome, Done):
            if not json:
                print("\t".join([str(command.id), *(str(line.id) for line in command.lines)]))
            continue
        failures += 1
        say(f"countermand: order {plain(command.reference)} was not added: {_why_not(outcome)[1]}")
    if failures:
        say(f"countermand: {failures} of {len(results)} orders were not added.")
        sys.exit(_exit_of([outcome for _, outcome in results]))


def _exit_of(outcomes: Sequence[Outcome]) -> Exit:
    if any(isinstance(outcome, Done) for outcome in outcomes):
        return Exit.PARTLY
    return Exit.TRY_LATER if any(isinstance(outcome, Failed) for outcome in outcomes) else Exit.REFUSED


def _placed(command: PlaceOrder, outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Done):
        lines = [str(line.id) for line in command.lines]
        return {"id": str(command.id), "reference": command.reference, "lines": lines}
    code, message = _why_not(outcome)
    return {"reference": command.reference, "error": {"code": code, "message": message}}


def _why_not(outcome: Outcome) -> tuple[str, str]:
    if isinstance(outcome, Refused):
        return outcome.refusal.kind.value, outcome.refusal.detail
    return "database_unavailable", "The database did not answer; try again."


def _units(row: Any) -> str:
    parts = [(row.open, "open"), (row.asked, "asked"), (row.cancelled, "cancelled"), (row.shipped, "shipped")]
    return ", ".join(f"{count} {word}" for count, word in parts if count)


def _order(view: reads.OrderView) -> dict[str, Any]:
    return {
        "id": str(view.row.id),
        "number": view.row.number,
        "reference": view.row.reference,
        "retailer": view.retailer_name,
        "placed_at": view.row.placed_at.isoformat(),
        "lines": [
            {
                "id": str(line.row.id),
                "number": line.row.number,
                "sku": line.row.sku,
                "held_by": line.supplier_name,
                "ordered": line.row.ordered,
                "open": line.row.open,
                "asked": line.row.asked,
                "cancelled": line.row.cancelled,
                "shipped": line.row.shipped,
            }
            for line in view.lines
        ],
    }


def _cancellation(row: Any) -> dict[str, Any]:
    return {
        "id": show("can", row.id),
        "line": str(row.line_id),
        "order": str(row.order_id),
        "sku": row.sku,
        "units": row.units,
        "state": row.state,
        "asker": row.asker,
        "asked_at": row.asked_at.isoformat(),
        "awaiting": str(row.awaiting) if row.awaiting else None,
        "due_at": row.due_at.isoformat() if row.due_at else None,
        "accepted_units": row.accepted_units,
        "unasked": row.unasked,
        "step": row.step,
        "waiting_units": reads.waiting_units(row),
    }
