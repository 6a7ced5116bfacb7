"""Tokens, Plaza keys and OAuth clients at a service."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NoReturn
from uuid import UUID

from countermand.cli.nouns import Document, NewCredential
from countermand.cli.output import Exit, fail, manners
from countermand.cli.problems import HINTS
from countermand.cli.remote.calling import calling, document, not_tried, page_size, read_list
from countermand.cli.remote.finding import named
from countermand_client import Client, NotFound, Unauthenticated
from countermand_client.models import Credential


class RemoteCredentials:
    """Credentials of the token's party; of all for the platform."""

    def create_token(
        self, *, party: str, permissions: Sequence[str] | None, label: str, days: int | None
    ) -> NewCredential:
        """Make a token."""
        not_tried()
        ends = datetime.now(UTC) + timedelta(days=days) if days is not None else None
        with calling() as client:
            made = client.credentials.create(
                kind="token", party=party, label=label, permissions=permissions, expires_at=ends
            )
        return _new(made)

    def create_plaza_key(self, *, party: str, label: str) -> NewCredential:
        """Make a pair of Plaza keys."""
        not_tried()
        with calling() as client:
            return _new(client.credentials.create(kind="plaza_key", party=party, label=label))

    def read(self, kind: str, party: str | None, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of a kind, newest first. Returns whether there are more."""
        with calling() as client:
            found = client.credentials.list(kind=kind, party=party, limit=page_size(most))
            return read_list(found, document, take, most)

    def rename_token(self, token: str, label: str) -> str:
        """A service has no call that renames a credential."""
        raise NotImplementedError(token, label)

    def revoke_token(self, token: str) -> str:
        """End the token with this id."""
        not_tried()
        wanted = named("crd", token)
        with calling() as client:
            try:
                _revoke(client, client.credentials.get(wanted))
            except NotFound:
                _unknown("There is no credential with this id.")
        return wanted

    def revoke_secret(self, secret: str) -> None:
        """End the token that this is. It says itself which one."""
        not_tried()
        with calling() as client:
            try:
                with Client(manners.server, secret or " ") as own:
                    found = own.me.get().credential
                client.credentials.revoke(found)
            except Unauthenticated:
                # It is the own token that is refused, if that of the caller is good.
                client.me.get()
                _unknown("There is no such token, or it was revoked before.")

    def revoke_plaza_key(self, public: str) -> None:
        """End the pair of Plaza keys with this public half."""
        not_tried()
        with calling() as client:
            found = [each for each in client.credentials.list(kind="plaza_key", limit=200) if each.public == public]
            if not found or found[0].revoked_at is not None:
                _unknown("There is no such key, or it was revoked before.")
            client.credentials.revoke(found[0].id)

    def create_client(self, *, party: str, label: str) -> NewCredential:
        """Make an OAuth client."""
        not_tried()
        with calling() as client:
            return _new(client.credentials.create(kind="oauth_client", party=party, label=label))

    def revoke_client(self, client: UUID) -> None:
        """End the OAuth client with this id."""
        not_tried()
        with calling() as service:
            try:
                found = service.credentials.get(f"crd_{client.hex}")
            except NotFound:
                found = None
            if found is None or found.kind != "oauth_client" or found.revoked_at is not None:
                _unknown("There is no such client, or it was revoked before.")
            service.credentials.revoke(found.id)


def _new(made: Credential) -> NewCredential:
    return NewCredential(id=made.id, secret=made.secret or "", public=made.public or "")


def _revoke(client: Client, found: Credential) -> None:
    """To the service, what has ended stays so; a person wants to know that it had ended before."""
    if found.revoked_at is not None:
        _unknown(f"This credential was revoked on {found.revoked_at:%Y-%m-%d %H:%M} UTC.")
    client.credentials.revoke(found.id)


def _unknown(message: str) -> NoReturn:
    fail(Exit.NOT_FOUND, "unknown_credential", message, HINTS["unknown_credential"])
