"""Idempotency keys of the native API: the same call with the same key has its effect once, and gets the same reply.

A handler takes ``Once``, and answers within ``async with once.of(body) as key``. A command goes to ``submit_once``, any
other change to ``change_once``: both store the reply in the transaction of the effect.
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, SecretStr
from starlette.responses import JSONResponse, Response

from countermand.admin.callers import Caller
from countermand.admin.idempotency import once as once_for_key
from countermand.domain.idempotency import IdempotencyKey, KeptAnswer, content_of
from countermand.domain.refusals import Refusal
from countermand.ids import read_uuid
from countermand.service.calls import Call, Done, Refused, Reply
from countermand.service.idempotency import answer_again
from countermand.store import idempotency as store
from countermand.store.engines.protocol import Work
from countermand.store.engines.transactions import change
from countermand.wire.in_flight import TwinInFlightError
from countermand.wire.native.auth import caller_in
from countermand.wire.native.etags import plain
from countermand.wire.native.meaning import submit
from countermand.wire.native.messages import Key
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")

REPLAYED: Final = "Idempotent-Replayed"
SHOWN_ONCE: Final = "secret"
"""The member of an answer that is never kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a caller gets. Without a body, the answer has no content."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class ReplayedError(Exception):
    """The call was made before: this is what it got."""

    def __init__(self, response: Response) -> None:
        super().__init__("replayed")
        self.response = response


async def on_replayed(request: Request, error: Exception) -> Response:
    """A call that was made before."""
    assert isinstance(error, ReplayedError)
    return error.response


class OnceFor:
    """What makes two calls one: the caller, its key, which operation it is about what, and what it says."""

    def __init__(self, services: Services, who: Caller, operation: str, key: str | None) -> None:
        self._services = services
        self._who = who
        self._operation = operation
        self._key = key

    @asynccontextmanager
    async def of(
        self, body: BaseModel | None = None, *, former: Callable[[], str] = str
    ) -> AsyncIterator[IdempotencyKey | None]:
        """The key of a call that says this, while no twin of it is answered; ``None`` where the call has no key.

        ``former`` makes the fingerprint that earlier versions made of the call.

        Raises:
            ReplayedError: the call was made before.
            CallError: it was made before and refused, or the key was used for another call, or a twin takes too long.
        """
        async with self.reading(None, body, former=former) as (key, _):
            yield key

    @asynccontextmanager
    async def reading(
        self, question: Work[R] | None, body: BaseModel | None = None, *, former: Callable[[], str] = str
    ) -> AsyncIterator[tuple[IdempotencyKey | None, R | None]]:
        """As ``of``, and the answer to a ``question``, read together with what is kept of the call.

        Raises:
            ReplayedError: the call was made before.
            CallError: it was made before and refused, or the key was used for another call, or a twin takes too long.
        """
        if self._key is None:
            yield None, await self._services.database.read(question) if question else None
            return
        async with self.unread(body, former=former) as key:
            assert key
            kept, found = await self._services.database.read(partial(_kept_and, key=key, question=question))
            _check(kept, key)
            yield key, found

    @asynccontextmanager
    async def unread(
        self, body: BaseModel | None = None, *, former: Callable[[], str] = str
    ) -> AsyncIterator[IdempotencyKey | None]:
        """As ``of``, for a call that does nothing before its command, which finds what is kept of an earlier one.

        Raises:
            CallError: a twin takes too long.
        """
        if self._key is None:
            yield None
            return
        content = content_of(self._operation, self._said(body))
        key = IdempotencyKey.of_party(self._who.party, self._key, content, former)
        try:
            async with self._services.in_flight.alone((key.party, key.key)):
                yield key
        except TwinInFlightError:
            detail = "The first call with this Idempotency-Key is not answered yet. Repeat this one."
            raise CallError(Problem.KEY_IN_USE, detail, (b"retry-after", b"1")) from None

    def _said(self, body: BaseModel | None) -> dict[str, Any]:
        said = body.model_dump(exclude_defaults=True) if body else {}
        return {name: self._sealed(each) if isinstance(each, SecretStr) else each for name, each in said.items()}

    def _sealed(self, secret: SecretStr) -> str:
        """What stands for a secret: nobody can try passwords on it who has only the database."""
        key = self._services.keyring.derived("idempotency")[0]
        return hmac.new(key, secret.get_secret_value().encode(), hashlib.sha256).hexdigest()


def _kept_and(connection: Any, key: IdempotencyKey, question: Work[R] | None) -> tuple[KeptAnswer | None, R | None]:
    return store.find(connection, key), question(connection) if question else None


def _check(kept: KeptAnswer | None, key: IdempotencyKey) -> None:
    answer = answer_of(kept, key) if kept is not None else None
    if answer is not None:
        raise ReplayedError(answer)


async def _once(request: Request, idempotency_key: Key = None) -> OnceFor:
    """A handler has asked before who calls, and whether it may."""
    about = " ".join(_id(text) for text in request.path_params.values())
    operation = request.scope["route"].operation_id
    return OnceFor(request.app.state.services, caller_in(request.scope), f"{operation} {about}", idempotency_key)


Once = Annotated[OnceFor, Depends(_once)]


async def submit_once(
    services: Services,
    call: Call,
    key: IdempotencyKey | None,
    *,
    unknown: Refusal,
    question: Callable[[Done], Q],
    show: Callable[[R, Done], Shown],
    ask: Callable[[Any, Sequence[Q]], Sequence[R]],
) -> Response:
    """Submit a command, ask what it came to, and show that. Under a key, that is kept and shown again.

    ``ask`` answers such questions for all calls of one transaction; ``one_by_one`` does where a question is a read.

    Raises:
        CallError: it was refused, or the database did not answer.
    """
    reply = Reply(question=question, ask=ask, write=lambda found, done: packed(show(found, done)))
    call = replace(call, once=key, reply=reply)
    done = await submit(services, call, unknown=unknown)
    if done.reply is not None:
        return _kept_response(done.reply, replayed=done.replayed)
    [found] = await services.database.read(lambda connection: ask(connection, [question(done)]))
    return response_of(show(found, done), replayed=done.replayed)


def one_by_one(connection: Any, questions: Sequence[Work[R]]) -> list[R]:
    """The answer to each."""
    return [question(connection) for question in questions]


async def change_once(
    services: Services,
    key: IdempotencyKey | None,
    act: Work[T],
    show: Callable[[T], Shown],
    again: Callable[[Mapping[str, Any]], Work[T]] | None = None,
) -> Response:
    """Make a change that is no command, and show what it came to. Under a key, that is kept and shown again.

    ``again`` asks what a change came to that an earlier version kept without its reply.

    Raises:
        CallError: the key was used for another call.
        UnavailableError: the database did not answer.
    """
    if key is None:
        return response_of(show(await change(services.database, act)))
    keyed = partial(once_for_key, now=services.clock(), key=key, act=act, reply=lambda result: packed(show(result)))
    found: T | KeptAnswer = await change(services.database, keyed)
    if not isinstance(found, KeptAnswer):
        return response_of(show(found))
    answer = answer_of(found, key)
    if answer is not None:
        return answer
    assert again is not None
    earlier = await services.database.read(again(found.answer))
    return response_of(_without_secret(show(earlier)), replayed=True)


def answer_of(kept: KeptAnswer, key: IdempotencyKey) -> Response | None:
    """What the first call with a key got; ``None`` if its reply is not kept.

    Raises:
        CallError: it was refused, or the key was used for another call.
    """
    answer = answer_again(kept, key)
    if isinstance(answer, Refused):
        raise CallError.of(answer.refusal, replayed=answer.replayed)
    return _kept_response(kept.reply, replayed=True) if kept.reply else None


def response_of(shown: Shown, *, replayed: bool = False) -> Response:
    """The reply to a call."""
    return _response(shown.status, shown.headers, _written(shown.body), replayed=replayed)


def packed(shown: Shown) -> bytes:
    """What is kept of a reply: its status and headers in a line of their own, and then its body as it was sent."""
    kept = _without_secret(shown)
    head = json.dumps({"status": kept.status, "headers": dict(kept.headers)}).encode()
    return b"%b\n%b" % (head, _written(kept.body))


def _kept_response(reply: bytes, *, replayed: bool) -> Response:
    head, _, body = reply.partition(b"\n")
    return _response(**json.loads(head), body=body, replayed=replayed)


def _response(status: int, headers: Mapping[str, str], body: bytes, *, replayed: bool) -> Response:
    more = {REPLAYED: "true"} if replayed else {}
    return Response(body, status, {**headers, **more}, "application/json" if body else None)


def _written(body: Any) -> bytes:
    """JSON as FastAPI writes it; nothing for no body."""
    if body is None:
        return b""
    if isinstance(body, BaseModel):
        return body.model_dump_json(by_alias=True).encode()
    return bytes(JSONResponse(plain(body)).body)


def _without_secret(shown: Shown) -> Shown:
    body = shown.body
    if isinstance(body, BaseModel) and SHOWN_ONCE not in type(body).model_fields:
        return shown
    body = plain(body)
    return replace(shown, body={**body, SHOWN_ONCE: None} if isinstance(body, dict) and SHOWN_ONCE in body else body)


def _id(text: str) -> str:
    """What a path names, however its id is spelled."""
    try:
        return read_uuid(text.rpartition("_")[2]).hex
    except ValueError:
        return text


def location(nouns: str, identifier: str) -> dict[str, str]:
    """The header that says where what was made can be found."""
    return {"Location": f"/v1/{nouns}/{identifier}"}
