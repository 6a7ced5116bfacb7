"""The server in front of the doors: its limits, stray bytes, and callers that end their side early."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from countermand.http_server import HEADERS_MAX, ConnectionLimits, HttpServer
from countermand.wire.response import goes_on
from tests.support.pgnode import free_port
from tests.support.waiting import HANGS_S

pytestmark = pytest.mark.anyio

LIMITS = ConnectionLimits(total=100, per_address=100, idle_s=3600, header_s=3600, write_stall_s=3600)
App = Callable[[Any, Any, Any], Awaitable[None]]


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the method, the path and the body."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message["body"], message["more_body"]
    answer = f"{scope['method']} {scope['path']} ".encode() + body
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(answer)).encode())]}
    )
    await send({"type": "http.response.body", "body": answer})


@asynccontextmanager
async def served(app: App = echo, limits: ConnectionLimits = LIMITS) -> AsyncIterator[tuple[HttpServer, int]]:
    port = free_port()
    server = HttpServer(app, host="127.0.0.1", port=port, limits=limits)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield server, port
    finally:
        server.stop()
        await serving


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(HANGS_S):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)


async def words(port: int, sent: bytes, *, end: bool = False) -> bytes:
    """All that is answered to these bytes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    if end:
        writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), HANGS_S)
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return answer


HOST = b"Host: test\r\n"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n", b"GET /a "),
        (b"DELETE /a HTTP/1.1\r\n" + HOST + b"\r\n", b"DELETE /a "),
        (b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}", b"POST /a {}"),
        (b"PUT /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"PUT /a {}"),
        (b"GET /a HTTP/1.0\r\n\r\n", b"GET /a "),
    ],
    ids=["GET", "DELETE", "POST", "chunked", "HTTP/1.0"],
)
async def test_a_caller_that_ends_its_side_after_the_call_is_answered(sent: bytes, answer: bytes) -> None:
    async with served() as (_, port):
        heard = await words(port, sent, end=True)
    assert heard.startswith(b"HTTP/1.1 200 ")
    assert heard.endswith(answer)


async def test_all_pipelined_calls_are_answered_though_the_caller_ended_its_side() -> None:
    one = b"GET /%d HTTP/1.1\r\n" + HOST + b"\r\n"
    async with served() as (_, port):
        heard = await words(port, b"".join(one % number for number in range(3)), end=True)
    assert heard.count(b"HTTP/1.1 200 ") == 3
    assert [heard.count(b"GET /%d " % number) for number in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("at_once", [True, False], ids=["with the call", "later"])
async def test_an_answer_without_an_end_ends_when_the_caller_ends_its_side(at_once: bool) -> None:
    """A closed connection looks like one whose caller sends no more, until something is sent to it."""
    gone = asyncio.Event()

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        goes_on(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"
        gone.set()

    async with served(stream) as (_, port), asyncio.timeout(HANGS_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n")
        if at_once:
            writer.write_eof()
        else:
            await reader.readuntil(b"begun")
            writer.close()
        await gone.wait()
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 9\r\n\r\n{}",
        b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"GET /a HTTP/1.1\r\nHo",
        b"",
    ],
    ids=["short body", "short chunk", "short header", "nothing"],
)
async def test_half_a_call_is_no_call(sent: bytes) -> None:
    done: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "http.request":
            if not message["more_body"]:
                done.append(message["body"])

    async with served(app) as (_, port):
        assert await words(port, sent, end=True) == b""
    assert done == []


async def test_bytes_behind_a_call_without_a_length_are_no_second_call() -> None:
    """The Node sample of the CRUX page sends a DELETE with a body and does not say how long it is."""
    async with served() as (_, port):
        heard = await words(port, b"DELETE /a HTTP/1.1\r\n" + HOST + b"\r\n{}")
    assert heard.count(b"HTTP/1.1 ") == 1
    assert heard.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in heard


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"this is no HTTP\r\n\r\n", b"400"),
        (b"GET /a HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"POST /a HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", b"400"),
        (b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", b"400"),
        (b"GET /a HTTP/1.1\r\n" + HOST + b"A: b\r\n" * HEADERS_MAX + b"\r\n", b"431"),
        (b"GET /a HTTP/1.1\r\n" + HOST + b"A: " + b"b" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", b"431"),
        (
            b"GET /a HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: A\r\n\r\n",
            b"200",
        ),
        (b"GET /a HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x85", b"200"),
    ],
)
async def test_what_is_no_call_is_refused_and_the_connection_ends(sent: bytes, status: bytes) -> None:
    async with served() as (_, port):
        heard = await words(port, sent)
    assert heard[9:12] == status
    assert heard.count(b"HTTP/1.1 ") == 1
    assert b"connection: close" in heard


async def test_there_are_no_more_connections_of_one_address_than_it_may_have() -> None:
    async with served(limits=replace(LIMITS, per_address=3)) as (server, port):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        heard = await words(port, b"")
        assert heard.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after" in heard
        held.pop()[1].close()
        await until(lambda: server.guard.open <= 2)
        assert (await words(port, b"GET /a HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert server.guard.refused == 1
        for _, writer in held:
            writer.close()


async def test_a_proxy_may_have_as_many_as_there_may_be_and_no_more() -> None:
    limits = replace(LIMITS, per_address=1, total=3, unlimited=("127.0.0.0/8",))
    async with served(limits=limits) as (_, port):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert (await words(port, b"")).startswith(b"HTTP/1.1 503 ")
        for _, writer in held:
            writer.close()


@pytest.mark.parametrize(
    ("sent", "limits"),
    [
        (b"", replace(LIMITS, header_s=0.01)),
        (b"GET /a HTTP/1.1\r\nHo", replace(LIMITS, header_s=0.01)),
        (b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n", replace(LIMITS, idle_s=1)),
    ],
    ids=["says nothing", "slow header", "idle after a call"],
)
async def test_a_connection_that_does_nothing_is_closed(sent: bytes, limits: ConnectionLimits) -> None:
    async with served(limits=limits) as (server, port):
        await words(port, sent)
        assert server.guard.open == 0


async def test_idle_connections_go_sooner_when_there_are_many() -> None:
    async with served(limits=replace(LIMITS, total=4)) as (server, port):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for _, writer in held:
            writer.write(b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n")
        last = await asyncio.open_connection("127.0.0.1", port)
        begin = asyncio.get_running_loop().time()
        server.guard.clock = lambda: begin + 60
        await until(lambda: server.guard.open <= 3)
        assert server.guard.open > 0
        for _, writer in (*held, last):
            writer.close()


async def test_a_caller_that_reads_nothing_is_broken_off() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"50000000")]})
        await send({"type": "http.response.body", "body": b"x" * 50_000_000})

    async with served(app, replace(LIMITS, write_stall_s=0.01)) as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n")
        await until(lambda: server.guard.open > 0)
        await until(lambda: server.guard.open == 0)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        read = b""
        with contextlib.suppress(ConnectionError):
            read = await reader.read()
        assert len(read) < 50_000_000
        writer.close()


async def test_a_server_that_is_told_to_stop_answers_what_is_under_way() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await go_on.wait()
        await echo(scope, receive, send)

    async with served(app) as (server, port):
        call = asyncio.create_task(words(port, b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n"))
        await begun.wait()
        server.stop()
        go_on.set()
        assert (await call).startswith(b"HTTP/1.1 200 ")


async def test_thousands_of_idle_connections_leave_a_caller_its_turn() -> None:
    limits = replace(LIMITS, total=5_000, per_address=5_000)
    async with served(limits=limits) as (server, port):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(400)]
        assert server.guard.open == 400
        assert (await words(port, b"GET /a HTTP/1.0\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        for _, writer in held:
            writer.close()


async def test_calls_that_were_answered_leave_nothing_to_the_garbage_collector() -> None:
    call = b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n"
    async with served() as (_, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        gc.disable()
        try:
            for _ in range(20):
                writer.write(call)
                await asyncio.wait_for(reader.readuntil(b"GET /a "), HANGS_S)
            kept = sum(isinstance(each, RequestResponseCycle) for each in gc.get_objects())
        finally:
            gc.enable()
        writer.close()
    assert kept <= 2, "no more than the connection holds"
