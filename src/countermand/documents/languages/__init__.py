"""The languages of the pages for people without an account: their sentences, their times and their spans of time.

The sentences in the code are English. Each other language has a gettext catalogue beside this module.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from countermand.documents.sentences import largest_parts

ENGLISH: Final = "en"
NAMES: Final = {ENGLISH: "English", "nl": "Nederlands", "de": "Deutsch"}
"""The languages, each by its own name."""

_DATES: Final = {ENGLISH: "EEEE d MMMM y", "nl": "EEEE d MMMM y", "de": "EEEE, d. MMMM y"}
_DAYS: Final = {ENGLISH: "EEEE d MMMM", "nl": "EEEE d MMMM", "de": "EEEE, d. MMMM"}
_TAGS_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Message:
    """A sentence that is put into a language later, with the values that stand in it."""

    text: str
    values: Mapping[str, object] = field(default_factory=dict)


def later(text: str, /, **values: object) -> Message:
    """A sentence that is put into a language when it is shown."""
    return Message(text, values)


class Language:
    """Says things in one language."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._locale = Locale.parse(code)
        self._catalogue = _catalogue(code)

    def say(self, text: str, /, **values: object) -> str:
        """A sentence in this language, with its values."""
        return self._catalogue.gettext(text).format(**values)

    def say_many(self, one: str, many: str, number: int, /, **values: object) -> str:
        """A sentence about a number of things, which is the value ``number``."""
        return self._catalogue.ngettext(one, many, number).format(number=number, **values)

    def of(self, message: Message) -> str:
        """A message in this language."""
        return self.say(message.text, **message.values)

    def count(self, number: int) -> str:
        """A count such as ``1 unit`` or ``3 units``."""
        return self.say_many("{number} unit", "{number} units", number)

    def moment(self, at: datetime, zone: str = "UTC") -> str:
        """A time by the clocks of a zone, with UTC beside it where that differs."""
        local = at.astimezone(ZoneInfo(zone))
        day = format_datetime(local, _DATES[self.code], locale=self._locale)
        utc = f"{at.astimezone(UTC):%H:%M} UTC"
        if local.utcoffset() == timedelta():
            return f"{day}, {utc}"
        place, time = zone.rpartition("/")[2].replace("_", " "), f"{local:%H:%M}"
        return self.say("{day}, {time} in {place} ({utc})", day=day, time=time, place=place, utc=utc)

    def spoken(self, at: datetime, now: datetime, zone: str) -> str:
        """A time within the next weeks by the clocks of a zone, as people say it."""
        local, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
        time = f"{local:%H:%M}"
        if local.date() == today:
            return self.say("{time} today", time=time)
        if local.date() == today + timedelta(days=1):
            return self.say("{time} tomorrow", time=time)
        day = format_datetime(local, _DAYS[self.code], locale=self._locale)
        return self.say("{time} on {day}", time=time, day=day)

    def amount(self, amount: Decimal, currency: str) -> str:
        """An amount of money, with its currency behind it."""
        digits = -int(amount.as_tuple().exponent)
        pattern = f"#,##0.{'0' * digits}" if digits > 0 else "#,##0"
        return f"{format_decimal(amount, pattern, locale=self._locale)} {currency}"

    def from_now(self, at: datetime, now: datetime) -> str:
        """The distance of a time, with its two largest parts: ``in 2 days and 3 hours``, ``5 minutes ago``."""
        span = self.span(abs(at - now))
        if not span:
            return self.say("now")
        return self.say("in {span}", span=span) if at > now else self.say("{span} ago", span=span)

    def span(self, span: timedelta) -> str:
        """A span of time with its two largest parts; empty below a minute."""
        return self.say(" and ").join(self._part(number, unit) for number, unit in largest_parts(span))

    def _part(self, number: int, unit: str) -> str:
        match unit:
            case "day":
                return self.say_many("{number} day", "{number} days", number)
            case "hour":
                return self.say_many("{number} hour", "{number} hours", number)
            case _:
                return self.say_many("{number} minute", "{number} minutes", number)


@cache
def language(code: str) -> Language:
    """One of the languages by its code."""
    return Language(code)


def chosen(asked_for: str, accepted: str) -> Language:
    """The language that a page is shown in: the one asked for, else what the browser accepts first, else English."""
    if asked_for in NAMES:
        return language(asked_for)
    return language(next((code for code in _accepted(accepted) if code in NAMES), ENGLISH))


def _accepted(header: str) -> list[str]:
    """The languages of an ``Accept-Language`` header (RFC 9110), most wanted first; nonsense counts as nothing."""
    weighed = []
    for place, each in enumerate(header.split(",")[:_TAGS_MAX]):
        tag, _, weight = each.partition(";")
        try:
            wanted = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if 0 < wanted <= 1:
            weighed.append((-wanted, place, tag.strip().lower().partition("-")[0]))
    return [code for *_, code in sorted(weighed)]


def _catalogue(code: str) -> NullTranslations:
    if code == ENGLISH:
        return NullTranslations()
    compiled = BytesIO()
    with files(__package__).joinpath(f"{code}.po").open("rb") as catalogue:
        write_mo(compiled, read_po(catalogue, locale=code))
    compiled.seek(0)
    return GNUTranslations(compiled)
