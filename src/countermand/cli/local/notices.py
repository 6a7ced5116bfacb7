"""Notices of a database."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from countermand.admin import endpoints
from countermand.admin import notices as admin
from countermand.cli.nouns import Document, SentAgain, WantedNotices
from countermand.cli.parties import author, find_id
from countermand.cli.running import read_pages, read_settings, with_database
from countermand.documents.notices import NoticeOut, notices_shown
from countermand.domain.endpoint import Endpoint
from countermand.ids import show, system_clock
from countermand.reads import notices as reads
from countermand.reads.notices import NoticeFilter, NoticeView
from countermand.road import Application

_Read = tuple[NoticeView, NoticeOut]


class LocalNotices:
    """Notices that the database keeps; a worker sends them."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def read(self, wanted: WantedNotices, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them, newest first. Returns whether there are more."""
        now, source = system_clock(), self._settings.base_url
        chosen = NoticeFilter(
            states=frozenset({wanted.state} if wanted.state else ()),
            endpoint=find_id(endpoints.PREFIX, wanted.endpoint) if wanted.endpoint else None,
            since=wanted.since,
        )

        def page(connection: Connection, count: int, last: _Read | None) -> Sequence[_Read]:
            behind = replace(chosen, after=last[0].id if last else None)
            rows = reads.list_notices(connection, behind, count, now)
            shown = notices_shown(connection, rows, with_attempts=wanted.attempts, source=source)
            return list(zip(rows, shown, strict=True))

        return read_pages(self._settings, page, lambda found: take([_listed(each) for each in found]), most)

    def replay(self, notice: str) -> SentAgain:
        """Send one again."""
        wanted = find_id("ntc", notice)

        async def work(application: Application) -> admin.SentAgain:
            replay = partial(admin.replay, author=author(application), notice=wanted)
            return await application.database.write(replay)

        again = with_database(self._settings, work)
        return SentAgain(notice=show("ntc", wanted), endpoint_state=_state(again.endpoint))

    def recover(self, endpoint: str, since: datetime) -> SentAgain:
        """Send all dead ones of an endpoint again."""
        wanted = find_id(endpoints.PREFIX, endpoint)

        async def work(application: Application) -> admin.SentAgain:
            recover = partial(admin.recover, author=author(application), endpoint=wanted, since=since)
            return await application.database.write(recover)

        again = with_database(self._settings, work)
        return SentAgain(count=again.count, endpoint_state=_state(again.endpoint))


def _state(endpoint: Endpoint) -> str:
    return endpoint.state.value


def _listed(read: _Read) -> Document:
    row, shown = read
    return {**shown.model_dump(mode="json", exclude_unset=True), "url": row.url}
