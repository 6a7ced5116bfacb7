"""Judgements as JSON: what operators decided about the score."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel

from countermand.ids import show
from countermand.reads.scores import JudgementView


class Verdict(StrEnum):
    """Whether a cancellation counts."""

    EXCLUDED = "excluded"
    RESTORED = "restored"


class JudgementOut(BaseModel):
    """An operator's word on a cancellation in the score of a party. The last one counts."""

    id: str
    cancellation: str
    party: UUID
    verdict: Verdict
    reason: str
    version: int
    by: str
    at: datetime


def judgement_document(row: JudgementView) -> JudgementOut:
    """One judgement."""
    return JudgementOut(
        id=show("jdg", row.id),
        cancellation=show("can", row.cancellation_id),
        party=row.party_id,
        verdict=Verdict.EXCLUDED if row.excluded else Verdict.RESTORED,
        reason=row.reason,
        version=row.version,
        by=row.judged_by,
        at=row.at,
    )
