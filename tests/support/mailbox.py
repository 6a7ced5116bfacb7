"""A real SMTP server on loopback that keeps what it is sent."""

import asyncio
import ssl
import warnings
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.waiting import HANGS_S


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One message, as it arrived."""

    sender: str
    to: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """The message, parsed."""
        message = message_from_bytes(self.raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message

    def body(self, kind: str) -> str:
        """The ``plain`` or ``html`` part."""
        part = self.message.get_body((kind,))
        assert part is not None
        content: str = part.get_content()
        return content


@dataclass(kw_only=True)
class Mailbox:
    """``answers`` holds what the server says at a stage (RCPT, DATA) instead of taking the message."""

    answers: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    starttls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    silent: bool = False
    letters: list[Letter] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", 0, ssl=self.tls)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def received(self, count: int, within_s: float = HANGS_S) -> list[Letter]:
        """Wait until so many messages have arrived."""
        async with asyncio.timeout(within_s):
            while len(self.letters) < count:  # noqa: ASYNC110 - a limit is set above
                await asyncio.sleep(0.005)
        return self.letters

    def _protocol(self) -> asyncio.Protocol:
        if self.silent:
            return asyncio.Protocol()
        with warnings.catch_warnings():
            # aiosmtpd warns of passwords without encryption, which is what a test of log-ins does.
            warnings.simplefilter("ignore", UserWarning)
            return SMTP(
                self,
                hostname="mail.test",
                tls_context=self.starttls,
                auth_required=self.login is not None,
                auth_require_tls=False,
                authenticator=self._authenticate if self.login else None,
            )

    def _authenticate(self, server: SMTP, session: Session, envelope: Envelope, kind: str, data: Any) -> AuthResult:
        assert self.login is not None
        right = isinstance(data, LoginPassword) and (data.login, data.password) == tuple(
            each.encode() for each in self.login
        )
        return AuthResult(success=right, handled=False)

    # What aiosmtpd calls

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if "DATA" in self.answers:
            return self.answers["DATA"]
        assert isinstance(envelope.content, bytes)
        self.encrypted.append(session.ssl is not None or self.tls is not None)
        self.letters.append(Letter(sender=envelope.mail_from or "", to=list(envelope.rcpt_tos), raw=envelope.content))
        return "250 taken"
