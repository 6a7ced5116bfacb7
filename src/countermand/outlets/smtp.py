"""E-mail, for parties without a program of their own: one message to one mailbox by one SMTP server."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from typing import Final, Literal, Self

import structlog
from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from countermand.documents.sentences import one_line
from countermand.domain.delivery import Attempt, Verdict
from countermand.ids import Clock, system_clock
from countermand.settings import Settings

TOTAL_S: Final = 20.0
RESULT_MAX: Final = 1000
SUBJECT_MAX: Final = 250
ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?",
    re.ASCII,
)
"""One address, as RFC 5321 has it without quotes and literals, so nothing in it can end a command or a header."""

Encryption = Literal["none", "starttls", "tls"]

log = structlog.get_logger()


class Mail:
    """Sends messages through one SMTP server; without a host it can send nothing, and says so.

    Args:
        encryption: ``tls`` from the first byte, ``starttls`` before anything is sent, or ``none``.
        sender: the address in From, with or without a name before it: ``Shop <mail@shop.example>``.
        trust: whose certificates are believed; default the operating system's.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        sender: str,
        user: str = "",
        password: str = "",
        encryption: Encryption = "starttls",
        trust: ssl.SSLContext | None = None,
        total_s: float = TOTAL_S,
        clock: Clock = system_clock,
    ) -> None:
        self._host = host
        self._port = port
        self._sender = sender
        self._login = (user, password) if user else None
        self._encryption = encryption
        self._trust = trust
        self._total_s = total_s
        self._clock = clock

    @classmethod
    def from_settings(cls, settings: Settings, clock: Clock = system_clock) -> Self:
        """As the settings say."""
        return cls(
            host=settings.smtp_host,
            port=settings.smtp_port,
            sender=settings.mail_from,
            user=settings.smtp_user,
            password=settings.smtp_password.get_secret_value() if settings.smtp_password else "",
            encryption=settings.smtp_tls,
            clock=clock,
        )

    async def send(self, to: str, subject: str, text: str, html: str, *, message_id: str = "") -> Attempt:
        """Make one attempt to send a message. Never raises: whatever goes wrong is a failed attempt that says so.

        ``message_id`` is the same for every attempt of one notice, so that a mail program recognises a repeat.
        """
        if not self._host:
            return _failed("No e-mail can be sent: the setting smtp_host is empty.")
        if not ADDRESS.fullmatch(to):
            return _failed("This is not an e-mail address that can be written to.")
        return await self._tried(lambda: self._deliver(to, self._message(to, subject, text, html, message_id)))

    async def why_not(self) -> str:
        """Why the server would take no message, by connecting and logging in; empty if it would."""
        tried = await self._tried(self._look_in)
        return "" if tried.verdict is Verdict.DELIVERED else tried.result

    async def _look_in(self) -> Attempt:
        async with self._logged_in():
            return Attempt(verdict=Verdict.DELIVERED, result="")

    async def _tried(self, attempt: Callable[[], Awaitable[Attempt]]) -> Attempt:
        try:
            async with asyncio.timeout(self._total_s):
                return await attempt()
        except TimeoutError:
            return _failed(f"The mail server did not finish within {self._total_s:g} seconds.")
        except (SMTPException, OSError) as error:
            return _failed(_why(error))
        except Exception:
            log.exception("mail_failed")
            return _failed("The attempt failed here, and was logged.")

    def _message(self, to: str, subject: str, text: str, html: str, message_id: str) -> bytes:
        message = EmailMessage(SMTP_POLICY)
        message["From"] = self._sender
        message["To"] = to
        # The library reads encoded words in what it is given, and older Pythons write a line break in one as it is.
        message["Subject"] = one_line(subject.replace("=?", "= ?"), SUBJECT_MAX)
        message["Date"] = format_datetime(self._clock())
        # Nobody's absence note is to answer it (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        if message_id:
            message["Message-ID"] = f"<{message_id}@{_address(self._sender).rpartition('@')[2]}>"
        message.set_content(_writable(text), cte="quoted-printable")
        message.add_alternative(_writable(html), subtype="html", cte="quoted-printable")
        return message.as_bytes()

    async def _deliver(self, to: str, message: bytes) -> Attempt:
        async with self._logged_in() as client:
            await client.sendmail(_address(self._sender), [to], message)
        return Attempt(verdict=Verdict.DELIVERED, result="The mail server took the message.")

    @asynccontextmanager
    async def _logged_in(self) -> AsyncIterator[SMTP]:
        client = SMTP(
            hostname=self._host,
            port=self._port,
            timeout=None,
            use_tls=self._encryption == "tls",
            start_tls=self._encryption == "starttls",
            tls_context=self._context() if self._encryption != "none" else None,
            # Asked for by name, the library would look this machine's own name up and hold up the event loop.
            local_hostname=socket.gethostname(),
        )
        try:
            await client.connect()
            if self._login:
                await client.login(*self._login)
            yield client
            # All is said; how the server takes leave changes nothing.
            with suppress(SMTPException, OSError):
                await client.quit()
        finally:
            client.close()

    def _context(self) -> ssl.SSLContext:
        self._trust = self._trust or ssl.create_default_context()
        return self._trust


def _failed(result: str) -> Attempt:
    return Attempt(verdict=Verdict.FAILED, result=one_line(result, RESULT_MAX))


def _why(error: SMTPException | OSError) -> str:
    match error:
        case SMTPRecipientsRefused():
            refusal = error.recipients[0]
            return _answered(refusal.code, refusal.message)
        case SMTPResponseException():
            return _answered(error.code, error.message)
        case SMTPNotSupported():
            return f"The mail server lacks something that is needed: {error.message}"
        case SMTPServerDisconnected():
            return "The mail server closed the connection."
        case ssl.SSLCertVerificationError():
            return f"The certificate of the mail server does not hold: {error.verify_message}."
        case SMTPException(__cause__=ssl.SSLCertVerificationError() as cause):
            return f"The certificate of the mail server does not hold: {cause.verify_message}."
        case ConnectionRefusedError():
            return "The mail server refuses connections on this port."
        case SMTPException():
            return f"The mail server cannot be reached: {error.message}"
        case _:
            return "The mail server cannot be reached."


def _answered(code: int, message: str) -> str:
    kind = "refuses the message for good" if 500 <= code < 600 else "puts the message off"
    return f"The mail server {kind}: {code} {message}"


def _address(sender: str) -> str:
    return parseaddr(sender)[1]


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()
