"""What every call goes through, whichever API it belongs to: who, may they, how often, the verb, the body, the answer.

A door says each of these in its own dialect. The answer is one command, or one question, and one reply.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from countermand.admin.callers import Caller, Permission
from countermand.domain.parties import PartyKind
from countermand.observability.calls import note_operation
from countermand.service.calls import Call, Done, Failed, Refused
from countermand.service.lanes import Lanes
from countermand.settings import Settings
from countermand.wire.endings import note_end
from countermand.wire.limits import Receive, read_body
from countermand.wire.replies import NOT_ANSWERED, CallError, Problem
from countermand.wire.response import Reply, Scope, Send, send_reply

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[R]):
    """One call of an API: where it is, what answers it, and who may make it."""

    method: str
    path: str
    answer: Callable[[R], Awaitable[Reply]]
    permission: Permission | None
    """What the credential must be allowed; ``None`` where credentials have no permissions."""
    kinds: frozenset[PartyKind]
    quota: str = ""
    """The quota that it draws on, where calls of this kind have one of their own."""
    has_lines: bool = False
    """Whether its body may have a thousand lines, and so more room."""

    @property
    def name(self) -> str:
        """As logs and metrics call it."""
        return getattr(self.answer, "__name__", self.path)


class Auth(Protocol[R]):
    """How one door finds out who calls. Each step ends a call with a ``CallError``."""

    async def who(self, scope: Scope) -> Caller:
        """The caller that the call's credentials name."""
        ...

    def forbidden(self, caller: Caller, operation: Operation[R]) -> Exception:
        """The error of a caller that may not make the call."""
        ...

    async def count(self, caller: Caller, operation: Operation[R] | None) -> None:
        """Count the call against the quotas of its credential; without an operation it has a wrong verb."""
        ...


class Dialect(Protocol[R]):
    """How one door reads calls and writes replies."""

    def other_verb(self, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """What a path with calls of these methods says to another one."""
        ...

    def request(self, scope: Scope, body: bytes, caller: Caller, operation: Operation[R]) -> R:
        """The call with its body, as the dialect's operations take it."""
        ...

    def error(self, error: Exception, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """The reply to a call that ended with this error; one for which the dialect has no words is raised again."""
        ...

    def finished(self, reply: Reply, scope: Scope, methods: tuple[str, ...]) -> Reply:
        """The reply with what every reply of this dialect carries."""
        ...


class Endpoint(Generic[R]):
    """The calls of one path, as an ASGI application."""

    def __init__(self, auth: Auth[R], dialect: Dialect[R], settings: Settings, *operations: Operation[R]) -> None:
        self._auth = auth
        self._dialect = dialect
        self._settings = settings
        self._operations = {each.method: each for each in operations}
        self._names = {each.method: each.name for each in operations}
        self._first = operations[0]
        self._methods = tuple(self._operations)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        dialect = self._dialect
        reply = await answered(self._reply(scope, receive), lambda error: dialect.error(error, scope, self._methods))
        await send_reply(send, dialect.finished(reply, scope, self._methods))

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        auth, settings, operation = self._auth, self._settings, self._operations.get(scope["method"])
        note_operation(self._names.get(scope["method"], ""))
        caller = await auth.who(scope)
        if not _may(caller, operation or self._first):
            raise auth.forbidden(caller, operation or self._first)
        await auth.count(caller, operation)
        if operation is None:
            return self._dialect.other_verb(scope, self._methods)
        most = settings.order_max_bytes if operation.has_lines else settings.body_max_bytes
        body = await read_body(scope, receive, max_bytes=most, timeout_s=settings.body_timeout_s)
        return await operation.answer(self._dialect.request(scope, body, caller, operation))


def _may(caller: Caller, operation: Operation[R]) -> bool:
    permission = operation.permission
    return caller.kind in operation.kinds and (permission is None or permission in caller.permissions)


async def answered(work: Awaitable[Reply], error_reply: Callable[[Exception], Reply]) -> Reply:
    """The reply to a call, also where it ends with an error."""
    try:
        return await work
    except Exception as error:  # noqa: BLE001 - what is nobody's to handle, the door raises again
        note_end(error)
        return error_reply(error)


async def submitted(lanes: Lanes, call: Call) -> Done:
    """What a command came to.

    Raises:
        CallError: it was refused, or the database did not answer.
    """
    match await lanes.submit(call):
        case Failed():
            raise CallError(Problem.UNAVAILABLE, NOT_ANSWERED)
        case Refused(refusal=refusal, replayed=replayed):
            raise CallError.of(refusal, replayed=replayed)
        case done:
            return done
