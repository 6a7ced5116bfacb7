"""Commands about scores: show a card with its evidence, take an item out after an appeal, put it back."""

from datetime import datetime
from itertools import groupby
from typing import Annotated

from cyclopts import Parameter, validators

from countermand.cli import nouns
from countermand.cli.inputs import Whole
from countermand.cli.nouns import Document, WantedScore
from countermand.cli.output import plain, print_json, print_table, report, say
from countermand.cli.running import DatabaseFlag, JsonFlag
from countermand.cli.timelines import SECONDS
from countermand.documents.scorecards import WEEKS, WEEKS_MAX
from countermand.documents.timeline import counted
from countermand.domain.scoring import NORM, STRIKE_WEEKS, Reply, Role, Why

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
        print_json(found)
        return
    rows = [_row(card) for card in found["weeks"]]
    columns = ("Week", "Ordered", "Count", "Share", "Verdict", "Answered", "Declined", "Missed", "Median", "p90")
    print_table(columns, rows, empty="There are no weeks.")
    for card in found["weeks"] if evidence else []:
        _print_evidence(card)
    strikes = found["strikes"]
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
    judged = nouns.scores(database).judge(cancellation, party=party, reason=reason, excluded=True)
    report("It does not count from now on.", json=json, cancellation=judged, excluded=True)


def score_restore(
    cancellation: Which,
    *,
    reason: ReasonFlag,
    party: WhoseFlag = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Count a cancellation again that was excluded from a score."""
    judged = nouns.scores(database).judge(cancellation, party=party, reason=reason, excluded=False)
    report("It counts again.", json=json, cancellation=judged, excluded=False)


def _print_evidence(card: Document) -> None:
    """Every item that counts or was excluded, below its line, with its events."""
    items = sorted(card["evidence"], key=lambda each: (each["line"], each["events"][0]["at"]))
    for line, theirs in groupby(items, key=lambda each: str(each["line"])):
        for place, each in enumerate(theirs):
            if place == 0:
                what = f"{each['ordered']} x {plain(each['sku'])} of order {plain(each['reference'])}"
                print(f"{card['week']}: {what}, line {line}")
            print(f"  {each['cancellation']}: {plain(_why(each))}")
            for event in each["events"]:
                print(f"    {event['at'][:SECONDS].replace('T', ' ')}  {plain(event['told'])}")


def _why(item: Document) -> str:
    word = item["excluded"]
    excluded = (word["by"], datetime.fromisoformat(word["at"]), word["reason"]) if word else None
    return counted(Why(item["why"]), excluded)


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
