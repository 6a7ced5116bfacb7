"""How a call of the Retailer API ends with less than it wanted: as bol's problem document."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.wire import limits
from countermand.wire.bol_retailer.vocabulary import MEDIA_TYPE
from countermand.wire.replies import REPLIES, CallError, Header, Problem
from countermand.wire.response import JSON, Reply, json_bytes
from countermand.wire.throttle import ThrottledError

PROBLEMS: Final = "https://api.bol.com/problems"
VALIDATION: Final = "Error validating request. Consult the bol.com API documentation for more information."
BODY_VALIDATION: Final = "Error validating request body. Consult the bol.com API documentation for more information."
EMPTY: Final = "The supplied value is empty, but is required."
AWAY: Final = "The database did not answer. Nothing is lost; repeat the call."
CONTENT_TYPE: Final = f"{MEDIA_TYPE};charset=UTF-8".encode()

_TITLES: Final = {
    400: VALIDATION,
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What is wrong with one member, parameter or header of a call. ``name`` leads to it, where it has a name."""

    name: str = ""
    reason: str


class RetailerError(CallError):
    """A problem with bol's own title, or with a list of violations."""

    def __init__(
        self, kind: Problem, detail: str, *headers: Header, title: str = "", violations: Sequence[Violation] = ()
    ) -> None:
        super().__init__(kind, detail, *headers)
        self.title = title
        self.violations = violations


class NotAcceptableError(RetailerError):
    """The answer has none of the media types that the call accepts. No other API of ours looks at that."""

    def __init__(self) -> None:
        detail = f"The answer is {MEDIA_TYPE}, which Accept does not name."
        super().__init__(Problem.UNSUPPORTED_MEDIA_TYPE, detail)


def invalid(*violations: Violation, body: bool = False) -> RetailerError:
    """These members or parameters cannot be understood."""
    title = BODY_VALIDATION if body else VALIDATION
    return RetailerError(Problem.MALFORMED, "Bad request", title=title, violations=violations)


def missing(what: str, id: str) -> RetailerError:  # noqa: A002
    """There is nothing with this id that the caller may see: ``what`` is ``Order for order``, and so on."""
    return RetailerError(Problem.NOT_FOUND, f"{what} id {id[:100]} not found.")


def not_listed(given: str, allowed: Sequence[str]) -> str:
    """Why a word that is on no list is refused."""
    return f"Request contains invalid value(s): '{given[:100]}', allowed values: {', '.join(allowed)}."


def expired(at: datetime, now: datetime) -> RetailerError:
    """The access token was right once. Clients look for the words ``JWT expired`` and get another one."""
    detail = f"JWT expired at {at:%Y-%m-%dT%H:%M:%SZ}. Current time: {now:%Y-%m-%dT%H:%M:%SZ}."
    challenge = (b"www-authenticate", b'Bearer error="invalid_token"')
    return RetailerError(Problem.UNAUTHENTICATED, detail, challenge, title="Expired JWT")


def error_reply(error: Exception, *, url: str, allow: bytes = b"") -> Reply:
    """The reply to a call that ended with this error. ``url`` is what was called, ``allow`` its verbs.

    Raises:
        Exception: the error itself, where it is none that the caller can help.
    """
    return _problem(_call_error(error), url, allow)


def _call_error(error: Exception) -> CallError:
    match error:
        case CallError(kind=Problem.UNAVAILABLE) | UnavailableError():
            return CallError(Problem.UNAVAILABLE, AWAY)
        case CallError():
            return error
        case limits.BodyTooLargeError():
            return CallError(Problem.TOO_LARGE, str(error))
        case limits.BodyTooSlowError():
            return CallError(Problem.TOO_SLOW, "The body did not arrive in time.")
        case ThrottledError(retry_in_s=retry_in_s):
            return too_many(retry_in_s)
        case TooBroadError():
            detail = (
                "The list takes too long to read. Ask for a shorter span of time, or for a page nearer to the first."
            )
            return RetailerError(Problem.TOO_BROAD, detail)
        case _:
            raise error


def too_many(retry_in_s: int) -> CallError:
    """The quota is used up. Clients wait as long as ``Retry-After`` says."""
    seconds = "second" if retry_in_s == 1 else "seconds"
    detail = f"Too many requests, retry in {retry_in_s} {seconds}."
    return CallError(Problem.RATE_LIMITED, detail, (b"retry-after", str(retry_in_s).encode()))


def _problem(error: CallError, url: str, allow: bytes) -> Reply:
    status = 406 if isinstance(error, NotAcceptableError) else REPLIES[error.kind].retailer or 500
    document: dict[str, Any] = {
        "type": PROBLEMS,
        "title": getattr(error, "title", "") or _TITLES[status],
        "status": status,
        "detail": error.detail,
        "instance": url,
    }
    violations = getattr(error, "violations", ())
    if status == 400:
        document["violations"] = [_violation(each) for each in violations]
    more: tuple[Header, ...] = {405: ((b"allow", allow),), 503: ((b"retry-after", b"1"),)}.get(status, ())
    return Reply(status=status, body=json_bytes(document), media_type=CONTENT_TYPE, headers=(*more, *error.headers))


def _violation(violation: Violation) -> dict[str, str]:
    named = {"name": violation.name} if violation.name else {}
    return {**named, "reason": violation.reason}


def oauth_error(status: int, code: str, description: str, *headers: Header) -> Reply:
    """An error of the token endpoint, as RFC 6749, 5.2, has it."""
    body = json_bytes({"error": code, "error_description": description})
    return Reply(status=status, body=body, media_type=JSON + b";charset=UTF-8", headers=headers)
