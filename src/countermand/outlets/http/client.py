"""Calls to hosts that others have named: to webhooks, and to whatever else this service calls.

Each call has one deadline around everything and a bounded answer. There are no redirects, no proxy and no cookies, and
connections only to addresses that were looked up and checked once.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, Self

import structlog

from countermand.documents.sentences import one_line, written
from countermand.domain.addresses.address import BadAddressError
from countermand.domain.addresses.web import Target, check_port, read_url
from countermand.domain.delivery import Attempt, Verdict
from countermand.ids import Clock, system_clock
from countermand.outlets.http.addresses import Address, AddressError, Guard, Resolver, system_resolver
from countermand.outlets.http.connection import Answer, Exchange, ExchangeError
from countermand.outlets.http.pool import IdleConnections
from countermand.settings import Settings

TOTAL_S: Final = 20.0
CONNECT_S: Final = 3.0
BODY_WAIT_S: Final = 1.0
"""How long the rest of an answer is waited for once its status is there. The status decides; the rest explains."""
ANSWER_MAX: Final = 16 * 1024
ANSWER_KEPT: Final = 1024
"""So many bytes of an answer are kept with the attempt."""
TEXT_MAX: Final = 1000
"""How much of a receiver's own words is kept, in characters and in bytes."""
RETRY_AFTER_MAX_S: Final = 24 * 3600.0
RESOLVER_THREADS: Final = 64

log = structlog.get_logger()


class NoAnswerError(Exception):
    """A call had no answer. The message is a sentence; ``sent`` says that it may have reached the receiver."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.sent = sent


class Outbound:
    """Makes calls, and keeps connections that are good for another one.

    A name is looked up once for each connection and the connection goes to the very address that was checked. What a
    name leads to later is of no consequence to a connection that is open, and is checked again for the next one;
    nothing that was looked up is remembered otherwise. A connection serves one scheme, name and port only, so that a
    certificate is never taken for another name's.

    Args:
        inner: networks that may be called though they are not public, as ``127.0.0.0/8``.
        http: whether calls may go unencrypted to other hosts than this one.
        ports: the ports that may be called; without any, all.
        resolver: looks names up; default the operating system's.
        trust: whose certificates are believed; default the operating system's.
    """

    def __init__(
        self,
        *,
        inner: Sequence[str] = (),
        http: bool = False,
        ports: Sequence[int] = (443,),
        resolver: Resolver | None = None,
        trust: ssl.SSLContext | None = None,
        total_s: float = TOTAL_S,
        connect_s: float = CONNECT_S,
        body_wait_s: float = BODY_WAIT_S,
    ) -> None:
        self._guard = Guard(inner)
        self._http = http
        self._ports = frozenset(ports)
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, "resolver")
        self._resolver = resolver or system_resolver(self._threads)
        self._trust = trust
        self._total_s = total_s
        self._connect_s = connect_s
        self._body_wait_s = body_wait_s
        self._idle = IdleConnections()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """As the settings say."""
        return cls(inner=settings.webhook_inner_addresses, http=settings.webhook_http, ports=settings.webhook_ports)

    async def call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        answer_max: int = ANSWER_MAX,
    ) -> Answer:
        """Call and return the answer, whatever its status, with the first ``answer_max`` bytes of its body.

        A connection that was kept and turns out to be closed is replaced by a new one, once: the same call may then
        reach the receiver twice.

        Raises:
            NoAnswerError: there was none within the deadline, or the URL may not be called.
        """
        try:
            target = read_url(url)
            check_port(target, self._ports)
        except BadAddressError as error:
            raise NoAnswerError(str(error), sent=False) from None
        return await self._within_time(target, method, _headers(target, headers, body), body, answer_max)

    async def close(self) -> None:
        """Let go of every connection."""
        self._idle.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _within_time(
        self, target: Target, method: str, headers: Sequence[tuple[str, str]], body: bytes, answer_max: int
    ) -> Answer:
        connected, origin = False, target.origin
        try:
            async with asyncio.timeout(self._total_s):
                exchange, kept = self._idle.take(origin), True
                while True:
                    if exchange is None:
                        exchange, kept = await self._connect(target), False
                    connected = True
                    try:
                        answer = await exchange.call(
                            method, target, headers, body, answer_max=answer_max, body_wait_s=self._body_wait_s
                        )
                    except ExchangeError as error:
                        if not (kept and error.stale):
                            raise NoAnswerError(str(error), sent=error.sent) from None
                        exchange = None
                    else:
                        self._idle.keep(origin, exchange)
                        return answer
        except TimeoutError:
            raise NoAnswerError(f"No answer within {self._total_s:g} seconds.", sent=connected) from None

    async def _connect(self, target: Target) -> Exchange:
        try:
            addresses = await self._guard.addresses(target.host, target.port, self._resolver)
        except AddressError as error:
            raise NoAnswerError(str(error), sent=False) from None
        if target.scheme == "http" and not (self._http or all(each.is_loopback for each in addresses)):
            raise NoAnswerError("Notices go to https only.", sent=False)
        problem = "The host cannot be reached."
        try:
            async with asyncio.timeout(self._connect_s):
                for address in addresses:
                    try:
                        return await self._open(address, target)
                    except ssl.SSLCertVerificationError as error:
                        problem = f"The certificate of {target.host} does not hold: {error.verify_message}."
                    except ssl.SSLError as error:
                        problem = f"No encrypted connection came about: {_reason(error)}."
                    except ConnectionRefusedError:
                        problem = "The host refuses connections on this port."
                    except OSError:
                        problem = "The host cannot be reached."
        except TimeoutError:
            problem = f"No connection within {self._connect_s:g} seconds."
        raise NoAnswerError(problem, sent=False)

    async def _open(self, address: Address, target: Target) -> Exchange:
        """A connection to this very address; the certificate must be for the name."""
        secure = target.scheme == "https"
        if self._trust is None and secure:
            self._trust = ssl.create_default_context()
        _, exchange = await asyncio.get_running_loop().create_connection(
            Exchange,
            str(address),
            target.port,
            ssl=self._trust if secure else None,
            server_hostname=target.host if secure else None,
        )
        return exchange


class Webhooks:
    """Sends notices to webhooks."""

    def __init__(self, outbound: Outbound, clock: Clock = system_clock) -> None:
        self._outbound = outbound
        self._clock = clock

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Make one attempt to send a notice. Never raises: whatever goes wrong is a failed attempt that says so."""
        try:
            answer = await self._outbound.call("POST", url, {"Content-Type": "application/json", **headers}, body)
        except NoAnswerError as error:
            return Attempt(verdict=Verdict.FAILED, result=str(error))
        except Exception:
            log.exception("webhook_failed")
            return Attempt(verdict=Verdict.FAILED, result="The attempt failed here, and was logged.")
        return replace(_attempt(answer, self._clock()), status=answer.status, answer=_beginning(answer))

    async def close(self) -> None:
        """Let go of every connection."""
        await self._outbound.close()


def _headers(target: Target, given: Mapping[str, str], body: bytes) -> list[tuple[str, str]]:
    headers = [("Host", target.authority), ("User-Agent", "Countermand"), ("Accept", "*/*")]
    headers += [("Accept-Encoding", "identity"), *given.items()]
    return [*headers, ("Content-Length", str(len(body)))]


def _attempt(answer: Answer, now: datetime) -> Attempt:
    """What an answer means: 2xx is delivered, 410 wants nothing any more, anything else has failed."""
    status = answer.status
    answered = f"The receiver answered {status}"
    if 200 <= status < 300:
        return Attempt(verdict=Verdict.DELIVERED, result=f"{answered}.")
    if status == HTTPStatus.GONE:
        return Attempt(verdict=Verdict.GONE, result=f"{answered} Gone: it wants no more notices.")
    if 300 <= status < 400:
        where = one_line(answer.header(b"location"), 200)
        lead = f", which leads to {where}" if where else ""
        result = f"{answered}{lead}. Redirects are not followed: register the URL of the receiver itself."
        return Attempt(verdict=Verdict.FAILED, result=result)
    words = _words(answer)
    result = f"{answered}{_phrase(status)}." + (f" It says: {words}" if words else "")
    return Attempt(verdict=Verdict.FAILED, result=result, retry_after_s=retry_after(answer, now))


def _phrase(status: int) -> str:
    try:
        return f" {HTTPStatus(status).phrase}"
    except ValueError:
        return ""


def _beginning(answer: Answer) -> str:
    """The first of what the receiver says, as it says it, but for what cannot be shown."""
    if _is_coded(answer):
        return ""
    return written(answer.body[:ANSWER_KEPT].decode("utf-8", "replace"))


def _is_coded(answer: Answer) -> bool:
    return answer.header(b"content-encoding").lower() not in ("", "identity")


def _words(answer: Answer) -> str:
    """The beginning of what the receiver says, as one line of printable text. What is compressed is left alone."""
    if _is_coded(answer):
        return ""
    return one_line(answer.body.decode("utf-8", "replace"), TEXT_MAX)


def retry_after(answer: Answer, now: datetime) -> float | None:
    """How long a busy receiver wants to be left alone: seconds, or a date (RFC 9110, 10.2.3); at most a day."""
    if answer.status not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        return None
    text = answer.header(b"retry-after").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), RETRY_AFTER_MAX_S)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    wait = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    return min(wait, RETRY_AFTER_MAX_S) if wait > 0 else None


def _reason(error: ssl.SSLError) -> str:
    return (error.reason or "an error of TLS").replace("_", " ").lower()
