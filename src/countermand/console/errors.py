"""How a call of the console ends with less than it wanted: with a page that says what happened and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from countermand.console.forms import MalformedFormError
from countermand.domain.problems import ProblemError, UnfitError, UnknownError
from countermand.store.engines.protocol import TooBroadError, UnavailableError
from countermand.wire import limits
from countermand.wire.replies import Header
from countermand.wire.throttle import ThrottledError


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why a page is not shown: the status, a title, and what to do."""

    status: int
    title: str
    sentence: str = ""
    headers: tuple[Header, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)


class PageError(Exception):
    """The call ends here, with a page that says one thing."""

    def __init__(
        self, status: int, title: str, sentence: str = "", *headers: Header, links: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(title)
        self.status = status
        self.trouble = Trouble(status=status, title=title, sentence=sentence, headers=headers, links=links or {})


def unknown(what: str, where: str, name: str) -> PageError:
    """There is none, or it is another party's: nobody is told which."""
    sentence = f"The address may be mistyped, or the {what} is not yours to see."
    return PageError(HTTPStatus.NOT_FOUND, f"There is no such {what}", sentence, links={where: name})


FORBIDDEN: Final = HTTPStatus.FORBIDDEN


def trouble_of(error: Exception) -> Trouble:
    """What the page of a call says that ended with this error.

    Raises:
        Exception: the error itself, where it is none that the visitor can help.
    """
    match error:
        case PageError(trouble=trouble):
            return trouble
        case ThrottledError(retry_in_s=retry_in_s):
            when = (b"retry-after", str(retry_in_s).encode())
            sentence = f"Nothing is lost. Try again in {retry_in_s} seconds."
            return Trouble(status=429, title="Too many calls", sentence=sentence, headers=(when,))
        case TooBroadError():
            sentence = "Name a state, a party or a day, so that there is less to look through."
            return Trouble(status=422, title="This takes too long to look for", sentence=sentence)
        case UnavailableError():
            sentence = "Nothing that was confirmed to you is lost. Load this page again in a moment."
            when = (b"retry-after", b"1")
            return Trouble(status=503, title="The database did not answer", sentence=sentence, headers=(when,))
        case limits.BodyTooLargeError():
            return Trouble(
                status=413, title="The form is too long", sentence="Shorten what you wrote, and send it again."
            )
        case limits.BodyTooSlowError():
            return Trouble(status=408, title="The form did not arrive in time", sentence="Send it again.")
        case MalformedFormError():
            return Trouble(status=400, title=str(error))
        case UnknownError():
            return Trouble(status=404, title=str(error))
        case UnfitError():
            return Trouble(status=422, title=str(error))
        case ProblemError():
            return Trouble(status=409, title=str(error))
    raise error
