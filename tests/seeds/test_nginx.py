"""The nginx file of the docs, run by Debian's nginx in front of the real service."""

import asyncio
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx2
import pytest

from tests.docs.reading import text_of
from tests.seeds.serving import Server
from tests.support import nginx
from tests.support.certificates import Authority
from tests.support.pgnode import free_port
from tests.support.waiting import ANSWER_S, HANGS_S


@dataclass(frozen=True)
class Proxy:
    """Where nginx listens, and whom to trust for its certificate."""

    port: int
    trust: ssl.SSLContext

    def client(self) -> httpx2.Client:
        return httpx2.Client(
            base_url=f"https://localhost:{self.port}", verify=self.trust, timeout=ANSWER_S, trust_env=False
        )


@pytest.fixture(scope="module")
def proxy(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    program, folder, port = nginx.program(), tmp_path_factory.mktemp("nginx"), free_port()
    authority = Authority(folder)
    authority.server("localhost")
    file = nginx.with_tls(folder, port, server.port)
    checked = subprocess.run([program, "-t", "-c", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    running = subprocess.Popen([program, "-c", file], stderr=subprocess.DEVNULL)
    try:
        _until_listening(port, running)
        yield Proxy(port, authority.believed())
    finally:
        running.terminate()
        running.wait(HANGS_S)


def _until_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + HANGS_S
    while True:
        assert process.poll() is None, "nginx ended"
        assert time.monotonic() < end
        try:
            httpx2.get(f"http://127.0.0.1:{port}/", timeout=ANSWER_S, trust_env=False)
        except httpx2.TransportError:
            continue
        return


def test_a_retailer_cancels_through_the_proxy(proxy: Proxy, server: Server, line: str) -> None:
    with proxy.client() as client:
        token = {"Authorization": f"Token {server.token}"}
        assert client.delete(f"/orders/items/cancel/{line}/", headers=token).status_code == 204
        assert client.delete(f"/orders/items/cancel/{line}/").status_code == 401
        assert client.get("/healthz").status_code == 200


def test_a_page_of_the_console_is_told_through_the_proxy_what_has_changed(
    proxy: Proxy, server: Server, line: str
) -> None:
    """Each message as it comes: nginx gathers none of them."""
    once = re.search(r"(/console/once/\S+)", server.log.read_text())
    assert once
    form = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}
    who = urlencode({"email": "ada@shop.example", "name": "Ada", "password": "correct horse battery"})
    with proxy.client() as client:
        assert client.post(once[1], content=who, headers=form).status_code == 303
        token = {"Authorization": f"Token {server.token}"}
        with client.stream("GET", "/console/live?about=cancellations") as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            messages = (each for each in stream.iter_lines() if each.startswith("data:"))
            assert next(messages) == 'data: {"changed": "all"}'
            with proxy.client() as other:
                assert other.delete(f"/orders/items/cancel/{line}/", headers=token).status_code == 204
            assert next(messages) == 'data: {"changed": ["cancellations"]}'


def test_the_proxy_stops_what_is_too_large(proxy: Proxy) -> None:
    with proxy.client() as client:
        assert client.post("/v1/cancellations", content=b" " * 3_000_000).status_code == 413


@pytest.mark.anyio
async def test_no_address_takes_all_connections_and_slow_ones_reach_no_service(proxy: Proxy) -> None:
    """Connections that have sent half of their headers hold the proxy's places, and the service answers on."""
    half = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    held = [await asyncio.open_connection("localhost", proxy.port, ssl=proxy.trust) for _ in range(60)]
    for _, writer in held:
        writer.write(half)
    with proxy.client() as client:
        assert client.get("/healthz").status_code == 200
    for _, writer in held:
        writer.close()


def test_the_file_says_what_the_settings_say() -> None:
    assert "trusted_proxies" in text_of("deploy/nginx.conf")
    assert "deploy/nginx.conf" in text_of("how-to/nginx.md")
