"""The last weeks as small charts: what was begun, what was accepted of it, and what nobody answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from markupsafe import Markup

from countermand.console.visit import Visit
from countermand.domain.line import State
from countermand.domain.scoring import Week
from countermand.reads.weeks import begun

WEEKS: Final = 10
_WIDTH, _HEIGHT, _STEP, _EDGE = 340, 48, 36, 4
_TOP, _BASE = 6.0, 42.0

Counts = Mapping[State, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallChart:
    """A line of ten weeks with what it says, in words."""

    title: str
    now: str
    drawn: Markup
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekRow:
    """The same figures for the table. The last week is not over."""

    week: Week
    begun: int
    accepted: str
    lapsed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Weeks:
    """What the page shows of the last weeks."""

    charts: Sequence[SmallChart]
    rows: Sequence[WeekRow]


async def last_weeks(visit: Visit) -> Weeks | None:
    """The last ten weeks, this one too; ``None`` where nothing was begun."""
    this = Week.of(visit.now, visit.zone)
    weeks = [this.later(number - WEEKS + 1) for number in range(WEEKS)]
    counts = [await _counts(visit, week, is_over=week != this) for week in weeks]
    if not any(any(each.values()) for each in counts):
        return None
    totals = [float(sum(each.values())) for each in counts]
    shares = [_share(each) for each in counts]
    lapsed = [float(each[State.LAPSED]) for each in counts]
    charts = (
        SmallChart(
            title="Cancellations begun",
            now=f"{totals[-1]:,.0f} this week",
            drawn=_drawn("Cancellations begun", totals),
            says=_against(totals[:-1], "begun"),
        ),
        SmallChart(
            title="Accepted of those answered",
            now="nothing answered yet" if shares[-1] is None else f"{shares[-1]:.0f} % this week",
            drawn=_drawn("Per cent accepted", [each or 0.0 for each in shares], top=100.0),
            says=_usual(shares[:-1]),
        ),
        SmallChart(
            title="Not answered in time",
            now=f"{lapsed[-1]:,.0f} this week",
            drawn=_drawn("Not answered in time", lapsed),
            says=_against(lapsed[:-1], "not answered"),
        ),
    )
    rows = [
        WeekRow(
            week=week,
            begun=sum(each.values()),
            accepted="–" if share is None else f"{share:.1f} %",
            lapsed=each[State.LAPSED],
        )
        for week, each, share in zip(weeks, counts, shares, strict=True)
    ]
    return Weeks(charts=charts, rows=rows[::-1])


async def _counts(visit: Visit, week: Week, *, is_over: bool) -> Counts:
    """The counts of a week. Those of a week that is over change little, and are kept for some minutes."""
    key = (visit.caller.party, week)
    kept: Counts | None = visit.kept.get(key)
    if kept is not None:
        return kept
    starts = week.starts(visit.zone)
    found = await visit.read(begun, visit.scope, starts, min(week.ends(visit.zone), visit.now + timedelta(seconds=1)))
    if is_over:
        visit.kept[key] = found
    return found


def _share(counts: Counts) -> float | None:
    """Per cent of the answers that said yes."""
    answered = counts[State.ACCEPTED] + counts[State.DECLINED]
    return 100 * counts[State.ACCEPTED] / answered if answered else None


def _against(before: Sequence[float], what: str) -> str:
    average = sum(before) / len(before)
    return f"On average {average:,.1f} {what} a week, in the nine weeks before."


def _usual(before: Sequence[float | None]) -> str:
    known = [each for each in before if each is not None]
    return f"On average {sum(known) / len(known):.0f} %, in the nine weeks before." if known else "None before."


def _drawn(title: str, values: Sequence[float], top: float = 0.0) -> Markup:
    """A line. The part to this week is dashed, as the week is not over."""
    most = max([*values, top, 1.0])
    points = [(_EDGE + _STEP * place, _BASE - (_BASE - _TOP) * value / most) for place, value in enumerate(values)]
    line = " ".join(f"{x},{y:.1f}" for x, y in points[:-1])
    later = " ".join(f"{x},{y:.1f}" for x, y in points[-2:])
    x, y = points[-1]
    said = f"{title}, ten weeks: {', '.join(f'{value:,.0f}' for value in values)}."
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}"><path class="grid" d="M0 44.5H{}"/>'
        '<polyline class="path" points="{}"/><polyline class="path later" points="{}"/>'
        '<circle class="dot" cx="{}" cy="{:.1f}" r="3.5"/></svg>'
    ).format(_WIDTH, _HEIGHT, said, _WIDTH, line, later, x, y)
