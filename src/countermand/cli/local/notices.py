"""Notices of a database."""

from datetime import datetime
from functools import partial

from countermand.admin import endpoints
from countermand.admin import notices as admin
from countermand.cli.nouns import SentAgain
from countermand.cli.parties import find_id
from countermand.cli.running import read_settings, with_database
from countermand.domain.endpoint import Endpoint
from countermand.ids import show
from countermand.road import Application


class LocalNotices:
    """Notices that the database keeps; a worker sends them."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def replay(self, notice: str) -> SentAgain:
        """Send one again."""
        wanted = find_id("ntc", notice)

        async def work(application: Application) -> admin.SentAgain:
            return await application.database.write(partial(admin.replay, now=application.clock(), notice=wanted))

        again = with_database(self._settings, work)
        return SentAgain(notice=show("ntc", wanted), endpoint_state=_state(again.endpoint))

    def recover(self, endpoint: str, since: datetime) -> SentAgain:
        """Send all dead ones of an endpoint again."""
        wanted = find_id(endpoints.PREFIX, endpoint)

        async def work(application: Application) -> admin.SentAgain:
            now = application.clock()
            return await application.database.write(partial(admin.recover, now=now, endpoint=wanted, since=since))

        again = with_database(self._settings, work)
        return SentAgain(count=again.count, endpoint_state=_state(again.endpoint))


def _state(endpoint: Endpoint) -> str:
    return endpoint.state.value
