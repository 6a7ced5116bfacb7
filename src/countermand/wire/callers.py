"""From which address a call comes: the other end of its connection, or what a trusted proxy says of it."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from countermand.wire.response import Scope, header_values

Address = IPv4Address | IPv6Address

_FORWARDED_MAX: Final = 4096
"""A longer X-Forwarded-For is read from its end, where the trusted proxies write."""


class Proxies:
    """The trusted proxies, by their networks, and the client that they name."""

    def __init__(self, trusted: Sequence[str]) -> None:
        self._networks = [ip_network(text) for text in trusted]

    def client(self, scope: Scope) -> str:
        """The last address that is no trusted proxy. The addresses before it can be forged."""
        peer = (scope.get("client") or ("", 0))[0]
        named = ",".join(header_values(scope, b"x-forwarded-for"))[-_FORWARDED_MAX:].split(",")
        found = _read(peer)
        while found is not None and any(found in network for network in self._networks) and named:
            before = _read(named.pop())
            if before is None:
                break
            found = before
        return str(found) if found is not None else peer


def address_of(scope: Scope) -> str:
    """What counts as one caller: an IPv4 address, or the /64 of an IPv6 one, all of which one host can use."""
    address = _read((scope.get("client") or ("", 0))[0])
    if address is None:
        return ""
    return str(IPv6Network((address, 64), strict=False)) if isinstance(address, IPv6Address) else str(address)


def _read(text: str) -> Address | None:
    """An address, also with a port, as some proxies write it."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
