"""The span of time of a list: from ``since``, up to but without ``until``. Days are those of a zone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import Depends, Query

from countermand.domain.dates import read_end, read_moment
from countermand.wire.native.auth import Inside
from countermand.wire.native.errors import invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From when, and until when: both may be open."""

    since: datetime | None
    until: datetime | None


_TIME: Final = "a time, or a day in `zone`"


def _period(
    services: Inside,
    since: Annotated[str | None, Query(description=f"Not before this: {_TIME}")] = None,
    until: Annotated[str | None, Query(description=f"Before this: {_TIME}, which then counts as well")] = None,
    zone: Annotated[
        str | None, Query(description="The time zone of days, such as `Europe/Paris`; else the setting `score_zone`")
    ] = None,
) -> Period:
    days_of = _zone(zone or services.settings.score_zone)
    return Period(
        since=None if since is None else _moment(since, "since", days_of),
        until=None if until is None else _end(until, days_of),
    )


PeriodGiven = Annotated[Period, Depends(_period)]


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (OSError, KeyError, ValueError):
        raise invalid("zone is no time zone such as Europe/Paris.", "query", "zone") from None


def _moment(text: str, name: str, zone: ZoneInfo) -> datetime:
    try:
        return read_moment(text, zone)
    except ValueError as error:
        raise invalid(f"{name} {error}.", "query", name, code="bad_time") from None


def _end(text: str, zone: ZoneInfo) -> datetime:
    begin = _moment(text, "until", zone)
    last = read_end(text, zone)
    # A day ends with its last moment, which belongs to it; a time is its own end.
    return begin if last == begin else last + timedelta(microseconds=1)
