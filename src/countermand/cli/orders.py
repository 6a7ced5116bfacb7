"""Commands about orders and what happens to them."""

import getpass
import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from cyclopts import Parameter, validators
from pydantic import ValidationError
from sqlalchemy import Connection

from countermand import parties, policies, reads, scores, story
from countermand.cli.inputs import Note, Whole
from countermand.cli.outcomes import heeded, not_answered
from countermand.cli.output import CommandError, Exit, fail, first_of, plain, print_json, print_table, say
from countermand.cli.running import DatabaseFlag, JsonFlag, ask_database, read_settings, what_is_wrong, with_database
from countermand.cli.who import find_id, find_party
from countermand.domain.commands import Actor, AskCancellation, Asker, PartyKind
from countermand.domain.line import State
from countermand.domain.numbers import read_digits
from countermand.domain.order import PlaceOrder
from countermand.domain.texts import writable
from countermand.ids import show
from countermand.json_input import parse_json, unfit_texts
from countermand.ordering import OrderIn, place
from countermand.road import Application
from countermand.service.calls import Call, Done, Failed, Once, Outcome, Refused
from countermand.store.columns import Record

DOOR = "cli"
KEY_MAX = 255
EVERYTHING = reads.Scope(party=parties.PLATFORM, kind=PartyKind.PLATFORM)

LimitFlag = Annotated[Whole, Parameter(validator=validators.Number(gte=1, lte=10_000), help="At most so many")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why an order of a file is not taken, and how the command would end for it alone."""

    exit_code: Exit
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An order of a file: its place there, what it calls itself, and the order, or what is wrong with it."""

    place: int
    reference: str
    order: OrderIn | Problem

    @property
    def name(self) -> str:
        """How a message calls it."""
        return f"order {self.place}" + (f" ({plain(self.reference)})" if self.reference else "")


Prepared = tuple[Given, PlaceOrder | Problem]
Result = tuple[Given, PlaceOrder | None, Outcome | Problem]


def order_add(
    file: Annotated[
        str,
        Parameter(allow_leading_hyphen=True, help="A JSON file with one order or an array; - reads standard input"),
    ],
    *,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
    dry_run: Annotated[bool, Parameter(negative=(), help="Check the orders, add nothing")] = False,
    skip_bad: Annotated[
        bool, Parameter(negative=(), help="Add the orders that are fine, and report the others, a line each")
    ] = False,
) -> None:
    """Hand in orders. Prints the id of each order and of its lines.

    Each order is added whole or not at all. If one of them makes no sense, none is added, unless --skip-bad says so.
    """
    given = _read_orders(file)

    async def work(application: Application) -> list[Result]:
        prepared = await application.database.read(lambda connection: _prepare(connection, application, given))
        if not skip_bad:
            _check_all(prepared, file)
        return [await _hand_in(application, each, order, dry_run=dry_run) for each, order in prepared]

    results = with_database(read_settings(database=database), work)
    if dry_run:
        fine = sum(isinstance(outcome, Done) for _, _, outcome in results)
        say(f"{fine} orders are fine; nothing was added.")
    _report(results, json=json and not dry_run, ids=not dry_run)


def _prepare(connection: Connection, application: Application, given: Sequence[Given]) -> list[Prepared]:
    """The command for each order, or why there is none. Parties are looked for once."""
    found: dict[str, Record] = {}
    prepared: list[Prepared] = []
    for each in given:
        if isinstance(each.order, Problem):
            prepared.append((each, each.order))
            continue
        try:
            ids = _parties(connection, each.order, found)
            command = place(
                each.order,
                actor=operator(),
                party=ids.__getitem__,
                ids=application.ids,
                now=application.clock(),
            )
            prepared.append((each, command))
        except CommandError as error:
            prepared.append((each, Problem(exit_code=error.exit_code, code=error.code, message=error.message)))
        except ValueError as error:
            prepared.append((each, Problem(exit_code=Exit.USAGE, code="invalid_order", message=f"{error}.")))
    return prepared


def _check_all(prepared: Sequence[Prepared], file: str) -> None:
    """Ends the command, before anything is added, when an order makes no sense."""
    bad = [(each, problem) for each, problem in prepared if isinstance(problem, Problem)]
    if not bad:
        return
    codes = {(problem.exit_code, problem.code) for _, problem in bad}
    exit_code, code = codes.pop() if len(codes) == 1 else (Exit.USAGE, "invalid_order")
    lines = "\n".join(f"  {each.name}: {plain(problem.message)}" for each, problem in bad)
    hint = "--skip-bad adds the others." if len(prepared) > len(bad) else ""
    fail(exit_code, code, f"{len(bad)} of {len(prepared)} orders in {file} cannot be taken, so none is:\n{lines}", hint)


async def _hand_in(application: Application, given: Given, order: PlaceOrder | Problem, *, dry_run: bool) -> Result:
    if isinstance(order, Problem):
        return given, None, order
    if dry_run:
        return given, order, Done()
    return given, order, await application.lanes.submit(Call(command=order, door=DOOR, retailer=order.retailer))


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
    units: Annotated[Whole | None, Parameter(help="How many; all that are open by default")] = None,
    by: Annotated[Literal["customer", "retailer"], Parameter(help="Whose wish it is")] = "customer",
    note: Note = "",
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
    number = read_digits(text) if re.fullmatch("[0-9]{1,10}", text) else None
    row = reads.line_of_bol_number(connection, number) if number is not None else None
    if number is None:
        row = reads.line_by_id(connection, EVERYTHING, find_id("lin", text))
    if row is None:
        fail(Exit.NOT_FOUND, "unknown_line", f"There is no line {text}.", "See `countermand orders`.")
    return row


def _read_orders(file: str) -> list[Given]:
    try:
        # What is no UTF-8 is told by the reader of JSON, whatever the terminal's encoding is.
        body = sys.stdin.read().encode(errors="surrogateescape") if file == "-" else Path(file).read_bytes()
        if not body.strip():
            raise ValueError("it is empty")
        value = parse_json(body, nodes_max=None, keep_unfit=True)
    except OSError as error:
        fail(Exit.USAGE, "unreadable", f"{file} cannot be read: {error.strerror}.")
    except ValueError as error:
        fail(Exit.USAGE, "unreadable", f"{file} cannot be read as JSON: {error}")
    orders = value if isinstance(value, list) else [value]
    return [_read_order(place, each) for place, each in enumerate(orders, start=1)]


def _read_order(place: int, value: Any) -> Given:
    named = value.get("reference") if isinstance(value, dict) else None
    reference = writable(str(named))[:_REFERENCE_SHOWN] if isinstance(named, str | int) else ""
    problems = [f"{'.'.join(map(str, where))}: {problem}" for where, problem in unfit_texts(value)]
    order: OrderIn | Problem
    try:
        order = OrderIn.model_validate(value)
    except ValidationError as error:
        problems = problems or what_is_wrong(error)
    if problems:
        message = writable("; ".join(problems)).removesuffix(".") + "."
        order = Problem(exit_code=Exit.USAGE, code="invalid_order", message=message)
    return Given(place=place, reference=reference, order=order)


_REFERENCE_SHOWN = 60


def _parties(connection: Connection, order: OrderIn, found: dict[str, Record]) -> dict[str, UUID]:
    """Every party that an order names. Ends with an error when one is unknown or cannot do what it shall."""
    ids = {}
    for text in sorted({order.retailer, *(line.supplier for line in order.lines if line.supplier)}):
        if text not in found:
            found[text] = find_party(connection, text)
        row = found[text]
        kind, sells = PartyKind(row.kind), text == order.retailer
        if kind is PartyKind.PLATFORM or (sells and kind is not PartyKind.RETAILER):
            doing = "sell" if sells else "hold goods"
            fail(Exit.USAGE, "wrong_party", f"{text} is a {kind.value}, which cannot {doing}.")
        ids[text] = row.id
    return ids


def _report(results: Sequence[Result], *, json: bool, ids: bool) -> None:
    if json:
        print_json([_placed(*result) for result in results])
    failures = 0
    for given, command, outcome in results:
        if isinstance(outcome, Done):
            if ids and command and not json:
                print("\t".join([str(command.id), *(str(line.id) for line in command.lines)]))
            continue
        failures += 1
        say(f"countermand: {given.name} was not added: {plain(_why_not(outcome)[1])}")
    if failures:
        say(f"countermand: {failures} of {len(results)} orders were not added.")
        sys.exit(_exit_of([outcome for _, _, outcome in results]))


def _exit_of(outcomes: Sequence[Outcome | Problem]) -> Exit:
    if any(isinstance(outcome, Done) for outcome in outcomes):
        return Exit.PARTLY
    if any(isinstance(outcome, Failed) for outcome in outcomes):
        return Exit.TRY_LATER
    codes = {outcome.exit_code for outcome in outcomes if isinstance(outcome, Problem)}
    return codes.pop() if len(codes) == 1 else Exit.USAGE if codes else Exit.REFUSED


def _placed(given: Given, command: PlaceOrder | None, outcome: Outcome | Problem) -> dict[str, Any]:
    if isinstance(outcome, Done) and command:
        lines = [str(line.id) for line in command.lines]
        return {"place": given.place, "id": str(command.id), "reference": command.reference, "lines": lines}
    code, message = _why_not(outcome)
    return {"place": given.place, "reference": given.reference, "error": {"code": code, "message": message}}


def _why_not(outcome: Outcome | Problem) -> tuple[str, str]:
    match outcome:
        case Problem():
            return outcome.code, outcome.message
        case Refused():
            return outcome.refusal.kind.value, outcome.refusal.detail
        case _:
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
