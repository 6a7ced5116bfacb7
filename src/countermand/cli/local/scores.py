"""Scores of a database."""

from functools import partial
from zoneinfo import ZoneInfo

from countermand.admin.scores import Appeal, Judged, judge
from countermand.cli.inputs import end
from countermand.cli.nouns import Document, WantedScore
from countermand.cli.output import Exit, fail
from countermand.cli.parties import author, find_id
from countermand.cli.running import read_settings, with_database
from countermand.documents.scorecards import Shown, Wanted, document, scorecards_for
from countermand.domain.scoring import Role, Week
from countermand.ids import show
from countermand.road import Application


class LocalScores:
    """Scores, counted from the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def cards(self, wanted: WantedScore) -> Document:
        """The cards of a party."""
        zone = ZoneInfo(self._settings.score_zone)
        chosen = Wanted(
            week=_week(wanted.week),
            weeks=wanted.weeks,
            role=Role(wanted.role) if wanted.role else None,
            as_of=end(wanted.as_of, zone) if wanted.as_of else None,
            evidence=wanted.evidence,
        )

        async def work(application: Application) -> Shown:
            now = application.clock()
            question = partial(scorecards_for, name=wanted.party, wanted=chosen, zone=zone, now=now)
            return await application.database.read(question)

        return document(with_database(self._settings, work, creates=False), evidence=wanted.evidence)

    def judge(self, cancellation: str, *, party: str | None, reason: str, excluded: bool) -> str:
        """Exclude a cancellation from a score, or restore it."""
        appeal = Appeal(cancellation=find_id("can", cancellation), party=party, reason=reason, excluded=excluded)
        zone = ZoneInfo(self._settings.score_zone)

        async def work(application: Application) -> Judged:
            decide = partial(judge, author=author(application), appeal=appeal, zone=zone)
            return await application.database.write(decide)

        return show("can", with_database(self._settings, work).cancellation)


def _week(text: str | None) -> Week | None:
    if text is None:
        return None
    try:
        return Week.read(text)
    except ValueError as error:
        fail(Exit.USAGE, "bad_week", f"{text!r} is no week: {error}.")
