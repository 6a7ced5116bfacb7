"""A line and what is said to it: short words for the tests of the rules."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from countermand.domain.commands import (
    AcceptCancellation,
    Allocate,
    AskCancellation,
    CancelOwn,
    ChangeTransport,
    DeclineCancellation,
    EscalateCancellation,
    LineCommand,
    NoteCancellation,
    PassDeadline,
    RetailerCancel,
    Ship,
    WithdrawCancellation,
)
from countermand.domain.decide import decide
from countermand.domain.events import EventKind
from countermand.domain.line import Cancellation, Decision, Line
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.policy import Policy
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.refusals import Refusal

PLACED = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW = PLACED + timedelta(hours=1)
HOUR_S = 3600

RETAILER = Actor(party=UUID(int=0xA1), kind=PartyKind.RETAILER, name="retailer")
SUPPLIER = Actor(party=UUID(int=0xB1), kind=PartyKind.SUPPLIER, name="supplier")
PLATFORM = Actor(party=UUID(int=0xC1), kind=PartyKind.PLATFORM, name="operator")
OTHER_RETAILER = Actor(party=UUID(int=0xA2), kind=PartyKind.RETAILER, name="other retailer")
OTHER_SUPPLIER = Actor(party=UUID(int=0xB2), kind=PartyKind.SUPPLIER, name="other supplier")

LINE = UUID(int=0x11)
ORDER = UUID(int=0x22)
NOBODYS = UUID(int=0xDEAD)
"""An id that no cancellation has."""

RETAILER_FIRST = Policy()
SUPPLIER_DIRECTLY = Policy(customer_asks_retailer_first=False)


def held_by_supplier(ordered: int = 5, *, id: UUID = LINE) -> Line:  # noqa: A002
    return Line(
        id=id,
        retailer=RETAILER.party,
        order=ORDER,
        fulfiller=SUPPLIER.party,
        placed_at=PLACED,
        ordered=ordered,
        open=ordered,
    )


def held_by_retailer(ordered: int = 5, *, id: UUID = LINE) -> Line:  # noqa: A002
    return replace(held_by_supplier(ordered, id=id), fulfiller=RETAILER.party)


def not_yet_sent(ordered: int = 5) -> Line:
    return replace(held_by_supplier(ordered), with_fulfiller=False)


def ask(
    units: int | None = None,
    *,
    actor: Actor = RETAILER,
    asker: Asker = Asker.RETAILER,
    key: str = "",
    reason: CancelReason = CancelReason.NOT_STATED,
    note: str = "",
) -> AskCancellation:
    return AskCancellation(line=LINE, actor=actor, asker=asker, units=units, key=key, reason=reason, note=note)


def customer_asks(units: int | None = None, *, key: str = "", actor: Actor = PLATFORM) -> AskCancellation:
    return ask(units, actor=actor, asker=Asker.CUSTOMER, key=key, reason=CancelReason.REQUESTED_BY_CUSTOMER)


def accept(
    units: int | None = None,
    *,
    actor: Actor = SUPPLIER,
    cancellation: UUID | None = None,
    step: int | None = None,
    rest_reason: DeclineReason | None = None,
    note: str = "",
) -> AcceptCancellation:
    return AcceptCancellation(
        line=LINE, actor=actor, cancellation=cancellation, step=step, units=units, rest_reason=rest_reason, note=note
    )


def decline(
    reason: DeclineReason | None = DeclineReason.IN_PACKING,
    *,
    actor: Actor = SUPPLIER,
    cancellation: UUID | None = None,
    step: int | None = None,
    note: str = "",
    tracking: str = "",
) -> DeclineCancellation:
    return DeclineCancellation(
        line=LINE, actor=actor, reason=reason, cancellation=cancellation, step=step, note=note, tracking=tracking
    )


def withdraw(
    asker: Asker | None = Asker.RETAILER,
    *,
    actor: Actor = RETAILER,
    cancellation: UUID | None = None,
    step: int | None = None,
) -> WithdrawCancellation:
    return WithdrawCancellation(line=LINE, actor=actor, asker=asker, cancellation=cancellation, step=step)


def pass_deadline(cancellation: UUID) -> PassDeadline:
    return PassDeadline(line=LINE, cancellation=cancellation)


def escalate(cancellation: UUID, *, actor: Actor = PLATFORM) -> EscalateCancellation:
    return EscalateCancellation(line=LINE, actor=actor, cancellation=cancellation)


def note(words: str, cancellation: UUID, *, actor: Actor = SUPPLIER, tracking: str = "") -> NoteCancellation:
    return NoteCancellation(line=LINE, actor=actor, cancellation=cancellation, note=words, tracking=tracking)


def cancel_own(
    units: int | None = None,
    *,
    actor: Actor = SUPPLIER,
    reason: CancelReason = CancelReason.OUT_OF_STOCK,
    note: str = "",
) -> CancelOwn:
    return CancelOwn(line=LINE, actor=actor, reason=reason, units=units, note=note)


def retailer_cancel(
    reason: CancelReason = CancelReason.REQUESTED_BY_CUSTOMER, *, actor: Actor = RETAILER, note: str = ""
) -> RetailerCancel:
    return RetailerCancel(line=LINE, actor=actor, reason=reason, note=note)


def ship(units: int | None = None, *, actor: Actor = SUPPLIER, override: bool = False) -> Ship:
    return Ship(line=LINE, actor=actor, units=units, override=override)


def allocate(accepted: int = 0, backordered: int = 0, rejected: int = 0, *, actor: Actor = SUPPLIER) -> Allocate:
    return Allocate(line=LINE, actor=actor, accepted=accepted, backordered=backordered, rejected=rejected)


def change_transport(*, actor: Actor = SUPPLIER) -> ChangeTransport:
    return ChangeTransport(line=LINE, actor=actor, carrier="TNT", tracking_number="3S2")


def buckets(line: Line) -> tuple[int, int, int, int]:
    """Open, asked, cancelled, shipped."""
    return line.open, line.asked, line.cancelled, line.shipped


def reported(decision: Decision) -> list[tuple[EventKind, int]]:
    return [(event.kind, event.units) for event in decision.events]


@dataclass
class Story:
    """A line as it goes through one command after the other, under a policy and a clock that the test may set."""

    line: Line = field(default_factory=held_by_supplier)
    policy: Policy = RETAILER_FIRST
    now: datetime = NOW
    ids: Iterator[int] = field(default_factory=lambda: count(0x1000))
    versions: dict[int, Policy] = field(default_factory=dict)

    def decide(self, command: LineCommand) -> Decision | Refusal:
        if self.policy.version:
            self.versions[self.policy.version] = self.policy
        new_id = lambda: UUID(int=next(self.ids))  # noqa: E731 - short
        before = repr(self.line)
        outcome = decide(self.line, command, self.now, self.policy, new_id, self.asked_under)
        assert repr(self.line) == before, "a line is never edited in place"
        return outcome

    def asked_under(self, cancellation: Cancellation) -> Policy:
        return self.versions.get(cancellation.policy_version, self.policy)

    def heeds(self, command: LineCommand) -> Decision:
        outcome = self.decide(command)
        assert isinstance(outcome, Decision), outcome
        self.line = outcome.line
        return outcome

    def repeats(self, command: LineCommand) -> None:
        """The command is heeded, and nothing happens."""
        before = self.line
        assert self.heeds(command) == Decision(line=before)

    def refuses(self, command: LineCommand) -> Refusal:
        outcome = self.decide(command)
        assert isinstance(outcome, Refusal), outcome
        assert outcome.detail.endswith(".")
        for noted in outcome.remarks:
            self.line = noted.line
        return outcome

    def asked(self, command: AskCancellation) -> UUID:
        """Tell the line to cancel units, and name the cancellation that now waits."""
        [cancellation] = self.heeds(command).cancellations
        return cancellation.id

    def cancellation(self, cancellation: UUID) -> Cancellation:
        [found] = [c for c in self.line.cancellations if c.id == cancellation]
        return found

    def after(self, **time: float) -> "Story":
        self.now += timedelta(**time)
        return self


def rejected_line(line: Line) -> Line:
    """The line after its fulfiller rejected all of it."""
    story = Story(line)
    holder = SUPPLIER if line.fulfiller == SUPPLIER.party else RETAILER
    story.heeds(replace(allocate(rejected=line.ordered, actor=holder), line=line.id))
    return story.line


def in_buckets(line: Line, *, asked: int = 0, cancelled: int = 0, shipped: int = 0) -> Line:
    """A line, some of whose units went where they are by the usual road: each bucket by one command."""
    story = Story(line)
    holder = SUPPLIER if line.fulfiller == SUPPLIER.party else RETAILER
    if shipped:
        story.heeds(replace(ship(shipped, actor=holder), line=line.id))
    if cancelled:
        story.heeds(replace(cancel_own(cancelled, actor=holder), line=line.id))
    if asked:
        story.heeds(replace(customer_asks(asked), line=line.id))
    return story.line
