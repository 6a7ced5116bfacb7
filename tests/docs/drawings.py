"""The diagrams of the pages, drawn from the rules as SVG that fetches nothing."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from countermand.domain.cancellation import MOVES
from countermand.domain.events import EventKind
from countermand.domain.line import State

_BOX: Final = (150, 44)
_INK: Final = "#1f2933"
_STYLE: Final = (
    "text{font:15px system-ui,sans-serif;fill:#1f2933}.small{font-size:13px;fill:#52606d}"
    ".box{fill:#f5f7fa;stroke:#52606d}.ours{fill:#d9f2e6;stroke:#2f855a}"
    f".arrow{{stroke:{_INK};fill:none;stroke-width:1.5;marker-end:url(#tip)}}"
)
_STAYS: Final = (
    EventKind.CANCELLATION_PASSED_ON,
    EventKind.CANCELLATION_AGREED,
    EventKind.CANCELLATION_PROOF_ASKED,
    EventKind.CANCELLATION_ESCALATED,
)
"""Decisions after which a cancellation still waits."""


def drawings() -> Iterator[tuple[str, str]]:
    """The name of each drawing, and its SVG."""
    yield "states.svg", _states()
    yield "units.svg", _units()
    yield "product.svg", _product()


def _states() -> str:
    """The table of moves of a cancellation."""
    [first] = (state for state, following in MOVES.items() if following)
    ends = [state for state in MOVES if state in MOVES[first]]
    assert {first, *ends} == set(State)
    height = 60 + 70 * len(ends)
    middle = height // 2
    kept = ("stays asked at", *_STAYS)
    parts = [_box(40, middle - 22, first)]
    parts += [_text(115, middle + 50 + 20 * place, word, "small") for place, word in enumerate(kept)]
    for place, state in enumerate(ends):
        y = 62 + 70 * place
        parts += [_box(560, y - 22, state), _text(440, y - 8, f"cancellation.{state}", "small")]
        parts.append(f'<path class="arrow" d="M190 {middle}H300V{y}H560"/>')
    title = "The states of a cancellation, and the events that lead from one to the next"
    return _svg(750, max(height, middle + 60 + 20 * len(kept)), parts, title)


def _units() -> str:
    """The four buckets of a line."""
    parts = [
        _box(40, 60, "open"),
        _box(330, 60, "asked"),
        _box(620, 60, "cancelled"),
        _box(330, 210, "shipped"),
        _arrow((190, 72), (330, 72)),
        _text(260, 62, "ask", "small"),
        _arrow((330, 94), (190, 94)),
        _text(260, 114, "decline, withdraw,", "small"),
        _text(260, 132, "deadline passes", "small"),
        _arrow((480, 82), (620, 82)),
        _text(550, 72, "accept", "small"),
        _arrow((115, 104), (330, 232)),
        _text(190, 190, "ship", "small"),
        _arrow((150, 60), (660, 60), bend=-46),
        _text(405, 24, "cancelled by its holder, without an ask", "small"),
    ]
    title = "The four buckets of a line's units, and what moves a unit from one to the next"
    return _svg(810, 280, parts, title)


def _product() -> str:
    """Who talks to whom."""
    parts = [
        _box(20, 110, "Customer"),
        _box(220, 110, "Shop or retailer"),
        _box(450, 40, "Countermand", height=184, ours=True),
        _box(730, 60, "Supplier"),
        _box(730, 160, "Payment provider"),
        _arrow((170, 132), (220, 132)),
        _arrow((370, 122), (450, 122)),
        _text(410, 112, "asks", "small"),
        _arrow((450, 146), (370, 146)),
        _text(410, 166, "is told", "small"),
        _arrow((600, 72), (730, 72)),
        _text(665, 62, "is asked", "small"),
        _arrow((730, 94), (600, 94)),
        _text(665, 114, "answers", "small"),
        _arrow((600, 182), (730, 182)),
        _text(665, 172, "refunds once", "small"),
        *(
            _text(525, 110 + 22 * place, word, "small")
            for place, word in enumerate(("rules, deadlines", "every step kept", "a score"))
        ),
        _text(295, 176, "CRUX, bol Plaza,", "small"),
        _text(295, 194, "native API", "small"),
        _text(805, 124, "API, webhook, e-mail", "small"),
    ]
    return _svg(900, 250, parts, "A customer asks a shop, Countermand asks the supplier and refunds once")


def _svg(width: int, height: int, parts: Sequence[str], title: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">'
    tip = (
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8"'
        f' orient="auto-start-reverse"><path d="M0 0L10 5L0 10z" fill="{_INK}"/></marker></defs>'
    )
    ground = f'<rect width="{width}" height="{height}" rx="10" fill="#ffffff"/>'
    lines = (head, f"<title>{escape(title)}</title>", f"<style>{_STYLE}</style>", tip, ground, *parts, "</svg>")
    return "".join(f"{line}\n" for line in lines)


def _box(x: int, y: int, word: str, *, height: int = _BOX[1], ours: bool = False) -> str:
    kind = "ours" if ours else "box"
    rect = f'<rect class="{kind}" x="{x}" y="{y}" width="{_BOX[0]}" height="{height}" rx="8"/>'
    return rect + _text(x + _BOX[0] // 2, y + (27 if height == _BOX[1] else 36), word)


def _text(x: int, y: int, word: str, kind: str = "") -> str:
    given = f' class="{kind}"' if kind else ""
    return f'<text{given} x="{x}" y="{y}" text-anchor="middle">{escape(word)}</text>'


def _arrow(start: tuple[int, int], end: tuple[int, int], *, bend: int = 0) -> str:
    (x1, y1), (x2, y2) = start, end
    way = f"Q{(x1 + x2) // 2} {min(y1, y2) + bend} {x2} {y2}" if bend else f"L{x2} {y2}"
    return f'<path class="arrow" d="M{x1} {y1}{way}"/>'
