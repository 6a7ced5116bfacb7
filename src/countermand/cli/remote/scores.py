"""Scores at a service."""

from collections.abc import Iterator
from typing import Any

from countermand.cli.nouns import Document, FoundScore, WantedScore
from countermand.cli.output import plain
from countermand.cli.remote.calling import calling, document
from countermand_client import Client


class RemoteScores:
    """The score of the token's party; the platform sees everybody's."""

    def cards(self, wanted: WantedScore) -> FoundScore:
        """The cards of a party."""
        with calling() as client:
            found = client.scorecards.get(
                _party(client, wanted.party),
                week=wanted.week,
                weeks=None if wanted.week else wanted.weeks,
                as_=wanted.role,
                as_of=wanted.as_of,
                evidence=wanted.evidence or None,
            )
        told = document(found)
        evidence = [line for card in told["weeks"] for line in _evidence(card)] if wanted.evidence else []
        return FoundScore(document=told, evidence=evidence)


def _party(client: Client, text: str) -> str:
    """The id of a party that is named: the own one, or one that a list knows."""
    own = client.me.get().party
    if text == own.name:
        return own.id
    if "-" in text or len(text) == _HEX_DIGITS:
        return text
    return next((each.id for each in client.parties.list(q=text) if each.name == text), text)


_HEX_DIGITS = 32


def _evidence(card: Document) -> Iterator[str]:
    incidents: list[dict[str, Any]] = card.get("evidence") or []
    for incident in incidents:
        yield f"{card['week']}: line {incident['line']}"
        why = incident["why"].replace("_", " ")
        yield f"  {incident['cancellation']}: {plain(why)}, {incident['units']} of its units"
        for event in incident["events"]:
            yield f"    {event['at'][:19].replace('T', ' ')}  {plain(event['told'])}"
