"""All kinds of addresses. A new one is added to this list, and its outlet to the one in ``outlets/outlet.py``."""

import re
from typing import Final

from countermand.domain.addresses.address import STRICT, URL_MAX, AddressKind, AddressRules, BadAddressError
from countermand.domain.addresses.mailbox import MAILBOX
from countermand.domain.addresses.web import WEBHOOK

KINDS: Final = (WEBHOOK, MAILBOX)

_BY_SCHEME: Final = {scheme: kind for kind in KINDS for scheme in kind.schemes}
_PLAIN: Final = re.compile(r"[!#-;=?-\[\]_a-z~]+")
"""The characters of RFC 3986; the backslash is not one, nor are quotes that end an attribute."""


def kind_of(url: str) -> AddressKind:
    """The kind of an endpoint's address.

    Raises:
        BadAddressError: there is no such kind.
    """
    kind = _BY_SCHEME.get(url.partition(":")[0].lower())
    if kind is None:
        raise BadAddressError(f"The address does not start with {' or '.join(each.starts for each in KINDS)}.")
    return kind


def check_address(url: str, rules: AddressRules = STRICT) -> str:
    """The address as it is kept, if something can be sent there as far as its text shows.

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
    kind = kind_of(url)
    checked = kind.checked(url, rules)
    kind.check_usable(rules)
    return checked
