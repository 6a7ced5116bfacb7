"""A stream of NATS JetStream: the event's id is the ``Nats-Msg-Id``, by which the server drops what comes twice."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Final

import structlog
from nats.aio.client import Client
from nats.errors import Error
from nats.js.api import DiscardPolicy, Header, RetentionPolicy, StorageType, StreamConfig, StreamInfo
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from countermand.outlets.event_stream import Message, Published, StreamError, StreamState
from countermand.settings import Settings

AFTER: Final = "Countermand-After"
"""The header that says which place in the feed everything before this message reaches to."""
CONNECT_S: Final = 5.0
ANSWER_S: Final = 5.0
CLOSE_S: Final = 1.0
CREATE_S: Final = 20.0
"""A cluster takes a while until all copies of a stream are there."""
DUPLICATES: Final = timedelta(minutes=10)
"""For how long a stream that is made here drops a message that it has."""
DUPLICATES_MIN: Final = timedelta(minutes=2)
"""NATS's own default."""
COPIES: Final = 3

log = structlog.get_logger()


class JetStream:
    """The stream that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self.name = settings.nats_stream
        self._settings = settings
        self._client: _Client | None = None

    async def open(self) -> StreamState:
        """How it is. It is made if it is not there."""
        async with self._connected() as client:
            try:
                info = await client.jetstream(timeout=ANSWER_S).stream_info(self.name)
            except NotFoundError:
                info = await self._make(client)
        return _state(info)

    async def publish(self, messages: Sequence[Message]) -> Published:
        """Publish these, in no order, and wait until the stream has stored all of them."""
        async with self._connected() as client:
            broker = client.jetstream(timeout=ANSWER_S)
            calls = (self._send(broker, each) for each in messages)
            found = await asyncio.gather(*calls, return_exceptions=True)
            for each in found:
                if isinstance(each, BaseException):
                    raise each
        acks = [each for each in found if not isinstance(each, BaseException)]
        new = [ack.seq for ack in acks if not ack.duplicate]
        return Published(new=new, repeated=len(acks) - len(new))

    async def after_of(self, sequence: int) -> str | None:
        """The ``after`` of one message; ``None`` if there is no such message of ours."""
        async with self._connected() as client:
            try:
                found = await client.jetstream(timeout=ANSWER_S).get_msg(self.name, sequence)
            except NotFoundError:
                return None
        return (found.headers or {}).get(AFTER)

    async def problems(self) -> list[str]:
        """What a person should look at, in sentences. Nothing is made."""
        async with self._connected() as client:
            broker = client.jetstream(timeout=ANSWER_S)
            await broker.account_info()
            try:
                info = await broker.stream_info(self.name)
                takes = await broker.find_stream_name_by_subject(f"{self._settings.nats_subject}.retailer.kind")
            except NotFoundError:
                # Without a stream that takes the subject, or without this one: then it is made by the worker.
                return []
        return [*self._judged(info, takes)]

    async def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None:
            await _let_go(client)

    def _judged(self, info: StreamInfo, takes: str) -> Sequence[str]:
        found = []
        if takes != self.name:
            found.append(f"Messages to {self._settings.nats_subject} go to the stream {takes}, not to {self.name}.")
        if self._is_cluster and (info.config.num_replicas or 1) < COPIES:
            found.append(f"The stream {self.name} has fewer than three copies, so it may lose what it has stored.")
        if timedelta(seconds=info.config.duplicate_window) < DUPLICATES_MIN:
            found.append(f"The stream {self.name} drops what comes twice only within two minutes or less.")
        return found

    async def _make(self, client: "_Client") -> StreamInfo:
        settings = self._settings
        info = await client.jetstream(timeout=CREATE_S).add_stream(
            StreamConfig(
                name=self.name,
                description="Events of Countermand",
                subjects=[f"{settings.nats_subject}.>"],
                storage=StorageType.FILE,
                retention=RetentionPolicy.LIMITS,
                discard=DiscardPolicy.OLD,
                num_replicas=settings.nats_replicas or (COPIES if self._is_cluster else 1),
                max_age=settings.nats_keep.total_seconds() if settings.nats_keep else 0,
                duplicate_window=DUPLICATES.total_seconds(),
            )
        )
        log.info("stream_made", stream=self.name, copies=info.config.num_replicas)
        return info

    async def _send(self, broker: JetStreamContext, message: Message) -> Any:
        return await broker.publish(
            f"{self._settings.nats_subject}.{message.retailer}.{message.kind}",
            message.body,
            stream=self.name,
            headers={Header.MSG_ID.value: message.id, "Content-Type": "application/json", AFTER: message.after},
        )

    @property
    def _is_cluster(self) -> bool:
        return self._client is not None and "cluster" in self._client.said

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator["_Client"]:
        """The connection, or a new one. It is dropped after an error: another server may do better."""
        try:
            if self._client is None or not self._client.is_connected:
                await self.close()
                self._client = await _connect(self._settings)
            yield self._client
        except (Error, OSError, TimeoutError, ssl.SSLError) as error:
            await self.close()
            raise StreamError(_sentence(error, self.name)) from error
        except asyncio.CancelledError:
            await self.close()
            raise


class _Client(Client):
    """Refuses to go on without TLS where it is wanted: before it has said who it is."""

    def __init__(self, *, wants_tls: bool) -> None:
        super().__init__()
        self.said: dict[str, Any] = {}
        self._wants_tls = wants_tls

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if self._wants_tls and initial_connection and not info.get("tls_required"):
            raise Error("nats: this server has no TLS, and nats_urls wants it")
        self.said = {**self.said, **info}
        await super()._process_info(info, initial_connection)


async def _connect(settings: Settings) -> _Client:
    """To one of the servers. Nothing is tried again here: who calls does so, and waits longer each time."""
    wants_tls = any(url.startswith("tls://") for url in settings.nats_urls)
    client = _Client(wants_tls=wants_tls)
    failures: list[Exception] = []

    async def note(error: Exception) -> None:
        failures.append(error)
        log.debug("nats_error", error=type(error).__name__)

    given: dict[str, Any] = {"servers": list(settings.nats_urls)}
    if wants_tls:
        given["tls"] = ssl.create_default_context()
        if settings.nats_ca_file:
            given["tls"].load_verify_locations(settings.nats_ca_file)
    if settings.nats_user and settings.nats_password:
        given |= {"user": settings.nats_user, "password": settings.nats_password.get_secret_value()}
    if settings.nats_creds_file:
        given["user_credentials"] = str(settings.nats_creds_file)
    try:
        async with asyncio.timeout(CONNECT_S * (1 + len(settings.nats_urls))):
            await client.connect(
                **given,
                name="countermand",
                error_cb=note,
                allow_reconnect=False,
                connect_timeout=int(CONNECT_S),
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
            )
    except BaseException as error:
        await _let_go(client)
        if isinstance(error, TimeoutError) and failures:
            raise failures[-1] from error
        raise
    return client


async def _let_go(client: Client) -> None:
    """Close it, without waiting for a server that hangs, or for a handshake that has failed."""
    with suppress(TimeoutError, Error, OSError):
        async with asyncio.timeout(CLOSE_S):
            await client.close()


def _state(info: StreamInfo) -> StreamState:
    if info.created is None:
        raise StreamError("The server does not say when it made the stream: it is older than NATS 2.2.")
    return StreamState(made_at=info.created, last_sequence=info.state.last_seq)


def _sentence(error: Exception, stream: str) -> str:
    if isinstance(error, NoStreamResponseError):
        return f"No stream takes the messages: {stream} is not there, or has no leader at the moment."
    if isinstance(error, APIError) and error.description:
        return f"NATS refuses it: {error.description}."
    why = str(error).removeprefix("nats: ").strip(" .'") or type(error).__name__
    return f"NATS cannot be used: {why}."
