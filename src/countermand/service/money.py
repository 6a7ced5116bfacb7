"""The customer's money: payments that come later, refunds that fall due as a cancellation is accepted, the journal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.decide import LineOutcome
from countermand.domain.events import Event
from countermand.domain.line import Decision, Line
from countermand.domain.money.commands import CapturePayment, PaymentCommand, RefundCommand
from countermand.domain.money.joining import decide_refunds
from countermand.domain.money.payments import Releases
from countermand.domain.money.pricing import Payment
from countermand.domain.money.refunds import (
    Posting,
    Refund,
    RefundKind,
    RefundState,
    Settled,
    become_refund,
    booked,
    due,
)
from countermand.domain.parties import Actor
from countermand.domain.refusals import UNKNOWN_ORDER, Refusal
from countermand.domain.search import key_of_payment
from countermand.service.claims import claim
from countermand.service.rows import Rows
from countermand.service.telling import Telling
from countermand.service.workspace import Workspace
from countermand.store import statements as sql
from countermand.store.codecs import refund_of, refund_row
from countermand.store.money import given_back, note_captured_instead, paid

_STUCK = frozenset({RefundState.PARKED, RefundState.CLOSED})
"""A release that stands so was not carried out."""
_PENDING = frozenset({RefundState.DUE, RefundState.SENT, RefundState.ACCEPTED, RefundState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class _Owed:
    """Units of a priced line that became cancelled: money goes back for them."""

    line: UUID
    event: Event
    actor: Actor | None
    door: str


@dataclass(slots=True)
class Refunding:
    """The refunds of a batch: those it decides on, and those that its cancellations bring about."""

    connection: Connection
    known: Workspace
    rows: Rows
    telling: Telling
    _owed: list[_Owed] = field(default_factory=list)
    _money: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    _settled: dict[UUID, Refund] = field(default_factory=dict)

    def owe(self, line: Line, event: Event, actor: Actor | None, door: str) -> None:
        """Units of a priced line became cancelled: ``save`` gives their money back."""
        self._owed.append(_Owed(line.id, event, actor, door))

    def decide(self, command: RefundCommand) -> tuple[LineOutcome, ...] | Refusal:
        """Decide one command on one refund, and on those that share its call; what became of their lines."""
        outcomes = decide_refunds(self.known.lines, self.known.refunds, command, self.rows.now, self.rows.new_id)
        if isinstance(outcomes, Refusal):
            return outcomes
        decided: dict[UUID, Decision] = {}
        for before, outcome in outcomes:
            of, told = before.line, outcome.decision
            self._settle(self.known.lines[of], before, outcome)
            decided[of] = decided[of].then(told) if of in decided else told
        return tuple(LineOutcome(line=of, outcome=told) for of, told in decided.items())

    def _settle(self, line: Line, before: Refund, outcome: Settled) -> None:
        """Note what became of a refund, in the books of its order too where a release was captured instead."""
        if outcome.refund != before:
            self.known.refunds[before.id] = self._settled[before.id] = outcome.refund
        if outcome.split:
            self.rows.add("refunds", **refund_row(line.retailer, outcome.split))
        captured = _captured_minor(before, outcome)
        if captured:
            self._load_money([line])
            note_captured_instead(self._money[line.order], before.payment, captured)
            self._save_terms(line)
        self._post(line, outcome.postings)

    def pay(self, command: PaymentCommand) -> tuple[LineOutcome, ...] | Refusal:
        """Decide one command on the payments of an order."""
        if not self.known.lines_of(command):
            return UNKNOWN_ORDER
        # What was cancelled before it in this batch was cancelled before it was paid.
        self._give_back()
        lines = [self.known.lines[line] for line in self.known.lines_of(command)]
        self._load_money(lines[:1])
        releases = self._releases(lines[0], command) if isinstance(command, CapturePayment) else []
        outcome = paid(self._money.get(command.order), lines, command, self.known.homes, _sums(releases))
        if isinstance(outcome, Refusal):
            return outcome
        claim(self.known, self.rows, lines[0].retailer, outcome.added)
        for payment in outcome.added:
            if payment.reference:
                self._add_key(lines[0], payment)
        self._save_terms(lines[0])
        decided = {each.line.id: each for each in outcome.decisions}
        self._refund_instead(releases, outcome.refunded_instead_minor, decided)
        return tuple(LineOutcome(line=line, outcome=each) for line, each in decided.items())

    def _add_key(self, line: Line, payment: Payment) -> None:
        """The order is looked up by this payment from now on."""
        self.rows.add(
            "order_keys",
            retailer_id=line.retailer,
            key=key_of_payment(payment.reference),
            placed_at=line.placed_at,
            order_id=line.order,
        )

    def _releases(self, line: Line, command: CapturePayment) -> list[Refund]:
        """The releases of one payment of this line's order, newest first, as the calls before left them."""
        rows = self.connection.execute(sql.RELEASES, {"orders": [(line.retailer, line.order)]})
        found = [self.known.refunds.get(row.id) or refund_of(row) for row in rows]
        return [each for each in found if each.payment == command.payment and each.kind is RefundKind.RELEASE]

    def _refund_instead(self, releases: Sequence[Refund], minor: int, decided: dict[UUID, Decision]) -> None:
        """Refund what was to be released, was not, and is captured by now; its lines are told after the capture."""
        for release in releases:
            part = min(minor, release.amount_minor) if release.state in _STUCK else 0
            if part:
                before = decided[release.line]
                outcome = become_refund(before.line, release, part, self.rows.now, self.rows.new_id)
                self._settle(before.line, release, booked(release, outcome))
                decided[release.line] = before.then(outcome.decision)
                minor -= part

    def _save_terms(self, line: Line) -> None:
        terms = self._money[line.order]["terms"]
        self.rows.terms.append({"of_retailer": line.retailer, "of_id": line.order, "new_terms": terms})

    def save(self) -> None:
        """Write down what the cancellations of this batch owe the customers, and what became of refunds."""
        self._give_back()
        fresh = {row["id"] for row in self.rows.new.get("order_money", ())}
        for order, row in sorted(self._money.items()):
            if order not in fresh:
                self.rows.change("order_money", row["retailer_id"], order, row)
        for _, refund in sorted(self._settled.items()):
            retailer = self.known.lines[refund.line].retailer
            self.rows.change("refunds", retailer, refund.id, refund_row(retailer, refund))

    def _give_back(self) -> None:
        owed, self._owed = self._owed, []
        self._load_money([self.known.lines[each.line] for each in owed])
        for each in owed:
            self._give_back_for(each, self._money[self.known.lines[each.line].order])

    def _load_money(self, lines: Sequence[Line]) -> None:
        """Lock the money of the orders of these lines."""
        if lines:
            self._money |= {row["id"]: row for row in self.rows.new.get("order_money", ())}
        stored = sorted({(line.retailer, line.order) for line in lines if line.order not in self._money})
        if stored:
            # Cancellations of other lines of the order wait here, since a discount or a payment is shared by all.
            for found in self.connection.execute(sql.LOCK_MONEY, {"orders": stored}):
                self._money[found.id] = dict(found._mapping)

    def _give_back_for(self, owed: _Owed, money: dict[str, Any]) -> None:
        line, event = self.known.lines[owed.line], owed.event
        assert event.cancellation is not None  # an acceptance has one
        terms, back = given_back(money, line.id, event.units)
        settled, commission = due(line, event.cancellation, terms, back, self.rows.new_id, self.rows.now)
        for each in settled:
            self.rows.add("refunds", **refund_row(line.retailer, each.refund))
            self._post(line, each.postings)
            for told in each.decision.events:
                self.telling.tell(line, told, owed.actor, owed.door)
            line = each.decision.line
            self.known.touch(line)
        self._post(line, commission)

    def _post(self, line: Line, postings: Iterable[Posting]) -> None:
        for posting in postings:
            self.rows.add(
                "journal",
                retailer_id=line.retailer,
                id=self.rows.new_id(),
                order_id=line.order,
                line_id=line.id,
                refund_id=posting.refund,
                at=self.rows.now,
                kind=posting.kind,
                debit=posting.debit,
                credit=posting.credit,
                amount_minor=posting.amount_minor,
                currency=posting.currency,
            )


def _captured_minor(before: Refund, outcome: Settled) -> int:
    """How much of a release turned out to be captured, and is refunded instead."""
    if before.kind is not RefundKind.RELEASE:
        return 0
    if outcome.split:
        return outcome.split.amount_minor
    return outcome.refund.amount_minor if outcome.refund.kind is RefundKind.REFUND else 0


def _sums(releases: Iterable[Refund]) -> Releases:
    releases = list(releases)
    return Releases(
        pending_minor=sum(each.amount_minor for each in releases if each.state in _PENDING),
        stuck_minor=sum(each.amount_minor for each in releases if each.state in _STUCK),
    )
