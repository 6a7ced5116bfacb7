"""The small parts that pages are made of: states, units, money, times and clocks, as HTML that is safe to show."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from markupsafe import Markup

from countermand.documents.sentences import DAYS, MONTHS, span, written
from countermand.domain.money.amounts import write_minor

UNITS_DRAWN: Final = 12
SOON: Final = timedelta(hours=2)

WORDS: Final = {
    "asked": "Asked",
    "soon": "Asked",
    "accepted": "Accepted",
    "declined": "Declined",
    "withdrawn": "Withdrawn",
    "lapsed": "Lapsed",
    "escalated": "Escalated",
    "late": "Late",
    "due": "Due",
    "sent": "Sent",
    "provider": "At the provider",
    "unknown": "No answer",
    "confirmed": "Confirmed",
    "hand": "By hand",
    "parked": "Parked",
    "closed": "Closed",
    "n-due": "Due",
    "n-sent": "Sent",
    "n-dead": "Dead",
    "active": "Active",
    "failing": "Failing",
    "paused": "Paused",
    "disabled": "Disabled",
    "unconfirmed": "Not confirmed",
    "within": "Within the norm",
    "strike": "Strike",
}
"""The word of each state. It has a shape and a colour of the same name, too."""


def shape(name: str, *, big: bool = False) -> Markup:
    """A drawn shape, which screen readers skip: a word stands beside it."""
    size = " big" if big else ""
    return Markup('<svg class="shape{}" aria-hidden="true"><use href="#s-{}"/></svg>').format(size, name)


def state(name: str, words: str = "", *, big: bool = False) -> Markup:
    """A state as shape, word and colour."""
    said = words or WORDS[name]
    return Markup('<span class="state is-{}{}">{}{}</span>').format(
        name, " big" if big else "", shape(name, big=big), written(said)
    )


def mark(name: str) -> Markup:
    """A shape in the colour of its state, for a timeline."""
    return Markup('<span class="is-{}">{}</span>').format(name, shape(name))


def units(*, shipped: int = 0, cancelled: int = 0, asked: int = 0, left: int = 0) -> Markup:
    """Each unit as a little square, for as many as can be taken in at a glance; for more, words alone."""
    counted = (("shipped", shipped), ("cancelled", cancelled), ("asked", asked), ("open", left))
    words = units_words(shipped=shipped, cancelled=cancelled, asked=asked, left=left)
    total = sum(number for _, number in counted)
    if not 0 < total <= UNITS_DRAWN:
        return Markup("<span>{}</span>").format(words)
    drawn = Markup("").join(
        Markup('<svg class="shape u-{0}"><use href="#u-{0}"/></svg>').format(name)
        for name, number in counted
        for _ in range(number)
    )
    label = f"{total} unit{'' if total == 1 else 's'}: {words}"
    return Markup('<span class="units" role="img" aria-label="{}">{}</span>').format(label, drawn)


def units_words(*, shipped: int = 0, cancelled: int = 0, asked: int = 0, left: int = 0) -> str:
    """Where the units of a line are."""
    counted = (("open", left), ("asked", asked), ("cancelled", cancelled), ("shipped", shipped))
    return ", ".join(f"{number:,} {name}" for name, number in counted if number)


def amount(minor: int, currency: str) -> str:
    """An amount with its currency, for a sentence: ``4,800 JPY``."""
    return f"{_digits(minor, currency)} {currency}"


def money(minor: int, currency: str) -> Markup:
    """An amount with its currency in a column of its own."""
    return Markup('<span class="money">{} <abbr>{}</abbr></span>').format(_digits(minor, currency), currency)


def _digits(minor: int, currency: str) -> str:
    whole, point, rest = write_minor(minor, currency).partition(".")
    return f"{int(whole):,}{point}{rest}"


@dataclass(frozen=True, slots=True)
class Times:
    """Times as this page shows them: local, with UTC behind them."""

    now: datetime
    zone: ZoneInfo

    def local(self, at: datetime) -> datetime:
        """The time by the clocks of the page."""
        return at.astimezone(self.zone)

    def words(self, at: datetime) -> str:
        """``Today 11:30``, ``Tue 24 Nov, 11:30``, or with the year where it is another."""
        here, today = self.local(at), self.local(self.now).date()
        if here.date() == today:
            return f"Today {here:%H:%M}"
        if here.date() == today - timedelta(days=1):
            return f"Yesterday {here:%H:%M}"
        year = "" if abs((here.date() - today).days) < 300 else f" {here.year}"
        return f"{DAYS[here.weekday()][:3]} {here.day} {MONTHS[here.month - 1][:3]}{year}, {here:%H:%M}"

    def iso(self, at: datetime) -> str:
        """The time for programs: in UTC, to the second."""
        return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"

    def tag(self, at: datetime, words: str = "") -> Markup:
        """A time that a pointer shows in UTC."""
        utc = at.astimezone(UTC)
        return Markup('<time datetime="{}" title="{}">{}</time>').format(
            self.iso(at), f"{utc:%Y-%m-%d %H:%M} UTC", words or self.words(at)
        )

    def second(self, at: datetime) -> Markup:
        """The time of the day, to the second, for a timeline."""
        return self.tag(at, f"{self.local(at):%H:%M:%S}")

    def utc(self, at: datetime) -> str:
        """The time of the day in UTC."""
        return f"{at.astimezone(UTC):%H:%M} UTC"

    def day(self, at: datetime) -> str:
        """``Today, Thursday 26 November``."""
        here = self.local(at)
        name = f"{DAYS[here.weekday()]} {here.day} {MONTHS[here.month - 1]}"
        if here.date() == self.local(self.now).date():
            return f"Today, {name}"
        return name if here.year == self.local(self.now).year else f"{name} {here.year}"

    def long(self, at: datetime) -> str:
        """``Thursday 26 November 2026, 10:42 in Europe/Amsterdam (09:42 UTC)``."""
        here = self.local(at)
        day = f"{DAYS[here.weekday()]} {here.day} {MONTHS[here.month - 1]} {here.year}"
        return f"{day}, {here:%H:%M} in {self.zone.key} ({self.utc(at)})"

    def left(self, due: datetime | None) -> str:
        """What is left until then, or by how much it is late."""
        if due is None:
            return "No deadline"
        away = due - self.now
        return f"{span(away)} left" if away > timedelta() else f"{span(away)} late"

    def haste(self, due: datetime | None) -> str:
        """``late``, ``soon``, or nothing."""
        if due is None or due - self.now >= SOON:
            return ""
        return "soon" if due > self.now else "late"

    def clock_line(self, start: datetime, due: datetime) -> Markup:
        """A line from the ask to the deadline, with where it is now."""
        whole = max((due - start).total_seconds(), 1.0)
        gone = min(100, max(0, round(100 * (self.now - start).total_seconds() / whole)))
        haste = self.haste(due)
        here = (
            Markup("")
            if haste == "late"
            else Markup('<rect class="now" x="{}" width=".6" height="6"/>').format(max(gone - 0.3, 0))
        )
        return Markup(
            '<svg class="line{}" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" data-start="{}"'
            ' data-due="{}">'
            '<rect class="way" y="2" width="100" height="2"/><rect class="gone" y="2" width="{}" height="2"/>{}</svg>'
        ).format(f" {haste}" if haste else "", self.iso(start), self.iso(due), gone, here)


def days_of(moments: list[datetime], times: Times) -> Iterator[str]:
    """For each moment the day, where it is another one than that of the moment before; empty otherwise."""
    last = None
    for at in moments:
        day = times.local(at).date()
        yield times.day(at) if day != last else ""
        last = day
