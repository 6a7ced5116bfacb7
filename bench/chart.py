"""A chart of grouped bars as SVG, which follows the theme of whoever looks at it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, log10
from typing import Final

WIDTH, HEIGHT = 810, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 20, 84, 60
STEPS: Final = 5
STYLE: Final = """
text{font:13px system-ui,sans-serif;fill:#1f2933}.title{font-size:16px;font-weight:600}.quiet{fill:#52606d}
.ground{fill:#ffffff}.grid{stroke:#cbd2d9}
.s0{fill:#7b8794}.s1{fill:#0b6e4f}.s2{fill:#2f9e78}.s3{fill:#c05621}.s4{fill:#6b46c1}
@media (prefers-color-scheme: dark){text{fill:#f5f7fa}.quiet{fill:#cbd2d9}.ground{fill:#1b1f24}.grid{stroke:#3e4c59}
.s0{fill:#9aa5b1}.s1{fill:#3ebd93}.s2{fill:#8eedc7}.s3{fill:#f6ad55}.s4{fill:#b794f4}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One colour of bars: a value for each group, none where it is 0."""

    name: str
    values: Sequence[float]


def bars(*, title: str, across: str, up: str, groups: Sequence[str], series: Sequence[Series]) -> str:
    """The chart. ``across`` and ``up`` say what the axes are."""
    top = _round_up(max(max(each.values) for each in series))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">',
        f"<title>{escape(title)}, by {escape(across)}: {escape(_told(groups, series))}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}" rx="10"/>',
        f'<text class="title" x="{LEFT}" y="28">{escape(title)}</text>',
        *_legend(series),
        *_grid(top, up),
        *_groups(groups, series, top),
        f'<text class="quiet" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 14}"'
        f' text-anchor="middle">{escape(across)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _round_up(most: float) -> float:
    """A number for the top of the axis, whose parts are round."""
    size = 10.0 ** (ceil(log10(max(most, 1.0))) - 1)
    return STEPS * size * ceil(most / size / STEPS * 2) / 2


def _height(value: float, top: float) -> float:
    return (HEIGHT - TOP - BOTTOM) * value / top


def _legend(series: Sequence[Series]) -> Iterator[str]:
    x = float(LEFT)
    for place, each in enumerate(series):
        yield f'<rect class="s{place}" x="{x:.0f}" y="44" width="12" height="12" rx="2"/>'
        yield f'<text x="{x + 17:.0f}" y="55">{escape(each.name)}</text>'
        x += 34 + 7.2 * len(each.name)


def _grid(top: float, up: str) -> Iterator[str]:
    for step in range(STEPS + 1):
        value = top * step / STEPS
        y = HEIGHT - BOTTOM - _height(value, top)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text class="quiet" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:,.0f}</text>'
    middle = TOP + (HEIGHT - TOP - BOTTOM) / 2
    place = f'x="18" y="{middle:.0f}" transform="rotate(-90 18 {middle:.0f})"'
    yield f'<text class="quiet" {place} text-anchor="middle">{escape(up)}</text>'


def _groups(groups: Sequence[str], series: Sequence[Series], top: float) -> Iterator[str]:
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    width = room * 0.8 / len(series)
    for number, group in enumerate(groups):
        begin = LEFT + room * (number + 0.1)
        for place, each in enumerate(series):
            x, high = begin + place * width, _height(each.values[number], top)
            y = HEIGHT - BOTTOM - high
            told = f"<title>{escape(each.name)}, {escape(group)}: {each.values[number]:,.0f}</title>"
            size = f'width="{width - 2:.1f}" height="{high:.1f}"'
            yield f'<rect class="s{place}" x="{x:.1f}" y="{y:.1f}" {size}>{told}</rect>'
        below = f'x="{begin + room * 0.4:.1f}" y="{HEIGHT - BOTTOM + 18}"'
        yield f'<text {below} text-anchor="middle">{escape(group)}</text>'


def _told(groups: Sequence[str], series: Sequence[Series]) -> str:
    """All of it in words, for those who do not see it."""

    def of(each: Series) -> str:
        return ", ".join(f"{value:,.0f} with {group}" for group, value in zip(groups, each.values, strict=True))

    return "; ".join(f"{each.name} {of(each)}" for each in series)
