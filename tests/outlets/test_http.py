import asyncio
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from countermand.domain.delivery import Attempt, Verdict
from countermand.outlets.http.client import NoAnswerError, Outbound, Webhooks
from tests.outlets.conftest import LOOPBACK, Names
from tests.support.certificates import Authority
from tests.support.receiver import (
    Behaviour,
    Received,
    Receiver,
    answer,
    drip,
    flood,
    hang_up,
    raw,
    reset,
    silent_in_vain,
)
from tests.support.waiting import HANGS_S
from tests.support.world import START

pytestmark = pytest.mark.anyio

BODY = b'{"id": "evt_1"}'
WebhooksWith = Callable[..., Webhooks]


async def post(webhooks: Webhooks, url: str) -> Attempt:
    return await webhooks.post(url, {"webhook-id": "evt_1"}, BODY)


def failed(result: str, retry_after_s: float | None = None) -> Attempt:
    return Attempt(verdict=Verdict.FAILED, result=result, retry_after_s=retry_after_s)


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: they differ in how they lose a connection."""
    return "asyncio", {"use_uvloop": request.param}


# What arrives


async def test_a_notice_arrives_as_it_is(webhooks: Webhooks, receiver: Receiver) -> None:
    attempt = await webhooks.post(f"{receiver.url}?a=1&b=%20", {"webhook-id": "evt_1"}, BODY)
    assert attempt == Attempt(verdict=Verdict.DELIVERED, result="The receiver answered 204.")
    assert receiver.requests == [
        Received(
            method="POST",
            target="/hook?a=1&b=%20",
            headers={
                "host": f"127.0.0.1:{receiver.port}",
                "user-agent": "Countermand",
                "accept": "*/*",
                "accept-encoding": "identity",
                "content-type": "application/json",
                "webhook-id": "evt_1",
                "content-length": str(len(BODY)),
            },
            body=BODY,
        )
    ]


async def test_one_connection_carries_many_notices(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.script = [answer(200, b"fine"), answer(500, b"no"), raw(_chunked(b"fine"), then_close=False)]
    verdicts = [(await post(webhooks, receiver.url)).verdict for _ in range(5)]
    assert verdicts == [Verdict.DELIVERED, Verdict.FAILED, *[Verdict.DELIVERED] * 3]
    assert receiver.connections == 1


async def test_an_ipv6_address_is_called(webhooks: Webhooks) -> None:
    async with Receiver(host="::1") as receiver:
        assert (await post(webhooks, receiver.url)).verdict is Verdict.DELIVERED
        assert receiver.requests[0].headers["host"] == f"[::1]:{receiver.port}"


async def test_cookies_are_not_kept(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.script = [answer(204, set_cookie="a=b; Path=/")]
    await post(webhooks, receiver.url)
    await post(webhooks, receiver.url)
    assert "cookie" not in receiver.requests[1].headers


async def test_a_proxy_of_the_environment_is_not_asked(
    webhooks: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Receiver() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert (await post(webhooks, receiver.url)).verdict is Verdict.DELIVERED
        assert proxy.connections == 0


# What an answer means


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_2xx_is_delivered(webhooks: Webhooks, receiver: Receiver, status: int) -> None:
    receiver.script = [answer(status)]
    assert await post(webhooks, receiver.url) == Attempt(
        verdict=Verdict.DELIVERED, result=f"The receiver answered {status}."
    )


async def test_500_then_200(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.script = [answer(500, b"out of\r\n\tpaper \x00\x1b[31m\xe2\x80\xae\xff"), answer(200)]
    result = "The receiver answered 500 Internal Server Error. It says: out of paper [31m \N{REPLACEMENT CHARACTER}"
    assert await post(webhooks, receiver.url) == failed(result)
    assert (await post(webhooks, receiver.url)).verdict is Verdict.DELIVERED


async def test_410_wants_no_more(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.script = [answer(410, b"bye", retry_after="5")]
    assert await post(webhooks, receiver.url) == Attempt(
        verdict=Verdict.GONE, result="The receiver answered 410 Gone: it wants no more notices."
    )


@pytest.mark.parametrize(
    ("status", "retry_after", "wait_s"),
    [
        (429, "120", 120.0),
        (503, "0", 0.0),
        (429, "Mon, 02 Nov 2026 09:05:00 GMT", 300.0),
        (503, "Mon, 02 Nov 2026 08:00:00 GMT", None),
        (429, "Mon, 02 Nov 2026 09:00:30", 30.0),
        (429, "999999999999999999999", 86_400.0),
        (429, "Mon, 02 Nov 2099 09:05:00 GMT", 86_400.0),
        (429, "soon", None),
        (429, "-5", None),
        (429, "٣", None),
        (429, "Mon, 99 Nov 2026 09:05:00 GMT", None),
        (500, "120", None),
    ],
)
async def test_a_busy_receiver_says_when_to_come_again(
    webhooks: Webhooks, receiver: Receiver, status: int, retry_after: str, wait_s: float | None
) -> None:
    assert START.isoformat().startswith("2026-11-02T09:00:00")
    receiver.script = [answer(status, retry_after=retry_after)]
    attempt = await post(webhooks, receiver.url)
    assert (attempt.verdict, attempt.retry_after_s) == (Verdict.FAILED, wait_s)


async def test_a_long_explanation_is_cut(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.script = [answer(400, "é".encode() * 5000)]
    attempt = await post(webhooks, receiver.url)
    words = attempt.result.partition("It says: ")[2]
    assert words == "é" * 500


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
async def test_a_redirect_inwards_is_a_failure_and_not_followed(
    webhooks: Webhooks, receiver: Receiver, status: int
) -> None:
    async with Receiver() as inner:
        receiver.script = [answer(status, location=inner.url)]
        attempt = await post(webhooks, receiver.url)
        assert attempt.verdict is Verdict.FAILED
        assert attempt.result == (
            f"The receiver answered {status}, which leads to {inner.url}."
            " Redirects are not followed: register the URL of the receiver itself."
        )
        assert inner.connections == 0


# Receivers that behave badly


async def test_a_receiver_that_takes_a_notice_and_is_silent(webhooks_with: WebhooksWith, receiver: Receiver) -> None:
    receiver.script = [silent_in_vain]
    attempt = await post(webhooks_with(total_s=2), receiver.url)
    assert attempt == failed("No answer within 2 seconds.")
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_a_head_that_drips_meets_the_deadline(
    webhooks_with: WebhooksWith, receiver: Receiver, start: bytes
) -> None:
    receiver.script = [drip(start)]
    attempt = await post(webhooks_with(total_s=0.3), receiver.url)
    assert attempt.verdict is Verdict.FAILED
    assert "0.3 seconds" in attempt.result or "not HTTP" in attempt.result


@pytest.mark.parametrize(("status", "verdict"), [(200, Verdict.DELIVERED), (500, Verdict.FAILED)])
async def test_a_body_that_drips_is_not_waited_for(
    webhooks: Webhooks, receiver: Receiver, status: int, verdict: Verdict
) -> None:
    receiver.script = [drip(f"HTTP/1.1 {status} Status\r\ncontent-length: 100000\r\n\r\nwords".encode())]
    attempt = await post(webhooks, receiver.url)
    assert attempt.verdict is verdict
    assert "words" in attempt.result or verdict is Verdict.DELIVERED
    assert (await post(webhooks, receiver.url)).verdict is Verdict.DELIVERED
    assert receiver.connections == 2


async def test_a_gzip_bomb_is_not_unpacked(webhooks: Webhooks, receiver: Receiver) -> None:
    press = zlib.compressobj(wbits=31)
    bomb = b"".join([*(press.compress(bytes(1_000_000)) for _ in range(100)), press.flush()])
    receiver.otherwise = answer(500, bomb, content_encoding="gzip", content_type="text/plain")
    tracemalloc.start()
    try:
        attempt = await post(webhooks, receiver.url)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert attempt == failed("The receiver answered 500 Internal Server Error.")
    assert peak < 3_000_000


async def test_a_huge_answer_is_not_read(webhooks: Webhooks, receiver: Receiver) -> None:
    start = b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n"
    receiver.script = [flood(start, bytes(100_000), 100_000)]
    tracemalloc.start()
    try:
        attempt = await post(webhooks, receiver.url)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert attempt.verdict is Verdict.DELIVERED
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\n", b"x-more: of this\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\nx-more: ", b"x" * 1000),
    ],
    ids=["informational", "headers", "header"],
)
async def test_a_head_without_end_is_not_read(
    webhooks: Webhooks, receiver: Receiver, start: bytes, piece: bytes
) -> None:
    receiver.script = [flood(start, piece, 100_000)]
    assert (await post(webhooks, receiver.url)).result in (
        "The receiver sent more than an answer may have.",
        "The answer is not HTTP, or its headers are too long.",
    )


@pytest.mark.parametrize(
    ("behaviour", "result"),
    [
        (hang_up, "The receiver closed the connection without an answer."),
        (raw(b"HTTP/1.1 20"), "The receiver closed the connection without an answer."),
        (reset, "The receiver reset the connection."),
        (raw(b"220 smtp.example ESMTP\r\n\r\n"), "The answer is not HTTP, or its headers are too long."),
        (
            raw(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"),
            "The answer is not HTTP, or its headers are too long.",
        ),
        (raw(b"HTTP/1.1 999 \r\n\r\n"), "The receiver answered 999."),
    ],
    ids=["hangs up", "half a head", "resets", "not HTTP", "two lengths", "unknown status"],
)
async def test_a_broken_answer_is_a_failure(
    webhooks: Webhooks, receiver: Receiver, behaviour: Behaviour, result: str
) -> None:
    receiver.script = [behaviour]
    assert await post(webhooks, receiver.url) == failed(result)
    assert receiver.connections == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_may_end_with_the_connection(webhooks: Webhooks, receiver: Receiver, version: bytes) -> None:
    receiver.script = [raw(b"HTTP/" + version + b" 400 No\r\n\r\nbecause")]
    assert (await post(webhooks, receiver.url)).result == "The receiver answered 400 Bad Request. It says: because"


async def test_a_status_counts_though_the_body_is_cut_off(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.script = [raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"), answer(204)]
    assert (await post(webhooks, receiver.url)).verdict is Verdict.DELIVERED
    assert (await post(webhooks, receiver.url)).verdict is Verdict.DELIVERED


# Connections that were kept


async def test_a_kept_connection_that_was_closed_is_replaced(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.script = [answer(204), hang_up, answer(200)]
    await post(webhooks, receiver.url)
    assert (await post(webhooks, receiver.url)).result == "The receiver answered 200."
    assert (len(receiver.requests), receiver.connections) == (3, 2)


async def test_only_once(webhooks: Webhooks, receiver: Receiver) -> None:
    receiver.script = [answer(204), hang_up, hang_up, answer(200)]
    await post(webhooks, receiver.url)
    assert (await post(webhooks, receiver.url)).result == "The receiver closed the connection without an answer."


async def test_what_comes_unasked_is_no_answer_to_the_next_notice(webhooks: Webhooks, receiver: Receiver) -> None:
    twice = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    receiver.script = [raw(twice, then_close=False), answer(410)]
    assert (await post(webhooks, receiver.url)).verdict is Verdict.FAILED
    assert (await post(webhooks, receiver.url)).verdict is Verdict.GONE
    assert receiver.connections == 2


async def test_a_connection_is_not_shared_between_names(webhooks_with: WebhooksWith, receiver: Receiver) -> None:
    names = Names(a_example=["127.0.0.1"], b_example=["127.0.0.1"])
    webhooks = webhooks_with(resolver=names)
    for name in ("a.example", "b.example", "a.example"):
        await post(webhooks, f"http://{name}:{receiver.port}/")
    assert (receiver.connections, names.asked) == (2, ["a.example", "b.example"])
    assert [each.headers["host"] for each in receiver.requests] == [
        f"{name}.example:{receiver.port}" for name in ("a", "b", "a")
    ]


async def test_a_few_connections_to_one_receiver_are_kept(
    webhooks: Webhooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("countermand.outlets.http.pool.PER_ORIGIN_MAX", 8)
    for _ in range(2):
        attempts = await asyncio.gather(*(post(webhooks, receiver.url) for _ in range(12)))
        assert {each.verdict for each in attempts} == {Verdict.DELIVERED}
    assert receiver.connections == 12 + 12 - 8


async def test_a_cancelled_attempt_ends_its_connection(webhooks: Webhooks, receiver: Receiver) -> None:
    ended = asyncio.Event()

    async def notes_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            assert await reader.read() == b""
        ended.set()

    receiver.script = [notes_the_end]
    attempt = asyncio.create_task(post(webhooks, receiver.url))
    await receiver.received(1)
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    async with asyncio.timeout(HANGS_S):
        await ended.wait()


# Connecting


async def test_nobody_listens(webhooks: Webhooks) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        assert await post(webhooks, url) == failed("The host refuses connections on this port.")


async def test_the_next_address_is_tried(webhooks_with: WebhooksWith, receiver: Receiver) -> None:
    webhooks = webhooks_with(resolver=Names(a_example=["127.0.0.9", "127.0.0.1"]))
    assert (await post(webhooks, f"http://a.example:{receiver.port}/")).verdict is Verdict.DELIVERED


async def test_a_connection_that_does_not_come_about(webhooks_with: WebhooksWith) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            each = socket.socket()
            each.setblocking(False)
            each.connect_ex(full.getsockname())
            waiting.append(each)
        try:
            attempt = await post(webhooks_with(connect_s=0.2), f"http://127.0.0.1:{full.getsockname()[1]}/")
        finally:
            for each in waiting:
                each.close()
    assert attempt == failed("No connection within 0.2 seconds.")


async def test_a_name_that_does_not_exist(webhooks_with: WebhooksWith, receiver: Receiver) -> None:
    webhooks = webhooks_with(resolver=Names())
    assert await post(webhooks, f"http://gone.example:{receiver.port}/") == failed(
        "The name gone.example cannot be resolved."
    )
    assert receiver.connections == 0


async def test_a_name_server_that_is_silent(webhooks_with: WebhooksWith) -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        raise AssertionError

    webhooks = webhooks_with(resolver=never, total_s=0.2)
    assert await post(webhooks, "https://slow.example/") == failed("No answer within 0.2 seconds.")


async def test_an_error_of_ours_is_a_failed_attempt(webhooks_with: WebhooksWith) -> None:
    async def broken(host: str, port: int) -> Sequence[str]:
        raise RuntimeError

    assert await post(webhooks_with(resolver=broken), "https://a.example/") == failed(
        "The attempt failed here, and was logged."
    )


async def test_a_header_cannot_smuggle_another(webhooks: Webhooks, receiver: Receiver) -> None:
    attempt = await webhooks.post(receiver.url, {"webhook-id": "evt_1\r\nx-evil: 1"}, BODY)
    assert attempt.verdict is Verdict.FAILED
    assert receiver.requests == []


async def test_whether_a_call_was_sent_is_told(receiver: Receiver) -> None:
    """Who moves money must know whether a call without an answer may have had its effect."""
    outbound = Outbound(inner=LOOPBACK, ports=(), resolver=Names(), total_s=2)
    receiver.script = [silent_in_vain]
    reported = []
    for url in (receiver.url, "http://gone.example/", "ftp://a.example/"):
        with pytest.raises(NoAnswerError) as error:
            await outbound.call("POST", url, {}, b"")
        reported.append(error.value.sent)
    await outbound.close()
    assert reported == [True, False, False]


async def test_an_answer_can_be_read_in_full(receiver: Receiver) -> None:
    outbound = Outbound(inner=LOOPBACK, ports=())
    receiver.script = [answer(200, b"x" * 50_000, x_request="7"), answer(200, b"x" * 50_000)]
    full = await outbound.call("GET", receiver.url, {}, b"", answer_max=100_000)
    assert (full.status, len(full.body), full.whole, full.header(b"x-request")) == (200, 50_000, True, "7")
    part = await outbound.call("GET", receiver.url, {}, b"", answer_max=10_000)
    assert (len(part.body), part.whole) == (10_000, False)
    await outbound.close()


# Encryption


async def test_a_good_certificate(webhooks_with: WebhooksWith, authority: Authority) -> None:
    asked = []
    context = authority.server("hooks.example")
    context.sni_callback = lambda connection, name, _: asked.append(name)
    async with Receiver(tls=context) as receiver:
        names = Names(hooks_example=["127.0.0.1"])
        webhooks = webhooks_with(resolver=names, trust=authority.believed())
        for _ in range(3):
            attempt = await post(webhooks, f"https://hooks.example:{receiver.port}/")
            assert attempt.verdict is Verdict.DELIVERED, attempt
        assert (receiver.connections, asked, names.asked) == (1, ["hooks.example"], ["hooks.example"])
        assert receiver.requests[0].headers["host"] == f"hooks.example:{receiver.port}"


@pytest.mark.parametrize(
    ("name", "expired", "believed"),
    [("hooks.example", False, False), ("other.example", False, True), ("hooks.example", True, True)],
    ids=["unknown authority", "another name", "expired"],
)
async def test_a_bad_certificate(
    webhooks_with: WebhooksWith, authority: Authority, name: str, expired: bool, believed: bool
) -> None:
    async with Receiver(tls=authority.server(name, expired=expired)) as receiver:
        trust = authority.believed() if believed else None
        webhooks = webhooks_with(resolver=Names(hooks_example=["127.0.0.1"]), trust=trust)
        attempt = await post(webhooks, f"https://hooks.example:{receiver.port}/")
        assert attempt.verdict is Verdict.FAILED
        assert attempt.result.startswith("The certificate of hooks.example does not hold: ")
        assert receiver.requests == []


async def test_a_receiver_without_encryption_behind_an_https_url(webhooks: Webhooks) -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        attempt = await post(webhooks, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    assert attempt.verdict is Verdict.FAILED
    assert attempt.result.startswith("No encrypted connection came about: ")


async def test_a_handshake_that_does_not_come_about(webhooks_with: WebhooksWith) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(5)
        attempt = await post(webhooks_with(connect_s=0.2), f"https://127.0.0.1:{mute.getsockname()[1]}/")
    assert attempt == failed("No connection within 0.2 seconds.")


def _chunked(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
