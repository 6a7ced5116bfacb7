"""Where a party wants to be told what happens, and which addresses are possible before anybody tries to reach one."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from countermand.domain.events import EventKind

URL_MAX: Final = 2000
MAILBOX_MAX: Final = 254
"""Source: RFC 5321, 4.5.3.1.3, less the two brackets around it."""


WAITS_UNCONFIRMED: Final = timedelta(days=30)
"""How long a notice waits for its mailbox to be confirmed before it is given up."""


class EndpointState(StrEnum):
    """Whether an endpoint is told. Only ``ACTIVE`` ones are; ``REMOVED`` is final.

    ``UNCONFIRMED`` is a mailbox whose owner has not said yet that it wants to be written to. The others can be resumed.
    """

    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    REMOVED = "removed"


class BadAddressError(ValueError):
    """An endpoint cannot have this address. The message is a sentence and holds nothing of the address."""


class MailUnavailableError(BadAddressError):
    """No mailbox can be taken, as no e-mail can be sent. The message names the settings that are missing."""


class UnknownKindError(ValueError):
    """There is no such kind of event. The message lists those that there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRules:
    """Whether a URL of another host may be http, and which ports a URL may name; without any port, all.

    ``mail_lacks`` names the settings without which no e-mail can be sent.
    """

    http: bool = False
    ports: Collection[int] = (443,)
    mail_lacks: Collection[str] = ()


STRICT: Final = AddressRules()


def check_address(url: str, rules: AddressRules = STRICT) -> str:
    """The address as it is kept, if something can be sent to this URL or ``mailto:`` address as far as its text shows.

    A mailbox has one spelling: ``mailto:`` in small letters, nothing percent-encoded, its domain in small letters. What
    stands before the ``@`` is the receiver's own business and stays.

    What an address leads to is checked at every sending, when its name is looked up.

    Raises:
        BadAddressError: it has a wrong form, or the rules do not allow it.
        MailUnavailableError: it is a mailbox, and no e-mail can be sent.
    """
    if len(url) > URL_MAX:
        raise BadAddressError(f"The address is longer than {URL_MAX} characters.")
    if not _PLAIN.fullmatch(url):
        raise BadAddressError(
            "The address holds a character that no URL has. Write others percent-encoded, and a host as xn--…."
        )
    match url.partition(":")[0].lower():
        case "mailto":
            mailbox = _mailbox(url)
            check_mail(rules)
            return mailbox
        case "https" | "http" as scheme:
            _check_web(url, scheme, rules)
            return url
        case _:
            raise BadAddressError("The address does not start with https:// or mailto:.")


def check_mail(rules: AddressRules) -> None:
    """Nothing else to do where e-mails can be sent.

    Raises:
        MailUnavailableError: they cannot.
    """
    if rules.mail_lacks:
        *first, last = rules.mail_lacks
        settings = f"settings {', '.join(first)} and {last} are" if first else f"setting {last} is"
        raise MailUnavailableError(f"No e-mail can be sent from here yet: the {settings} not set.")


def is_mailbox(url: str) -> bool:
    """Whether this address of an endpoint is an e-mail address."""
    return url[:7].lower() == "mailto:"


def mailbox_of(url: str) -> str:
    """The e-mail address in an endpoint's address, in its one spelling; those of version 0.1.0 may have others."""
    try:
        return _mailbox(url).removeprefix("mailto:")
    except BadAddressError:
        return _decoded(url.partition(":")[2])


def recipient_of(mailbox: str) -> str:
    """An e-mail address in one spelling for all that reach the same person as a rule, to count what is sent there."""
    local, _, host = mailbox.lower().rpartition("@")
    return f"{local.partition('+')[0] or local}@{host}"


def check_kinds(kinds: Collection[str]) -> tuple[EventKind, ...]:
    """The kinds of events that these names are, each once, in the order in which all are listed.

    Raises:
        UnknownKindError: one of them is not the name of a kind.
    """
    known = {kind.value for kind in EventKind}
    unknown = sorted(set(kinds) - known)
    if unknown:
        raise UnknownKindError(
            f"There is no kind of event {', '.join(map(repr, unknown))}. There are {', '.join(EventKind)}."
        )
    return tuple(kind for kind in EventKind if kind.value in kinds)


_PLAIN: Final = re.compile(r"[!#-;=?-\[\]_a-z~]+")
"""The characters of RFC 3986; the backslash is not one, nor are quotes that end an attribute."""

_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""The name of a host. Its last part starts with a letter, so that no reader takes the name for a number."""

_MAILBOX: Final = re.compile(r"[a-z0-9!$'*+=_~-]+(?:\.[a-z0-9!$'*+=_~-]+)*")


def _mailbox(url: str) -> str:
    local, _, host = _decoded(url[len("mailto:") :]).rpartition("@")
    host = host.lower()
    fine = len(local) + len(host) < MAILBOX_MAX and len(local) <= 64 and _MAILBOX.fullmatch(local.lower())
    if not (fine and "." in host and _NAME.fullmatch(host)):
        raise BadAddressError("After mailto: there must be one e-mail address, such as someone@example.com.")
    return f"mailto:{local}@{host}"


def _decoded(text: str) -> str:
    """What is percent-encoded in a ``mailto:`` (RFC 6068, 2). A comma or a second ``@`` among it is refused later."""
    return re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)


def _check_web(url: str, scheme: str, rules: AddressRules) -> None:
    try:
        parts = urlsplit(url)
        port = _PORTS[scheme] if parts.port is None else parts.port
    except ValueError:
        raise BadAddressError("The address is not a URL.") from None
    if "@" in parts.netloc:
        raise BadAddressError("The address names a user. What is sent is signed; nothing else proves who sends it.")
    if not _PORT.search(parts.netloc):
        raise BadAddressError("The address names no host, or a port that is not written as ports are.")
    if "#" in url:
        raise BadAddressError("The address has a fragment (#…), which is never sent.")
    loopback = _is_loopback(parts)
    if scheme == "http" and not (rules.http or loopback):
        raise BadAddressError("The address is not https://, and its host is not this machine.")
    if rules.ports and port not in rules.ports:
        allowed = ", ".join(str(each) for each in sorted(rules.ports))
        raise BadAddressError(f"The address has port {port}; allowed are {allowed}.")


_PORT: Final = re.compile(r"(?:\A[^:]+|\])(?::(?=[0-9]{1,5}\Z)0*[1-9][0-9]*)?\Z")

_PORTS: Final = {"https": 443, "http": 80}


def _is_loopback(parts: SplitResult) -> bool:
    """Whether the host is this machine, by its own word.

    Raises:
        BadAddressError: it is no host, or a number in one of the spellings that only some programs read alike.
    """
    host = parts.hostname or ""
    if _NAME.fullmatch(host) and "[" not in parts.netloc:
        return host == "localhost" or host.endswith(".localhost")
    try:
        # A zone (%eth0) names a cable of this machine.
        address = IPv6Address(host.replace("%", "zone")) if "[" in parts.netloc else IPv4Address(host)
    except ValueError:
        raise BadAddressError("The address has no host, or one that is neither a name nor an IP address.") from None
    return address.is_loopback
