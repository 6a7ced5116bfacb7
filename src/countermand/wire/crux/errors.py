"""How a call of CRUX ends with less than it wanted: in DRF's shape, with the status of the one table."""

from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

from countermand.domain.refusals import Refusal, RefusalKind
from countermand.store.engines.protocol import TooBroadError
from countermand.wire.crux.messages import FieldErrors
from countermand.wire.replies import REPLIES, Problem
from countermand.wire.response import Reply, json_reply
from countermand.wire.throttle import ThrottledError

NARROWER: Final = "Name start_date and end_date, po_number, or fewer statuses, or begin the page nearer to the start."
"""What helps: of all calls only the list of orders can read much."""


class CallError(Exception):
    """The call ends here, with a problem or refusal and a sentence about it."""

    def __init__(self, kind: Problem | RefusalKind, detail: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers


def refuse(refusal: Refusal) -> NoReturn:
    """The rules did not heed the call."""
    raise CallError(refusal.kind, refusal.detail)


def throttled(retry_in_s: int) -> CallError:
    """The caller calls too often, in DRF's words."""
    seconds = "second" if retry_in_s == 1 else "seconds"
    detail = f"Request was throttled. Expected available in {retry_in_s} {seconds}."
    return CallError(Problem.RATE_LIMITED, detail, (b"retry-after", str(retry_in_s).encode()))


@contextmanager
def told_of_throttling() -> Iterator[None]:
    """A used-up quota becomes a problem of the caller's."""
    try:
        yield
    except ThrottledError as error:
        raise throttled(error.retry_in_s) from None


async def answered(work: Awaitable[Reply], column: str) -> Reply:
    """The reply to a call, also where it ends with a problem; ``column`` is the call's in the table of replies."""
    try:
        return await work
    except TooBroadError as error:
        status = getattr(REPLIES[Problem.TOO_BROAD], column)
        return json_reply(status, {"detail": f"too_broad: {error} {NARROWER}", "code": Problem.TOO_BROAD.value})
    except FieldErrors as error:
        return json_reply(getattr(REPLIES[Problem.INVALID], column), error.body)
    except CallError as error:
        status = getattr(REPLIES[error.kind], column)
        challenge = ((b"www-authenticate", b"Token"),) if status == 401 else ()
        told_when = any(name == b"retry-after" for name, _ in error.headers)
        retry = ((b"retry-after", b"1"),) if status == 503 and not told_when else ()
        return json_reply(status, _detail(error), *challenge, *retry, *error.headers)


def _detail(error: CallError) -> dict[str, str]:
    if isinstance(error.kind, RefusalKind):
        return {"detail": f"{error.kind.value}: {error.detail}", "code": error.kind.value}
    return {"detail": error.detail}
