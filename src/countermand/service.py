"""The write road: load what a batch of calls is about, decide each, save what follows, in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.cancellation import NewId
from countermand.domain.commands import (
    Actor,
    Allocate,
    AllocateOrder,
    AnswerOrder,
    AskCancellation,
    AskLines,
    CancelOrder,
    ChangeParcel,
    Command,
    OrderCommand,
    PassDeadline,
    Ship,
    ShipOrder,
)
from countermand.domain.decide import Fate, decide, decide_order
from countermand.domain.events import Event, EventKind
from countermand.domain.line import Cancellation, Decision, Line, State
from countermand.domain.order import PlaceOrder, why_not_placed
from countermand.domain.policy import DEFAULT_POLICY, Policy
from countermand.domain.refusals import (
    UNKNOWN_LINE,
    UNKNOWN_ORDER,
    Refusal,
    RefusalKind,
)
from countermand.ids import Clock
from countermand.policies import ANY_FULFILLER
from countermand.store import statements as sql
from countermand.store.bulk import insert_rows, update_lines
from countermand.store.columns import Record
from countermand.store.policies import policy_of_terms
from countermand.store.records import allocation, buckets, cancellation_of, cancellation_row, facts_of, line_of
from countermand.store.tables import PARENTS_FIRST

NO_LINE: Final = UUID(int=0)
"""The id that no line has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Once:
    """A call that must have its effect once: who calls, under which key, and a fingerprint of the content."""

    caller: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessWish:
    """The caller wants a process status to poll (bol): what it will say of itself."""

    event_type: str
    entity_id: str
    description: str
    claimed_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One command on its way through the road, and what its door wants besides.

    ``line_number`` stands in for the line of the command where a door knows only bol's number of it.
    """

    command: Command | PlaceOrder
    door: str
    retailer: UUID | None = None
    line_number: int | None = None
    once: Once | None = None
    process: ProcessWish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The command was heeded, ``at`` a time. ``process`` is its process status, ``replayed`` marks a repeat by key."""

    fates: tuple[Fate, ...] = ()
    cancellations: tuple[UUID, ...] = ()
    process: int | None = None
    at: datetime | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The command changed nothing."""

    refusal: Refusal
    process: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The database failed. ``unknown``: the effect may have been stored; the call can be repeated to find out."""

    unknown: bool = False


Outcome = Done | Refused | Failed


class Numbers:
    """bol's numbers, handed out from blocks that are reserved ahead in transactions of their own."""

    NAME: Final = "bol"
    BLOCK: Final = 1_000

    def __init__(self) -> None:
        self._next = 0
        self._end = 0

    def lacking(self, calls: Sequence[Call]) -> int:
        """How many numbers must be reserved before this batch can run; 0 when there are enough."""
        needed = sum(_numbers_needed(call) for call in calls)
        return max(self.BLOCK, needed) if needed > self._end - self._next else 0

    def reserve(self, connection: Connection, size: int) -> None:
        """Take the next block. What was left of the last one is lost, which harms nobody."""
        end = connection.execute(sql.TAKE_NUMBERS, {"of_name": self.NAME, "size": size}).scalar_one()
        self._next, self._end = end - size, end

    def forget(self) -> None:
        """Hand out no more of this block."""
        self._next = self._end = 0

    def take(self) -> int:
        """The next number.

        Raises:
            LookupError: ``lacking`` was not asked before.
        """
        if self._next >= self._end:
            raise LookupError("no numbers reserved")
        self._next += 1
        return self._next - 1


def run_batch(
    connection: Connection, calls: Sequence[Call], now: datetime | Clock, new_id: NewId, numbers: Numbers
) -> list[Outcome]:
    """Decide every call of a batch, one after the other on the same lines, and store all that follows.

    A clock is asked once the lines are locked: a batch that waited for another one must not tell an earlier time.
    """
    batch = _Batch(connection, new_id, numbers)
    calls = batch.by_id(calls)
    batch.load(calls)
    batch.now = now if isinstance(now, datetime) else now()
    outcomes = [batch.answer(call) for call in calls]
    batch.save()
    return outcomes


@dataclass
class _Batch:
    """What a transaction knows and what it is going to write."""

    connection: Connection
    new_id: NewId
    numbers: Numbers
    now: datetime = field(init=False)
    lines: dict[UUID, Line] = field(default_factory=dict)
    lines_of_order: dict[UUID, list[UUID]] = field(default_factory=dict)
    policies: dict[tuple[UUID, UUID], dict[int, Policy]] = field(default_factory=dict)
    agreed_at: dict[tuple[UUID, UUID, int], datetime] = field(default_factory=dict)
    answers: dict[tuple[UUID, str, str], tuple[str, dict[str, Any], datetime]] = field(default_factory=dict)
    stored: set[UUID] = field(default_factory=set)
    taken: set[UUID] = field(default_factory=set)
    touched: dict[UUID, Line] = field(default_factory=dict)
    allocated: set[UUID] = field(default_factory=set)
    cancellations: dict[UUID, tuple[Line, Cancellation, str]] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    connections: dict[tuple[UUID, UUID], None] = field(default_factory=dict)
    settled: list[dict[str, Any]] = field(default_factory=list)
    parcels: list[dict[str, Any]] = field(default_factory=list)

    # Load

    def by_id(self, calls: Sequence[Call]) -> Sequence[Call]:
        """The calls with their lines' ids, where they came with bol's numbers. An unknown number means no line."""
        numbers = sorted({call.line_number for call in calls if call.line_number is not None})
        if not numbers:
            return calls
        rows = self.connection.execute(sql.LINES_OF_NUMBERS, {"numbers": numbers})
        lines = {row.number: row.line_id for row in rows}
        return [
            replace(call, command=replace(call.command, line=lines.get(call.line_number, NO_LINE)))
            if call.line_number is not None
            else call
            for call in calls
        ]

    def load(self, calls: Sequence[Call]) -> None:
        """Lock the lines of all calls, and read what deciding on them takes."""
        line_ids, order_ids, cancellation_ids = _named(calls)
        retailers = self._retailers(calls, line_ids | order_ids)
        parameters: dict[str, Any] = {"retailers": sorted(retailers), "lines": sorted(line_ids)}
        rows: Sequence[Record] = []
        if order_ids:
            parameters["orders"] = sorted(order_ids)
            rows = self.connection.execute(sql.LOCK_LINES_OF_ORDERS, parameters).all()
        elif line_ids:
            rows = self.connection.execute(sql.LOCK_LINES, parameters).all()
        asked = self._asked(rows, retailers, cancellation_ids)
        for row in rows:
            self.lines[row.id] = line_of(row, tuple(asked.get(row.id, ())))
            self.lines_of_order.setdefault(row.order_id, []).append(row.id)
        self._load_policies(calls)
        self._load_answers(calls)

    def _retailers(self, calls: Sequence[Call], ids: set[UUID]) -> set[UUID]:
        retailers = {call.retailer for call in calls if call.retailer}
        fresh = {each for call in calls if isinstance(call.command, PlaceOrder) for each in _placed(call.command)}
        unplaced = ids if any(call.retailer is None for call in calls) else set()
        if unplaced or fresh:
            for row in self.connection.execute(sql.RETAILERS_OF, {"ids": sorted(unplaced | fresh)}):
                self.taken.add(row.id)
                if row.id in unplaced:
                    retailers.add(row.retailer_id)
        return retailers

    def _asked(self, rows: Sequence[Record], retailers: set[UUID], named: set[UUID]) -> dict[UUID, list[Cancellation]]:
        lines = sorted(row.id for row in rows if row.asked or named or (row.cancelled and row.open))
        if not lines:
            return {}
        parameters = {"retailers": sorted(retailers), "lines": lines, "ids": sorted(named)}
        asked: dict[UUID, list[Cancellation]] = {}
        for row in self.connection.execute(sql.CANCELLATIONS_OF_LINES, parameters):
            self.stored.add(row.id)
            asked.setdefault(row.line_id, []).append(cancellation_of(row))
        return asked

    def _load_policies(self, calls: Sequence[Call]) -> None:
        if all(isinstance(call.command, PlaceOrder) for call in calls):
            return
        pairs = {(line.retailer, line.fulfiller) for line in self.lines.values()}
        for call in calls:
            if isinstance(call.command, PlaceOrder):
                pairs |= {(call.command.retailer, line.fulfiller) for line in call.command.lines}
        if not pairs:
            return
        parameters = {
            "retailers": sorted({retailer for retailer, _ in pairs}),
            "fulfillers": [ANY_FULFILLER, *sorted({fulfiller for _, fulfiller in pairs})],
        }
        for row in self.connection.execute(sql.POLICIES, parameters):
            versions = self.policies.setdefault((row.retailer_id, row.fulfiller_id), {})
            versions[row.version] = policy_of_terms(row.version, row.terms)
            self.agreed_at[row.retailer_id, row.fulfiller_id, row.version] = row.since

    def _load_answers(self, calls: Sequence[Call]) -> None:
        once = [(retailer, call.once.key) for call in calls if call.once and (retailer := self._retailer(call))]
        if once:
            parameters = {
                "retailers": sorted({retailer for retailer, _ in once}),
                "keys": sorted({key for _, key in once}),
            }
            for row in self.connection.execute(sql.ANSWERS_GIVEN, parameters):
                self.answers[row.retailer_id, row.caller, row.key] = (row.fingerprint, row.answer, row.created_at)

    def _retailer(self, call: Call) -> UUID | None:
        """Whose call it is, also where the door did not say; ``None`` when it is about nothing there is."""
        command = call.command
        if call.retailer or isinstance(command, PlaceOrder):
            return call.retailer or getattr(command, "retailer", None)
        if isinstance(command, OrderCommand):
            lines = self.lines_of_order.get(command.order, ())
            return self.lines[lines[0]].retailer if lines else None
        line = self.lines.get(command.line)
        return line.retailer if line else None

    # Decide

    def answer(self, call: Call) -> Outcome:
        """Decide one call on the lines as the calls before it left them."""
        once, retailer = call.once, self._retailer(call)
        if once is None or retailer is None:
            return self._decide(call)
        record = (retailer, once.caller, once.key)
        if record in self.answers:
            fingerprint, given, at = self.answers[record]
            return _replay(given, at) if fingerprint == once.fingerprint else _key_reused()
        outcome = self._decide(call)
        given = _to_record(outcome)
        self.answers[record] = (once.fingerprint, given, self.now)
        self._row(
            "idempotency_records",
            retailer_id=retailer,
            caller=once.caller,
            key=once.key,
            fingerprint=once.fingerprint,
            answer=given,
            created_at=self.now,
        )
        return outcome

    def _decide(self, call: Call) -> Outcome:
        command = call.command
        if isinstance(command, PlaceOrder):
            return self._place(command, call.door)
        result = self._decided(command)
        fates = () if isinstance(result, Refusal) else result
        changed: list[Cancellation] = []
        for fate in fates:
            if isinstance(fate.outcome, Decision):
                self._note(fate.outcome, command, call.door)
                changed += _concerned(fate.outcome, command)
        if isinstance(command, ShipOrder) and fates:
            self._note_shipment(command, fates)
        if isinstance(command, ChangeParcel) and fates:
            self._note_parcel_change(command)
        process = self._open_process(call, result, changed) if call.process else None
        if isinstance(result, Refusal):
            return Refused(refusal=result, process=process, at=self.now)
        return Done(fates=fates, cancellations=tuple(each.id for each in changed), process=process, at=self.now)

    def _decided(self, command: Command) -> tuple[Fate, ...] | Refusal:
        if isinstance(command, OrderCommand):
            lines = [self.lines[line_id] for line_id in self.lines_of_order.get(command.order, ())]
            if not lines:
                return UNKNOWN_ORDER
            return decide_order(lines, command, self.now, self._policy, self.new_id)
        line = self.lines.get(command.line)
        if line is None:
            return UNKNOWN_LINE
        policy = self._policy_asked_under(line, command) if isinstance(command, PassDeadline) else self._policy(line)
        outcome = decide(line, command, self.now, policy, self.new_id)
        return outcome if isinstance(outcome, Refusal) else (Fate(line=line.id, outcome=outcome),)

    def _policy(self, line: Line) -> Policy:
        for fulfiller in (line.fulfiller, ANY_FULFILLER):
            versions = self.policies.get((line.retailer, fulfiller))
            if versions:
                return versions[max(versions)]
        return DEFAULT_POLICY

    def _policy_asked_under(self, line: Line, command: PassDeadline) -> Policy:
        asked = next((each for each in line.cancellations if each.id == command.cancellation), None)
        if asked is None:
            return DEFAULT_POLICY
        for fulfiller in (line.fulfiller, ANY_FULFILLER):
            # A version that came after the ask is another one that has the same number.
            agreed_at = self.agreed_at.get((line.retailer, fulfiller, asked.policy_version))
            if agreed_at is not None and agreed_at <= asked.asked_at:
                return self.policies[line.retailer, fulfiller][asked.policy_version]
        return DEFAULT_POLICY

    # Note what to write

    def _row(self, table: str, **values: Any) -> None:
        self.rows.setdefault(table, []).append(values)

    def _note(self, decision: Decision, command: Command, door: str) -> None:
        if not decision.events:
            return
        line = decision.line
        self.lines[line.id] = self.touched[line.id] = line
        for cancellation in decision.cancellations:
            first_door = self.cancellations[cancellation.id][2] if cancellation.id in self.cancellations else door
            self.cancellations[cancellation.id] = (line, cancellation, first_door)
            self._settle(line, cancellation)
        actor = None if isinstance(command, PassDeadline) else command.actor
        for event in decision.events:
            if event.kind is EventKind.LINE_ALLOCATED:
                self.allocated.add(line.id)
            self._note_event(line.retailer, line.order, line.id, event, actor, door)

    def _note_event(
        self, retailer: UUID, order: UUID, line: UUID, event: Event, actor: Actor | None, door: str
    ) -> None:
        self._row(
            "events",
            retailer_id=retailer,
            line_id=line,
            seq=event.seq,
            id=self.new_id(),
            order_id=order,
            cancellation_id=event.cancellation,
            kind=event.kind.value,
            at=self.now,
            actor_id=actor.party if actor and not event.by_policy else None,
            actor=actor.name if actor and not event.by_policy else "policy",
            door=door,
            facts=facts_of(event),
        )

    def _settle(self, line: Line, cancellation: Cancellation) -> None:
        outcome = _process_outcome(cancellation)
        if outcome:
            self.settled.append(
                {
                    "of_retailer": line.retailer,
                    "of_cancellation": cancellation.id,
                    "new_status": outcome[0],
                    "new_error": outcome[1],
                    "new_settled_at": self.now,
                }
            )

    def _open_process(self, call: Call, result: tuple[Fate, ...] | Refusal, changed: list[Cancellation]) -> int | None:
        wish, retailer = call.process, call.retailer
        if wish is None or retailer is None:
            return None
        number = self.numbers.take()
        # Of several, the last: the caller's own ask comes after those of others that it passed on.
        waiting = next((each for each in reversed(changed) if each.state is State.ASKED), None)
        status, error = ("FAILURE", result.detail) if isinstance(result, Refusal) else ("SUCCESS", None)
        if waiting and not isinstance(result, Refusal):
            status = "PENDING"
        self._row(
            "process_statuses",
            retailer_id=retailer,
            number=number,
            event_type=wish.event_type,
            entity_id=wish.entity_id,
            description=wish.description,
            status=status,
            error_message=error,
            cancellation_id=waiting.id if waiting and status == "PENDING" else None,
            claimed_at=wish.claimed_at,
            created_at=self.now,
            settled_at=None if status == "PENDING" else self.now,
        )
        return number

    def _note_shipment(self, command: ShipOrder, fates: Iterable[Fate]) -> None:
        parcel = command.parcel
        units: dict[UUID, int] = {}
        for fate in fates:
            for event in fate.outcome.events if isinstance(fate.outcome, Decision) else ():
                if event.kind is EventKind.LINE_SHIPPED:
                    units[fate.line] = units.get(fate.line, 0) + event.units
        first = self.lines[command.lines[0].line]
        self._row(
            "shipments",
            retailer_id=first.retailer,
            id=parcel.id,
            order_id=command.order,
            fulfiller_id=first.fulfiller,
            number=self.numbers.take(),
            reported_at=self.now,
            carrier=parcel.carrier,
            tracking_number=parcel.tracking_number,
            details={
                "method": parcel.method,
                "weight": parcel.weight,
                "cost": parcel.cost,
                "shipped_on": parcel.shipped_on.isoformat() if parcel.shipped_on else None,
                "reference": parcel.reference,
                "attributes": [list(pair) for pair in parcel.attributes],
            },
        )
        for line_id, shipped in units.items():
            self._row(
                "shipment_lines",
                retailer_id=first.retailer,
                shipment_id=parcel.id,
                line_id=line_id,
                units=shipped,
            )

    def _note_parcel_change(self, command: ChangeParcel) -> None:
        self.parcels.append(
            {
                "of_retailer": self.lines[command.lines[0].line].retailer,
                "of_id": command.parcel,
                "new_carrier": command.carrier,
                "new_tracking_number": command.tracking_number,
            }
        )

    def _place(self, command: PlaceOrder, door: str) -> Outcome:
        ids = _placed(command)
        refusal = why_not_placed(command)
        if len(set(ids)) < len(ids) or not self.taken.isdisjoint(ids):
            refusal = Refusal(kind=RefusalKind.ORDER_EXISTS, detail="An order or a line with this id is there already.")
        if refusal:
            return Refused(refusal=refusal)
        self.taken.update(ids)
        self._row("whereabouts", id=command.id, retailer_id=command.retailer)
        self._row(
            "orders",
            retailer_id=command.retailer,
            id=command.id,
            number=self.numbers.take(),
            reference=command.reference,
            placed_at=command.placed_at,
            sent_to_fulfiller=not command.held,
            currency=command.currency,
            details=command.details,
        )
        for position, new in enumerate(command.lines, start=1):
            line = Line(
                id=new.id,
                retailer=command.retailer,
                order=command.id,
                fulfiller=new.fulfiller,
                placed_at=command.placed_at,
                ordered=new.units,
                open=new.units,
                with_fulfiller=not command.held or new.fulfiller == command.retailer,
            )
            self.lines[line.id] = line
            self.lines_of_order.setdefault(command.id, []).append(line.id)
            if new.fulfiller != command.retailer:
                self.connections[command.retailer, new.fulfiller] = None
            number = self.numbers.take()
            self._row("whereabouts", id=line.id, retailer_id=command.retailer)
            self._row("line_numbers", number=number, retailer_id=command.retailer, line_id=line.id)
            self._row(
                "lines",
                retailer_id=line.retailer,
                id=line.id,
                order_id=line.order,
                fulfiller_id=line.fulfiller,
                number=number,
                position=position,
                placed_at=line.placed_at,
                with_fulfiller=line.with_fulfiller,
                sku=new.sku,
                title=new.title,
                ordered=line.ordered,
                open=line.open,
                asked=0,
                cancelled=0,
                shipped=0,
                allocated=False,
                accepted=0,
                backordered=0,
                rejected=0,
                backorder_on=None,
                unit_price_minor=new.unit_price_minor,
                promised_on=new.promised_on,
                seq=line.seq,
                changed_at=self.now,
                details=new.details,
            )
            placed = Event(
                kind=EventKind.LINE_PLACED, seq=1, units=new.units, open=new.units, asked=0, cancelled=0, shipped=0
            )
            self._note_event(command.retailer, command.id, line.id, placed, command.actor, door)
        return Done()

    # Save

    def save(self) -> None:
        """Write everything, parents before children; a constant number of statements."""
        for retailer, supplier in sorted(self.connections):
            self._row("connections", retailer_id=retailer, supplier_id=supplier, since=self.now)
        # Two batches that meet at a key wait for each other in one order.
        self.rows.get("idempotency_records", []).sort(key=itemgetter("retailer_id", "caller", "key"))
        self.rows.get("whereabouts", []).sort(key=itemgetter("id"))
        self._save_lines()
        self._save_cancellations()
        for table in PARENTS_FIRST:
            rows = self.rows.get(table.name)
            if rows:
                insert_rows(self.connection, table, rows, unless_there=table.name == "connections")
        if self.settled:
            self.connection.execute(sql.SETTLE_PROCESSES, self.settled)
        if self.parcels:
            self.connection.execute(sql.CHANGE_PARCEL, self.parcels)

    def _save_lines(self) -> None:
        touched = [line for _, line in sorted(self.touched.items())]
        placed = {row["id"]: row for row in self.rows.get("lines", ())}
        updates, allocations = [], []
        for line in touched:
            if line.id in placed:
                placed[line.id].update(buckets(line), **allocation(line), seq=line.seq)
                continue
            where = {"of_retailer": line.retailer, "of_id": line.id}
            changed = {**buckets(line), "seq": line.seq, "changed_at": self.now}
            updates.append(where | {f"new_{name}": value for name, value in changed.items()})
            if line.id in self.allocated:
                allocations.append(where | {f"new_{name}": value for name, value in allocation(line).items()})
        if updates:
            update_lines(self.connection, updates)
        if allocations:
            self.connection.execute(sql.UPDATE_ALLOCATION, allocations)

    def _save_cancellations(self) -> None:
        answers = []
        for line, cancellation, door in self.cancellations.values():
            row = cancellation_row(line, cancellation, door)
            if cancellation.id in self.stored:
                where = {"of_retailer": line.retailer, "of_id": cancellation.id}
                answers.append(where | {f"new_{name}": row[name] for name in sql.ANSWER_COLUMNS})
            else:
                self._row("cancellations", **row)
        if answers:
            self.connection.execute(sql.UPDATE_CANCELLATION, answers)


def _named(calls: Sequence[Call]) -> tuple[set[UUID], set[UUID], set[UUID]]:
    """The lines, orders and cancellations that these calls name."""
    lines: set[UUID] = set()
    orders: set[UUID] = set()
    cancellations: set[UUID] = set()
    for call in calls:
        match call.command:
            case PlaceOrder():
                pass
            case CancelOrder() | AskLines() | AnswerOrder() | AllocateOrder() | ShipOrder() | ChangeParcel():
                orders.add(call.command.order)
            case command:
                lines.add(command.line)
                named = getattr(command, "cancellation", None)
                if named is not None:
                    cancellations.add(named)
    return lines, orders, cancellations


def _placed(command: PlaceOrder) -> list[UUID]:
    """The ids that an order brings with it."""
    return [command.id, *(line.id for line in command.lines)]


def _concerned(decision: Decision, command: Command) -> tuple[Cancellation, ...]:
    """The cancellations that a command made or changed; of a repeat, those that it had made or changed before."""
    if decision.events or isinstance(command, Ship | Allocate | ShipOrder | AllocateOrder):
        return decision.cancellations
    named = getattr(command, "cancellation", None)
    if named is not None:
        return tuple(each for each in decision.line.cancellations if each.id == named)
    if isinstance(command, AskLines):
        command = next(each for each in command.lines if each.line == decision.line.id)
    if isinstance(command, AskCancellation):
        return tuple(each for each in decision.line.asks if _is_same_ask(each, command)) or decision.line.asks
    return decision.line.asks


def _is_same_ask(ask: Cancellation, command: AskCancellation) -> bool:
    return (ask.asker, ask.key) == (command.asker, command.key) and command.units in (None, ask.units)


def _numbers_needed(call: Call) -> int:
    needed = 1 if call.process or isinstance(call.command, ShipOrder) else 0
    if isinstance(call.command, ShipOrder) and call.process:
        needed = 2
    if isinstance(call.command, PlaceOrder):
        needed += 1 + len(call.command.lines)
    return needed


def _process_outcome(cancellation: Cancellation) -> tuple[str, str | None] | None:
    """How a process status that waits for this cancellation ends (spec/bol-plaza.md 3)."""
    match cancellation.state:
        case State.ASKED:
            return None
        case State.ACCEPTED:
            return "SUCCESS", None
        case State.LAPSED:
            return "TIMEOUT", "The party that holds the goods did not answer in time."
        case State.WITHDRAWN:
            return "FAILURE", "The cancellation was withdrawn."
        case State.DECLINED:
            return "FAILURE", f"The cancellation was declined: {cancellation.decline_reason}."


def _to_record(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Done():
            return {"cancellations": [each.hex for each in outcome.cancellations], "process": outcome.process}
        case Refused():
            refusal = outcome.refusal
            standing = refusal.cancellation.hex if refusal.cancellation else None
            given = {"refusal": refusal.kind.value, "detail": refusal.detail, "cancellation": standing}
            return given | {"process": outcome.process}
        case Failed():  # pragma: no cover - a failed transaction stores nothing
            raise AssertionError


def _replay(given: dict[str, Any], at: datetime) -> Outcome:
    if "refusal" in given:
        standing = UUID(given["cancellation"]) if given["cancellation"] else None
        return Refused(
            refusal=Refusal(kind=RefusalKind(given["refusal"]), detail=given["detail"], cancellation=standing),
            process=given["process"],
            at=at,
        )
    cancellations = tuple(UUID(each) for each in given["cancellations"])
    return Done(cancellations=cancellations, process=given["process"], at=at, replayed=True)


def _key_reused() -> Refused:
    return Refused(
        refusal=Refusal(
            kind=RefusalKind.KEY_REUSED, detail="This Idempotency-Key was used before, for a call with other content."
        )
    )
