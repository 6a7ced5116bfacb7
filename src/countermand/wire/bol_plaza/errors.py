"""How a call of Plaza's ends with less than it wanted: as XML, even where an error is ours, or clients trip over it."""

from typing import Final

from countermand.domain.refusals import RefusalKind
from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.wire import limits
from countermand.wire.bol_plaza import writing
from countermand.wire.bol_plaza.signature import Denial
from countermand.wire.replies import BUSY, REPLIES, SORRY, CallError, Problem
from countermand.wire.response import Reply, Scope
from countermand.wire.throttle import ThrottledError

GENERIC: Final = 41000
AWAY: Final = "The database did not answer; nothing is lost, repeat the call"


class PlazaError(CallError):
    """A problem for which bol has a code of its own."""

    def __init__(self, kind: Problem, code: int, detail: str) -> None:
        super().__init__(kind, detail)
        self.code = code


def denied(denial: Denial) -> PlazaError:
    """Nobody who may call signed this."""
    return PlazaError(Problem.UNAUTHENTICATED, denial.code, denial.text)


def used() -> PlazaError:
    """The signature was good for another message."""
    denial = Denial.WRONG_SIGNATURE
    detail = f"{denial.text}: it was used for another message; sign again with a new date"
    return PlazaError(Problem.UNAUTHENTICATED, denial.code, detail)


def error_reply(error: Exception, *, max_bytes: int, allow: bytes) -> Reply:
    """The reply to a call that ended with this error; another one than Plaza has words for is raised again."""
    match error:
        case CallError(kind=Problem.UNAVAILABLE):
            return problem_reply(CallError(Problem.UNAVAILABLE, AWAY), allow)
        case CallError(kind=RefusalKind.KEY_REUSED):
            return problem_reply(used(), allow)
        case CallError():
            return problem_reply(error, allow)
        case limits.BodyTooLargeError():
            detail = f"Body is larger than allowed, but may not have a value larger than {max_bytes} bytes"
            return problem_reply(CallError(Problem.TOO_LARGE, detail), allow)
        case limits.BodyTooSlowError():
            return problem_reply(CallError(Problem.TOO_SLOW, "The body did not arrive in time"), allow)
        case ThrottledError():
            return problem_reply(CallError(Problem.RATE_LIMITED, "Too many requests"), allow)
        case TooBroadError():
            return problem_reply(CallError(Problem.TOO_BROAD, f"{error} Ask for a page nearer to the first."), allow)
        case UnavailableError():
            return problem_reply(CallError(Problem.UNAVAILABLE, AWAY), allow)
        case _:
            raise error


def busy(_: Scope) -> Reply:
    """There is no room for a call."""
    return problem_reply(CallError(Problem.UNAVAILABLE, BUSY))


def failed(_: Scope) -> Reply:
    """A fault of ours ended a call."""
    return problem_reply(CallError(Problem.INTERNAL, SORRY))


def problem_reply(error: CallError, allow: bytes = b"") -> Reply:
    """The error as XML; ``allow`` are the verbs that the path has."""
    status, code = REPLIES[error.kind].plaza or (500, GENERIC)
    if isinstance(error, PlazaError):
        code = error.code
    more = {405: ((b"allow", allow),), 503: ((b"retry-after", b"1"),)}.get(status, ())
    return writing.xml_reply(status, writing.write_service_error(code, error.detail), *more, *error.headers)
