"""The write road: load what a batch of calls is about, decide each, save what follows, in one transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.cancellation import NewId
from countermand.domain.commands import (
    AcceptCancellation,
    Actor,
    Allocate,
    AllocateOrder,
    AnswerOrder,
    AskCancellation,
    AskLines,
    CancelOrder,
    ChangeParcel,
    Command,
    DeclineCancellation,
    OrderCommand,
    PassDeadline,
    RefundCommand,
    Ship,
    ShipOrder,
)
from countermand.domain.decide import Fate, decide, decide_order, let_silence_speak
from countermand.domain.events import Event, EventKind
from countermand.domain.line import Cancellation, Decision, Line, State
from countermand.domain.order import PlaceOrder, why_not_placed
from countermand.domain.refusals import (
    UNKNOWN_LINE,
    UNKNOWN_ORDER,
    UNKNOWN_REFUND,
    Refusal,
    RefusalKind,
)
from countermand.domain.settlement import Posting, Refund, decide_refund, due
from countermand.domain.together import settle
from countermand.ids import Clock
from countermand.standing import Agreements, Numbers, Standing
from countermand.store import statements as sql
from countermand.store.bulk import write
from countermand.store.columns import Record
from countermand.store.money import fresh_money, given_back
from countermand.store.records import (
    allocation,
    buckets,
    cancellation_of,
    cancellation_row,
    facts_of,
    line_of,
    noted_of,
    partition_of,
    refund_of,
    refund_row,
)

NO_LINE: Final = UUID(int=0)
"""The id that no line has."""

BY_POLICY: Final = "policy"
"""The door of what no call brought about: silence, once its time has come."""


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


def numbers_needed(calls: Sequence[Call]) -> int:
    """How many of bol's numbers this batch takes at most."""
    return sum(_numbers_needed(call) for call in calls)


class AskedTogetherError(Exception):
    """Lines were locked without others whose fate hangs on theirs: roll back, and begin again with these ``orders``.

    They cannot be locked now. Two batches that each hold one line of an order and want the other would never end.
    """

    def __init__(self, orders: frozenset[tuple[UUID, UUID]]) -> None:
        super().__init__(f"{len(orders)} orders have lines that were asked together")
        self.orders = orders


def run_batch(
    connection: Connection,
    calls: Sequence[Call],
    now: datetime | Clock,
    new_id: NewId,
    standing: Standing,
    whole: frozenset[tuple[UUID, UUID]] = frozenset(),
) -> list[Outcome]:
    """Decide every call of a batch, one after the other on the same lines, and store all that follows.

    A clock is asked once the lines are locked: a batch that waited for another one must not tell an earlier time.
    ``whole`` are orders, each by its retailer and its id, whose lines are all loaded.

    Raises:
        AskedTogetherError: more orders must be loaded whole.
    """
    batch = _Batch(connection, new_id, standing.numbers, standing.agreements, whole)
    calls = batch.load(calls)
    batch.now = now if isinstance(now, datetime) else now()
    outcomes = [batch.answer(call) for call in calls]
    batch.save()
    standing.told = frozenset((row["partition"], row["endpoint_id"]) for row in batch.rows.get("notices", ()))
    return outcomes


@dataclass(frozen=True, slots=True)
class _Returning:
    """Units of a priced line that became cancelled: money goes back for them."""

    line: UUID
    event: Event
    actor: Actor | None
    door: str


@dataclass
class _Batch:
    """What a transaction knows and what it is going to write."""

    connection: Connection
    new_id: NewId
    numbers: Numbers
    agreements: Agreements
    whole: frozenset[tuple[UUID, UUID]]
    now: datetime = field(init=False)
    lines: dict[UUID, Line] = field(default_factory=dict)
    lines_of_order: dict[UUID, list[UUID]] = field(default_factory=dict)
    answers: dict[tuple[UUID, str, str], tuple[str, dict[str, Any], datetime]] = field(default_factory=dict)
    stored: set[UUID] = field(default_factory=set)
    taken: set[UUID] = field(default_factory=set)
    touched: dict[UUID, Line] = field(default_factory=dict)
    cancellations: dict[UUID, tuple[Line, Cancellation, str]] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    connections: dict[tuple[UUID, UUID], None] = field(default_factory=dict)
    settled: list[dict[str, Any]] = field(default_factory=list)
    parcels: list[dict[str, Any]] = field(default_factory=list)
    priced: set[UUID] = field(default_factory=set)
    returning: list[_Returning] = field(default_factory=list)
    refunds: dict[UUID, Refund] = field(default_factory=dict)
    settled_refunds: dict[UUID, Refund] = field(default_factory=dict)

    # Load

    def load(self, calls: Sequence[Call]) -> Sequence[Call]:
        """Lock the lines of all calls, read what deciding takes. Returns the calls with their lines' ids."""
        numbered = not self.whole and all(call.line_number is not None and call.retailer for call in calls)
        if numbered:
            pairs = sorted({(call.retailer, call.line_number) for call in calls if call.retailer})
            rows = self.connection.execute(sql.LOCK_LINES_OF_NUMBERS, {"lines": pairs}).all()
            calls = _with_ids(calls, {(row.retailer_id, row.number): row.id for row in rows})
        else:
            calls = self._by_id(calls)
            rows = self._locked(calls)
        asked = self._asked(rows, calls)
        for row in rows:
            self.lines[row.id] = line_of(row, tuple(asked.get(row.id, ())))
            if row.priced:
                self.priced.add(row.id)
            self.lines_of_order.setdefault(row.order_id, []).append(row.id)
        self._load_noted(calls)
        self._check_together(calls)
        self._load_agreements(calls, rows)
        self._load_answers(calls)
        self._load_refunds(calls)
        return calls

    def _by_id(self, calls: Sequence[Call]) -> Sequence[Call]:
        numbers = sorted({call.line_number for call in calls if call.line_number is not None})
        if not numbers:
            return calls
        rows = self.connection.execute(sql.LINES_OF_NUMBERS, {"numbers": numbers}).all()
        known = {(row.retailer_id, row.number): row.line_id for row in rows}
        return _with_ids(calls, known | {(None, row.number): row.line_id for row in rows})

    def _locked(self, calls: Sequence[Call]) -> Sequence[Record]:
        homes = self._homes(calls)
        lines: set[tuple[UUID, UUID]] = set()
        orders: set[tuple[UUID, UUID]] = set(self.whole)
        for call in calls:
            named = _named(call)
            retailer = call.retailer or homes.get(named)
            if named is not NO_LINE and retailer:
                (orders if isinstance(call.command, OrderCommand) else lines).add((retailer, named))
        if orders:
            found_lines = self.connection.execute(sql.LINES_OF_ORDERS, {"orders": sorted(orders)})
            lines |= {(row.retailer_id, row.id) for row in found_lines}
        return self.connection.execute(sql.LOCK_LINES, {"lines": sorted(lines)}).all() if lines else []

    def _homes(self, calls: Sequence[Call]) -> dict[UUID, UUID]:
        """The retailers of what is named without one, and whether an order's ids are taken."""
        wanted = {_named(call) for call in calls if call.retailer is None}
        fresh = {each for call in calls if isinstance(call.command, PlaceOrder) for each in _placed(call.command)}
        if not wanted | fresh:
            return {}
        found = self.connection.execute(sql.RETAILERS_OF, {"ids": sorted(wanted | fresh)})
        homes = {row.id: row.retailer_id for row in found}
        self.taken |= homes.keys()
        return homes

    def _asked(self, rows: Sequence[Record], calls: Sequence[Call]) -> dict[UUID, list[Cancellation]]:
        named = {each for call in calls if (each := _cancellation_named(call.command))}
        answered = {_named(call) for call in calls if _is_answer(call.command)}
        answered = {row.id for row in rows if not row.asked and (row.id in answered or row.order_id in answered)}
        lines = [row for row in rows if row.asked or named or (row.cancelled and row.open) or row.id in answered]
        if not lines:
            return {}
        parameters = {
            "retailers": sorted({row.retailer_id for row in lines}),
            "lines": sorted(row.id for row in lines),
            "ids": sorted(named),
            "answered": sorted(answered),
        }
        asked: dict[UUID, list[Cancellation]] = {}
        for row in self.connection.execute(sql.CANCELLATIONS_OF_LINES, parameters):
            self.stored.add(row.id)
            asked.setdefault(row.line_id, []).append(cancellation_of(row))
        return asked

    def _load_noted(self, calls: Sequence[Call]) -> None:
        told = [(line, call.command) for call in calls for line in self._lines_of(call.command)]
        lines = {line for line, command in told if _may_be_repeated(self.lines[line], command)}
        if lines:
            parameters = {"retailers": sorted({self.lines[line].retailer for line in lines}), "lines": sorted(lines)}
            for row in self.connection.execute(sql.NOTED_ON_LINES, parameters):
                line = self.lines[row.line_id]
                self.lines[line.id] = replace(line, noted=line.noted | {noted_of(row)})

    def _check_together(self, calls: Sequence[Call]) -> None:
        loaded = {call.command.order for call in calls if isinstance(call.command, OrderCommand)}
        loaded |= {order for _, order in self.whole}
        missing = {
            (line.retailer, line.order)
            for line in self.lines.values()
            if line.order not in loaded and any(ask.group for ask in line.asks)
        }
        if missing:
            raise AskedTogetherError(self.whole | missing)

    def _load_agreements(self, calls: Sequence[Call], rows: Sequence[Record]) -> None:
        retailers = {line.retailer for line in self.lines.values()}
        parties = {party for line in self.lines.values() for party in line.told}
        for call in calls:
            if isinstance(call.command, PlaceOrder):
                retailers.add(call.command.retailer)
                parties |= {call.command.retailer, *(line.fulfiller for line in call.command.lines)}
        if retailers:
            revision = rows[0].revision if rows else self.connection.execute(sql.REVISION).scalar_one()
            self.agreements.learn(self.connection, revision, retailers, parties)
        for line in self.lines.values() if self.agreements.gone else ():
            if line.fulfiller in self.agreements.gone:
                self.lines[line.id] = replace(line, fulfiller_gone=True)

    def _load_answers(self, calls: Sequence[Call]) -> None:
        once = [(retailer, call.once.key) for call in calls if call.once and (retailer := self._retailer(call))]
        if once:
            parameters = {
                "retailers": sorted({retailer for retailer, _ in once}),
                "keys": sorted({key for _, key in once}),
            }
            for row in self.connection.execute(sql.ANSWERS_GIVEN, parameters):
                self.answers[row.retailer_id, row.caller, row.key] = (row.fingerprint, row.answer, row.created_at)

    def _load_refunds(self, calls: Sequence[Call]) -> None:
        commands = [call.command for call in calls if isinstance(call.command, RefundCommand)]
        named = sorted({(self.lines[each.line].retailer, each.refund) for each in commands if each.line in self.lines})
        if named:
            for row in self.connection.execute(sql.REFUNDS, {"refunds": named}):
                self.refunds[row.id] = refund_of(row)

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
        lines = self._lines_of(command)
        self._let_silence_speak(lines)
        result = self._decided(command)
        fates = () if isinstance(result, Refusal) else result
        changed: list[Cancellation] = []
        actor = None if isinstance(command, PassDeadline) else command.actor
        for told in (result, *(fate.outcome for fate in fates)):
            for decision in told.noted if isinstance(told, Refusal) else ():
                self._note(decision, actor, call.door)
        for fate in fates:
            if isinstance(fate.outcome, Decision):
                self._note(fate.outcome, actor, call.door)
                changed += _concerned(fate.outcome, command)
        self._settle_together(lines, actor, call.door)
        if isinstance(command, ShipOrder) and fates:
            self._note_shipment(command, fates)
        if isinstance(command, ChangeParcel) and fates:
            self._note_parcel_change(command)
        process = self._open_process(call, result, changed) if call.process else None
        if isinstance(result, Refusal):
            return Refused(refusal=replace(result, noted=()), process=process, at=self.now)
        return Done(fates=fates, cancellations=tuple(each.id for each in changed), process=process, at=self.now)

    def _lines_of(self, command: Command | PlaceOrder) -> list[UUID]:
        if isinstance(command, PlaceOrder):
            return []
        if isinstance(command, OrderCommand):
            return self.lines_of_order.get(command.order, [])
        return [command.line] if command.line in self.lines else []

    def _let_silence_speak(self, lines: Sequence[UUID]) -> None:
        """The deadlines that have passed by now come first, whether or not the worker has seen to them yet (EC-27)."""
        for line_id in lines:
            line = self.lines[line_id]
            spoken = let_silence_speak(line, self.now, partial(self.agreements.policy_asked_under, line))
            if spoken:
                self._note(spoken, None, BY_POLICY)
        self._settle_together(lines, None, BY_POLICY)

    def _settle_together(self, lines: Sequence[UUID], actor: Actor | None, door: str) -> None:
        """What the asks of an order mean for each other, once one of them was answered (EC-18)."""
        if not any(each.group for line in lines for each in self.lines[line].cancellations):
            return
        together = self.lines_of_order[self.lines[lines[0]].order]
        for decision in settle([self.lines[line] for line in together], self.now):
            self._note(decision, actor, door)

    def _decided(self, command: Command) -> tuple[Fate, ...] | Refusal:
        if isinstance(command, OrderCommand):
            lines = [self.lines[line_id] for line_id in self.lines_of_order.get(command.order, ())]
            if not lines:
                return UNKNOWN_ORDER
            agreed = self.agreements
            return decide_order(lines, command, self.now, agreed.policy, self.new_id, agreed.policy_asked_under)
        line = self.lines.get(command.line)
        if line is None:
            return UNKNOWN_LINE
        if isinstance(command, RefundCommand):
            return self._decided_refund(line, command)
        policy, asked_under = self.agreements.policy(line), partial(self.agreements.policy_asked_under, line)
        outcome = decide(line, command, self.now, policy, self.new_id, asked_under)
        return outcome if isinstance(outcome, Refusal) else (Fate(line=line.id, outcome=outcome),)

    def _decided_refund(self, line: Line, command: RefundCommand) -> tuple[Fate, ...] | Refusal:
        refund = self.refunds.get(command.refund)
        if refund is None or refund.line != line.id:
            return UNKNOWN_REFUND
        outcome = decide_refund(line, refund, command, self.now)
        if isinstance(outcome, Refusal):
            return outcome
        if outcome.refund != refund:
            self.refunds[refund.id] = self.settled_refunds[refund.id] = outcome.refund
        self._post(line, outcome.postings)
        return (Fate(line=line.id, outcome=outcome.decision),)

    # Note what to write

    def _row(self, table: str, **values: Any) -> None:
        self.rows.setdefault(table, []).append(values)

    def _note(self, decision: Decision, actor: Actor | None, door: str) -> None:
        if not decision.events:
            return
        line = decision.line
        self.lines[line.id] = self.touched[line.id] = line
        for cancellation in decision.cancellations:
            first_door = self.cancellations[cancellation.id][2] if cancellation.id in self.cancellations else door
            self.cancellations[cancellation.id] = (line, cancellation, first_door)
            self._settle(line, cancellation)
        for event in decision.events:
            self._note_event(line, event, actor, door)
            if event.kind is EventKind.CANCELLATION_ACCEPTED and line.id in self.priced:
                self.returning.append(_Returning(line.id, event, actor, door))

    def _note_event(self, line: Line, event: Event, actor: Actor | None, door: str) -> None:
        event_id = self.new_id()
        self._row(
            "events",
            retailer_id=line.retailer,
            line_id=line.id,
            seq=event.seq,
            id=event_id,
            order_id=line.order,
            cancellation_id=event.cancellation,
            kind=event.kind.value,
            at=self.now,
            actor_id=actor.party if actor and not event.by_policy else None,
            actor=actor.name if actor and not event.by_policy else "policy",
            door=door,
            facts=facts_of(event),
        )
        # What the customer paid is no business of the fulfiller's.
        told = (line.retailer,) if event.refund else line.told
        for endpoint in self.agreements.endpoints(told, event.kind):
            self._row(
                "notices",
                retailer_id=line.retailer,
                id=self.new_id(),
                partition=partition_of(line.retailer),
                endpoint_id=endpoint,
                event_id=event_id,
                line_id=line.id,
                seq=event.seq,
                kind=event.kind.value,
                state="due",
                attempts=0,
                due_at=self.now,
                last_result="",
                attempted_at=None,
                created_at=self.now,
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
        if command.money:
            self._row("order_money", retailer_id=command.retailer, **fresh_money(command.id, command.money))
            self.priced.update(line.id for line in command.lines)
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
                priced=command.money is not None,
                promised_on=new.promised_on,
                seq=line.seq,
                changed_at=self.now,
                details=new.details,
            )
            placed = Event(
                kind=EventKind.LINE_PLACED, seq=1, units=new.units, open=new.units, asked=0, cancelled=0, shipped=0
            )
            self._note_event(line, placed, command.actor, door)
        return Done()

    # Save

    def save(self) -> None:
        """Write everything, parents before children; a constant number of statements."""
        changed_money = self._give_back()
        for retailer, supplier in sorted(self.connections):
            self._row("connections", retailer_id=retailer, supplier_id=supplier, since=self.now)
        # Two batches that meet at a key wait for each other in one order.
        self.rows.get("idempotency_records", []).sort(key=itemgetter("retailer_id", "caller", "key"))
        self.rows.get("whereabouts", []).sort(key=itemgetter("id"))
        changed = {
            "lines": self._changed_lines(),
            "cancellations": self._answers(),
            "order_money": changed_money,
            "refunds": self._settled_refunds(),
        }
        write(self.connection, changed, self.rows)
        if self.settled:
            self.connection.execute(sql.SETTLE_PROCESSES, self.settled)
        if self.parcels:
            self.connection.execute(sql.CHANGE_PARCEL, self.parcels)

    def _give_back(self) -> list[dict[str, Any]]:
        """Write down what the cancellations of this batch owe the customers. Returns what changes of orders' money."""
        if not self.returning:
            return []
        rows = {row["id"]: row for row in self.rows.get("order_money", ())}
        fresh = set(rows)
        orders = {(self.lines[each.line].retailer, self.lines[each.line].order) for each in self.returning}
        stored = sorted(each for each in orders if each[1] not in fresh)
        if stored:
            # Cancellations of other lines of the order wait here, since a discount or a payment is shared by all.
            for found in self.connection.execute(sql.LOCK_MONEY, {"orders": stored}):
                rows[found.id] = dict(found._mapping)
        for each in self.returning:
            self._give_back_for(each, rows[self.lines[each.line].order])
        return [
            _change(retailer, order, {name: rows[order][name] for name in sql.CHANGED_COLUMNS["order_money"]})
            for retailer, order in stored
        ]

    def _give_back_for(self, returning: _Returning, row: dict[str, Any]) -> None:
        line, event = self.lines[returning.line], returning.event
        assert event.cancellation is not None  # an acceptance has one
        settled, commission = due(
            line, event.cancellation, *given_back(row, line.id, event.units), self.new_id, self.now
        )
        for each in settled:
            self._row("refunds", **refund_row(line.retailer, each.refund))
            self._post(line, each.postings)
            for told in each.decision.events:
                self._note_event(line, told, returning.actor, returning.door)
            line = self.lines[line.id] = self.touched[line.id] = each.decision.line
        self._post(line, commission)

    def _post(self, line: Line, postings: Iterable[Posting]) -> None:
        for posting in postings:
            self._row(
                "journal",
                retailer_id=line.retailer,
                id=self.new_id(),
                order_id=line.order,
                line_id=line.id,
                refund_id=posting.refund,
                at=self.now,
                kind=posting.kind,
                debit=posting.debit,
                credit=posting.credit,
                amount_minor=posting.amount_minor,
                currency=posting.currency,
            )

    def _settled_refunds(self) -> list[dict[str, Any]]:
        changes = []
        for _, refund in sorted(self.settled_refunds.items()):
            row = refund_row(self.lines[refund.line].retailer, refund)
            columns = sql.CHANGED_COLUMNS["refunds"]
            changes.append(_change(row["retailer_id"], refund.id, {name: row[name] for name in columns}))
        return changes

    def _changed_lines(self) -> list[dict[str, Any]]:
        placed = {row["id"]: row for row in self.rows.get("lines", ())}
        updates = []
        for _, line in sorted(self.touched.items()):
            changed = {**buckets(line), **allocation(line), "seq": line.seq, "changed_at": self.now}
            if line.id in placed:
                placed[line.id].update(changed)
            else:
                updates.append(_change(line.retailer, line.id, changed))
        return updates

    def _answers(self) -> list[dict[str, Any]]:
        """What changes of cancellations that were stored before; new ones become new rows."""
        answers = []
        for line, cancellation, door in self.cancellations.values():
            row = cancellation_row(line, cancellation, door)
            if cancellation.id in self.stored:
                changed = {name: row[name] for name in sql.CHANGED_COLUMNS["cancellations"]}
                answers.append(_change(line.retailer, cancellation.id, changed))
            else:
                self._row("cancellations", **row)
        return answers


def _change(retailer: UUID, of_id: UUID, changed: dict[str, Any]) -> dict[str, Any]:
    return {"of_retailer": retailer, "of_id": of_id, **{f"new_{name}": value for name, value in changed.items()}}


def _with_ids(calls: Sequence[Call], known: dict[tuple[UUID | None, int], UUID]) -> Sequence[Call]:
    """The calls with their lines' ids, where they came with bol's numbers. An unknown number means no line."""
    found = []
    for call in calls:
        if call.line_number is not None and not isinstance(call.command, PlaceOrder | OrderCommand):
            line = known.get((call.retailer, call.line_number), NO_LINE)
            found.append(replace(call, command=replace(call.command, line=line)))
        else:
            found.append(call)
    return found


def _named(call: Call) -> UUID:
    """The line or the order that a call is about, if there is to be one already."""
    match call.command:
        case PlaceOrder():
            return NO_LINE
        case CancelOrder() | AskLines() | AnswerOrder() | AllocateOrder() | ShipOrder() | ChangeParcel():
            return call.command.order
        case command:
            return command.line


def _cancellation_named(command: Command | PlaceOrder) -> UUID | None:
    named: UUID | None = getattr(command, "cancellation", None)
    return named


def _placed(command: PlaceOrder) -> list[UUID]:
    """The ids that an order brings with it."""
    return [command.id, *(line.id for line in command.lines)]


def _is_answer(command: Command | PlaceOrder) -> bool:
    return isinstance(command, AcceptCancellation | DeclineCancellation | AnswerOrder)


def _may_be_repeated(line: Line, command: Command | PlaceOrder) -> bool:
    """Whether it may say again what was noted on the line before and changed nothing."""
    if isinstance(command, Ship | ShipOrder):
        return line.cancelled > 0
    return _is_answer(command) and any(each.by_policy for each in line.cancellations)


def _concerned(decision: Decision, command: Command) -> tuple[Cancellation, ...]:
    """The cancellations that a command made or changed; of a repeat, those that it had made or changed before."""
    if decision.events or isinstance(command, Ship | Allocate | ShipOrder | AllocateOrder | RefundCommand):
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
        case State.ACCEPTED if cancellation.accepted_units < cancellation.units:
            return "SUCCESS", _in_part(cancellation)
        case State.ACCEPTED:
            return "SUCCESS", None
        case State.LAPSED:
            return "TIMEOUT", "The party that holds the goods did not answer in time."
        case State.WITHDRAWN if cancellation.by_policy:
            return "FAILURE", f"The cancellation has ended. {cancellation.answer_note}"
        case State.WITHDRAWN:
            return "FAILURE", "The cancellation was withdrawn."
        case State.DECLINED:
            return "FAILURE", f"The cancellation was declined: {cancellation.decline_reason}."


def _in_part(cancellation: Cancellation) -> str:
    """Both numbers, for the asker (EC-15)."""
    units, accepted = cancellation.units, cancellation.accepted_units
    why = f": {cancellation.decline_reason}" if cancellation.decline_reason else ""
    return f"{accepted} of {units} units were cancelled; {units - accepted} will be sent{why}."


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
