"""Examples in the description: of each operation a call that was made and answered, and of each problem its document.

``make docs`` plays the calls and writes ``examples.json``.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from countermand.domain.parties import PartyKind
from countermand.domain.refusals import RefusalKind
from countermand.wire.native.errors import MEDIA_TYPE, RETRYABLE
from countermand.wire.native.operations import OPERATIONS
from countermand.wire.native.problem_pages import MEANINGS
from countermand.wire.replies import REPLIES, Problem

FILE: Final = Path(__file__).with_name("examples.json")
SERVICE: Final = "https://cancel.example.com"

_MONEY_LATER: Final = ("refund_not_open", "state_changed")
_CANCELLING: Final = (
    *("already_shipped", "already_asked", "rejected_by_fulfiller", "already_cancelled"),
    *("not_accepted_by_fulfiller", "too_many_units"),
)
_ANSWERING: Final = (
    *("step_needed", "reassigned", "state_changed", "already_answered"),
    *("nothing_asked", "too_many_units", "all_or_nothing"),
)
OWN_PROBLEMS: Final[dict[str, tuple[str, ...]]] = {
    "orders.create": ("order_exists", "payment_taken", "unknown_party"),
    "lines.allocate": ("already_shipped", "units_asked", "too_many_units"),
    "lines.reassign": ("already_shipped", "already_cancelled", "party_inactive", "unknown_party"),
    "cancellations.create": (*_CANCELLING, "unknown_line", "unknown_order"),
    "cancellations.list": ("wrong_party",),
    "cancellations.get": ("wrong_party",),
    "cancellations.accept": _ANSWERING,
    "cancellations.decline": ("reason_required", *_ANSWERING),
    "cancellations.withdraw": ("state_changed", "already_answered"),
    "shipments.create": (
        *("unknown_order", "unknown_line", "reassigned", "already_shipped", "already_cancelled"),
        *("units_asked", "too_many_units"),
    ),
    "shipments.update": ("already_cancelled",),
    "payments.list": ("no_price",),
    "payments.create": ("no_price", "payment_exists", "payment_differs", "payment_taken"),
    "payments.capture": ("no_price", "payment_differs"),
    "quotes.create": (*_CANCELLING, "no_price", "unknown_line", "unknown_order"),
    "refunds.mark_paid": _MONEY_LATER,
    "refunds.close": _MONEY_LATER,
    "refunds.retry": _MONEY_LATER,
    "refunds.correct": ("step_needed", *_MONEY_LATER),
    "parties.create": ("name_taken",),
    "parties.update": ("name_taken",),
    "users.create": ("name_taken", "wrong_party", "unknown_party"),
    "credentials.create": ("limit_reached", "wrong_party", "unknown_party"),
    "policies.create": ("state_changed", "unknown_party"),
    "policies.preview": ("state_changed", "unknown_party"),
    "policies.in_force": ("unknown_party",),
    "judgements.create": ("unknown_cancellation", "unknown_party"),
    "timeline.get": ("unknown_order",),
    "endpoints.create": ("limit_reached", "unknown_party", "wrong_party"),
    "endpoints.confirm": ("nothing_to_confirm", "limit_reached"),
    "endpoints.rotate": ("limit_reached", "not_signed"),
    "endpoints.recover": ("limit_reached",),
    "notices.resend": ("endpoint_removed",),
    "events.stream": ("limit_reached",),
    "judgements.list": ("wrong_party",),
    "users.list": ("wrong_party",),
    "credentials.list": ("wrong_party",),
    "endpoints.list": ("wrong_party",),
    "jobs.create": ("limit_reached", "wrong_party", "forbidden"),
    "jobs.upload": ("job_not_open", "part_differs"),
    "jobs.start": ("job_not_open", "wrong_party", "forbidden"),
    "jobs.cancel": ("job_not_open",),
}
"""What can be wrong with a call of an operation, besides what can be wrong with any call."""

_ANY: Final = ("unauthenticated", "malformed", "invalid", "rate_limited", "internal", "unavailable")
_BODIES: Final = ("unsupported_media_type", "too_large", "too_slow")
_KEYS: Final = ("key_reused", "key_in_use")
_GUARDS: Final = ("if_match_needed", "etag_mismatch")
_KINDS: Final[dict[str, Problem | RefusalKind]] = {kind.value: kind for kind in REPLIES}


def problems_of(operation: str, path: str) -> tuple[str, ...]:
    """The problems of an operation, by the ids in its path and by what it does."""
    ids = [f"unknown_{part[1:-1]}" for part in path.split("/") if part.startswith("{")]
    named = (*ids, *OWN_PROBLEMS.get(operation, ()))
    return tuple(dict.fromkeys(code for code in named if code in _KINDS))


def problems_by_form(call: Mapping[str, Any], method: str) -> Iterator[str]:
    """What else a call can end with: by its verb, what it takes, and who may make it."""
    operation = OPERATIONS[call["operationId"]]
    headers = {each["name"] for each in call.get("parameters", ())}
    yield from _ANY
    yield from ("wrong_party",) if operation.kinds < frozenset(PartyKind) else ()
    yield from ("forbidden",) if operation.permission else ()
    yield from ("too_broad",) if method == "get" else _BODIES
    yield from _KEYS if "Idempotency-Key" in headers else ()
    yield from _GUARDS if "If-Match" in headers else ()


def examples() -> dict[str, Any]:
    """A call of each operation, and its answer."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    return found


def problem_examples() -> dict[str, Any]:
    """A document of each problem."""
    return {
        code: {
            "summary": MEANINGS[code],
            "value": {
                "type": f"{SERVICE}/problems/{code}",
                "title": code.replace("_", " ").capitalize(),
                "status": REPLIES[kind].native,
                "detail": MEANINGS[code].replace("`", ""),
                "code": code,
                "request_id": "8f14e45fceea167a5a36dedd4bea2543",
                "retryable": kind in RETRYABLE,
            },
        }
        for code, kind in _KINDS.items()
    }


def add_examples(call: dict[str, Any], found: Mapping[str, Any]) -> None:
    """Give the description of an operation its examples."""
    if not (example := found.get(call["operationId"])):
        return
    _show(call.get("requestBody", {}), example["body"], example["headers"].get("Content-Type"))
    _show(call["responses"].get(str(example["status"]), {}), example["answer"])


def _show(part: dict[str, Any], value: Any, media_type: str | None = None) -> None:
    if value is None:
        return
    for name, content in part.get("content", {}).items():
        if name == media_type or (not media_type and isinstance(value, str) != (name == "application/json")):
            content["example"] = value


def problem_answers(codes: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The answers to a call that can end with these problems, by their status."""
    by_status: dict[int, list[str]] = {}
    for code in codes:
        by_status.setdefault(REPLIES[_KINDS[code]].native, []).append(code)
    for status, named in sorted(by_status.items()):
        shown = {code: {"$ref": f"#/components/examples/{code}"} for code in named}
        content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}, "examples": shown}}
        yield str(status), {"description": HTTPStatus(status).phrase, "content": content}
