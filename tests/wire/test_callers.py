"""From which address a call comes: nobody can name another's, and a trusted proxy is believed."""

import pytest

from countermand.wire.callers import Proxies, address_of

PROXIES = ["10.0.0.0/8", "fd00::/8"]


def client_of(peer: str, *forwarded: str, trusted: list[str] = PROXIES) -> str:
    headers = [(b"x-forwarded-for", each.encode("latin-1")) for each in forwarded]
    return address_of({"client": (Proxies(trusted).client({"client": (peer, 1), "headers": headers}), 0)})


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        pytest.param("192.0.2.9", (), "192.0.2.9", id="nobody between"),
        pytest.param("192.0.2.9", ("198.51.100.1",), "192.0.2.9", id="a stranger says who it is"),
        pytest.param("10.0.0.1", ("198.51.100.1",), "198.51.100.1", id="a proxy says who it is"),
        pytest.param("10.0.0.1", ("1.1.1.1, 198.51.100.1",), "198.51.100.1", id="a client wrote one before"),
        pytest.param("10.0.0.1", ("1.1.1.1", "198.51.100.1"), "198.51.100.1", id="two headers"),
        pytest.param("10.0.0.1", ("1.1.1.1, 198.51.100.1, 10.9.9.9",), "198.51.100.1", id="two proxies"),
        pytest.param("10.0.0.1", ("10.1.1.1, 10.9.9.9",), "10.1.1.1", id="nothing but proxies"),
        pytest.param("10.0.0.1", (), "10.0.0.1", id="a proxy says nothing"),
        pytest.param("10.0.0.1", ("",), "10.0.0.1", id="a proxy says nothing in a header"),
        pytest.param("10.0.0.1", ("unknown",), "10.0.0.1", id="no address"),
        pytest.param("10.0.0.1", ("1.1.1.1, _hidden",), "10.0.0.1", id="no address behind an address"),
        pytest.param("10.0.0.1", ("\xff",), "10.0.0.1", id="no text"),
        pytest.param("10.0.0.1", ("198.51.100.1:4711",), "198.51.100.1", id="with a port"),
        pytest.param("10.0.0.1", ("[2001:db8::1]:4711",), "2001:db8::/64", id="IPv6 with a port"),
        pytest.param("10.0.0.1", ("2001:db8::1",), "2001:db8::/64", id="IPv6"),
        pytest.param("fd00::1", ("198.51.100.1",), "198.51.100.1", id="an IPv6 proxy"),
        pytest.param("::ffff:10.0.0.1", ("198.51.100.1",), "198.51.100.1", id="IPv4 written as IPv6"),
        pytest.param("10.0.0.1", ("1.1.1.1," * 5000 + "198.51.100.1",), "198.51.100.1", id="without end"),
        pytest.param("", ("198.51.100.1",), "", id="no peer"),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has_is_the_client(
    peer: str, forwarded: tuple[str, ...], client: str
) -> None:
    assert client_of(peer, *forwarded) == client


def test_without_trusted_proxies_nothing_is_believed() -> None:
    assert client_of("10.0.0.1", "198.51.100.1", trusted=[]) == "10.0.0.1"


def test_all_addresses_of_an_ipv6_network_count_as_one() -> None:
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:1:2:3") != client_of("2001:db8:1::")
