"""What can go wrong, a class each. All of it is a ``CountermandError``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final


class CountermandError(Exception):
    """A call did not do what it was to do."""


class ConnectionFailed(CountermandError):
    """No answer came. Whether the call had its effect is unknown; with the same key it can be repeated."""


class TimedOut(ConnectionFailed):
    """No answer came in time."""


class WebhookError(CountermandError):
    """A webhook is not what its signature says, or not of this time."""


@dataclass(frozen=True)
class FieldError:
    """One place of a call that is wrong. ``pointer`` is for bodies, ``name`` for parameters and headers."""

    where: str
    code: str
    detail: str
    pointer: str = ""
    name: str = ""


@dataclass(frozen=True)
class Answered:
    """What an answer that is an error said."""

    status: int
    headers: Mapping[str, str]
    problem: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


class ApiError(CountermandError):
    """The service answered with a problem.

    ``code`` says which, ``detail`` in a sentence; ``docs_url`` opens a page about it. ``errors`` has the places that
    are wrong. ``problem`` is the whole document, with members such as ``cancellation``, ``current`` or ``differs``.
    """

    def __init__(self, answered: Answered) -> None:
        problem = answered.problem
        self.status = answered.status
        self.headers = answered.headers
        self.problem = problem
        self.code = str(problem.get("code") or f"http_{answered.status}")
        self.detail = str(
            problem.get("detail") or answered.text[:200] or f"The answer has the status {answered.status}."
        )
        self.errors: Sequence[FieldError] = tuple(map(_place, _objects(problem.get("errors"))))
        self.request_id = str(problem.get("request_id") or answered.headers.get("request-id", ""))
        self.docs_url = str(problem.get("type") or "")
        super().__init__(f"{self.code}: {self.detail}" + (f" ({self.request_id})" if self.request_id else ""))

    @property
    def retryable(self) -> bool:
        """Whether the same call, with the same key, may succeed later."""
        told = self.problem.get("retryable")
        return told if isinstance(told, bool) else self.status in _PASSING

    @property
    def retry_after(self) -> float | None:
        """After how many seconds, where the service says so."""
        told = self.headers.get("retry-after", "")
        return float(told) if told.isascii() and told.isdigit() else None


class Unauthenticated(ApiError):
    """The token is missing, unknown or ended (401)."""


class Forbidden(ApiError):
    """The token, or the kind of its party, may not (403)."""


class NotFound(ApiError):
    """There is no such object that this token can see (404)."""


class Invalid(ApiError):
    """The call has the wrong form (400, 413, 415, 422); ``errors`` has each place."""


class RuleRefused(ApiError):
    """The rules refuse it, such as ``already_shipped``. Repeating it changes nothing."""


class Conflict(ApiError):
    """Something else came first, or must be named (409, 412, 428)."""


class RateLimited(ApiError):
    """Too many calls (429); ``retry_after`` says when it goes on."""


class ServerError(ApiError):
    """The service failed (500 and above)."""


_PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
_BY_STATUS: Final[Mapping[int, type[ApiError]]] = {
    400: Invalid,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    428: Conflict,
    429: RateLimited,
}
RULES: Final = frozenset(
    {
        "all_or_nothing",
        "already_answered",
        "already_asked",
        "already_cancelled",
        "already_shipped",
        "no_price",
        "not_accepted_by_fulfiller",
        "nothing_asked",
        "order_exists",
        "party_inactive",
        "payment_differs",
        "payment_exists",
        "payment_taken",
        "reason_required",
        "reassigned",
        "refund_not_open",
        "rejected_by_fulfiller",
        "state_changed",
        "too_many_units",
        "units_asked",
    }
)
"""The codes by which the rules refuse a call."""


def api_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error of the right class for an answer."""
    problem = _problem(body)
    answered = Answered(status, headers, problem, "" if problem else body[:1000].decode("utf-8", "replace"))
    if problem.get("code") in RULES:
        return RuleRefused(answered)
    return _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)(answered)


def _problem(body: bytes) -> Mapping[str, Any]:
    try:
        read = json.loads(body)
    except ValueError:
        return {}
    return read if isinstance(read, dict) and isinstance(read.get("code"), str) else {}


def _objects(value: object) -> Sequence[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _place(told: Mapping[str, Any]) -> FieldError:
    known = {name: str(told.get(name, "")) for name in ("code", "detail", "pointer", "name")}
    return FieldError(where=str(told.get("in", "")), **known)
