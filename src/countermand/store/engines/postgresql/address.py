"""Addresses of PostgreSQL as everybody has them: libpq's URLs, with TLS, several hosts and a time-out.

What is understood is handed to asyncpg, which reads such URLs itself; what is not is refused in a sentence, so that no
parameter is left out of account without a word.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

CONNECT_TIMEOUT_S: Final = 10.0
PORT: Final = 5432
SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SESSIONS: Final = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
PASSED_ON: Final = frozenset(
    {
        "host",
        "port",
        "user",
        "password",
        "passfile",
        "dbname",
        "service",
        "sslmode",
        "sslcert",
        "sslkey",
        "sslpassword",
        "sslrootcert",
        "sslcrl",
        "sslnegotiation",
        "ssl_min_protocol_version",
        "ssl_max_protocol_version",
        "target_session_attrs",
        "krbsrvname",
        "gsslib",
        "options",
    }
)
"""The parameters that asyncpg or the server understands as libpq does."""

_SCHEME: Final = re.compile(r"(postgres|postgresql)(\+[a-z0-9_]+)?\Z")
_HOST: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.%]+\]|[^:\[\]]*)(:(?P<port>.*))?\Z")


class AddressError(ValueError):
    """The address cannot be used. The message says why, without the password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAddress:
    """How to reach a PostgreSQL: ``dsn`` for the driver, and what the driver takes beside it."""

    dsn: str
    connect_timeout_s: float
    """For each host."""
    application_name: str
    hosts: tuple[tuple[str, int], ...] = ()
    """Where there are several: each with its port, to be tried in turn."""

    def without_password(self) -> str:
        """The address as it may be shown."""
        parts = urlsplit(self.dsn)
        user, at, hosts = parts.netloc.rpartition("@")
        name = user.partition(":")[0]
        shown = f"{name}:***@{hosts}" if ":" in user else f"{name}{at}{hosts}"
        query = urlencode(
            [(key, "***" if "password" in key else text) for key, text in parse_qsl(parts.query)], safe="/"
        )
        return f"postgresql://{shown}{parts.path}" + (f"?{query}" if query else "")


def is_postgres(url: str) -> bool:
    """Whether a database URL names a PostgreSQL."""
    return bool(_SCHEME.match(url.partition("://")[0]))


def read_address(url: str) -> PostgresAddress:
    """Read a libpq URL: ``postgresql://user:password@host:port,host:port/name?parameter=value``.

    Raises:
        AddressError: a host or port is malformed, or a parameter is unknown or has a value that it cannot have.
    """
    _, _, rest = url.partition("://")
    before, _, query = rest.partition("?")
    authority, slash, name = before.partition("/")
    user, at, hosts = authority.rpartition("@")
    _check_hosts(unquote(hosts))
    given = _parameters(query)
    several = _several(unquote(hosts), given)
    if several:
        # Of a primary and its standbys, only the primary will do.
        given = {"target_session_attrs": "read-write", **given}
    passed_on = {key: text for key, text in given.items() if key in PASSED_ON}
    # An unescaped @ in a password would end it too early for the driver's reader.
    login = ":".join(quote(unquote(part), safe="") for part in user.split(":", 1))
    dsn = f"postgresql://{login}{at}{hosts}{slash}{name}"
    return PostgresAddress(
        dsn=dsn + (f"?{urlencode(passed_on)}" if passed_on else ""),
        connect_timeout_s=_connect_timeout(given.get("connect_timeout")),
        application_name=given.get("application_name", "countermand"),
        hosts=several,
    )


def _several(hosts: str, given: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """The hosts with their ports, if there are more than one; those of the parameters stand in for those before."""
    places = [match for match in map(_HOST.match, hosts.split(",")) if match] if hosts else []
    names = given["host"].split(",") if "host" in given else [match["host"] for match in places]
    if len(names) < 2:
        return ()
    ports = given["port"].split(",") if "port" in given else [match["port"] or "" for match in places]
    if len(ports) < 2:
        ports = (ports or [""]) * len(names)
    if len(ports) != len(names):
        raise AddressError(f"The database address has {len(names)} hosts and {len(ports)} ports.")
    return tuple((name.strip("[]"), int(port or PORT)) for name, port in zip(names, ports, strict=True))


def _check_hosts(hosts: str) -> None:
    for place in hosts.split(",") if hosts else ():
        match = _HOST.match(place)
        if match is None or (not match["host"] and "," in hosts):
            raise AddressError(f"The database address has a host that makes no sense: {place!r}.")
        _check_port(match["port"])


def _check_port(port: str | None) -> None:
    if port and not (re.fullmatch("[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise AddressError(f"The database address has a port that makes no sense: {port!r}. A port is 1 to 65535.")


def _parameters(query: str) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError:
        raise AddressError(
            "What follows the ? of the database address is not of the form name=value&name=value."
        ) from None
    given: dict[str, str] = {}
    for key, text in pairs:
        if key in given:
            raise AddressError(f"The database address says {key} twice.")
        if key not in PASSED_ON | {"connect_timeout", "application_name"}:
            known = ", ".join(sorted(PASSED_ON | {"connect_timeout", "application_name"}))
            raise AddressError(
                f"The database address has the parameter {key!r}, which is not known. Known are {known}."
            )
        given[key] = text
    _check_choice(given, "sslmode", SSL_MODES)
    _check_choice(given, "target_session_attrs", SESSIONS)
    for port in given.get("port", "").split(","):
        _check_port(port)
    return given


def _check_choice(given: Mapping[str, str], name: str, choices: tuple[str, ...]) -> None:
    if name in given and given[name] not in choices:
        raise AddressError(f"The database address has {name}={given[name]}. It can be {', '.join(choices)}.")


def _connect_timeout(text: str | None) -> float:
    if text is None:
        return CONNECT_TIMEOUT_S
    if not re.fullmatch("[0-9]{1,6}", text):
        raise AddressError(f"The database address has connect_timeout={text}. It is a whole number of seconds.")
    # To libpq, 0 is to wait for ever. Nobody waits for ever here.
    return float(text) or CONNECT_TIMEOUT_S
