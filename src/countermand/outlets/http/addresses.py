"""Which addresses a notice may go to: those of the public internet, and inner ones only where a setting says so."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host and a port, as texts. Raises OSError if there are none."""

_NEVER: Final = tuple(
    ip_network(each)
    for each in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carriers' own (RFC 6598); one cloud's metadata is here
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # looks public, and is what virtual machines of one cloud reach their host by
        "169.254.0.0/16",  # link-local (RFC 3927); most clouds' metadata is here
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112 (RFC 7535)
        "192.52.193.0/24",  # automatic multicast tunnels (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112 (RFC 7534)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
        "2001::/23",  # protocol assignments (RFC 2928): Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4 (RFC 3056): carries an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation (RFC 9637)
    )
)
"""IANA's special-purpose registries, and what clouds have of their own. Python's ``is_global`` is asked too; its table
differs between patch versions of one Python."""

_UNICAST: Final = IPv6Network("2000::/3")
"""All that IANA has given out of IPv6. Mapped IPv4, NAT64, unique local and link-local are outside of it."""


class AddressError(Exception):
    """There is no address that a notice may be sent to. The message is a sentence fit for the endpoint's owner.

    It does not name the addresses, which would show an outsider how the inner network is numbered.
    """


class Guard:
    """Says which addresses may be connected to. ``inner`` are networks, as ``127.0.0.0/8``, allowed though not public.

    Raises:
        ValueError: a text of ``inner`` is no network.
    """

    def __init__(self, inner: Sequence[str] = ()) -> None:
        self._inner = tuple(ip_network(each) for each in inner)

    def allows(self, address: Address) -> bool:
        """Whether a notice may go to this address."""
        return is_public(address) or any(address in network for network in self._inner)

    async def addresses(self, host: str, port: int, resolver: Resolver) -> list[Address]:
        """The addresses of a host, each of which may be connected to.

        If any address is forbidden, all are refused: the system chooses which one is used.

        Raises:
            AddressError: the host has no address, or one that notices do not go to.
        """
        found = [literal] if (literal := _literal(host)) else await _looked_up(host, port, resolver)
        if not all(self.allows(each) for each in found):
            raise AddressError(f"{host} leads to an address that is not public. Nothing is sent there.")
        return found


def is_public(address: Address) -> bool:
    """Whether this is a global unicast address of the internet, and carries no other address inside."""
    if isinstance(address, IPv6Address) and (address not in _UNICAST or address.scope_id):
        return False
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return not any(address in network for network in _NEVER if network.version == address.version)


async def _looked_up(host: str, port: int, resolver: Resolver) -> list[Address]:
    try:
        found = [ip_address(each) for each in await resolver(host, port)]
    except (OSError, ValueError):
        raise AddressError(f"The name {host} cannot be resolved.") from None
    if not found:
        raise AddressError(f"The name {host} has no address.")
    return found


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def system_resolver(executor: Executor) -> Resolver:
    """The resolver of the operating system, in threads of its own: names that are slow hold up nothing else."""

    async def resolve(host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(executor, _look_up, host, port)
        return list(dict.fromkeys(found))

    return resolve


def _look_up(host: str, port: int) -> list[str]:
    return [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
