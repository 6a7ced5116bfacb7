"""The client of a command, and how a command ends when the service does not do what it was asked."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from countermand.cli.output import CommandError, Exit, fail, manners, writing
from countermand_client import (
    ApiError,
    Client,
    Conflict,
    ConnectionFailed,
    Forbidden,
    Invalid,
    NotConfigured,
    NotFound,
    RateLimited,
    RuleRefused,
    TimedOut,
    Unauthenticated,
)

if TYPE_CHECKING:
    from countermand_client.models import Model

T = TypeVar("T")
U = TypeVar("U")

PAGE_ROWS: Final = 200
EXITS: Final[Sequence[tuple[type[ApiError], Exit]]] = (
    (Unauthenticated, Exit.NOT_SIGNED_IN),
    (Forbidden, Exit.REFUSED),
    (NotFound, Exit.NOT_FOUND),
    (RuleRefused, Exit.REFUSED),
    (Conflict, Exit.REFUSED),
    (Invalid, Exit.USAGE),
    (RateLimited, Exit.TRY_LATER),
)
_TOKEN: Final = "Put a token of the service into COUNTERMAND_TOKEN, or name its file in COUNTERMAND_TOKEN_FILE."  # noqa: S105


@contextmanager
def calling() -> Iterator[Client]:
    """The client of the service that was named; what goes wrong ends the command with a sentence."""
    if not manners.server:
        fail(Exit.USAGE, "no_server", "Name the service that is called: --server https://cancel.example.com.")
    try:
        with Client(manners.server) as client:
            yield client
    except NotConfigured as error:
        signed_in = "token" not in str(error)
        exit_code = Exit.USAGE if signed_in else Exit.NOT_SIGNED_IN
        raise CommandError(exit_code, "not_configured", str(error), "" if signed_in else _TOKEN) from error
    except ApiError as error:
        raise as_command_error(error) from error
    except TimedOut as error:
        message = f"{manners.server} did not answer in time; whether the call had its effect is unknown"
        raise CommandError(Exit.PENDING, "timed_out", f"{message}.") from error
    except ConnectionFailed as error:
        message = f"{manners.server} cannot be reached: {error}"
        raise CommandError(Exit.TRY_LATER, "unreachable", f"{message}.") from error


def as_command_error(error: ApiError) -> CommandError:
    """The end of a command: the sentence of the problem, its code, and where more is said."""
    found = (code for kind, code in EXITS if isinstance(error, kind))
    otherwise = Exit.TRY_LATER if error.retryable else Exit.FAILED
    places = "".join(f"\n  {each.pointer or each.name or each.where}: {each.detail}" for each in error.errors)
    more = " ".join(filter(None, (error.docs_url, f"({error.request_id})" if error.request_id else "")))
    hint = _TOKEN if isinstance(error, Unauthenticated) else more
    return CommandError(next(found, otherwise), error.code, error.detail + places, hint)


def read_list(
    found: Iterable[T], shown: Callable[[T], U], take: Callable[[Sequence[U]], None], most: int | None
) -> bool:
    """Hand ``take`` a list, some rows at once and so many in all. Returns whether there are more."""
    rows, left = iter(found), most
    while True:
        count = PAGE_ROWS if left is None else min(PAGE_ROWS, left)
        some = [shown(each) for each in islice(rows, count)]
        with writing():
            take(some)
        left = None if left is None else left - len(some)
        if len(some) < count:
            return False
        if left == 0:
            return next(rows, None) is not None


def page_size(most: int | None) -> int:
    """How many rows are asked for at once: one more than are shown says whether there are more."""
    return PAGE_ROWS if most is None else min(PAGE_ROWS, most + 1)


def not_tried() -> None:
    """End the command if it was to have no effect: a service tries nothing but asks, orders and policies."""
    if manners.dry_run:
        why = "With --server, only ask, order add and policy set have --dry-run: a service keeps what it does."
        fail(Exit.USAGE, "usage", why)


def own_scope(party: str | None) -> None:
    """End the command if it names a party: what a token may see is what its party sees."""
    if party is not None:
        fail(Exit.USAGE, "usage", "With --server, the token says as which party things are seen; leave --party out.")


def document(found: "Model") -> Mapping[str, Any]:
    """An answer as the document that commands print: as it came."""
    return found.document
