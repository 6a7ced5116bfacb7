"""Idempotency keys: the answer under each key is saved, so that a repeat of the call gets the same answer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.idempotency import IdempotencyKey, KeptAnswer, reused
from countermand.domain.orders import PlaceOrder
from countermand.domain.refusals import CurrentState, LineReport, Refusal, RefusalKind
from countermand.service.calls import Call, Done, Failed, Outcome, Refused, Reply
from countermand.service.workspace import Key, Row, Workspace
from countermand.store.idempotency import keep

_key: Final = itemgetter("retailer_id", "caller", "key")


def find_answer(work: Workspace, retailer: UUID | None, once: IdempotencyKey) -> KeptAnswer | None:
    """The saved answer of a key; ``retailer`` is whom the call is about, if that is known."""
    for owner, caller in once.places(retailer):
        kept = work.answers.get((owner, caller, once.key))
        if kept:
            return kept
    return None


def keep_answer(work: Workspace, retailer: UUID | None, call: Call, once: IdempotencyKey, outcome: Outcome) -> None:
    """Save an answer under its key, if it has a space and the key keeps such answers."""
    owner = once.party or retailer
    if owner is None or (isinstance(outcome, Refused) and outcome.refusal.kind not in once.keeps):
        return
    answer = _to_record(outcome)
    kept = KeptAnswer(fingerprint=once.fingerprint, answer=answer, at=work.now, parts=once.parts)
    work.answers[owner, once.caller, once.key] = kept
    record = {
        "retailer_id": owner,
        "caller": once.caller,
        "key": once.key,
        "fingerprint": once.fingerprint,
        "answer": answer,
        "created_at": work.now,
        "parts": once.parts,
        "reply": None,
        "order_id": None,
    }
    if call.reply and isinstance(outcome, Done):
        work.to_reply.append((record, call, outcome))
    else:
        work.add("idempotency_records", **record)


def make_replies(connection: Connection, work: Workspace, outcomes: Sequence[Outcome]) -> Sequence[Outcome]:
    """The outcomes with their replies, now that all else is written. Those of keys are saved with their answers."""
    of_calls, of_keys, records = dict[int, bytes](), dict[Key, bytes](), list[Row]()
    together: dict[Any, list[tuple[Row | None, Call, Done, Reply]]] = defaultdict(list)
    for record, call, done in work.to_reply:
        assert call.reply
        together[call.reply.ask].append((record, call, done, call.reply))
    for ask, mine in together.items():
        answers = ask(connection, [reply.question(done) for _, _, done, reply in mine])
        for (record, call, done, reply), answer in zip(mine, answers, strict=True):
            made = of_calls[id(call)] = reply.write(answer, done)
            if record is not None:
                records.append({**record, "reply": made, "order_id": _order_of(work, call)})
                of_keys[_key(record)] = made
    if records:
        keep(connection, sorted(records, key=_key))
    return [
        _with_reply(call, outcome, of_calls.get(id(call)), of_keys)
        for call, outcome in zip(work.calls, outcomes, strict=True)
    ]


def _with_reply(call: Call, outcome: Outcome, made: bytes | None, of_keys: Mapping[Key, bytes]) -> Outcome:
    """A repeat in the same batch gets the reply of the first."""
    once = call.once
    if made is None and once is not None and once.party is not None:
        made = of_keys.get((once.party, once.caller, once.key))
    if made is None or not isinstance(outcome, Done) or outcome.reply:
        return outcome
    return replace(outcome, reply=made)


def _order_of(work: Workspace, call: Call) -> UUID | None:
    if isinstance(call.command, PlaceOrder):
        return call.command.id
    lines = work.lines_of(call.command)
    return work.lines[lines[0]].order if lines else None


def answer_again(kept: KeptAnswer, once: IdempotencyKey) -> Outcome:
    """The saved answer of a key; a refusal if the key is used for another call."""
    refusal = reused(kept, once)
    if refusal:
        return Refused(refusal=refusal)
    return _replay(kept)


def _to_record(outcome: Outcome) -> dict[str, Any]:
    match outcome:
        case Done():
            parcel = {"parcel": outcome.parcel.hex} if outcome.parcel else {}
            order = {"order": outcome.order.hex, "order_repeated": outcome.order_repeated} if outcome.order else {}
            repeated = {"repeated": [each.hex for each in sorted(outcome.repeated)]} if outcome.repeated else {}
            return {
                "cancellations": [each.hex for each in outcome.cancellations],
                "process": outcome.process,
                **repeated,
                **parcel,
                **order,
            }
        case Refused():
            refusal = outcome.refusal
            cancellation = refusal.cancellation.hex if refusal.cancellation else None
            given = {"refusal": refusal.kind.value, "detail": refusal.detail, "cancellation": cancellation}
            current = {"current": _state_record(refusal.current)} if refusal.current else {}
            order = {"order": refusal.order.hex} if refusal.order else {}
            reports = {"reports": [_report_record(each) for each in refusal.reports]} if refusal.reports else {}
            return given | current | order | reports | {"process": outcome.process}
        case Failed():  # pragma: no cover - a failed transaction stores nothing
            raise AssertionError


def _replay(kept: KeptAnswer) -> Outcome:
    given, at = kept.answer, kept.at
    if "refusal" in given:
        cancellation = UUID(given["cancellation"]) if given["cancellation"] else None
        refusal = Refusal(
            kind=RefusalKind(given["refusal"]),
            detail=given["detail"],
            cancellation=cancellation,
            current=_current_state(given["current"]) if "current" in given else None,
            order=UUID(given["order"]) if "order" in given else None,
            reports=tuple(map(_report, given.get("reports", ()))),
        )
        return Refused(refusal=refusal, process=given["process"], at=at, replayed=True)
    cancellations = tuple(UUID(each) for each in given.get("cancellations", ()))
    repeated = frozenset(UUID(each) for each in given.get("repeated", ()))
    parcel = UUID(given["parcel"]) if "parcel" in given else None
    return Done(
        cancellations=cancellations,
        repeated=repeated,
        parcel=parcel,
        order=UUID(given["order"]) if "order" in given else None,
        order_repeated=given.get("order_repeated", False),
        process=given.get("process"),
        at=at,
        replayed=True,
        reply=kept.reply,
    )


def _report_record(report: LineReport) -> list[Any]:
    cancellation = report.cancellation.hex if report.cancellation else None
    return [report.line.hex, report.units, report.outcome, cancellation, report.code, report.detail]


def _report(record: Sequence[Any]) -> LineReport:
    line, units, outcome, cancellation, code, detail = record
    return LineReport(
        line=UUID(line),
        units=units,
        outcome=outcome,
        cancellation=UUID(cancellation) if cancellation else None,
        code=code,
        detail=detail,
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
