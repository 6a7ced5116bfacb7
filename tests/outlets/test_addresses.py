"""No spelling of a URL, and nothing that a name may lead to, makes this service connect to where it should not."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

import pytest

from countermand.domain.addresses.address import BadAddressError
from countermand.domain.addresses.web import Target, read_url
from countermand.domain.delivery import Verdict
from countermand.outlets.http.addresses import AddressError, Guard, is_public, system_resolver
from countermand.outlets.http.client import Webhooks
from countermand.settings import Settings
from tests.outlets.conftest import Names
from tests.support.receiver import Receiver, hang_up

pytestmark = pytest.mark.anyio

HOSTS = [
    # IPv4, as people and as inet_aton write it
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0177.0.0.1",
    "0177.0.0.01",
    "017700000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "0x7f000001",
    "0X7F000001",
    "2130706433",
    "127.0.0.1.",
    "127.0.0.2",
    "127.127.127.127",
    "127.255.255.254",
    "0",
    "0.0.0.0",
    "00.00.00.00",
    "0x0",
    "0.0",
    "4294967295",
    "255.255.255.255",
    "256.0.0.1",
    "127.0.0.0x1",
    "127.0x0.0.1",
    "00000000177.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "127.65535",
    "127.0.65535",
    # IPv6
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::FFFF:7F00:0001]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2002:7f00:0001::1]",
    "[2001::7f00:1]",
    "[2001:0:7f00:1::80ff:fffe]",
    "[fe80::1]",
    "[fe80::1%lo]",
    "[fe80::1%25lo]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    "[5f00::1]",
    "[::1",
    "::1",
    "[127.0.0.1]",
    "[::1].example",
    "[]",
    # Names
    "localhost",
    "LOCALHOST",
    "LocalHost",
    "localhost.",
    "localhost..",
    "inner.example",
    "inner.example.",
    "mixed.example",
    "127.0.0.1.nip.example",
    "metadata.google.internal",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "127．0．0．1",
    "loc\u00adalhost",
    "xn--lcalhost-v0d.xn--",
    "bücher.example",
    "local%68ost",
    "%31%32%37.0.0.1",
    "127.0.0.1%00.example",
    "inner_name.example",
    "-.example",
    "a..b",
    "",
    ".",
    "*",
    # What is not a host alone
    "user@127.0.0.1",
    "user:secret@127.0.0.1",
    "example.com@127.0.0.1",
    "example.com%40127.0.0.1",
    "127.0.0.1\\@example.com",
    "example.com\\@127.0.0.1",
    "127.0.0.1#@example.com",
    "127.0.0.1?@example.com",
    " 127.0.0.1",
    "127.0.0.1 ",
    "127.0.0.1\t",
    "127.0.0\n.1",
    "127.0.0.1\r\nHost: evil",
    "example.com,127.0.0.1",
    "127.0.0.1:80:443",
    # What clouds have
    "169.254.169.254",
    "169.254.170.2",
    "2852039166",
    "0xA9FEA9FE",
    "[::ffff:169.254.169.254]",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
]

NAMES = Names(
    localhost=["127.0.0.1", "::1"],
    inner_example=["127.0.0.1"],
    mixed_example=["93.184.215.14", "127.0.0.1"],
    metadata_google_internal=["169.254.169.254"],
    **{"127_0_0_1_nip_example": ["127.0.0.1"], "localhost_": ["127.0.0.1"], "inner_example_": ["127.0.0.1"]},
)

NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.255.255.255 168.63.129.16
169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.9 192.0.0.10 192.0.0.170 192.0.0.192
192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.1 198.19.255.255
198.51.100.1 203.0.113.1 224.0.0.1 224.0.0.251 233.252.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::2
::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:8.8.8.8 64:ff9b::8.8.8.8 64:ff9b::127.0.0.1 64:ff9b:1::1 100::1
100:0:0:1::1 2001::1 2001:1::1 2001:1::2 2001:2::1 2001:3::1 2001:4:112::1 2001:10::1 2001:20::1 2001:30::1
2001:db8::1 2001:db8:ffff::1 2002::1 2002:7f00:1::1 2002:808:808::1 2620:4f:8000::1 3fff::1 3fff:fff::1 4000::1
5f00::1 8000::1 fc00::1 fd00::1 fd00:ec2::254 fe80::1 fe80::1%eth0 febf::1 fec0::1 feff::1 ff00::1 ff02::1 ff0e::1
ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 2606:4700::1%1
""".split()  # noqa: SIM905 - a column would be long

PUBLIC = """
1.1.1.1 8.8.8.8 93.184.215.14 100.63.255.255 100.128.0.1 126.255.255.255 128.0.0.1 169.253.255.255 172.15.255.255
172.32.0.1 192.0.1.1 192.167.255.255 198.17.255.255 198.20.0.1 223.255.255.255 2606:4700:4700::1111
2001:4860:4860::8888 2a00:1450:4001:80b::200e 2620:fe::fe
""".split()  # noqa: SIM905 - a column would be long


@pytest.fixture
async def inner() -> AsyncIterator[list[Receiver]]:
    """What must never be reached: loopback in both families."""
    async with Receiver(otherwise=hang_up) as four, Receiver(host="::1", otherwise=hang_up) as six:
        yield [four, six]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_spelling_reaches_an_inner_address(
    webhooks_with: Callable[..., Webhooks], inner: list[Receiver], host: str, scheme: str
) -> None:
    webhooks = webhooks_with(inner=(), http=True, resolver=NAMES)
    for receiver in inner:
        attempt = await webhooks.post(f"{scheme}://{host}:{receiver.port}/", {}, b"")
        assert attempt.verdict is Verdict.FAILED
        assert attempt.result
    assert [receiver.connections for receiver in inner] == [0, 0]


@pytest.mark.parametrize("host", HOSTS)
async def test_the_check_of_addresses_holds_without_the_reading_of_urls(host: str) -> None:
    """Each spelling as the operating system understands it: what it takes for an address is not public."""
    resolve = system_resolver(ThreadPoolExecutor(1))

    async def numbers_only(name: str, port: int) -> list[str]:
        try:
            socket.getaddrinfo(name, port, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            return list(await NAMES(name, port))
        return list(await resolve(name, port))

    with pytest.raises(AddressError):
        await Guard().addresses(host.strip("[]"), 443, numbers_only)


def test_there_are_enough_spellings() -> None:
    assert len(set(HOSTS)) >= 100


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_an_address_that_is_not_public(text: str) -> None:
    assert not is_public(ip_address(text))
    assert not Guard().allows(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_an_address_that_is_public(text: str) -> None:
    assert is_public(ip_address(text))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example/a",
        "//hooks.example/a",
        "https:hooks.example",
        "https:/hooks.example",
        "https:///hooks.example",
        "https:\\\\hooks.example",
        "ftp://hooks.example/",
        "file:///etc/passwd",
        "gopher://hooks.example:25/_x",
        "unix:///run/x.sock",
        "javascript:alert(1)",
        " https://hooks.example/",
        "https://hooks.example/ ",
        "https://hooks.example/a b",
        "https://hooks.example/ü",
        "https://hooks.example/\x7f",
        "https://hooks.example/a\nb",
        "https://hooks.example/#part",
        "https://hooks.example:/",
        "https://hooks.example:0/",
        "https://hooks.example:65536/",
        "https://hooks.example:99999999/",
        "https://hooks.example:+443/",
        "https://hooks.example:4٤3/",
        "https://user@hooks.example/",
        "https://hooks.example.9/",
        f"https://{'a' * 64}.example/",
        f"https://{'a.' * 130}example/",
        f"https://hooks.example/{'a' * 2000}",
    ],
)
def test_what_is_no_url_of_a_webhook(url: str) -> None:
    with pytest.raises(BadAddressError):
        read_url(url)


@pytest.mark.parametrize(
    ("url", "target", "authority"),
    [
        ("https://hooks.example", ("https", "hooks.example", 443, "/"), "hooks.example"),
        ("HTTPS://Hooks.Example/A?b=c%20d", ("https", "hooks.example", 443, "/A?b=c%20d"), "hooks.example"),
        ("https://hooks.example?a", ("https", "hooks.example", 443, "/?a"), "hooks.example"),
        ("https://xn--bcher-kva.example:8443/", ("https", "xn--bcher-kva.example", 8443, "/"), None),
        ("http://hooks.example:80/", ("http", "hooks.example", 80, "/"), "hooks.example"),
        ("https://1.1.1.1/", ("https", "1.1.1.1", 443, "/"), "1.1.1.1"),
        ("https://[2606:4700:0::1]:444/", ("https", "2606:4700::1", 444, "/"), "[2606:4700::1]:444"),
    ],
)
def test_urls_of_webhooks(url: str, target: tuple[str, str, int, str], authority: str | None) -> None:
    scheme, host, port, path = target
    found = read_url(url)
    assert found == Target(scheme=scheme, host=host, port=port, path=path)
    assert found.authority == (authority or f"{host}:{port}")


async def test_only_the_ports_that_are_allowed(webhooks_with: Callable[..., Webhooks], inner: list[Receiver]) -> None:
    port = inner[0].port
    webhooks = webhooks_with(ports=(443, 8443))
    assert (await webhooks.post(f"http://127.0.0.1:{port}/", {}, b"")).result == (
        f"The address has port {port}; allowed are 443, 8443."
    )
    assert inner[0].connections == 0


async def test_plain_http_is_for_this_host_only(webhooks_with: Callable[..., Webhooks]) -> None:
    """192.0.2.1 is nobody's: a connection there would end in another sentence."""
    webhooks = webhooks_with(inner=["192.0.2.0/24", "127.0.0.0/8"], resolver=Names(a_example=["192.0.2.1"]))
    assert (await webhooks.post("http://a.example/", {}, b"")).result == "Notices go to https only."
    mixed = webhooks_with(inner=["192.0.2.0/24", "127.0.0.0/8"], resolver=Names(a_example=["127.0.0.1", "192.0.2.1"]))
    assert (await mixed.post("http://a.example/", {}, b"")).result == "Notices go to https only."


async def test_one_inner_address_spoils_all(webhooks_with: Callable[..., Webhooks]) -> None:
    async with Receiver() as allowed, Receiver(host="127.0.0.2") as inner:
        for names in (["127.0.0.1", "127.0.0.2"], ["127.0.0.2", "127.0.0.1"]):
            webhooks = webhooks_with(inner=["127.0.0.1/32"], resolver=Names(a_example=names))
            for port in (allowed.port, inner.port):
                attempt = await webhooks.post(f"http://a.example:{port}/", {}, b"")
                assert attempt.result == "a.example leads to an address that is not public. Nothing is sent there."
        assert allowed.connections == inner.connections == 0


async def test_a_name_that_changes_its_mind(webhooks_with: Callable[..., Webhooks]) -> None:
    """What was looked up is checked and used in one go; a second look, if any, is checked again."""
    async with Receiver() as allowed:
        try:
            inner = Receiver(host="127.0.0.2")
            inner_server = await asyncio.start_server(inner._serve, "127.0.0.2", allowed.port)
        except OSError:
            pytest.skip("the same port is taken at the second address")
        inner._writers = set()
        names = Names(a_example=[["127.0.0.1"], ["127.0.0.2"]])
        webhooks = webhooks_with(inner=["127.0.0.1/32"], resolver=names)
        url = f"http://a.example:{allowed.port}/"
        for _ in range(3):
            assert (await webhooks.post(url, {}, b"")).verdict is Verdict.DELIVERED
        assert names.asked == ["a.example"]
        allowed.script = [hang_up]
        assert (await webhooks.post(url, {}, b"")).result == (
            "a.example leads to an address that is not public. Nothing is sent there."
        )
        assert names.asked == ["a.example"] * 2
        assert (allowed.connections, inner.connections) == (1, 0)
        inner_server.close()
        await inner_server.wait_closed()


def test_a_network_that_is_none_is_refused_by_the_settings() -> None:
    with pytest.raises(ValueError, match=r"10\.0\.0\.1/8"):
        Settings(webhook_inner_addresses=["10.0.0.1/8"])
