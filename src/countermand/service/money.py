"""The customer's money: payments after the order, refunds that follow from cancellations, and the journal."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from countermand.admin.audit import Action, Change, entry_of
from countermand.domain.decide import LineOutcome
from countermand.domain.line import Decision, Line
from countermand.domain.money import payments
from countermand.domain.money.account import captured_instead, give_back
from countermand.domain.money.commands import CapturePayment, PaymentCommand, RefundCommand, RetryRefund
from countermand.domain.money.decide import decide_refunds, refunds_due
from countermand.domain.money.journal import with_postings
from countermand.domain.money.pricing import Payment
from countermand.domain.money.refunds import Posting, Refund, RefundKind, RefundOutcome
from countermand.domain.money.releases import STUCK, Releases, refund_captured
from countermand.domain.refusals import UNKNOWN_ORDER, Refusal
from countermand.domain.search import key_of_payment
from countermand.service.effects import record
from countermand.service.workspace import Owed, Workspace
from countermand.store.codecs import refund_row
from countermand.store.money import account_row, terms_of_money

Result = tuple[LineOutcome, ...] | Refusal


def decide_refund(work: Workspace, command: RefundCommand) -> Result:
    """Decide one command on one refund, and on those that share its call. Returns the outcomes of their lines."""
    outcomes = decide_refunds(work.lines, work.refunds, command, work.now, work.new_id)
    if isinstance(outcomes, Refusal):
        return outcomes
    decided: dict[UUID, Decision] = {}
    for before, outcome in outcomes:
        of, decision = before.line, outcome.decision
        _settle(work, work.lines[of], before, outcome)
        decided[of] = decided[of].then(decision) if of in decided else decision
    return tuple(LineOutcome(line=of, outcome=decision) for of, decision in decided.items())


def audit_retry(work: Workspace, command: RetryRefund, door: str) -> None:
    """Have it in the audit trail who had a refund tried again. It is no event: nobody is notified of it."""
    refund = work.refunds[command.refund]
    detail = {"step": refund.step, **({"note": command.note} if command.note else {})}
    retailer = work.lines[refund.line].retailer
    change = Change(action=Action.REFUND_RETRIED, party=retailer, target=refund.id, detail=detail)
    work.add("audit", **entry_of(work.new_id(), change, by=command.actor.name, door=door, at=work.now))


def _settle(work: Workspace, line: Line, before: Refund, outcome: RefundOutcome) -> None:
    """Save the outcome of a refund, and the account of its order if a release was captured instead."""
    if outcome.refund != before:
        work.refunds[before.id] = work.repaid[before.id] = outcome.refund
    if outcome.split:
        work.add("refunds", **refund_row(line.retailer, outcome.split))
    captured = outcome.captured_minor(before)
    if captured:
        work.change_account(captured_instead(work.account_of(line), before.payment, captured))
        _change_terms(work, line)
    _post(work, line, outcome.postings)


def decide_payment(work: Workspace, command: PaymentCommand) -> Result:
    """Decide one command on the payments of an order."""
    if not work.lines_of(command):
        return UNKNOWN_ORDER
    # Units that were cancelled before it in this batch were cancelled before they were paid.
    _give_back(work)
    lines = [work.lines[line] for line in work.lines_of(command)]
    first = lines[0]
    account = work.account_of(first) if first.id in work.priced else None
    releases = _releases(work, command) if isinstance(command, CapturePayment) else []
    outcome = payments.decide_payment(lines, account, command, work.homes, Releases.of(releases))
    if isinstance(outcome, Refusal):
        return outcome
    work.change_account(outcome.account)
    work.claim(first.retailer, outcome.added)
    for payment in outcome.added:
        if payment.reference:
            _add_key(work, first, payment)
    _change_terms(work, first)
    decided = {each.line.id: each for each in outcome.decisions}
    _refund_instead(work, releases, outcome.refunded_instead_minor, decided)
    return tuple(LineOutcome(line=line, outcome=each) for line, each in decided.items())


def _add_key(work: Workspace, line: Line, payment: Payment) -> None:
    """Make the order findable by this payment."""
    work.add(
        "order_keys",
        retailer_id=line.retailer,
        key=key_of_payment(payment.reference),
        placed_at=line.placed_at,
        order_id=line.order,
    )


def _releases(work: Workspace, command: CapturePayment) -> list[Refund]:
    """The releases of one payment of an order, newest first, as the calls before left them."""
    found = [work.refunds[each] for each in work.releases.get(command.order, ())]
    return [each for each in found if each.payment == command.payment and each.kind is RefundKind.RELEASE]


def _refund_instead(work: Workspace, releases: Sequence[Refund], minor: int, decided: dict[UUID, Decision]) -> None:
    """Refund what was to be released, was not, and has been captured. Its events follow those of the capture."""
    for release in releases:
        part = min(minor, release.amount_minor) if release.state in STUCK else 0
        if part:
            before = decided[release.line]
            outcome = refund_captured(before.line, release, part, work.now, work.new_id)
            _settle(work, before.line, release, with_postings(release, outcome))
            decided[release.line] = before.then(outcome.decision)
            minor -= part


def _change_terms(work: Workspace, line: Line) -> None:
    terms = terms_of_money(work.account_of(line).money)
    work.terms[line.order] = {"of_retailer": line.retailer, "of_id": line.order, "new_terms": terms}


def write_down(work: Workspace) -> None:
    """The rows of what the cancellations of this batch owe the customers, and of what became of refunds."""
    _give_back(work)
    placed = {row["id"]: row for row in work.new.get("order_money", ())}
    for order in sorted(work.accounts_changed):
        row = account_row(work.accounts[order])
        if order in placed:
            placed[order].update(row)
        else:
            work.change("order_money", row["retailer_id"], order, row)
    for _, refund in sorted(work.repaid.items()):
        retailer = work.lines[refund.line].retailer
        work.change("refunds", retailer, refund.id, refund_row(retailer, refund))


def _give_back(work: Workspace) -> None:
    owed, work.owed = work.owed, []
    for each in owed:
        _give_back_for(work, each)


def _give_back_for(work: Workspace, owed: Owed) -> None:
    line, event = work.lines[owed.line], owed.event
    assert event.cancellation is not None  # an acceptance has one
    account, back = give_back(work.account_of(line), line.id, event.units)
    work.change_account(account)
    due, commission = refunds_due(line, event.cancellation, account.money, back, work.new_id, work.now)
    for each in due:
        work.add("refunds", **refund_row(line.retailer, each.refund))
        _post(work, line, each.postings)
        for reported in each.decision.events:
            record(work, line, reported, owed.actor, owed.door)
        line = each.decision.line
        work.lines[line.id] = work.touched[line.id] = line
    _post(work, line, commission)


def _post(work: Workspace, line: Line, postings: Iterable[Posting]) -> None:
    for posting in postings:
        work.add(
            "journal",
            retailer_id=line.retailer,
            id=work.new_id(),
            order_id=line.order,
            line_id=line.id,
            refund_id=posting.refund,
            at=work.now,
            kind=posting.kind,
            debit=posting.debit,
            credit=posting.credit,
            amount_minor=posting.amount_minor,
            currency=posting.currency,
        )
