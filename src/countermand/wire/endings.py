"""What the log and the metrics call the end of a call that did not get what it wanted."""

from http import HTTPStatus

from countermand.observability.calls import note_code
from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.wire.limits import BodyTooLargeError, BodyTooSlowError
from countermand.wire.replies import CallError, Problem
from countermand.wire.throttle import ThrottledError


def note_end(error: Exception) -> None:
    """The call that is being answered ends with this error, which its door shows in its own way."""
    code = code_of(error)
    if code:
        note_code(code)


def code_of(error: Exception) -> str:
    """The refusal or the problem; for a page, the name of its status; empty for what is no caller's to help."""
    match error:
        case CallError(kind=kind):
            return kind.value
        case ThrottledError():
            return Problem.RATE_LIMITED.value
        case BodyTooLargeError():
            return Problem.TOO_LARGE.value
        case BodyTooSlowError():
            return Problem.TOO_SLOW.value
        case UnavailableError():
            return Problem.UNAVAILABLE.value
        case TooBroadError():
            return Problem.TOO_BROAD.value
        case _:
            status = getattr(error, "status", None)
            return "" if status is None else HTTPStatus(status).name.lower()
