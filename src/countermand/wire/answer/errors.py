"""How a call of the page ends with less than it wanted: with a page that says why, and its status of the one table."""

from functools import cache

from countermand.documents.languages import Language, Message, chosen, later
from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.wire import limits
from countermand.wire.answer.messages import MalformedFormError
from countermand.wire.answer.views import message_page, page
from countermand.wire.replies import REPLIES, Header, Problem
from countermand.wire.response import Reply, Scope
from countermand.wire.throttle import ThrottledError

GONE: int = 410
"""An expired link is no outcome of a call: it says Gone, so that nobody asks again."""


class PageError(Exception):
    """The call ends here, with a page that says one thing."""

    def __init__(self, status: int, title: Message, *sentences: Message, headers: tuple[Header, ...] = ()) -> None:
        super().__init__(title.text)
        self.status = status
        self.title = title
        self.sentences = sentences
        self.headers = headers


def error_reply(error: Exception, language: Language) -> Reply:
    """The page of a call that ended with this error.

    Raises:
        Exception: the error itself, where it is none that the caller can help.
    """
    match error:
        case PageError():
            return page(error.status, message_page(language, error.title, *error.sentences), *error.headers)
        case ThrottledError(retry_in_s=retry_in_s):
            sentence = later("Nothing is lost. Try again in {seconds} seconds.", seconds=retry_in_s)
            when = (b"retry-after", str(retry_in_s).encode())
            return _problem(language, Problem.RATE_LIMITED, later("Too many calls"), sentence, when)
        case UnavailableError() | TooBroadError():
            title, sentence = later("The database did not answer"), later("Nothing is lost. Try again in a moment.")
            return _problem(language, Problem.UNAVAILABLE, title, sentence, (b"retry-after", b"1"))
        case limits.BodyTooLargeError():
            return _problem(
                language, Problem.TOO_LARGE, later("The form is too large"), later("Shorten what you wrote.")
            )
        case limits.BodyTooSlowError():
            return _problem(
                language, Problem.TOO_SLOW, later("The form did not arrive in time"), later("Send it again.")
            )
        case MalformedFormError():
            return _problem(language, Problem.MALFORMED, later("This form cannot be read"), error.sentence)
        case _:
            raise error


@cache
def _busy(language: Language) -> Reply:
    title, sentence = later("The database did not answer"), later("Nothing is lost. Try again in a moment.")
    return _problem(language, Problem.UNAVAILABLE, title, sentence, (b"retry-after", b"1"))


def busy(_: Scope) -> Reply:
    """There is no room for a call. The page is made once, in English: which language is asked for takes work to see."""
    return _busy(chosen("", ""))


def failed(_: Scope) -> Reply:
    """A fault of ours ended a call. In English, as nothing that could fail again is asked."""
    title, sentence = later("Something went wrong here"), later("It was logged. Try again in a moment.")
    return _problem(chosen("", ""), Problem.INTERNAL, title, sentence)


def status_of(problem: Problem) -> int:
    """Its status in the table of replies."""
    return REPLIES[problem].native


def unknown_link() -> PageError:
    """No link of ours, or of nothing that is there."""
    return PageError(
        status_of(Problem.NOT_FOUND),
        later("This link opens nothing"),
        later("It may have been cut off or mistyped. Copy all of it from the e-mail."),
    )


def expired(sentence: Message) -> PageError:
    """The link was good once."""
    return PageError(GONE, later("This link has expired"), sentence)


def not_registered() -> PageError:
    """The mailbox of a link is registered no more, or under another address than the link was sent to."""
    sentence = later("Nothing is sent to it. If something should be, it has to be registered again.")
    return PageError(GONE, later("This mailbox is not registered any more"), sentence)


def _problem(language: Language, problem: Problem, title: Message, sentence: Message, *headers: Header) -> Reply:
    return page(status_of(problem), message_page(language, title, sentence), *headers)
