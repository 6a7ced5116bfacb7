"""Endpoints: where a party is notified, and which addresses are allowed, as far as their text shows."""

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
"""How long a notice waits until its mailbox is confirmed. Then it is given up."""


class EndpointState(StrEnum):
    """The state of an endpoint. Only ``ACTIVE`` ones are notified; ``REMOVED`` is final.

    ``UNCONFIRMED`` is a mailbox whose owner has not agreed to e-mails yet. The others can be resumed.
    """

    UNCONFIRMED = "unconfirmed"
    ACTIVE = "active"
    PAUSED = "paused"
    DISABLED = "disabled"
    REMOVED = "removed"


class BadAddressError(ValueError):
    """An endpoint cannot have this address. The message is a sentence and contains no part of the address."""


class MailUnavailableError(BadAddressError):
    """No mailbox is accepted, because no e-mail can be sent. The message names the settings that are missing."""


class UnknownKindError(ValueError):
    """There is no such kind of event. The message lists all kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRules:
    """Whether a URL of another host may be http, and which ports a URL may have; if none are given, all.

    ``mail_lacks`` names the settings without which no e-mail can be sent.
    """

    http: bool = False
    ports: Collection[int] = (443,)
    mail_lacks: Collection[str] = ()


STRICT: Final = AddressRules()


def check_address(url: str, rules: AddressRules = STRICT) -> str:
    """The address as it is stored: a URL or a ``mailto:`` address that is allowed, as far as its text shows.

    A mailbox has one spelling: ``mailto:`` and the domain in small letters, and nothing percent-encoded. The part
    before the ``@`` stays as it is, because only the receiver knows what it means.

    The IP addresses of a host are checked again whenever something is sent.

    Raises:
        BadAddressError: it is malformed, or the rules do not allow it.
        MailUnavailableError: it is a mailbox, and no e-mail can be sent.
    """
    if len(url) > URL_MAX:
        raise BadAddressError(f"The address is longer than {URL_MAX} characters.")
    if not _PLAIN.fullmatch(url):
        raise BadAddressError(
            "The address has a character that no URL may have. Write it percent-encoded, and in a host as xn--…."
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
    """Check that e-mails can be sent.

    Raises:
        MailUnavailableError: they cannot.
    """
    if rules.mail_lacks:
        *first, last = rules.mail_lacks
        settings = f"settings {', '.join(first)} and {last} are" if first else f"setting {last} is"
        raise MailUnavailableError(f"No e-mail can be sent yet: the {settings} not set.")


def is_mailbox(url: str) -> bool:
    """Whether this address of an endpoint is an e-mail address."""
    return url[:7].lower() == "mailto:"


def mailbox_of(url: str) -> str:
    """The e-mail address in an endpoint's address, in its one spelling. Rows of version 0.1.0 may have another."""
    try:
        return _mailbox(url).removeprefix("mailto:")
    except BadAddressError:
        return _decoded(url.partition(":")[2])


def recipient_of(mailbox: str) -> str:
    """An e-mail address in one spelling for all that usually reach the same person, to count what is sent to it."""
    local, _, host = mailbox.lower().rpartition("@")
    return f"{local.partition('+')[0] or local}@{host}"


def check_kinds(kinds: Collection[str]) -> tuple[EventKind, ...]:
    """The kinds of events with these names, each once, in the order in which all are listed.

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
"""The characters of RFC 3986, without quotes that end an attribute."""

_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""A host name. Its last part starts with a letter, so that no parser reads it as an IP address."""

_MAILBOX: Final = re.compile(r"[a-z0-9!$'*+=_~-]+(?:\.[a-z0-9!$'*+=_~-]+)*")


def _mailbox(url: str) -> str:
    local, _, host = _decoded(url[len("mailto:") :]).rpartition("@")
    host = host.lower()
    fine = len(local) + len(host) < MAILBOX_MAX and len(local) <= 64 and _MAILBOX.fullmatch(local.lower())
    if not (fine and "." in host and _NAME.fullmatch(host)):
        raise BadAddressError("After mailto: there must be one e-mail address, such as someone@example.com.")
    return f"mailto:{local}@{host}"


def _decoded(text: str) -> str:
    """A ``mailto:`` without percent-encoding (RFC 6068, 2). A comma or a second ``@`` in it is refused later."""
    return re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)


def _check_web(url: str, scheme: str, rules: AddressRules) -> None:
    try:
        parts = urlsplit(url)
        port = _PORTS[scheme] if parts.port is None else parts.port
    except ValueError:
        raise BadAddressError("The address is not a URL.") from None
    if "@" in parts.netloc:
        raise BadAddressError("The address names a user. Leave it out: the signature proves who sends a notice.")
    if not _PORT.search(parts.netloc):
        raise BadAddressError("The address has no host, or a malformed port.")
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
    """Whether the host is this machine, according to its name.

    Raises:
        BadAddressError: it is no host, or an IP address in a spelling that programs read differently.
    """
    host = parts.hostname or ""
    if _NAME.fullmatch(host) and "[" not in parts.netloc:
        return host == "localhost" or host.endswith(".localhost")
    try:
        # A zone (%eth0) names a network interface of this machine.
        address = IPv6Address(host.replace("%", "zone")) if "[" in parts.netloc else IPv4Address(host)
    except ValueError:
        raise BadAddressError("The address has no host, or one that is neither a name nor an IP address.") from None
    return address.is_loopback
