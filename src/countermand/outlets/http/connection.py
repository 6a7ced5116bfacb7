"""One HTTP/1.1 connection: a call goes out, an answer comes in, and never more of it than is wanted.

There is nothing here that follows redirects, keeps cookies, asks the environment for a proxy or unpacks what is
compressed, so none of it can be used against us.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final, cast

import h11

from countermand.domain.addresses.web import Target

HEAD_MAX: Final = 16 * 1024
"""How many bytes the status and the headers of an answer may have."""


class ExchangeError(Exception):
    """No answer came. The message is a sentence.

    ``stale`` says that the connection had carried a call before and ended before a byte of this answer: the receiver
    had probably closed it meanwhile. ``sent`` says that the call may have reached the receiver.
    """

    def __init__(self, message: str, *, stale: bool = False, sent: bool = True) -> None:
        super().__init__(message)
        self.stale = stale
        self.sent = sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: as many bytes of the body as were wanted, and whether that is all. Header names are small."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    whole: bool

    def header(self, name: bytes) -> str:
        """The first header of this name, or nothing."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), "")


class Exchange(asyncio.Protocol):
    """A connection that carries one call after the other. What comes unasked ends it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.opened_at = monotonic()
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_MAX)
        self._calls = 0
        self._reset(0)

    def _reset(self, wanted: int) -> None:
        self._wanted = wanted
        self._unread = HEAD_MAX + wanted
        self._head: h11.Response | None = None
        self._body = bytearray()
        self._any = self._cut = False
        self._headed: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[bool] | None = None

    @property
    def usable(self) -> bool:
        """Whether another call can be made."""
        idle = self._http.our_state is h11.IDLE and self._ended is None
        return idle and self._transport is not None and not self._transport.is_closing()

    async def call(
        self,
        method: str,
        target: Target,
        headers: Sequence[tuple[str, str]],
        body: bytes,
        *,
        answer_max: int,
        body_wait_s: float,
    ) -> Answer:
        """Send a call and return its answer, with the first ``answer_max`` bytes of the body.

        Once the status is there, the rest is waited for at most ``body_wait_s``. The connection is ended unless the
        answer was read to its end. Time is otherwise the caller's to bound: cancelling ends the connection too.

        Raises:
            ExchangeError: no answer came, or none that is HTTP.
        """
        self._reset(answer_max)
        self._calls += 1
        self._headed, self._ended = self._loop.create_future(), self._loop.create_future()
        try:
            self._send(method, target, headers, body)
            await self._headed
            try:
                async with asyncio.timeout(body_wait_s):
                    whole = await self._ended
            except TimeoutError:
                whole = False
            return self._answer(whole=whole)
        finally:
            self._headed = self._ended = None
            self._make_ready()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # Not asserted: uvloop's transports are no subclass.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read what came, up to what is wanted."""
        if self._ended is None or self._ended.done():
            self.abort()
            return
        self._any = True
        self._unread -= len(data)
        self._feed(data)

    def eof_received(self) -> None:
        """The receiver says no more; a body without a length ends so."""
        if self._ended is None or self._ended.done():
            return
        if self._head is None:
            self._fail("The receiver closed the connection without an answer.")
        else:
            self._feed(b"")

    def connection_lost(self, error: Exception | None) -> None:
        """Nothing more will come."""
        if self._ended is not None:
            self._fail("The receiver closed the connection without an answer." if error is None else _lost(error))

    # How bytes become an answer

    def _send(self, method: str, target: Target, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ExchangeError("The connection was closed.", stale=self._calls > 1, sent=False)
        try:
            request = h11.Request(method=method, target=target.path, headers=list(headers))
            parts = (
                self._http.send(request),
                self._http.send(h11.Data(data=body)),
                self._http.send(h11.EndOfMessage()),
            )
        except h11.LocalProtocolError as error:
            raise ExchangeError(f"The call cannot be written as HTTP: {error}.", sent=False) from None
        self._transport.write(b"".join(part for part in parts if part))

    def _feed(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            self._read()
        except h11.RemoteProtocolError:
            self._fail("The answer is not HTTP, or its headers are too long.")
            self.abort()

    def _read(self) -> None:
        while True:
            event = self._http.next_event()
            match event:
                case h11.Response():
                    self._head = event
                    self._settle(self._headed)
                case h11.Data():
                    self._keep(event.data)
                case h11.EndOfMessage():
                    self._settle_end(whole=True)
                    return
                case h11.InformationalResponse():
                    pass
                case h11.ConnectionClosed() | h11.PAUSED:
                    self._fail("The receiver closed the connection without an answer.")
                    return
                case _:
                    break
        if self._unread < 0:
            self._fail("The receiver sent more than an answer may have.")
            self.abort()

    def _keep(self, data: bytes | bytearray) -> None:
        room = self._wanted - len(self._body)
        self._body += data[:room]
        self._cut = self._cut or len(data) > room

    def _fail(self, sentence: str) -> None:
        """Nothing more comes. With a status, that is the answer; without one, there is none."""
        if self._head is not None:
            self._settle_end(whole=False)
        elif self._headed is not None and not self._headed.done():
            self._headed.set_exception(ExchangeError(sentence, stale=self._calls > 1 and not self._any))

    def _settle(self, future: "asyncio.Future[None] | None") -> None:
        if future is not None and not future.done():
            future.set_result(None)

    def _settle_end(self, *, whole: bool) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(whole)

    def _answer(self, *, whole: bool) -> Answer:
        assert self._head is not None
        headers = tuple((bytes(name), bytes(value)) for name, value in self._head.headers)
        return Answer(
            status=self._head.status_code, headers=headers, body=bytes(self._body), whole=whole and not self._cut
        )

    def _make_ready(self) -> None:
        """Ready for the next call if this one ended cleanly, else over."""
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if done and not self._http.trailing_data[0]:
            self._http.start_next_cycle()
        else:
            self.abort()


def _lost(error: Exception) -> str:
    if isinstance(error, ConnectionResetError):
        return "The receiver reset the connection."
    return "The connection broke."
