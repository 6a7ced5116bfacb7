"""How a call of CRUX ends with less than it wanted: in DRF's shape, with the status of the one table."""

from typing import Final

from countermand.domain.refusals import RefusalKind
from countermand.store.engines.protocol import TooBroadError
from countermand.wire import limits
from countermand.wire.crux.messages import FieldErrors
from countermand.wire.replies import BUSY, REPLIES, SORRY, CallError, Problem
from countermand.wire.response import Reply, Scope, json_reply
from countermand.wire.throttle import ThrottledError

NARROWER: Final = "Name start_date and end_date, po_number, or fewer statuses, or begin the page nearer to the start."
"""What helps: of all calls only the list of orders can read much."""


def error_reply(error: Exception, column: str) -> Reply:
    """The reply to a call that ended with this error; ``column`` is the call's in the table of replies.

    Raises:
        Exception: the error itself, where it is none that the caller can help.
    """
    match error:
        case FieldErrors():
            return json_reply(getattr(REPLIES[Problem.INVALID], column), error.body)
        case TooBroadError():
            status = getattr(REPLIES[Problem.TOO_BROAD], column)
            return json_reply(status, {"detail": f"too_broad: {error} {NARROWER}", "code": Problem.TOO_BROAD.value})
        case _:
            return _reply(_call_error(error), column)


def busy(_: Scope) -> Reply:
    """There is no room for a call. All columns have the same status for it."""
    return json_reply(REPLIES[Problem.UNAVAILABLE].crux_v1, {"detail": BUSY}, (b"retry-after", b"1"))


def failed(_: Scope) -> Reply:
    """A fault of ours ended a call."""
    return json_reply(REPLIES[Problem.INTERNAL].crux_v1, {"detail": SORRY})


def _call_error(error: Exception) -> CallError:
    match error:
        case CallError():
            return error
        case ThrottledError(retry_in_s=retry_in_s):
            seconds = "second" if retry_in_s == 1 else "seconds"
            detail = f"Request was throttled. Expected available in {retry_in_s} {seconds}."
            return CallError(Problem.RATE_LIMITED, detail, (b"retry-after", str(retry_in_s).encode()))
        case limits.BodyTooLargeError():
            return CallError(Problem.TOO_LARGE, str(error))
        case limits.BodyTooSlowError():
            return CallError(Problem.TOO_SLOW, "The body did not arrive in time.")
        case _:
            raise error


def _reply(error: CallError, column: str) -> Reply:
    status = getattr(REPLIES[error.kind], column)
    challenge = ((b"www-authenticate", b"Token"),) if status == 401 else ()
    says_when = any(name == b"retry-after" for name, _ in error.headers)
    retry = ((b"retry-after", b"1"),) if status == 503 and not says_when else ()
    return json_reply(status, _detail(error), *challenge, *retry, *error.headers)


def _detail(error: CallError) -> dict[str, str]:
    if isinstance(error.kind, RefusalKind):
        return {"detail": f"{error.kind.value}: {error.detail}", "code": error.kind.value}
    return {"detail": error.detail}
