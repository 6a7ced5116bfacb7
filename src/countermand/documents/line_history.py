"""The history of a line as JSON: its events, and what operators decided about its scores."""

from typing import TypedDict

from countermand.ids import show
from countermand.reads.events import PastEvent
from countermand.reads.scores import JudgementView

# One member is called as Python calls something else, so that these are no classes.
PastEventDocument = TypedDict(
    "PastEventDocument",
    {
        "id": str,
        "line": str,
        "seq": int,
        "kind": str,
        "at": str,
        "recorded_at": str,
        "by": str | None,
        "as": str,
        "door": str,
        "cancellation": str | None,
    },
)
"""What every event has."""

JudgementDocument = TypedDict(
    "JudgementDocument",
    {
        "line": str,
        "kind": str,
        "at": str,
        "by": None,
        "as": str,
        "door": str,
        "cancellation": str,
        "party": str,
        "note": str,
    },
)
"""What an operator decided about a cancellation in a score, with the members of an event as far as it has them."""


def event_document(event: PastEvent) -> dict[str, object]:
    """One event. The facts of its kind are members beside those that every event has."""
    return {**_common(event), **event.facts}


def _common(event: PastEvent) -> PastEventDocument:
    return {
        "id": show("evt", event.id),
        "line": str(event.line_id),
        "seq": event.seq,
        "kind": event.kind,
        "at": event.at.isoformat(),
        "recorded_at": (event.recorded_at or event.at).isoformat(),
        "by": event.actor_name,
        "as": event.actor,
        "door": event.door,
        "cancellation": show("can", event.cancellation_id) if event.cancellation_id else None,
    }


def judgement_document(row: JudgementView) -> JudgementDocument:
    """One judgement."""
    return {
        "line": str(row.line_id),
        "kind": "score.excluded" if row.excluded else "score.restored",
        "at": row.at.isoformat(),
        "by": None,
        "as": row.judged_by,
        "door": row.door,
        "cancellation": show("can", row.cancellation_id),
        "party": str(row.party_id),
        "note": row.reason,
    }
