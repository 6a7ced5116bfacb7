"""Refunds: which wait for a person and why, and what people do about them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final
from urllib.parse import urlencode

from countermand.admin.callers import Permission
from countermand.console import words
from countermand.console.errors import PageError, unknown
from countermand.console.forms import FieldError
from countermand.console.markup import amount
from countermand.console.pages import journal
from countermand.console.pages.account import authenticated_again
from countermand.console.rendering import Note, redirect, show_page
from countermand.console.visit import Visit
from countermand.domain.money.amounts import parse_minor, write_minor
from countermand.domain.money.commands import CloseRefund, CorrectRefund, RefundCommand, RetryRefund
from countermand.domain.money.refunds import RefundState
from countermand.ids import read, show
from countermand.reads.refunds import RefundFilter, RefundView, list_refunds, refund_by_id
from countermand.service.calls import Done, Failed, Refused
from countermand.wire.replies import REPLIES, Header
from countermand.wire.response import Reply

SHOWN: Final = 50
PATH: Final = "/console/refunds"

VIEWS: Final = {
    "parked": "Parked",
    "by_hand": "By hand",
    "unknown": "No answer",
    "due": "Due",
    "sent": "Sent",
    "accepted": "At the provider",
    "confirmed": "Confirmed",
    "closed": "Closed",
    "all": "All",
}
_EMPTY: Final = {
    "parked": "A refund is parked when it cannot settle by itself: the provider refused it, or paid another amount.",
    "by_hand": "Refunds of payments without a provider wait here for a person to pay them.",
    "unknown": "A refund stands here while nobody knows whether the provider has moved the money.",
}
WAITS: Final = frozenset({RefundState.BY_HAND, RefundState.PARKED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A part of the overview: refunds that ask the same of a person."""

    name: str
    title: str
    says: str
    states: tuple[RefundState, ...]
    none: str
    newest: bool = False


GROUPS: Final = (
    Group(
        name="parked",
        title="Parked",
        says="Each needs a person. Nothing is sent until somebody chooses.",
        states=(RefundState.PARKED,),
        none="Every refund is settled, or is being settled.",
    ),
    Group(
        name="hand",
        title="By hand",
        says="They are paid outside of this service, then marked here.",
        states=(RefundState.BY_HAND,),
        none="No refund waits to be paid by a person.",
    ),
    Group(
        name="way",
        title="On their way",
        says="The worker settles these. A person can only watch.",
        states=(RefundState.UNKNOWN, RefundState.SENT, RefundState.ACCEPTED, RefundState.DUE),
        none="Nothing is under way to a provider.",
    ),
    Group(
        name="done",
        title="Done",
        says="The latest first.",
        states=(RefundState.CONFIRMED, RefundState.CLOSED),
        none="No refund is done yet.",
        newest=True,
    ),
)
IN_A_GROUP: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """The refunds of a group that are shown; there are ``more``."""

    group: Group
    refunds: list[RefundView]
    more: bool


async def look(visit: Visit) -> Reply:
    """All of them by what they ask of a person, or the list of those in one state."""
    return await _list(visit, visit.query["state"]) if visit.query.get("state") else await _overview(visit)


async def _overview(visit: Visit) -> Reply:
    groups = [await _grouped(visit, each) for each in GROUPS]
    may_mark = visit.is_platform and visit.may(Permission.MANAGE_REFUNDS)
    return show_page(
        visit,
        "refunds_overview.html",
        title="Refunds",
        views=VIEWS,
        groups=groups,
        checked=await journal.newest_checked(visit),
        acts={row.id: _acts(visit, row) for each in groups if each.group.name == "parked" for row in each.refunds},
        shapes=words.REFUND_SHAPES,
        where_to=words.where_to,
        next_step=words.next_step,
        path_of=path_of,
        may_mark=may_mark,
    )


async def _grouped(visit: Visit, group: Group) -> Grouped:
    """The first of a group. Each of its states is a walk along an index."""
    found: list[RefundView] = []
    for state in group.states:
        wanted = RefundFilter(state=state.value, newest=group.newest, limit=IN_A_GROUP + 1)
        found += await visit.read(list_refunds, visit.scope, wanted)
    found.sort(key=attrgetter("id"), reverse=group.newest)
    return Grouped(group=group, refunds=found[:IN_A_GROUP], more=len(found) > IN_A_GROUP)


async def _list(visit: Visit, view: str) -> Reply:
    """The refunds in one state, oldest first."""
    view = view if view in VIEWS else "parked"
    after = read("rfd", visit.query.get("after", "")) if visit.query.get("after") else None
    wanted = RefundFilter(state=None if view == "all" else view, after=after, limit=SHOWN + 1)
    found = await visit.read(list_refunds, visit.scope, wanted)
    more = ""
    if len(found) > SHOWN:
        more = f"{PATH}?{urlencode({'state': view, 'after': show('rfd', found[SHOWN - 1].id)})}"
    return show_page(
        visit,
        "refunds.html",
        title=f"Refunds: {VIEWS[view].lower()}",
        view=view,
        views=VIEWS,
        refunds=found[:SHOWN],
        sums=words.money_words(found[:SHOWN]),
        more=more,
        first=after is None,
        empty=_EMPTY.get(view, "Refunds follow from cancelled units that were paid for."),
        shapes=words.REFUND_SHAPES,
        where_to=words.where_to,
        next_step=words.next_step,
        may_mark=visit.is_platform and visit.may(Permission.MANAGE_REFUNDS) and view in WAITS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What can be done about a refund."""

    name: str
    label: str
    follows: str
    bad: bool = False
    primary: bool = False


async def _refund(visit: Visit) -> RefundView:
    wanted = read("rfd", visit.names["refund"])
    row = await visit.read(refund_by_id, visit.scope, wanted) if wanted else None
    if row is None:
        raise unknown("refund", PATH, "Refunds")
    return row


def path_of(row: RefundView) -> str:
    """Where its page is."""
    return f"{PATH}/{show('rfd', row.id)}"


async def look_at_one(visit: Visit) -> Reply:
    """One refund."""
    return await _page(visit, await _refund(visit))


async def _page(visit: Visit, row: RefundView, *, status: int = 200, note: Note | None = None) -> Reply:
    what = amount(row.amount_minor, row.currency)
    postings = await journal.of_refund(visit, row)
    return show_page(
        visit,
        "refund.html",
        title=f"{what} to {words.where_to(row).lower()}",
        status=status,
        note=note or _done(visit, row),
        row=row,
        what=what,
        shape_name=words.REFUND_SHAPES[row.state],
        next_step=words.next_step(row),
        acts=_acts(visit, row),
        why_not=_why_not(visit, row),
        path=path_of(row),
        where_to=words.where_to(row),
        postings=postings,
        balance=journal.balance_of(postings),
        account=journal.account_words,
        posted=journal.what_words,
    )


def _done(visit: Visit, row: RefundView) -> Note | None:
    what = amount(row.amount_minor, row.currency)
    match visit.query.get("done", ""), row.state:
        case "paid", RefundState.CONFIRMED:
            return Note(title=f"{what} is marked as paid.", mood="good")
        case "close", RefundState.CLOSED:
            return Note(title=f"{what} is closed.", text="Nothing is paid back.", mood="good")
        case (("retry" | "correct"), _):
            return Note(
                title="It will be settled again.", text="The worker sends it next, if something is left.", mood="good"
            )
    return None


def _why_not(visit: Visit, row: RefundView) -> str:
    if not visit.is_platform:
        return "Only an operator of the platform can mark, close or correct a refund."
    if not visit.may(Permission.MANAGE_REFUNDS):
        return "Your user may look and not act: it lacks the permission manage_refunds."
    return ""


def _acts(visit: Visit, row: RefundView) -> list[Act]:
    if _why_not(visit, row):
        return []
    what = amount(row.amount_minor - row.elsewhere_minor, row.currency)
    found = []
    if row.state in WAITS:
        by_hand = row.state == RefundState.BY_HAND
        follows = "You paid it another way. You write how, and the refund is done."
        found.append(Act(name="paid", label=f"Mark {what} as paid…", follows=follows, primary=by_hand))
    if row.state == RefundState.PARKED:
        follows = "The worker sends it to the provider again, with a new key if nothing moved."
        found.append(Act(name="retry", label=f"Send {what} again…", follows=follows))
    if row.state in (RefundState.PARKED, RefundState.CONFIRMED, RefundState.BY_HAND):
        follows = "Part of it went back outside of this service, or less of it than was thought."
        found.append(Act(name="correct", label="Correct what was paid elsewhere…", follows=follows))
    if row.state in WAITS:
        follows = f"Nothing is paid. The {what} stays with {row.retailer_name}. You write why."
        found.append(Act(name="close", label="Close without paying…", follows=follows, bad=True))
    return found


# Confirmations


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked once more before an action: the title, what follows, and the words on the button."""

    name: str
    title: str
    text: str
    button: str
    note_label: str
    note_needed: str = ""


def _question(name: str, row: RefundView) -> Question:
    what = amount(row.amount_minor - row.elsewhere_minor, row.currency)
    match name:
        case "paid":
            text = "You paid it outside of this service. The refund is done with that."
            return Question(
                name=name,
                title=f"Mark {what} as paid?",
                text=text,
                button=f"Mark {what} as paid",
                note_label="How it was paid",
            )
        case "retry":
            text = (
                "The worker sends it to the provider again. If an earlier call moved the money after all, that is"
                " found, and it is not paid twice."
            )
            return Question(
                name=name, title=f"Send {what} again?", text=text, button=f"Send {what} again", note_label="Note"
            )
        case "close":
            text = f"Nothing is paid back. The {what} stays with {row.retailer_name}."
            needed = "Write why nothing is paid."
            return Question(
                name=name,
                title=f"Close {what} without paying?",
                text=text,
                button="Close without paying",
                note_label="Why",
                note_needed=needed,
            )
        case _:
            text = "Say how much of it went back outside of this service. The rest is then paid."
            needed = "Write where you know it from."
            return Question(
                name=name,
                title="Correct what was paid elsewhere?",
                text=text,
                button="Correct it",
                note_label="Where you know it from",
                note_needed=needed,
            )


def _confirm(visit: Visit, row: RefundView, name: str, *, status: int = 200, wrong: FieldError | None = None) -> Reply:
    question = _question(name, row)
    if name not in {each.name for each in _acts(visit, row)} and wrong is None:
        sentence = f"It is {words.plain(row.state)} now. {words.next_step(row)}"
        raise PageError(409, "This cannot be done any more", sentence, links={path_of(row): "See the refund"})
    return show_page(
        visit,
        "refund_confirm.html",
        title=question.title,
        status=status,
        question=question,
        row=row,
        path=path_of(row),
        where_to=words.where_to(row),
        asks_password=asks_password(visit, row),
        elsewhere=write_minor(row.elsewhere_minor, row.currency),
        once=visit.form.text("once") or visit.new_once(),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


def asks_password(visit: Visit, row: RefundView) -> bool:
    """Whether the password is asked for again: for much money, if it was given long ago."""
    return is_much(visit, row.amount_minor, row.currency)


def is_much(visit: Visit, minor: int, currency: str) -> bool:
    """Whether so much money asks for the password again, which was given long ago."""
    limit = visit.services.settings.console_password_above * step_units(currency)
    return minor > limit and not visit.session.is_fresh(visit.now)


def step_units(currency: str) -> int:
    """How many minor units one unit of a currency has."""
    return parse_minor("1", currency)


Make = Callable[[Visit, RefundView], RefundCommand]


async def _act(visit: Visit, name: str, make: Make) -> Reply:
    row = await _refund(visit)
    try:
        command = make(visit, row)
        cookie = await _confirmed(visit, row)
    except FieldError as error:
        return _confirm(visit, row, name, status=422, wrong=error)
    match await visit.submit(command, row.retailer_id):
        case Done():
            return redirect(f"{path_of(row)}?done={name}", *cookie)
        case Refused(refusal=refusal):
            note = Note(title="This changed nothing.", text=refusal.detail, mood="warn")
            return await _page(visit, await _refund(visit), status=REPLIES[refusal.kind].native, note=note)
        case Failed():
            text = "Nobody knows whether this was stored. Send it again: the same form sent twice counts once."
            return _confirm(visit, row, name, status=503, wrong=FieldError("once", text))


async def _confirmed(visit: Visit, row: RefundView) -> tuple[Header, ...]:
    """Ask for the password where much money moves."""
    return await authenticated_again(visit) if asks_password(visit, row) else ()


def _close(visit: Visit, row: RefundView, *, paid: bool, needed: str) -> CloseRefund:
    note = visit.form.note(needed=needed)
    return CloseRefund(
        line=row.line_id, refund=row.id, actor=visit.caller.actor, paid=paid, note=note, step=visit.form.step()
    )


def _correct(visit: Visit, row: RefundView) -> CorrectRefund:
    try:
        minor = parse_minor(visit.form.text("elsewhere").replace(",", ""), row.currency)
    except ValueError as error:
        raise FieldError("elsewhere", f"{error}.") from None
    if not 0 <= minor <= row.amount_minor:
        most = amount(row.amount_minor, row.currency)
        raise FieldError("elsewhere", f"The refund is of {most}: write an amount from 0 to {most}.")
    note = visit.form.note(needed="Write where you know it from.")
    return CorrectRefund(
        line=row.line_id,
        refund=row.id,
        actor=visit.caller.actor,
        step=visit.form.step() or row.step,
        elsewhere_minor=minor,
        note=note,
    )


def _retry(visit: Visit, row: RefundView) -> RetryRefund:
    return RetryRefund(
        line=row.line_id,
        refund=row.id,
        actor=visit.caller.actor,
        note=visit.form.note(),
        step=visit.form.step(),
    )


def _confirmation(name: str) -> Callable[[Visit], Awaitable[Reply]]:
    async def confirm(visit: Visit) -> Reply:
        return _confirm(visit, await _refund(visit), name)

    return confirm


def _action(name: str, make: Make) -> Callable[[Visit], Awaitable[Reply]]:
    async def act(visit: Visit) -> Reply:
        return await _act(visit, name, make)

    return act


confirm_paid, confirm_retry, confirm_close, confirm_correct = (
    _confirmation(name) for name in ("paid", "retry", "close", "correct")
)
paid = _action("paid", lambda visit, row: _close(visit, row, paid=True, needed=""))
close = _action("close", lambda visit, row: _close(visit, row, paid=False, needed="Write why nothing is paid."))
retry = _action("retry", _retry)
correct = _action("correct", _correct)
