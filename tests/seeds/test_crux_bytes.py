"""The exact bytes that documented clients put on the wire, and some that none should (docs/crux.md)."""

import contextlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from tests.seeds.serving import Server
from tests.support.waiting import HANGS_S

UNKNOWN = "9d6f9b7c-5a0e-4f57-8f5a-2f1b0c7d1e11"
JSON = "Content-Type: application/json; charset=utf-8\r\n"


class Wire:
    """A connection that is written and read byte by byte."""

    def __init__(self, server: Server) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=HANGS_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self.server = server

    def send(self, method: str, path: str, headers: str = "", body: bytes = b"") -> None:
        """A head, and whatever bytes follow, in one write."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self.server.token}\r\n{headers}\r\n"
        self.write(head.encode() + body)

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers, body."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", 0))
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return int(first.split()[1]), headers, body

    def is_closed(self) -> bool:
        """Whether the server ends the connection, with nothing more to say."""
        try:
            return self._rest + self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def close(self) -> None:
        self._socket.close()

    def _more(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise EOFError(self._rest)
        self._rest += data


@contextmanager
def connected(server: Server) -> Iterator[Wire]:
    wire = Wire(server)
    try:
        yield wire
    finally:
        wire.close()


@pytest.fixture
def wire(server: Server) -> Iterator[Wire]:
    with connected(server) as connection:
        yield connection


def asks(server: Server, line: str) -> int:
    """How many cancellations of a line there are."""
    url = f"http://127.0.0.1:{server.port}/v1/cancellations"
    headers = {"Authorization": f"Bearer {server.token}"}
    answer = httpx2.get(url, params={"line": line}, headers=headers, trust_env=False, timeout=HANGS_S)
    return len(answer.json()["cancellations"])


def cancel_path(line: str) -> str:
    return f"/orders/items/cancel/{line}/"


def test_vector_3_an_unframed_body_after_the_headers_gets_204_and_then_the_end(wire: Wire, line: str) -> None:
    """Node's DELETE: neither length nor chunks, and two bytes that belong to nothing."""
    wire.send("DELETE", cancel_path(line), JSON + "Connection: keep-alive\r\n", b"{}")
    status, headers, body = wire.answer()
    assert (status, body) == (204, b"")
    assert headers["connection"] == "close"
    assert headers.get("content-length", "0") == "0"
    assert wire.is_closed()


def test_unframed_bytes_are_never_read_as_a_further_call(server: Server, lines: Iterator[str]) -> None:
    """What is left over looks like a call of its own, and must have no effect: never two calls out of one."""
    asked, spared = next(lines), next(lines)
    with connected(server) as wire:
        hidden = f"DELETE {cancel_path(spared)} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {server.token}\r\n\r\n"
        wire.send("DELETE", cancel_path(asked), JSON, hidden.encode())
        assert wire.answer()[0] == 204
        assert wire.is_closed()
    assert (asks(server, asked), asks(server, spared)) == (1, 0)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param("Content-Length: 2\r\n", b"{}", id="curl, requests with data"),
        pytest.param("Content-Length: 0\r\n", b"", id="HTTPie, requests without data"),
        pytest.param("Transfer-Encoding: chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n", id="chunked"),
        pytest.param("Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", id="chunked, empty"),
        pytest.param(
            "Transfer-Encoding: chunked\r\n", b"1\r\n{\r\n1;x=y\r\n}\r\n0\r\nT: x\r\n\r\n", id="extensions, trailer"
        ),
    ],
)
def test_a_framed_delete_keeps_the_connection_for_the_next_call(
    wire: Wire, lines: Iterator[str], headers: str, body: bytes
) -> None:
    for _ in range(2):
        wire.send("DELETE", cancel_path(next(lines)), JSON + headers, body)
        status, answered, _ = wire.answer()
        assert status == 204
        assert answered.get("connection", "keep-alive") == "keep-alive"


def test_many_calls_on_one_connection_each_get_their_answer(wire: Wire, line: str) -> None:
    """Written at once, as a pipelining client would."""
    for target in (line, UNKNOWN, line):
        wire.send("DELETE", cancel_path(target), JSON + "Content-Length: 2\r\n", b"{}")
    assert [wire.answer()[0] for _ in range(3)] == [204, 422, 204]


@pytest.mark.parametrize("body", [b"", b"2\r\n{}\r\n"], ids=["empty", "{}"])
def test_node_patch_comes_in_chunks(wire: Wire, body: bytes) -> None:
    headers = JSON + "Transfer-Encoding: chunked\r\n"
    wire.send("PATCH", "/orders/cancel/", headers, body + b"0\r\n\r\n")
    status, _, answer = wire.answer()
    assert (status, answer) == (400, b'{"order_uuid":["This field is required."]}')


def test_a_chunked_patch_may_come_in_many_writes(wire: Wire) -> None:
    payload = f'{{"order_uuid": "{UNKNOWN}"}}'.encode()
    wire.send("PATCH", "/orders/cancel/", JSON + "Transfer-Encoding: chunked\r\n")
    for byte in payload:
        wire.write(b"1\r\n" + bytes([byte]) + b"\r\n")
    wire.write(b"0\r\n\r\n")
    status, _, answer = wire.answer()
    assert status == 404
    assert b"unknown_order" in answer


def test_curl_patch_without_data_has_neither_type_nor_length(wire: Wire) -> None:
    wire.send("PATCH", f"/timp/orders/items/cancel/{UNKNOWN}/confirm/")
    status, headers, answer = wire.answer()
    assert (status, answer) == (409, b'{"detail":"Only a supplier can make this call."}')
    assert "connection" not in headers or headers["connection"] == "keep-alive"


def test_a_get_with_an_unframed_body_is_answered_and_closed(wire: Wire, server: Server) -> None:
    wire.send("GET", f"/orders/{server.order}/", JSON, b"{}")
    status, headers, _ = wire.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert wire.is_closed()


@pytest.mark.parametrize("path", ["/orders/items/cancel//", "/orders/items/cancel/%2F/", "/timp/orders/items/cancel//"])
def test_vector_4_an_empty_id_is_404_whole_and_closed(wire: Wire, path: str) -> None:
    wire.send("DELETE", path, JSON, b"{}")
    status, headers, body = wire.answer()
    assert (status, body) == (404, b'{"detail":"Not found."}')
    assert headers["connection"] == "close"
    assert wire.is_closed()


@pytest.mark.parametrize("target", ["%00", "%FF%FE", "%ED%A0%80", "\xff", "%zz", "a" * 4000])
def test_an_id_of_any_bytes_is_answered_from_the_table(wire: Wire, target: str) -> None:
    wire.write(
        f"DELETE {cancel_path(target)} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {wire.server.token}\r\n\r\n".encode(
            "latin-1"
        )
    )
    assert wire.answer()[0] in (422, 404, 400)


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        pytest.param("Content-Length: 300000\r\n", b" " * 300_000, id="by length"),
        pytest.param(
            "Transfer-Encoding: chunked\r\n", (b"4e20\r\n" + b" " * 20_000 + b"\r\n") * 15 + b"0\r\n\r\n", id="chunked"
        ),
        pytest.param("Content-Length: 99999999999\r\n", b" " * 300_000, id="a length that never comes"),
    ],
)
@pytest.mark.parametrize(("method", "path", "expected"), [("POST", "/orders/", 413), ("DELETE", "/x/", 400)])
def test_a_body_over_256_kilobytes_is_refused_without_waiting_for_the_rest(
    wire: Wire, line: str, framing: str, body: bytes, method: str, path: str, expected: int
) -> None:
    wire.send(method, cancel_path(line) if method == "DELETE" else path, JSON + framing)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        wire.write(body)
    status, _, answer = wire.answer()
    assert status == expected
    assert re.search(rb"larger than 262144 bytes", answer)


def test_both_kinds_of_framing_at_once_never_make_two_calls(server: Server, lines: Iterator[str]) -> None:
    """Request smuggling: whichever framing is believed, the bytes behind it must not cancel a second item."""
    first, second = next(lines), next(lines)
    hidden = f"DELETE {cancel_path(second)} HTTP/1.1\r\nHost: x\r\nAuthorization: Token {server.token}\r\n\r\n"
    with connected(server) as wire:
        headers = JSON + f"Content-Length: {5 + len(hidden)}\r\nTransfer-Encoding: chunked\r\n"
        wire.send("DELETE", cancel_path(first), headers, b"0\r\n\r\n" + hidden.encode())
        assert wire.answer()[0] in (204, 400)
        assert wire.is_closed()
    assert asks(server, second) == 0


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"DELETE / HTTP/9.9\r\n\r\n",
        b"DELETE /orders/items/cancel/x/ HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"DELETE /orders/items/cancel/x/ HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"DELETE /orders/items/cancel/x/ HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"DELETE /orders/items/cancel/x/ HTTP/1.1\r\nX: " + b"x" * 500_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
    ],
    ids=["nonsense", "version", "length x", "length -1", "header name", "long header", "TLS", "zeros"],
)
def test_what_is_not_http_is_refused_and_closed(wire: Wire, server: Server, head: bytes) -> None:
    with contextlib.suppress(EOFError, ConnectionResetError, BrokenPipeError):
        wire.write(head)
        assert 400 <= wire.answer()[0] < 500
        assert wire.is_closed()
    with connected(server) as another:
        another.send("GET", f"/orders/{server.order}/")
        assert another.answer()[0] == 200
