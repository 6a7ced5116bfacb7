"""How a call of the page ends with less than it wanted: with a page that says why, and its status of the one table."""

from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.wire import limits
from countermand.wire.answer.messages import MalformedFormError
from countermand.wire.answer.views import message_page, page
from countermand.wire.replies import REPLIES, Header, Problem
from countermand.wire.response import Reply
from countermand.wire.throttle import ThrottledError

GONE: int = 410
"""An expired link is no outcome of a call: it says Gone, so that nobody asks again."""


class PageError(Exception):
    """The call ends here, with a page that says one thing."""

    def __init__(self, status: int, title: str, *sentences: str, headers: tuple[Header, ...] = ()) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.sentences = sentences
        self.headers = headers


def error_reply(error: Exception) -> Reply:
    """The page of a call that ended with this error.

    Raises:
        Exception: the error itself, where it is none that the caller can help.
    """
    match error:
        case PageError():
            return page(error.status, message_page(error.title, *error.sentences), *error.headers)
        case ThrottledError(retry_in_s=retry_in_s):
            sentence = f"Nothing is lost. Try again in {retry_in_s} seconds."
            when = (b"retry-after", str(retry_in_s).encode())
            return _problem(Problem.RATE_LIMITED, "Too many calls", sentence, when)
        case UnavailableError() | TooBroadError():
            sentence = "Nothing is lost. Try again in a moment."
            return _problem(Problem.UNAVAILABLE, "The database did not answer", sentence, (b"retry-after", b"1"))
        case limits.BodyTooLargeError():
            return _problem(Problem.TOO_LARGE, "The form is too large", str(error))
        case limits.BodyTooSlowError():
            return _problem(Problem.TOO_SLOW, "The form did not arrive in time", "Send it again.")
        case MalformedFormError():
            return _problem(Problem.MALFORMED, "This form cannot be read", str(error))
        case _:
            raise error


def status_of(problem: Problem) -> int:
    """Its status in the table of replies."""
    return REPLIES[problem].native


def unknown_link() -> PageError:
    """No link of ours, or of nothing that is there."""
    return PageError(
        status_of(Problem.NOT_FOUND),
        "This link opens nothing",
        "It may have been cut off or mistyped. Copy all of it from the e-mail.",
    )


def expired(sentence: str) -> PageError:
    """The link was good once."""
    return PageError(GONE, "This link has expired", sentence)


def not_registered() -> PageError:
    """The mailbox of a link is registered no more, or under another address than the link was sent to."""
    sentence = "Nothing is sent to it. If something should be, it has to be registered again."
    return PageError(GONE, "This mailbox is not registered any more", sentence)


def _problem(problem: Problem, title: str, sentence: str, *headers: Header) -> Reply:
    return page(status_of(problem), message_page(title, sentence), *headers)
