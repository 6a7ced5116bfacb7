"""The URL of a webhook, read strictly, so that no two readers can differ on the host it names."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from countermand.domain.addresses.address import HOST_NAME, URL_MAX, AddressKind, AddressRules, BadAddressError

DEFAULT_PORTS: Final = {"https": 443, "http": 80}
_WEB: Final = re.compile(r"https?:[!-~]*", re.IGNORECASE)
_PORT: Final = re.compile(r"(?:\A[^:]+|\])(?::(?=[0-9]{1,5}\Z)0*[1-9][0-9]*)?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a call needs of a URL. ``host`` is a name, or an address without brackets; ``path`` has the query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What one connection can be used for."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """The ``Host`` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine, by its own word."""
        if HOST_NAME.fullmatch(self.host):
            return self.host == "localhost" or self.host.endswith(".localhost")
        return (IPv6Address if ":" in self.host else IPv4Address)(self.host).is_loopback


@lru_cache(maxsize=4096)
def read_url(url: str) -> Target:
    """Read a URL.

    Numbers that only some readers take for an address (``0x7f.1``, ``2130706433``), names outside of ASCII, user names
    and fragments are refused.

    Raises:
        BadAddressError: nothing can be sent there.
    """
    if len(url) > URL_MAX or not _WEB.fullmatch(url):
        raise BadAddressError("The address is not a URL.")
    try:
        parts = urlsplit(url)
        port = DEFAULT_PORTS[parts.scheme] if parts.port is None else parts.port
    except ValueError:
        raise BadAddressError("The address is not a URL.") from None
    if "@" in parts.netloc:
        raise BadAddressError("The address names a user. What is sent is signed; nothing else proves who sends it.")
    if not _PORT.search(parts.netloc):
        raise BadAddressError("The address names no host, or a port that is not written as ports are.")
    if "#" in url:
        raise BadAddressError("The address has a fragment (#…), which is never sent.")
    target = url.partition("://")[2][len(parts.netloc) :]
    path = target if target.startswith("/") else f"/{target}"
    return Target(scheme=parts.scheme, host=_host(parts), port=port, path=path)


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if HOST_NAME.fullmatch(host) and "[" not in parts.netloc:
        return host
    try:
        # A zone (%eth0) names a cable of this machine.
        return str(IPv6Address(host.replace("%", "zone")) if "[" in parts.netloc else IPv4Address(host))
    except ValueError:
        raise BadAddressError("The address has no host, or one that is neither a name nor an IP address.") from None


def check_port(target: Target, ports: frozenset[int]) -> None:
    """Nothing else to do where the port is one of those allowed; without any, all are.

    Raises:
        BadAddressError: it is not.
    """
    if ports and target.port not in ports:
        allowed = ", ".join(str(each) for each in sorted(ports))
        raise BadAddressError(f"The address has port {target.port}; allowed are {allowed}.")


def _checked(url: str, rules: AddressRules) -> str:
    target = read_url(url)
    if target.scheme == "http" and not (rules.http or target.is_loopback):
        raise BadAddressError("The address is not https://, and its host is not this machine.")
    check_port(target, frozenset(rules.ports))
    return url


WEBHOOK: Final = AddressKind(
    noun="webhook",
    messages="notices",
    schemes=("https", "http"),
    starts="https://",
    checked=_checked,
    is_signed=True,
    is_confirmed=False,
    asks_only=False,
)
