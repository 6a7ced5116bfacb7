"""One cancellation: where it stands, what can be done about it, and the answers that people give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from countermand.admin.callers import Permission
from countermand.admin.policies import in_force
from countermand.console import words
from countermand.console.errors import unknown
from countermand.console.forms import FieldError
from countermand.console.markup import Times, amount, days_of
from countermand.console.rendering import Note, redirect, show_page
from countermand.console.visit import Visit
from countermand.documents import timeline
from countermand.documents.languages import NAMES, language
from countermand.documents.sentences import count
from countermand.documents.to_customer import ToCustomer, to_customer
from countermand.domain.commands import (
    AcceptCancellation,
    Command,
    DeclineCancellation,
    NoteCancellation,
    Parcel,
    Ship,
    ShipOrder,
    WithdrawCancellation,
)
from countermand.domain.events import STEPS
from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.domain.policy import Policy
from countermand.domain.reasons import DeclineReason
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.ids import read, show
from countermand.reads import events as event_reads
from countermand.reads.cancellations import CancellationView, cancellation_by_id, waiting_units
from countermand.reads.events import PastEvent
from countermand.reads.lines import LineDetail, line_view
from countermand.reads.parties import party_name
from countermand.reads.refunds import Quoted, RefundFilter, RefundView, list_refunds, quote_units
from countermand.service.calls import Done, Failed, Refused
from countermand.wire.replies import REPLIES
from countermand.wire.response import Reply

_LIST: Final = "/console/cancellations"
_MOVED_ON: Final = frozenset(
    {RefusalKind.STATE_CHANGED, RefusalKind.ALREADY_ANSWERED, RefusalKind.NOTHING_ASKED, RefusalKind.STEP_NEEDED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that can be done, or why it cannot: what the button says, and what follows."""

    label: str
    follows: str
    path: str = ""
    key: str = ""
    primary: bool = False
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A cancellation with all that a page about it needs. A fulfiller that no longer holds it has no ``line``."""

    row: CancellationView
    line: LineDetail | None
    policy: Policy
    quoted: Quoted | None
    refunds: Sequence[RefundView]
    asked_by: str
    answered_by: str

    @property
    def id(self) -> str:
        """Its id, as people see it."""
        return show("can", self.row.id)

    @property
    def path(self) -> str:
        """Where its page is."""
        return f"{_LIST}/{self.id}"

    @property
    def title(self) -> str:
        """The article."""
        return self.row.title or self.row.sku

    @property
    def waiting(self) -> int:
        """How many units wait for an answer."""
        return waiting_units(self.row)

    @property
    def worth(self) -> str:
        """What would go back, with its currency; empty if nothing does, or if the visitor may not see it."""
        return worth_words(self.quoted)

    @property
    def owed(self) -> str:
        """What goes back for what was accepted."""
        return words.money_words(self.refunds)

    @property
    def passes_on(self) -> bool:
        """Whether a yes is not the last word, because a supplier holds the goods."""
        row, line = self.row, self.line
        with_supplier = line is not None and line.with_fulfiller and row.fulfiller_id != row.retailer_id
        return row.asker == "customer" and row.awaiting == row.retailer_id and with_supplier


def worth_words(quoted: Quoted | None) -> str:
    """An amount with its currency; empty for none."""
    worth = _back(quoted)
    return amount(*worth) if worth else ""


def _back(quoted: Quoted | None) -> tuple[int, str] | None:
    """The amount, and its currency."""
    minor = quoted.back.refund_minor + quoted.back.release_minor if quoted else 0
    return (minor, quoted.money.currency) if quoted and minor else None


async def case_of(visit: Visit) -> Case:
    """The cancellation that the path names.

    Raises:
        PageError: there is none that the visitor may see.
    """
    wanted = read("can", visit.names["cancellation"])
    row = await visit.read(cancellation_by_id, visit.scope, wanted) if wanted else None
    if row is None:
        raise unknown("cancellation", _LIST, "Cancellations")
    line = await visit.read(line_view, visit.scope, row.line_id)
    refunds: list[RefundView] = []
    if visit.caller.kind is not PartyKind.SUPPLIER:
        of_line = await visit.read(list_refunds, visit.scope, RefundFilter(line=row.line_id))
        refunds = [each for each in of_line if each.cancellation_id == row.id]
    return Case(
        row=row,
        line=line,
        policy=await visit.read(in_force, row.retailer_id, row.fulfiller_id),
        quoted=await _quote(visit, row, waiting_units(row)),
        refunds=refunds,
        asked_by=await _name(visit, row.asked_by),
        answered_by=await _name(visit, row.answered_by),
    )


async def _quote(visit: Visit, row: CancellationView, units: int) -> Quoted | None:
    """What would go back for so many of the units that wait."""
    if units < 1 or visit.caller.kind is PartyKind.SUPPLIER:
        return None
    quoted = await visit.read(quote_units, visit.scope, {row.line_id: units})
    return None if isinstance(quoted, Refusal) else quoted


async def _name(visit: Visit, party: UUID | None) -> str:
    found = await visit.read(party_name, party) if party else None
    return found or ""


# The page


async def look(visit: Visit) -> Reply:
    """The page of one cancellation."""
    case = await case_of(visit)
    spoken = visit.look.with_language(visit.query.get("say", ""))
    reply = await _page(replace(visit, look=spoken), case, note=_done(visit, case))
    return replace(reply, headers=(*reply.headers, spoken.cookie())) if spoken != visit.look else reply


async def _page(
    visit: Visit, case: Case, *, status: int = 200, note: Note | None = None, wrong: FieldError | None = None
) -> Reply:
    row, times = case.row, Times(visit.now, visit.zone)
    events = await visit.read(event_reads.timeline, visit.scope, row.line_id)
    spoken = language(visit.look.language)
    return show_page(
        visit,
        "cancellation.html",
        title=f"Cancel {row.units} of {row.ordered} × {case.title}",
        status=status,
        note=note,
        case=case,
        shape_name=words.shape_of(row, visit.now),
        standing=words.standing(row, visit.now, answered_by=case.answered_by),
        said=words.ended(row, times, answered_by=case.answered_by),
        explanation=words.explanation(row, asked_by=case.asked_by),
        silence=words.silence(row, case.policy.silence, worth=case.worth),
        acts=acts_of(visit, case),
        say=to_customer(_known(case), spoken, now=visit.now, zone=visit.zone.key),
        spoken=spoken.code,
        languages=NAMES,
        reason=words.plain(row.reason),
        events=_told(events, times),
        payments=_payments(case),
        refund_shapes=words.REFUND_SHAPES,
        where_to=words.where_to,
        once=visit.new_once(),
        filled=visit.form.text("note"),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


def _known(case: Case) -> ToCustomer:
    worth = _back(case.quoted)
    return ToCustomer(row=case.row, title=case.title, worth=[worth] if worth else [], owed=words.sums_of(case.refunds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event as a timeline shows it; ``day`` where another one begins."""

    event: PastEvent
    day: str
    shape: str
    sentence: str
    note: str


def _told(events: Sequence[PastEvent], times: Times) -> list[Told]:
    days = days_of([each.at for each in events], times)
    return [
        Told(
            event=each,
            day=day,
            shape=words.event_shape(each.kind),
            sentence=timeline.sentence(_without_note(each), times.zone.key),
            note=each.facts.get("note", ""),
        )
        for each, day in zip(events, days, strict=True)
    ]


def _without_note(event: PastEvent) -> PastEvent:
    """A note stands by itself below the sentence, line by line."""
    return replace(event, facts={**event.facts, "note": ""}) if event.facts.get("note") else event


@dataclass(frozen=True, slots=True, kw_only=True)
class Payback:
    """What one payment would give back."""

    name: str
    reference: str
    captured_minor: int
    minor: int
    currency: str
    how: str


def _payments(case: Case) -> list[Payback]:
    quoted = case.quoted
    if quoted is None:
        return []
    given = {part.payment: part for part in quoted.back.payments}
    return [
        Payback(
            name=words.plain(each.method).capitalize(),
            reference=each.reference,
            captured_minor=each.captured_minor,
            minor=given[each.id].refund_minor + given[each.id].release_minor,
            currency=quoted.money.currency,
            how="by hand" if each.provider == "manual" else f"through {each.provider.capitalize()}",
        )
        for each in quoted.money.payments
        if each.id in given
    ]


def _done(visit: Visit, case: Case) -> Note | None:
    """What was done just now, in the words of what holds now."""
    row, done = case.row, visit.query.get("done", "")
    of = f"of {row.reference}"
    if done == "note":
        return Note(title="Your note is stored.", text="All parties of this line can read it.", mood="good")
    if done == "accept" and row.state == State.ACCEPTED:
        back = f"{case.owed} goes back." if case.owed else ""
        return Note(title=f"{count(row.accepted_units)} {of} cancelled.", text=back, mood="good")
    if done == "accept" and row.state == State.ASKED:
        text = f"{row.awaiting_name} answers next." if row.awaiting_name else ""
        return Note(title="Your yes is stored.", text=text, mood="good")
    if done == "decline" and row.state == State.DECLINED:
        return Note(title=f"You declined {count(row.units)} {of}.", text="They stay on order.", mood="good")
    if done == "decline" and row.state == State.ASKED:
        return Note(title="Your answer is stored.", text="It counts once the parcel is named.", mood="good")
    if done == "withdraw" and row.state == State.WITHDRAWN:
        return Note(title=f"The ask for {count(row.units)} {of} is withdrawn.", mood="good")
    if done == "ask":
        return Note(
            title="The ask is stored.", text=words.standing(row, visit.now, answered_by=case.answered_by), mood="good"
        )
    return None


# What can be done


def acts_of(visit: Visit, case: Case) -> list[Act]:
    """What the visitor can do, and what not, with the reason. The rules decide again when it is done."""
    row = case.row
    if row.state != State.ASKED:
        return []
    found = [_accept_act(visit, case), *_fewer_act(visit, case), _decline_act(visit, case)]
    if visit.caller.kind is not PartyKind.SUPPLIER:
        found.append(_withdraw_act(visit, case))
    return found


def why_not_answer(visit: Visit, case: Case) -> str:
    """Why the visitor cannot answer; empty if that is possible."""
    row = case.row
    if not visit.may(Permission.CANCEL_ORDER):
        return "Your user may look and not decide: it lacks the permission cancel_order."
    if case.line is None:
        return "Another party holds the goods now."
    if row.agreed:
        return "It is agreed to, and waits for the lines that were asked together with it."
    if visit.is_platform or row.awaiting == visit.caller.party:
        return ""
    return f"{row.awaiting_name or 'An operator'} answers next, not you."


def _accept_act(visit: Visit, case: Case) -> Act:
    waiting, why_not = case.waiting, why_not_answer(visit, case)
    if case.passes_on:
        label = f"Pass {waiting} on to {case.row.fulfiller_name}…"
        follows = f"Nothing is cancelled yet. {case.row.fulfiller_name} holds the goods and answers next."
    else:
        label = f"Accept {waiting}, refund {case.worth}…" if case.worth else f"Accept {waiting}…"
        follows = f"{count(waiting)} {'is' if waiting == 1 else 'are'} cancelled. {_who_is_told(visit, case)}"
    return Act(label=label, follows=follows, path=f"{case.path}/accept", key="a", primary=not why_not, why_not=why_not)


def _fewer_act(visit: Visit, case: Case) -> list[Act]:
    row = case.row
    if case.waiting < 2 or why_not_answer(visit, case):
        return []
    if row.group_id is not None:
        why_not = "It was asked together with other lines, all or nothing: accept all units, or decline."
        return [Act(label="Accept fewer…", follows="", why_not=why_not)]
    path = f"{case.path}/accept?fewer=1"
    return [Act(label="Accept fewer…", follows="You say how many. The others stay on order.", path=path)]


def _decline_act(visit: Visit, case: Case) -> Act:
    stay = f"Decline, keep {case.waiting} on order…"
    follows = "Nothing goes back. You choose a reason next."
    why_not = why_not_answer(visit, case)
    return Act(label=stay, follows=follows, path=f"{case.path}/decline", key="d", why_not=why_not)


def _withdraw_act(visit: Visit, case: Case) -> Act:
    row, party = case.row, visit.caller.party
    why_not = ""
    if not visit.may(Permission.CANCEL_ORDER):
        why_not = "Your user may look and not decide: it lacks the permission cancel_order."
    elif not visit.is_platform and party != row.retailer_id:
        why_not = "Only whoever asked can take it back."
    elif not visit.is_platform and row.asker == "customer" and row.asked_by != party:
        why_not = f"{case.asked_by} entered the customer’s ask, and can take it back."
    follows = "For a customer who wants the goods after all. Nothing goes back."
    label = f"Withdraw the ask for {case.waiting}…"
    return Act(label=label, follows=follows, path=f"{case.path}/withdraw", why_not=why_not)


def _who_is_told(visit: Visit, case: Case) -> str:
    row = case.row
    parties = {row.retailer_id: row.retailer_name, row.fulfiller_id: row.fulfiller_name}
    told = [name for party, name in parties.items() if party != visit.caller.party]
    return f"{words.listed(told)} {'is' if len(told) == 1 else 'are'} told." if told else ""


# Actions


async def confirm_accept(visit: Visit) -> Reply:
    """Once more before a yes counts."""
    case = await case_of(visit)
    units = visit.query.get("units", "")
    chosen = int(units) if units.isascii() and units.isdigit() and len(units) < 8 else None
    return await _confirm_accept(visit, case, units=chosen)


async def _confirm_accept(
    visit: Visit, case: Case, *, units: int | None, status: int = 200, wrong: FieldError | None = None
) -> Reply:
    if gone := await _gone(visit, case, why_not_answer(visit, case)):
        return gone
    fewer = "fewer" in visit.query or (wrong is not None and wrong.field == "units")
    given = units if units is not None and 0 < units <= case.waiting else case.waiting
    quoted = await _quote(visit, case.row, given)
    back = worth_words(quoted)
    said = f"Accept {given}, refund {back}" if back else f"Accept {given}"
    if case.passes_on:
        said = f"Pass {given} on to {case.row.fulfiller_name}"
    return show_page(
        visit,
        "accept.html",
        title=f"{said}?",
        status=status,
        case=replace(case, quoted=quoted),
        given=given,
        fewer=fewer,
        said=said,
        told=_who_is_told(visit, case),
        payments=_payments(replace(case, quoted=quoted)),
        back=back,
        reasons=words.DECLINE_REASONS,
        once=visit.form.text("once") or visit.new_once(),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def accept(visit: Visit) -> Reply:
    """Accept."""
    case = await case_of(visit)
    form = visit.form
    try:
        units = form.units()
        rest = form.text("rest_reason")
        command = AcceptCancellation(
            line=case.row.line_id,
            actor=visit.caller.actor,
            cancellation=case.row.id,
            step=form.step(),
            units=units,
            rest_reason=DeclineReason(rest) if rest in set(words.DECLINE_REASONS) else None,
            note=form.note(),
        )
    except FieldError as error:
        return await _confirm_accept(visit, case, units=None, status=422, wrong=error)
    return await _do(visit, case, command, "accept", {RefusalKind.TOO_MANY_UNITS: "units"})


async def confirm_decline(visit: Visit) -> Reply:
    """The reasons of a no."""
    return await _confirm_decline(visit, await case_of(visit))


async def _confirm_decline(visit: Visit, case: Case, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    if gone := await _gone(visit, case, why_not_answer(visit, case)):
        return gone
    holds = visit.caller.party == case.row.fulfiller_id
    return show_page(
        visit,
        "decline.html",
        title=f"Decline, keep {case.waiting} on order?",
        status=status,
        case=case,
        told=_who_is_told(visit, case),
        reasons=words.DECLINE_REASONS,
        holds=holds,
        once=visit.form.text("once") or visit.new_once(),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def decline(visit: Visit) -> Reply:
    """Decline. Who holds the goods and names the parcel reports it as shipped with that."""
    case = await case_of(visit)
    try:
        command = _decline_command(visit, case)
    except FieldError as error:
        return await _confirm_decline(visit, case, status=422, wrong=error)
    return await _do(visit, case, command, "decline", {RefusalKind.REASON_REQUIRED: "reason"})


def _decline_command(visit: Visit, case: Case) -> Command:
    form, row, actor = visit.form, case.row, visit.caller.actor
    given, note = form.text("reason"), form.note()
    carrier, tracking = form.line("carrier"), form.line("tracking_number")
    if given not in set(words.DECLINE_REASONS):
        raise FieldError("reason", "Choose why it is declined. The asker reads it.")
    reason = DeclineReason(given)
    if reason is DeclineReason.ALREADY_SHIPPED and tracking and visit.caller.party == row.fulfiller_id:
        if not carrier:
            raise FieldError("carrier", "Write who carries the parcel.")
        shipped = Ship(line=row.line_id, actor=actor, cancellation=row.id, step=form.step())
        parcel = Parcel(id=visit.services.ids.new(), carrier=carrier, tracking_number=tracking)
        return ShipOrder(order=row.order_id, actor=actor, lines=(shipped,), parcel=parcel)
    return DeclineCancellation(
        line=row.line_id,
        actor=actor,
        cancellation=row.id,
        step=form.step(),
        reason=reason,
        note=note,
        tracking=" ".join(filter(None, [carrier, tracking])),
    )


async def confirm_withdraw(visit: Visit) -> Reply:
    """Once more before an ask is taken back."""
    return await _confirm_withdraw(visit, await case_of(visit))


async def _confirm_withdraw(visit: Visit, case: Case, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    if gone := await _gone(visit, case, _withdraw_act(visit, case).why_not):
        return gone
    return show_page(
        visit,
        "withdraw.html",
        title=f"Withdraw the ask for {case.waiting}?",
        status=status,
        case=case,
        told=_who_is_told(visit, case),
        once=visit.form.text("once") or visit.new_once(),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def withdraw(visit: Visit) -> Reply:
    """Take an ask back."""
    case = await case_of(visit)
    try:
        command = WithdrawCancellation(
            line=case.row.line_id,
            actor=visit.caller.actor,
            cancellation=case.row.id,
            step=visit.form.step(),
            note=visit.form.note(),
        )
    except FieldError as error:
        return await _confirm_withdraw(visit, case, status=422, wrong=error)
    return await _do(visit, case, command, "withdraw", {})


async def note(visit: Visit) -> Reply:
    """Add a note."""
    case = await case_of(visit)
    try:
        text = visit.form.note(needed="Write what you want to note.")
    except FieldError as error:
        return await _page(visit, case, status=422, wrong=error)
    command = NoteCancellation(line=case.row.line_id, actor=visit.caller.actor, cancellation=case.row.id, note=text)
    return await _do(visit, case, command, "note", {})


async def _gone(visit: Visit, case: Case, why_not: str) -> Reply | None:
    """The page of the cancellation where a confirmation would come too late, or is not the visitor's."""
    if case.row.state == State.ASKED and not why_not:
        return None
    standing = words.standing(case.row, visit.now, answered_by=case.answered_by)
    text = why_not if case.row.state == State.ASKED else standing
    return await _page(
        visit, case, status=409, note=Note(title="This cannot be done any more.", text=text, mood="warn")
    )


async def _do(visit: Visit, case: Case, command: Command, done: str, fields: Mapping[RefusalKind, str]) -> Reply:
    """Send the command, and show what came of it. Whatever was typed stays."""
    outcome = await visit.submit(command, case.row.retailer_id)
    match outcome:
        case Done():
            return redirect(f"{case.path}?done={done}")
        case Refused(refusal=refusal):
            status = REPLIES[refusal.kind].native
            if refusal.kind in fields:
                return await _again(visit, case, done, status, FieldError(fields[refusal.kind], refusal.detail))
            case = await case_of(visit)
            note = await _faster(visit, case, refusal) if refusal.kind in _MOVED_ON else None
            text = f"{refusal.detail} What you sent changed nothing."
            return await _page(
                visit, case, status=status, note=note or Note(title="This cannot be done.", text=text, mood="warn")
            )
        case Failed():
            sentence = (
                "The database did not answer, and nobody knows whether this was stored. Send it again: the same form"
                " sent twice counts once."
            )
            return await _again(visit, case, done, 503, FieldError("once", sentence))


async def _faster(visit: Visit, case: Case, refusal: Refusal) -> Note:
    """Who decided before the visitor did, when, and what."""
    events = await visit.read(event_reads.timeline, visit.scope, case.row.line_id)
    steps = [each for each in events if each.cancellation_id == case.row.id and each.kind in STEPS]
    if not steps:
        text = f"{refusal.detail} What you sent changed nothing."
        return Note(title="Somebody was faster.", text=text, mood="warn")
    last, times = steps[-1], Times(visit.now, visit.zone)
    what = timeline.sentence(_without_note(last), times.zone.key)
    at = f"{times.local(last.at):%H:%M:%S}"
    return Note(
        title=f"{last.actor or 'The agreed rule'} was faster.",
        text=f"At {at}: {what.rstrip('.')}. What you sent changed nothing.",
        mood="warn",
    )


async def _again(visit: Visit, case: Case, done: str, status: int, error: FieldError) -> Reply:
    """The form once more, filled as it was."""
    match done:
        case "accept":
            return await _confirm_accept(visit, case, units=None, status=status, wrong=error)
        case "decline":
            return await _confirm_decline(visit, case, status=status, wrong=error)
        case "withdraw":
            return await _confirm_withdraw(visit, case, status=status, wrong=error)
        case _:
            return await _page(visit, case, status=status, wrong=error)
