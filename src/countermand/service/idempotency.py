"""Idempotency keys: the answer under each key is saved, so that a repeat of the call gets the same answer."""

from datetime import datetime
from typing import Any
from uuid import UUID

from countermand.domain.refusals import CurrentState, Refusal, RefusalKind
from countermand.service.calls import Done, Failed, IdempotencyKey, Outcome, Refused
from countermand.service.workspace import Given, Workspace


def keep_answer(work: Workspace, retailer: UUID, once: IdempotencyKey, outcome: Outcome) -> Given:
    """Save an answer under its key. Returns what is saved."""
    answer = _to_record(outcome)
    work.add(
        "idempotency_records",
        retailer_id=retailer,
        caller=once.caller,
        key=once.key,
        fingerprint=once.fingerprint,
        answer=answer,
        created_at=work.now,
    )
    return once.fingerprint, answer, work.now


def answer_again(given: Given, once: IdempotencyKey) -> Outcome:
    """The saved answer of a key; a refusal if the key is used for another call."""
    fingerprint, answer, at = given
    if fingerprint == once.fingerprint:
        return _replay(answer, at)
    detail = "This Idempotency-Key was used before, for a call with other content."
    return Refused(refusal=Refusal(kind=RefusalKind.KEY_REUSED, detail=detail))


def _to_record(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Done():
            parcel = {"parcel": outcome.parcel.hex} if outcome.parcel else {}
            repeated = {"repeated": [each.hex for each in sorted(outcome.repeated)]} if outcome.repeated else {}
            return {
                "cancellations": [each.hex for each in outcome.cancellations],
                "process": outcome.process,
                **repeated,
                **parcel,
            }
        case Refused():
            refusal = outcome.refusal
            cancellation = refusal.cancellation.hex if refusal.cancellation else None
            given = {"refusal": refusal.kind.value, "detail": refusal.detail, "cancellation": cancellation}
            current = {"current": _state_record(refusal.current)} if refusal.current else {}
            return given | current | {"process": outcome.process}
        case Failed():  # pragma: no cover - a failed transaction stores nothing
            raise AssertionError


def _replay(given: dict[str, Any], at: datetime) -> Outcome:
    if "refusal" in given:
        cancellation = UUID(given["cancellation"]) if given["cancellation"] else None
        refusal = Refusal(
            kind=RefusalKind(given["refusal"]),
            detail=given["detail"],
            cancellation=cancellation,
            current=_current_state(given["current"]) if "current" in given else None,
        )
        return Refused(refusal=refusal, process=given["process"], at=at)
    cancellations = tuple(UUID(each) for each in given["cancellations"])
    repeated = frozenset(UUID(each) for each in given.get("repeated", ()))
    parcel = UUID(given["parcel"]) if "parcel" in given else None
    return Done(
        cancellations=cancellations, repeated=repeated, parcel=parcel, process=given["process"], at=at, replayed=True
    )


def _state_record(state: CurrentState) -> dict[str, Any]:
    return {
        "state": str(state.state),
        "step": state.step,
        "awaiting": state.awaiting.hex if state.awaiting else None,
        "answered_by": state.answered_by.hex if state.answered_by else None,
        "answered_at": state.answered_at.isoformat() if state.answered_at else None,
    }


def _current_state(given: dict[str, Any]) -> CurrentState:
    return CurrentState(
        state=given["state"],
        step=given["step"],
        awaiting=UUID(given["awaiting"]) if given["awaiting"] else None,
        answered_by=UUID(given["answered_by"]) if given["answered_by"] else None,
        answered_at=datetime.fromisoformat(given["answered_at"]) if given["answered_at"] else None,
    )
