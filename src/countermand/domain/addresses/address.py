"""What holds for every address of a kind, before anybody tries to reach one."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from countermand.domain.problems import NotSetUpError, UnfitError

URL_MAX: Final = 2000

HOST_NAME: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?"
)
"""The name of a host. Its last part starts with a letter, so that no reader takes the name for a number."""


class BadAddressError(UnfitError):
    """Nothing can be sent to this address. The message is a sentence and holds nothing of the address."""

    code = "bad_address"


class MailUnavailableError(BadAddressError, NotSetUpError):
    """No mailbox can be taken, as no e-mail can be sent. The message names the settings that are missing."""

    code = "no_mail"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressRules:
    """Whether a URL of another host may be http, and which ports a URL may name; without any port, all.

    ``mail_lacks`` names the settings without which no e-mail can be sent.
    """

    http: bool = False
    ports: Collection[int] = (443,)
    mail_lacks: Collection[str] = ()


STRICT: Final = AddressRules()


def _always(_rules: AddressRules) -> None:
    pass


def _no_mailbox(_url: str) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressKind:
    """A kind of address, known by its scheme. Each has its outlet in ``outlets/``.

    Args:
        noun: what an endpoint with such an address is called, and ``messages`` what is sent there.
        schemes: the schemes of its URLs, and ``starts`` how they begin, for the one who has to write one.
        checked: the address as it is kept. Raises BadAddressError.
        check_usable: raises BadAddressError where nothing can be sent to this kind, whatever the address.
        is_signed: what is sent is signed with secrets of the endpoint.
        is_confirmed: nothing is sent before its reader has confirmed it.
        asks_only: an endpoint that names no kinds of events gets what asks for its party's answer; else it gets all.
        mailbox: the e-mail address that it is, if it is one.
    """

    noun: str
    messages: str
    schemes: tuple[str, ...]
    starts: str
    checked: Callable[[str, AddressRules], str]
    check_usable: Callable[[AddressRules], None] = _always
    is_signed: bool
    is_confirmed: bool
    asks_only: bool
    mailbox: Callable[[str], str | None] = _no_mailbox
