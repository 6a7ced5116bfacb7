"""Scores of a database."""

from collections.abc import Iterator
from functools import partial
from zoneinfo import ZoneInfo

from countermand.cli.inputs import end
from countermand.cli.nouns import FoundScore, WantedScore
from countermand.cli.output import Exit, fail, plain
from countermand.cli.running import read_settings, with_database
from countermand.documents import timeline
from countermand.documents.scorecards import Shown, Wanted, all_incidents, document, scorecards_for
from countermand.domain.scoring import Role, Scorecard, Week
from countermand.ids import show
from countermand.road import Application


class LocalScores:
    """Scores, counted from the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def cards(self, wanted: WantedScore) -> FoundScore:
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

        shown = with_database(self._settings, work, creates=False)
        cards = [shown.evidence[card.week] for card in shown.cards] if wanted.evidence else []
        return FoundScore(
            document=document(shown, evidence=wanted.evidence),
            evidence=[line for card in cards for line in _evidence(card, shown)],
        )


def _week(text: str | None) -> Week | None:
    if text is None:
        return None
    try:
        return Week.read(text)
    except ValueError as error:
        fail(Exit.USAGE, "bad_week", f"{text!r} is no week: {error}.")


def _evidence(card: Scorecard, shown: Shown) -> Iterator[str]:
    words = {(incident.cancellation): judgement for incident, judgement in card.excluded}
    line = None
    for incident in sorted(all_incidents(card), key=lambda each: (each.line, each.at)):
        first = shown.events[incident.evidence[0]]
        if incident.line != line:
            line = incident.line
            yield f"{card.week}: {first.ordered} x {plain(first.sku)} of order {plain(first.reference)}, line {line}"
        word = words.get(incident.cancellation)
        yield f"  {show('can', incident.cancellation)}: {plain(timeline.counts(incident, word))}"
        for event in (shown.events[each] for each in incident.evidence):
            yield f"    {event.at:%Y-%m-%d %H:%M:%S}  {plain(timeline.sentence(event))}"
