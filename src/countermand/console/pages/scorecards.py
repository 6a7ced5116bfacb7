"""Scorecards: the weeks of a party with the norm, and what counts in one of them."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from markupsafe import Markup

from countermand.admin.callers import Permission
from countermand.admin.scores import Appeal
from countermand.admin.scores import judge as decide
from countermand.console.errors import unknown
from countermand.console.forms import FieldError
from countermand.console.rendering import redirect, show_page
from countermand.console.visit import DOOR, Visit
from countermand.documents import timeline
from countermand.documents.scorecards import SellsNothingError, Shown, Wanted, all_incidents, scorecards_for
from countermand.domain.parties import PartyKind
from countermand.domain.problems import ProblemError
from countermand.domain.scoring import NORM, Figures, Incident, Reply, Role, Week
from countermand.ids import read, show
from countermand.reads.cancellations import cancellation_by_id
from countermand.reads.parties import UnknownPartyError, find_party, list_parties
from countermand.reads.views import PartyView
from countermand.wire.response import Reply as HttpReply

PATH: Final = "/console/scorecards"
WEEKS: Final = 23
LISTED: Final = 200
_HEIGHT, _WIDTH = 120, 36


async def look(visit: Visit) -> HttpReply:
    """One's own card, or for the platform the parties that have one."""
    if not visit.is_platform:
        return redirect(f"{PATH}/{show('pty', visit.caller.party)}")
    text = visit.query.get("q", "").strip()
    found = [
        each
        for each in await visit.read(list_parties)
        if each.kind != PartyKind.PLATFORM.value and text.casefold() in each.name.casefold()
    ]
    return show_page(visit, "scorecards.html", title="Scorecards", parties=found[:LISTED], text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """An item that counts, or was taken out."""

    incident: Incident
    sentences: list[str]
    judgement: str
    is_excluded: bool


async def look_at_one(visit: Visit) -> HttpReply:
    """The weeks of a party."""
    wanted = read("pty", visit.names["party"])
    if wanted is None or (not visit.is_platform and wanted != visit.caller.party):
        raise unknown("scorecard", PATH, "Scorecards")
    role = Role.FULFILLER if visit.query.get("as") == Role.FULFILLER.value else None
    week = _week(visit.query.get("week", ""))
    try:
        shown = await visit.read(
            scorecards_for, str(wanted), Wanted(weeks=WEEKS, role=role), zone=visit.zone, now=visit.now
        )
        evidence = await visit.read(
            scorecards_for,
            str(wanted),
            Wanted(week=week or _latest(shown), role=role, evidence=True),
            zone=visit.zone,
            now=visit.now,
        )
    except (UnknownPartyError, SellsNothingError):
        raise unknown("scorecard", PATH, "Scorecards") from None
    return show_page(
        visit,
        "scorecard.html",
        title=f"Scorecard of {shown.party.name}",
        shown=shown,
        chart=_chart(shown),
        rows=[(each, _is_closed(each, shown)) for each in reversed(shown.cards)],
        week=evidence.cards[-1].week,
        counted=_counted(evidence),
        may_judge=visit.is_platform and visit.may(Permission.MANAGE_SCORES),
        norm=_percent(float(NORM)),
        percent=lambda value: "–" if value is None else _percent(float(value)),
        reply=Reply,
        path=f"{PATH}/{show('pty', wanted)}",
    )


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
    party, _ = await _appeal(visit)
    return _judge_page(visit, party, excluded=visit.query.get("counts") != "yes")


def _judge_page(
    visit: Visit, party: PartyView, *, excluded: bool, status: int = 200, wrong: FieldError | None = None
) -> HttpReply:
    return show_page(
        visit,
        "judge.html",
        title="Take it out of the score?" if excluded else "Count it again?",
        status=status,
        party=party,
        excluded=excluded,
        back=f"{PATH}/{show('pty', party.id)}",
        filled=visit.form.text("note"),
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def judge(visit: Visit) -> HttpReply:
    """Write the judgement down."""
    party, cancellation = await _appeal(visit)
    excluded = visit.form.text("excluded") != "no"
    try:
        reason = " ".join(visit.form.note(needed="Write why. The party reads it.").split())
        appeal = Appeal(cancellation=cancellation, party=str(party.id), reason=reason, excluded=excluded)
        await visit.change(decide, visit.now, appeal, zone=visit.zone, by=visit.caller.name, door=DOOR)
    except FieldError as error:
        return _judge_page(visit, party, excluded=excluded, status=422, wrong=error)
    except ProblemError as error:
        return _judge_page(visit, party, excluded=excluded, status=409, wrong=FieldError("note", str(error)))
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
    return f"{100 * value:.1f} %"


def _is_closed(card: Figures, shown: Shown) -> bool:
    return card.week.closes(shown.zone) <= shown.now


def _counted(evidence: Shown) -> list[Counted]:
    [card] = evidence.evidence.values()
    judged = {incident.cancellation: judgement for incident, judgement in card.excluded}
    return [
        Counted(
            incident=each,
            sentences=[timeline.sentence(evidence.events[event]) for event in each.evidence],
            judgement=timeline.counts(each, judged.get(each.cancellation)),
            is_excluded=each.cancellation in judged,
        )
        for each in all_incidents(card)
    ]


def _chart(shown: Shown) -> Markup:
    """A bar for each week, with the norm across. The table below has the same figures."""
    cards = shown.cards
    values = [0.0 if each.value is None else float(each.value) for each in cards]
    top = max([*values, 2 * float(NORM)]) * 1.15
    bars = Markup("").join(
        _bar(place, each, value, top, closed=_is_closed(each, shown))
        for place, (each, value) in enumerate(zip(cards, values, strict=True))
    )
    norm = _HEIGHT - _HEIGHT * float(NORM) / top
    return Markup(
        '<svg class="chart" viewBox="0 -14 {width} {height}" role="img" aria-label="{label}">{bars}'
        '<path class="base" d="M0 {base}H{width}"/><path class="norm" d="M0 {norm:.1f}H{width}"/>'
        '<text x="2" y="{above:.1f}">norm {words}</text></svg>'
    ).format(
        width=_WIDTH * len(cards),
        height=_HEIGHT + 34,
        label=f"The share of items that count, for {len(cards)} weeks, with the norm of {_percent(float(NORM))}.",
        bars=bars,
        base=_HEIGHT,
        norm=norm,
        above=norm - 4,
        words=_percent(float(NORM)),
    )


def _bar(place: int, card: Figures, value: float, top: float, *, closed: bool) -> Markup:
    height = max(_HEIGHT * value / top, 1.0 if card.ordered else 0.0)
    kind = "open" if not closed else "strike" if card.strike else "over" if card.conforms is False else "ok"
    left = place * _WIDTH + 8
    said = Markup('<text class="alarm" x="{}" y="{:.1f}" text-anchor="middle">{}</text>').format(
        left + 10, _HEIGHT - height - 4, _percent(value)
    )
    return Markup(
        '<rect class="bar-{}" x="{}" y="{:.1f}" width="20" height="{:.1f}"/>{}'
        '<text x="{}" y="{}" text-anchor="middle">{}</text>'
    ).format(
        kind, left, _HEIGHT - height, height, said if kind == "strike" else "", left + 10, _HEIGHT + 14,
        str(card.week).rpartition("W")[2],
    )  # fmt: skip
