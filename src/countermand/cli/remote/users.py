"""Users at a service."""

from collections.abc import Callable, Sequence
from typing import Any

from countermand.cli.nouns import Document
from countermand.cli.output import CommandError, Exit
from countermand.cli.problems import HINTS
from countermand.cli.remote.calling import calling, document, not_tried, page_size, read_list
from countermand.ids import read
from countermand_client import Client, NotFound
from countermand_client.models import User


class RemoteUsers:
    """Users of the token's party; of all for the platform."""

    def add(self, email: str, *, party: str, name: str, password: str, permissions: Sequence[str] | None) -> str:
        """Add one."""
        not_tried()
        with calling() as client:
            return client.users.create(
                email=email, name=name, party=party, permissions=permissions, password=password
            ).id

    def read(self, party: str | None, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them, newest first. Returns whether there are more."""
        with calling() as client:
            return read_list(client.users.list(party=party, limit=page_size(most)), document, take, most)

    def set_status(self, user: str, *, active: bool) -> str:
        """Enable one, or disable it."""
        return _update(user, status="active" if active else "disabled")

    def change_password(self, user: str, password: str) -> str:
        """Replace the password of one."""
        return _update(user, password=password)

    def log_out(self, user: str) -> str:
        """End the log-ins and tokens of one."""
        not_tried()
        with calling() as client:
            return client.users.end_sessions(_named(client, user).id).id


def _update(text: str, **changes: Any) -> str:
    not_tried()
    with calling() as client:
        # Whoever names a user on the command line has not read it before.
        return client.users.update(_named(client, text).id, if_match="*", **changes).id


def _named(client: Client, text: str) -> User:
    """The user with this id or e-mail address."""
    try:
        if read("usr", text):
            return client.users.get(text)
    except NotFound:
        raise _unknown(text) from None
    email = text.strip().lower()
    for each in client.users.list(q=email) if len(email) >= _BEGIN_MIN else ():
        if each.email == email:
            return each
    raise _unknown(text)


_BEGIN_MIN = 2
"""So many characters of an address the service wants to look for it."""


def _unknown(text: str) -> CommandError:
    message = f"There is no user with the id or e-mail address {text!r}."
    return CommandError(Exit.NOT_FOUND, "unknown_user", message, HINTS["unknown_user"])
