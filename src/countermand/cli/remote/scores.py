"""Scores at a service."""

from collections.abc import Iterator
from typing import Any

from countermand.cli.nouns import Document, FoundScore, WantedScore
from countermand.cli.output import plain
from countermand.cli.remote.calling import calling, document
from countermand.cli.remote.finding import party_named


class RemoteScores:
    """The score of the token's party; the platform sees everybody's."""

    def cards(self, wanted: WantedScore) -> FoundScore:
        """The cards of a party."""
        with calling() as client:
            found = client.scorecards.get(
                party_named(client, wanted.party),
                week=wanted.week,
                weeks=None if wanted.week else wanted.weeks,
                as_=wanted.role,
                as_of=wanted.as_of,
                evidence=wanted.evidence or None,
            )
        told = document(found)
        evidence = [line for card in told["weeks"] for line in _evidence(card)] if wanted.evidence else []
        return FoundScore(document=told, evidence=evidence)


def _evidence(card: Document) -> Iterator[str]:
    incidents: list[dict[str, Any]] = card.get("evidence") or []
    for incident in incidents:
        yield f"{card['week']}: line {incident['line']}"
        why = incident["why"].replace("_", " ")
        yield f"  {incident['cancellation']}: {plain(why)}, {incident['units']} of its units"
        for event in incident["events"]:
            yield f"    {event['at'][:19].replace('T', ' ')}  {plain(event['told'])}"
