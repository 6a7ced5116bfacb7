"""The weeks of a scorecard as bars, with the norm across. A table beside it has the same figures."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from markupsafe import Markup

from countermand.domain.scoring import ITEMS_MIN, NORM, Figures

_LEFT, _RIGHT, _STEP, _BAR, _HEIGHT, _ABOVE, _BELOW = 42, 60, 40, 24, 168, 22, 24
_NORM: Final = 100 * float(NORM)

SWATCHES: Final = (
    ("ok", "within the norm"),
    ("over", f"above it, but fewer than {ITEMS_MIN} items: no strike"),
    ("strike", "strike"),
    ("open", "week not over"),
)
"""How a bar is drawn, and what that means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A week, and whether it is closed."""

    card: Figures
    closed: bool

    @property
    def value(self) -> float:
        """The share that counts, in per cent."""
        return 100 * float(self.card.value or 0)

    @property
    def kind(self) -> str:
        """How it is drawn."""
        if not self.closed:
            return "open"
        return "strike" if self.card.strike else "over" if self.card.conforms is False else "ok"

    @property
    def said(self) -> str:
        """What stands above it, where it is above the norm."""
        return {"strike": f"{self.value:.2f} %", "over": _items(self.card.numerator)}.get(self.kind, "")


def drawn(bars: Sequence[Bar]) -> Markup:
    """All bars, oldest first."""
    top = max([each.value for each in bars] + [2 * _NORM])
    step = next(each for each in (1, 2, 5, 10, 20, 25) if top / each <= 5)
    top = step * ceil(top / step)
    width = _LEFT + _STEP * len(bars) + _RIGHT
    grid = Markup("").join(_line(value, top, width) for value in range(0, top + 1, step))
    norm = _height(_NORM, top)
    label = f"The share of items that count in {len(bars)} weeks, with the norm of {_NORM:.0f} %."
    return Markup(
        '<svg class="chart" viewBox="0 -{} {} {}" role="img" aria-label="{}">{}{}<path class="norm" d="M{} {:.1f}H{}"/>'
        '<text class="loud" x="{}" y="{:.1f}" text-anchor="end">norm {:.0f} %</text></svg>'
    ).format(
        *(_ABOVE, width, _HEIGHT + _ABOVE + _BELOW, label, grid),
        Markup("").join(_bar(place, each, top) for place, each in enumerate(bars)),
        *(_LEFT, norm, width, width, norm - 4, _NORM),
    )


def _height(value: float, top: float) -> float:
    return _HEIGHT - _HEIGHT * value / top


def _line(value: int, top: int, width: int) -> Markup:
    y = _height(value, top)
    return Markup('<path class="{}" d="M{} {:.1f}H{}"/><text x="{}" y="{:.1f}" text-anchor="end">{} %</text>').format(
        "grid" if value else "base", _LEFT, y, width, _LEFT - 8, y + 4, value
    )


def _bar(place: int, bar: Bar, top: int) -> Markup:
    y, left = _height(bar.value, top), _LEFT + _STEP * place + (_STEP - _BAR) // 2
    middle = left + _BAR // 2
    alarm = Markup(' class="alarm"') if bar.kind == "strike" else ""
    above = Markup('<text{} x="{}" y="{:.1f}" text-anchor="middle">{}</text>').format(alarm, middle, y - 6, bar.said)
    return Markup(
        '<g><title>Week {}: {} of {:,}, {:.2f} %</title><rect class="bar-{}" x="{}" y="{:.1f}" width="{}"'
        ' height="{:.1f}"/>{}<text{} x="{}" y="{}" text-anchor="middle">{}</text></g>'
    ).format(
        *(bar.card.week, _items(bar.card.numerator), bar.card.ordered, bar.value, bar.kind, left, y, _BAR),
        *(_HEIGHT - y, above if bar.said else "", alarm, middle, _HEIGHT + 17, bar.card.week.number),
    )


def _items(number: int) -> str:
    return "1 item" if number == 1 else f"{number:,} items"
