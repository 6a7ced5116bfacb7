"""Where the service is and who calls, from arguments or the environment."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

from countermand_client.errors import CountermandError

VERSION = "0.2.0"


class NotConfigured(CountermandError):
    """The address of the service or the token is not given."""


@dataclass(frozen=True)
class Configuration:
    """The address of the service, and the headers that every call has."""

    url: str
    token: str

    @classmethod
    def of(cls, url: str | None, token: str | None) -> Configuration:
        """What was given, or else what the environment says."""
        found = url or os.environ.get("COUNTERMAND_URL", "")
        if not found:
            raise NotConfigured("Name the service: Client(url) or the variable COUNTERMAND_URL.")
        if not found.startswith(("http://", "https://")):
            raise NotConfigured(f"{found!r} is no URL of a service: it begins with http:// or https://.")
        return cls(url=found.rstrip("/"), token=_checked(token or _token()))

    @property
    def headers(self) -> dict[str, str]:
        """Who calls, and with which program."""
        python = platform.python_version()
        return {"authorization": f"Bearer {self.token}", "user-agent": f"countermand-client/{VERSION} python/{python}"}


def _token() -> str:
    token = os.environ.get("COUNTERMAND_TOKEN", "").strip()
    file = os.environ.get("COUNTERMAND_TOKEN_FILE", "")
    if not token and file:
        try:
            token = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise NotConfigured(f"The token cannot be read from {file}: {error}.") from error
    if not token:
        raise NotConfigured("Give a token: Client(token=...), or COUNTERMAND_TOKEN or COUNTERMAND_TOKEN_FILE.")
    return token


def _checked(token: str) -> str:
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise NotConfigured("The token has characters that no token has.")
    return token
