"""Scores at a service."""

from countermand.cli.nouns import Document, WantedScore
from countermand.cli.remote.calling import calling, document, not_tried
from countermand.cli.remote.finding import named, party_named


class RemoteScores:
    """The score of the token's party; the platform sees everybody's."""

    def cards(self, wanted: WantedScore) -> Document:
        """The cards of a party."""
        with calling() as client:
            return document(
                client.scorecards.get(
                    party_named(client, wanted.party),
                    week=wanted.week,
                    weeks=None if wanted.week else wanted.weeks,
                    as_=wanted.role,
                    as_of=wanted.as_of,
                    evidence=wanted.evidence or None,
                )
            )

    def judge(self, cancellation: str, *, party: str | None, reason: str, excluded: bool) -> str:
        """Exclude a cancellation from a score, or restore it."""
        not_tried()
        wanted = named("can", cancellation)
        verdict = "excluded" if excluded else "restored"
        with calling() as client:
            return client.judgements.create(
                cancellation=wanted, verdict=verdict, reason=reason, party=party
            ).cancellation
