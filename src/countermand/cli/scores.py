"""Commands about scores: show a card with its evidence, take an item out after an appeal, put it back."""

from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

from cyclopts import Parameter, validators

from countermand.admin.scores import Appeal, Judged, judge
from countermand.cli.inputs import Whole, end
from countermand.cli.orders import DOOR, operator
from countermand.cli.output import Exit, fail, plain, print_json, print_table, report, say
from countermand.cli.parties import find_id
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, with_database
from countermand.documents import timeline
from countermand.documents.scorecards import (
    WEEKS,
    WEEKS_MAX,
    Shown,
    Wanted,
    all_incidents,
    document,
    scorecards_for,
)
from countermand.domain.scoring import NORM, STRIKE_WEEKS, Figures, Reply, Role, Scorecard, Week
from countermand.ids import show
from countermand.road import Application

WhoseFlag = Annotated[str | None, Parameter(help="Whose score; required if it counts for two parties")]
ReasonFlag = Annotated[str, Parameter(help="Why, for everybody who reads the card")]
Which = Annotated[str, Parameter(help="Id of the cancellation, as --evidence shows it")]


def score(
    party: str,
    *,
    week: Annotated[str | None, Parameter(help="One week, as 2026-W47")] = None,
    weeks: Annotated[
        Whole, Parameter(validator=validators.Number(gte=1, lte=WEEKS_MAX), help="So many, up to now")
    ] = WEEKS,
    role: Annotated[
        Role | None, Parameter(name="--as", help="For what it sold, or for what it holds of others")
    ] = None,
    evidence: Annotated[bool, Parameter(negative=(), help="Every item that counts, with its events")] = False,
    as_of: Annotated[
        str | None, Parameter(help="As it was then: at the end of 2026-11-20, or at 2026-11-20T09:00 UTC")
    ] = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Show the score of a party, by weeks of orders.

    Parameters
    ----------
    party
        Name or id of the party.
    """
    settings = read_settings(database=database)
    zone = ZoneInfo(settings.score_zone)
    wanted = Wanted(
        week=_week(week), weeks=weeks, role=role, as_of=end(as_of, zone) if as_of else None, evidence=evidence
    )

    async def work(application: Application) -> Shown:
        question = partial(scorecards_for, name=party, wanted=wanted, zone=zone, now=application.clock())
        return await application.database.read(question)

    shown = with_database(settings, work, creates=False)
    if json:
        print_json(document(shown, evidence=evidence))
        return
    rows = [_row(card, shown) for card in shown.cards]
    columns = ("Week", "Ordered", "Count", "Share", "Verdict", "Answered", "Declined", "Missed", "Median", "p90")
    print_table(columns, rows, empty="There are no weeks.")
    if evidence:
        for card in shown.cards:
            _print_evidence(shown.evidence[card.week], shown)
    say(f"The norm is at most {float(NORM):.0%}. Strikes in the last {STRIKE_WEEKS} closed weeks: {shown.strikes}.")


def score_exclude(
    cancellation: Which,
    *,
    reason: ReasonFlag,
    party: WhoseFlag = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Exclude a cancellation from a score, after an appeal. Earlier figures can still be shown with --as-of."""
    _judge(cancellation, party, reason, database, excluded=True)
    report("It does not count from now on.", json=json, cancellation=cancellation, excluded=True)


def score_restore(
    cancellation: Which,
    *,
    reason: ReasonFlag,
    party: WhoseFlag = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Count a cancellation again that was excluded from a score."""
    _judge(cancellation, party, reason, database, excluded=False)
    report("It counts again.", json=json, cancellation=cancellation, excluded=False)


def _judge(text: str, party: str | None, reason: str, database: str | None, *, excluded: bool) -> None:
    appeal = Appeal(cancellation=find_id("can", text), party=party, reason=reason, excluded=excluded)
    settings = read_settings(database=database)

    async def work(application: Application) -> Judged:
        now, zone = application.clock(), ZoneInfo(settings.score_zone)
        decide = partial(judge, now=now, appeal=appeal, zone=zone, by=operator().name, door=DOOR)
        return await application.database.write(decide)

    with_database(settings, work)


def _week(text: str | None) -> Week | None:
    if text is None:
        return None
    try:
        return Week.read(text)
    except ValueError as error:
        fail(Exit.USAGE, "bad_week", f"{text!r} is no week: {error}.")


def _row(card: Figures, shown: Shown) -> tuple[object, ...]:
    times = [f"{seconds / 3600:.1f} h" for seconds in card.seconds_to_answer or ()] or ["", ""]
    declined = "" if card.decline_rate is None else f"{float(card.decline_rate):.1%}"
    answered = card.replies(Reply.ACCEPTED) + card.replies(Reply.DECLINED)
    share = "" if card.value is None else f"{float(card.value):.2%}"
    missed = card.replies(Reply.MISSED)
    return card.week, card.ordered, card.numerator, share, _verdict(card, shown), answered, declined, missed, *times


def _verdict(card: Figures, shown: Shown) -> str:
    still_open = "" if card.week.closes(shown.zone) <= shown.now else " so far"
    if card.conforms is None:
        return "no orders"
    if card.conforms:
        return f"fine{still_open}"
    return f"strike{still_open}" if card.strike else f"above the norm, too few for a strike{still_open}"


def _print_evidence(card: Scorecard, shown: Shown) -> None:
    words = {(incident.cancellation): judgement for incident, judgement in card.excluded}
    line = None
    for incident in sorted(all_incidents(card), key=lambda each: (each.line, each.at)):
        first = shown.events[incident.evidence[0]]
        if incident.line != line:
            line = incident.line
            print(f"{card.week}: {first.ordered} x {plain(first.sku)} of order {plain(first.reference)}, line {line}")
        word = words.get(incident.cancellation)
        print(f"  {show('can', incident.cancellation)}: {plain(timeline.counts(incident, word))}")
        for event in (shown.events[each] for each in incident.evidence):
            print(f"    {event.at:%Y-%m-%d %H:%M:%S}  {plain(timeline.sentence(event))}")
