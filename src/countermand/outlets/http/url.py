"""Where a notice goes: a URL read strictly, so that no two readers can differ on the host it names."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

URL_MAX: Final = 2000
DEFAULT_PORTS: Final = {"https": 443, "http": 80}

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<target>(?:[/?][!$-~\"]*)?)",
    re.IGNORECASE | re.ASCII,
)
_NAME = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)


class UrlError(ValueError):
    """A URL that no notice can be sent to. The message is a sentence fit for the endpoint's owner."""


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


def read_url(url: str, ports: Collection[int] = ()) -> Target:
    """Read a URL. ``ports`` are those allowed; without any, all are.

    Numbers that only some readers take for an address (``0x7f.1``, ``2130706433``), names outside of ASCII, user names
    and fragments are refused.

    Raises:
        UrlError: notices cannot be sent there.
    """
    return _read(url, frozenset(ports))


@lru_cache(maxsize=4096)
def _read(url: str, ports: frozenset[int]) -> Target:
    found = _URL.fullmatch(url) if len(url) <= URL_MAX else None
    if found is None:
        raise UrlError(
            "This is not the URL of a webhook. Write https://, the name of a host in ASCII, and a path in ASCII without"
            f" spaces; no user name, no fragment, at most {URL_MAX} characters."
        )
    scheme = found["scheme"].lower()
    port = int(found["port"]) if found["port"] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise UrlError(f"There is no port {port}.")
    if ports and port not in ports:
        raise UrlError(f"Notices do not go to port {port}; allowed are {', '.join(map(str, sorted(ports)))}.")
    target = found["target"]
    path = target if target.startswith("/") else f"/{target}"
    return Target(scheme=scheme, host=_host(found["host"].lower()), port=port, path=path)


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except AddressValueError:
            raise UrlError(f"{text} is not an IPv6 address.") from None
    try:
        return str(IPv4Address(text))
    except AddressValueError:
        # The last label of a name starts with a letter, so that no number is taken for a name.
        if len(text) > 253 or not _NAME.fullmatch(text):
            raise UrlError(f"{text} is neither the name of a host nor an address as it is usually written.") from None
        return text
