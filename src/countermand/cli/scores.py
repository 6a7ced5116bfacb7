"""Commands about scores: show a card with its evidence, take an item out after an appeal, put it back."""

from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

from cyclopts import Parameter, validators

from countermand.admin.scores import Appeal, Judged, judge
from countermand.cli import nouns
from countermand.cli.inputs import Whole
from countermand.cli.nouns import Document, WantedScore
from countermand.cli.orders import DOOR, operator
from countermand.cli.output import print_json, print_table, report, say
from countermand.cli.parties import find_id
from countermand.cli.running import DatabaseFlag, JsonFlag, read_settings, with_database
from countermand.documents.scorecards import WEEKS, WEEKS_MAX
from countermand.domain.scoring import NORM, STRIKE_WEEKS, Reply, Role
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
    wanted = WantedScore(
        party=party, week=week, weeks=weeks, role=role.value if role else None, as_of=as_of, evidence=evidence
    )
    found = nouns.scores(database).cards(wanted)
    if json:
        print_json(found.document)
        return
    rows = [_row(card) for card in found.document["weeks"]]
    columns = ("Week", "Ordered", "Count", "Share", "Verdict", "Answered", "Declined", "Missed", "Median", "p90")
    print_table(columns, rows, empty="There are no weeks.")
    for line in found.evidence:
        print(line)
    strikes = found.document["strikes"]
    say(f"The norm is at most {float(NORM):.0%}. Strikes in the last {STRIKE_WEEKS} closed weeks: {strikes}.")


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


def _row(card: Document) -> tuple[object, ...]:
    times = [f"{card[name] / 3600:.1f} h" for name in ("median_s", "p90_s") if card[name] is not None] or ["", ""]
    declined = "" if card["decline_rate"] is None else f"{card['decline_rate']:.1%}"
    replies = card["answers"]
    answered = replies[Reply.ACCEPTED.value] + replies[Reply.DECLINED.value]
    share = "" if card["value"] is None else f"{card['value']:.2%}"
    missed = replies[Reply.MISSED.value]
    counted = (card["week"], card["denominator"], card["numerator"], share, _verdict(card))
    return *counted, answered, declined, missed, *times


def _verdict(card: Document) -> str:
    still_open = "" if card["closed"] else " so far"
    if card["conforms"] is None:
        return "no orders"
    if card["conforms"]:
        return f"fine{still_open}"
    return f"strike{still_open}" if card["strike"] else f"above the norm, too few for a strike{still_open}"
