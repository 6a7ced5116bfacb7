"""An e-mail address, written as a ``mailto:`` URL."""

import re
from typing import Final

from countermand.domain.addresses.address import (
    HOST_NAME,
    AddressKind,
    AddressRules,
    BadAddressError,
    MailUnavailableError,
)

MAILBOX_MAX: Final = 254
"""Source: RFC 5321, 4.5.3.1.3, less the two brackets around it."""

_MAILBOX: Final = re.compile(r"[a-z0-9!$'*+=_~-]+(?:\.[a-z0-9!$'*+=_~-]+)*")


def mailbox_of(url: str) -> str:
    """The e-mail address in a ``mailto:`` URL, in its one spelling; those of version 0.1.0 may have others."""
    try:
        return _read(url).removeprefix("mailto:")
    except BadAddressError:
        return _decoded(url.partition(":")[2])


def recipient_of(mailbox: str) -> str:
    """An e-mail address in one spelling for all that reach the same person as a rule, to count what is sent there."""
    local, _, host = mailbox.lower().rpartition("@")
    return f"{local.partition('+')[0] or local}@{host}"


def _read(url: str) -> str:
    local, _, host = _decoded(url[len("mailto:") :]).rpartition("@")
    host = host.lower()
    fine = len(local) + len(host) < MAILBOX_MAX and len(local) <= 64 and _MAILBOX.fullmatch(local.lower())
    if not (fine and "." in host and HOST_NAME.fullmatch(host)):
        raise BadAddressError("After mailto: there must be one e-mail address, such as someone@example.com.")
    return f"mailto:{local}@{host}"


def _decoded(text: str) -> str:
    """What is percent-encoded in a ``mailto:`` (RFC 6068, 2). A comma or a second ``@`` among it is refused later."""
    return re.sub("%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)


def _checked(url: str, _rules: AddressRules) -> str:
    """One spelling: ``mailto:`` in small letters, nothing percent-encoded, its domain in small letters.

    What stands before the ``@`` is the receiver's own business and stays.
    """
    return _read(url)


def _check_usable(rules: AddressRules) -> None:
    if rules.mail_lacks:
        *first, last = rules.mail_lacks
        settings = f"settings {', '.join(first)} and {last} are" if first else f"setting {last} is"
        raise MailUnavailableError(f"No e-mail can be sent from here yet: the {settings} not set.")


MAILBOX: Final = AddressKind(
    noun="mailbox",
    messages="mails",
    schemes=("mailto",),
    starts="mailto:",
    checked=_checked,
    check_usable=_check_usable,
    is_signed=False,
    is_confirmed=True,
    asks_only=True,
    mailbox=mailbox_of,
)
