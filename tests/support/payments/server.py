"""The fake on a port of loopback: requests in, answers out, and what goes wrong in between."""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from tests.support.payments.dialects import BadRequestError, MollieDialect, Move, StripeDialect, disguised
from tests.support.payments.ledger import Ledger, ProblemError, Refund
from tests.support.payments.script import Fault, Script
from tests.support.receiver import Loopback, Received, answer, raw, reset, silent, silent_in_vain

API_KEY = "sk_test_of_the_fake"
WEBHOOK_SECRET = "whsec_of_the_fake"

_BEFORE = {
    Fault.RESET_BEFORE: reset,
    Fault.RATE_LIMITED: answer(429, b"{}", retry_after="7"),
    Fault.EXPIRED: answer(401, b"{}"),
    Fault.FORBIDDEN: answer(403, b"{}"),
}
"""Answers of those who never let the call through to the books."""

_WHO_CALLS = frozenset({Fault.EXPIRED, Fault.FORBIDDEN, Fault.RATE_LIMITED})
"""Those that answer a question alike."""

_AFTER = {
    Fault.RESET_AFTER: reset,
    Fault.GARBAGE_AFTER: answer(200, b"<html>Bad gateway</html>"),
    Fault.CUT_AFTER: raw(b'HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{"id": "re_'),
}


@dataclass(kw_only=True)
class Fake(Loopback):
    """A provider. ``control`` paths under ``/_`` are for tests in another process.

    ``every`` call that would move money meets this fault, questions too where it is about who calls. ``elsewhere``: the
    key is good, and of an account that knows no payment.
    """

    ledger: Ledger
    script: Script = field(default_factory=Script)
    port: int = 0
    requests: deque[Received] = field(default_factory=deque)
    control: Callable[[Received], Any] | None = None
    every: Fault | None = None
    elsewhere: bool = False

    async def __aenter__(self) -> Self:
        self._busy: set[str] = set()
        quiet = silent if self.control else silent_in_vain
        self._before = {**_BEFORE, Fault.TIMEOUT_BEFORE: quiet}
        self._after = {**_AFTER, Fault.TIMEOUT_AFTER: quiet}
        self.port = await self.listen("127.0.0.1", self.port)
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def moves(self) -> list[Received]:
        """The requests that would have moved money."""
        return [each for each in self.requests if each.method == "POST"]

    def webhook(self, refund: Refund, now: datetime, secret: str = WEBHOOK_SECRET) -> tuple[dict[str, str], bytes]:
        """What the provider sends about a refund."""
        dialect = StripeDialect() if refund.payment.startswith(("pi_", "ch_")) else MollieDialect()
        return dialect.webhook(refund, secret, now)

    async def take(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer as the provider would, or as the script says."""
        if request.target.startswith("/_") and self.control:
            reported = self.control(request)
            await answer(200, json.dumps(reported).encode())(reader, writer)
        else:
            self.requests.append(request)
            await self._answer(request, reader, writer)

    async def _answer(self, request: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialect = StripeDialect() if request.target.startswith("/v1/") else MollieDialect()
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            await answer(401, b"{}")(reader, writer)
            return
        try:
            move = dialect.read(request)
        except (BadRequestError, KeyError, ValueError) as error:
            await answer(400, json.dumps(dialect.error(400, str(error))).encode())(reader, writer)
            return
        if self.every in _WHO_CALLS:
            await self._before[self.every](reader, writer)
            return
        if move is None:
            ledger = Ledger(clock=self.ledger.clock) if self.elsewhere else self.ledger
            status, document = dialect.asked(ledger, request)
            await answer(status, json.dumps(document).encode())(reader, writer)
            return
        fault = self.every or self.script.next(dict(move.metadata).get("countermand_reference") or move.payment)
        if fault is Fault.BAD_API:
            await answer(400, json.dumps(dialect.error(400, "parameter_unknown")).encode())(reader, writer)
            return
        if fault in self._before:
            await self._before[fault](reader, writer)
            return
        status, body, replayed = await self._moved(dialect, request, move, fault)
        headers = {"idempotent_replayed": "true"} if replayed and isinstance(dialect, StripeDialect) else {}
        await self._after.get(fault, answer(status, body, **headers))(reader, writer)

    async def _moved(
        self, dialect: StripeDialect | MollieDialect, request: Received, move: Move, fault: Fault
    ) -> tuple[int, bytes, bool]:
        """The key is looked at, then the wish is carried out, and the answer kept under the key, whatever it is."""
        key = request.headers.get("idempotency-key", "")
        whole = request.target.encode() + request.body
        if fault is Fault.TWIN or key in self._busy:
            return 409, json.dumps(dialect.error(409, "idempotency_key_in_use")).encode(), False
        if kept := self.ledger.kept(key):
            if kept.request != whole:
                return 400, json.dumps(dialect.error(400, "idempotency_error")).encode(), False
            return kept.status, kept.body, True
        self._busy.add(key)
        try:
            if fault is Fault.SLOW:
                await asyncio.sleep(0.05)
            status, document = self._carried_out(dialect, move, fault)
        finally:
            self._busy.discard(key)
        if fault in (Fault.ERROR_BEFORE, Fault.ERROR_AFTER):
            status, document = 500, dialect.error(500, "api_error")
        body = b"" if document is None else json.dumps(document).encode()
        if key and status != 409:
            self.ledger.keep(key, whole, status, body)
        return status, body, False

    def _carried_out(self, dialect: StripeDialect | MollieDialect, move: Move, fault: Fault) -> tuple[int, Any]:
        if fault is Fault.ERROR_BEFORE:
            return 500, None
        try:
            if self.elsewhere:
                raise ProblemError("no_payment")
            if fault is Fault.NO_FUNDS:
                raise ProblemError("no_funds")
            move = dialect.in_ledger(self.ledger, move)
            if move.amount is None:
                self.ledger.release(move.payment)
                return dialect.released(self.ledger, self.ledger.payments[move.payment])
            if fault is Fault.ALREADY:
                self.ledger.refund_the_rest_by_hand(move.payment)
            status = {Fault.PENDING: "pending", Fault.STRANGE_STATE: "on_hold"}.get(fault, "succeeded")
            made = self.ledger.refund(move.payment, move.amount, dict(move.metadata), status)
            if fault is Fault.FAILS_LATER:
                self.ledger.doomed.add(made.id)
            return 200 if isinstance(dialect, StripeDialect) else 201, dialect.refund(disguised(made, fault))
        except ProblemError as problem:
            return dialect.refusal(str(problem))
        except BadRequestError as error:
            status_code = 400 if isinstance(dialect, StripeDialect) else 422
            return status_code, dialect.error(status_code, str(error))
