"""Scorecards: the weeks of a party with the norm, and what counts in one of them."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from countermand.admin.callers import Permission
from countermand.admin.scores import Appeal
from countermand.admin.scores import judge as decide
from countermand.console import words
from countermand.console.errors import PageError, unknown
from countermand.console.forms import FieldError
from countermand.console.pages import score_chart
from countermand.console.pages.score_chart import Bar
from countermand.console.rendering import redirect, show_page
from countermand.console.spreadsheets import as_spreadsheet
from countermand.console.visit import Visit
from countermand.documents import timeline
from countermand.documents.scorecards import (
    Evidence,
    SellsNothingError,
    Shown,
    Wanted,
    all_incidents,
    document,
    evidence_of,
    scorecards_for,
)
from countermand.documents.sentences import count
from countermand.domain.parties import PartyKind
from countermand.domain.problems import ProblemError
from countermand.domain.scoring import NORM, Figures, Incident, Judgement, Reply, Role, Week
from countermand.ids import read, show
from countermand.reads.cancellations import cancellation_by_id
from countermand.reads.orders import order_by_id
from countermand.reads.parties import PartyNames, UnknownPartyError, find_party, parties_by_name
from countermand.reads.scores import JudgementFilter, list_judgements
from countermand.reads.views import PartyView
from countermand.wire.response import Reply as HttpReply

PATH: Final = "/console/scorecards"
WEEKS: Final = 23
LISTED: Final = 200
JUDGED_BEFORE: Final = 20


async def look(visit: Visit) -> HttpReply:
    """One's own card, or for the platform the parties that have one."""
    if not visit.is_platform:
        return redirect(f"{PATH}/{show('pty', visit.caller.party)}")
    text = visit.query.get("q", "").strip()[:100]
    sellers = (PartyKind.RETAILER.value, PartyKind.SUPPLIER.value)
    found = await visit.read(parties_by_name, PartyNames(has=text, kinds=sellers, limit=LISTED + 1))
    return show_page(
        visit, "scorecards.html", title="Scorecards", parties=found[:LISTED], more=len(found) > LISTED, text=text
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A cancellation that counts, or was taken out by an operator."""

    incident: Incident
    reference: str
    sku: str
    sentences: list[str]
    taken_out: Judgement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a week stands, in a few words and in a sentence."""

    shape: str
    words: str
    text: str


async def look_at_one(visit: Visit) -> HttpReply:
    """The weeks of a party, and what counts in one of them."""
    party, wanted = _of_whom(visit), _wanted(visit)
    shown = await _cards(visit, party, wanted)
    week = _week(visit.query.get("week", "")) or _latest(shown)
    evidence = await visit.count(evidence_of, shown.party, week, role=shown.role, zone=visit.zone, as_of=wanted.as_of)
    card = evidence.card.figures
    path, kept = f"{PATH}/{show('pty', party)}", _query(visit)
    return show_page(
        visit,
        "scorecard.html",
        title=f"{shown.party.name}, as {shown.role.value}",
        shown=shown,
        head=_head(card, shown),
        card=card,
        strikes=strike_weeks(shown),
        closes=card.week.closes(shown.zone),
        closed=_is_closed(card, shown),
        chart=score_chart.drawn([Bar(card=each, closed=_is_closed(each, shown)) for each in shown.cards]),
        swatches=score_chart.SWATCHES,
        rows=[(each, _is_closed(each, shown)) for each in reversed(shown.cards)],
        counted=_counted(evidence),
        as_of=wanted.as_of,
        on=visit.query.get("on", ""),
        may_judge=visit.is_platform and visit.may(Permission.MANAGE_SCORES) and wanted.as_of is None,
        norm=_percent(float(NORM)),
        percent=lambda value: "–" if value is None else _percent(float(value)),
        reply=Reply,
        path=path,
        csv=f"{path}/weeks.csv?{kept}",
        query=kept,
    )


def _of_whom(visit: Visit) -> UUID:
    """Whose card it is.

    Raises:
        PageError: there is no such party that this visitor may see.
    """
    wanted = read("pty", visit.names["party"])
    if wanted is None or (not visit.is_platform and wanted != visit.caller.party):
        raise unknown("scorecard", PATH, "Scorecards")
    return wanted


def _wanted(visit: Visit) -> Wanted:
    role = Role.FULFILLER if visit.query.get("as") == Role.FULFILLER.value else None
    return Wanted(weeks=WEEKS, role=role, as_of=_as_of(visit))


def _as_of(visit: Visit) -> datetime | None:
    """The end of the day as of which it is asked for; none: now.

    Raises:
        PageError: there is no such day, or it is not over.
    """
    text = visit.query.get("on", "")
    if not text:
        return None
    try:
        at = datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), visit.zone)
    except (ValueError, OverflowError):
        at = None
    if at is None or at > visit.now:
        sentence = "Choose a day that is over, such as 2026-11-20."
        raise PageError(422, "There is no card of this day", sentence, links={visit.path: "The card as it is now"})
    return at


def _query(visit: Visit) -> str:
    return urlencode({name: visit.query[name] for name in ("as", "on") if visit.query.get(name)})


async def _cards(visit: Visit, party: UUID, wanted: Wanted) -> Shown:
    try:
        return await visit.count(scorecards_for, str(party), wanted, zone=visit.zone, now=visit.now)
    except (UnknownPartyError, SellsNothingError):
        raise unknown("scorecard", PATH, "Scorecards") from None


def _head(card: Figures, shown: Shown) -> Head:
    week = f"Week {card.week.number}"
    items = f"{card.numerator:,} of {count(card.ordered, 'item')} {'counts' if card.numerator == 1 else 'count'}."
    if card.value is None:
        return Head(shape="closed", words=f"{week}: nothing was ordered", text="Without items there is no share.")
    value = _percent(float(card.value))
    if not _is_closed(card, shown):
        return Head(shape="asked", words=f"{week} is not over: {value} so far", text=items)
    if card.strike:
        return Head(shape="strike", words=f"{week} is a strike: {value}", text=items)
    if card.conforms:
        return Head(shape="within", words=f"{week} is within the norm: {value}", text=items)
    return Head(shape="soon", words=f"{week} is above the norm, and no strike: {value}", text=items)


def strike_weeks(shown: Shown) -> str:
    """The numbers of the weeks that are strikes, of those that are over."""
    found = [str(each.week.number) for each in shown.cards if each.strike and _is_closed(each, shown)]
    return words.listed(found)


async def export(visit: Visit) -> HttpReply:
    """The weeks as a file for a spreadsheet."""
    party = _of_whom(visit)
    weeks = document(await _cards(visit, party, _wanted(visit)), evidence=False)["weeks"]
    answers = [each.value for each in Reply]
    names = [name for name in weeks[0] if name != "answers"]
    cells = ([*(each[name] for name in names), *(each["answers"][name] for name in answers)] for each in weeks)
    rows = (["" if cell is None else str(cell) for cell in row] for row in cells)
    return await as_spreadsheet(f"scorecard-{show('pty', party)}", [*names, *answers], rows)


# Judgements


async def _appeal(visit: Visit) -> tuple[PartyView, UUID]:
    party, cancellation = read("pty", visit.names["party"]), read("can", visit.names["cancellation"])
    row = await visit.read(cancellation_by_id, visit.scope, cancellation) if cancellation else None
    try:
        found = await visit.read(find_party, str(party)) if party else None
    except UnknownPartyError:
        found = None
    if found is None or row is None:
        raise unknown("item", PATH, "Scorecards")
    return found, row.id


async def confirm_judge(visit: Visit) -> HttpReply:
    """Why an item is taken out of a score, or counts again."""
    party, cancellation = await _appeal(visit)
    return await _judge_page(visit, party, cancellation, excluded=visit.query.get("counts") != "yes")


async def _judge_page(
    visit: Visit,
    party: PartyView,
    cancellation: UUID,
    *,
    excluded: bool,
    status: int = 200,
    wrong: FieldError | None = None,
) -> HttpReply:
    before = JudgementFilter(party=party.id, cancellation=cancellation, limit=JUDGED_BEFORE)
    return show_page(
        visit,
        "judge.html",
        title="Take 1 item out of the score?" if excluded else "Count it again?",
        status=status,
        party=party,
        changes=await _what_changes(visit, party, cancellation, excluded=excluded),
        before=await visit.read(list_judgements, before),
        excluded=excluded,
        back=f"{PATH}/{show('pty', party.id)}",
        filled=visit.form.text("note"),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def _what_changes(visit: Visit, party: PartyView, cancellation: UUID, *, excluded: bool) -> str:
    """What the judgement does to the week of the item; nothing where it counts in none."""
    row = await visit.read(cancellation_by_id, visit.scope, cancellation)
    order = await visit.read(order_by_id, visit.scope, row.order_id) if row else None
    if order is None:
        return ""
    week = Week.of(order.row.placed_at, visit.zone)
    try:
        card = (await visit.count(evidence_of, party, week, role=None, zone=visit.zone)).card
    except SellsNothingError:
        return ""
    left = {each.line for each in card.counted if each.cancellation != cancellation}
    if not excluded:
        left |= {each.line for each, _ in card.excluded if each.cancellation == cancellation}
    after = replace(card.figures, numerator=len(left))
    if after.numerator == card.numerator or after.value is None:
        return "Nothing in the figures of its week: an item counts once, however many of its cancellations count."
    standing = "a strike" if after.strike else "within the norm" if after.conforms else "above the norm, and no strike"
    still = "still " if (after.strike, after.conforms) == (card.strike, card.conforms) else ""
    return (
        f"{after.numerator:,} of {count(after.ordered, 'item')} {'counts' if after.numerator == 1 else 'count'} in"
        f" {after.week}, instead of {card.numerator:,}. That is {_percent(float(after.value))}, {still}{standing}."
        f" The item stays among the {after.ordered:,}."
    )


async def judge(visit: Visit) -> HttpReply:
    """Write the judgement down."""
    party, cancellation = await _appeal(visit)
    excluded = visit.form.text("excluded") != "no"
    try:
        reason = " ".join(visit.form.note(needed="Write why. The party reads it.").split())
        appeal = Appeal(cancellation=cancellation, party=str(party.id), reason=reason, excluded=excluded)
        await visit.change(decide, visit.author, appeal, zone=visit.zone)
    except FieldError as error:
        return await _judge_page(visit, party, cancellation, excluded=excluded, status=422, wrong=error)
    except ProblemError as error:
        return await _judge_page(
            visit, party, cancellation, excluded=excluded, status=409, wrong=FieldError("note", str(error))
        )
    return redirect(f"{PATH}/{show('pty', party.id)}")


def _latest(shown: Shown) -> Week:
    """The latest week in which something counts, or else the present one."""
    return next((each.week for each in reversed(shown.cards) if each.numerator), shown.cards[-1].week)


def _week(text: str) -> Week | None:
    try:
        return Week.read(text) if text else None
    except ValueError:
        return None


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _is_closed(card: Figures, shown: Shown) -> bool:
    return card.week.closes(shown.zone) <= shown.now


def _counted(evidence: Evidence) -> list[Counted]:
    taken_out = {incident.cancellation: judgement for incident, judgement in evidence.card.excluded}
    return [
        Counted(
            incident=each,
            reference=evidence.events[each.evidence[0]].reference,
            sku=evidence.events[each.evidence[0]].sku,
            sentences=[timeline.sentence(evidence.events[event]) for event in each.evidence],
            taken_out=taken_out.get(each.cancellation),
        )
        for each in all_incidents(evidence.card)
    ]
