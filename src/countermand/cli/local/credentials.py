"""Tokens, Plaza keys and OAuth clients of a database."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin import credentials as admin
from countermand.admin.callers import Permission
from countermand.admin.credentials import ClientCredentials, NewToken, PlazaKey
from countermand.admin.finding import find_party, find_retailer
from countermand.cli.nouns import Document, NewCredential
from countermand.cli.parties import author, find_id
from countermand.cli.running import read_pages, read_settings, with_database
from countermand.documents.credentials import credential_shown
from countermand.ids import show, system_clock
from countermand.reads.credentials import CredentialFilter, CredentialView, list_credentials
from countermand.road import Application


class LocalCredentials:
    """Credentials of all parties, made and ended in the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def create_token(
        self, *, party: str, permissions: Sequence[str] | None, label: str, days: int | None
    ) -> NewCredential:
        """Make a token."""

        async def work(application: Application) -> NewToken:
            ends = application.clock() + timedelta(days=days) if days is not None else None

            def create(connection: Connection) -> NewToken:
                return admin.create_token(
                    connection,
                    author(application),
                    party=find_party(connection, party),
                    permissions=None if permissions is None else [Permission(each) for each in permissions],
                    label=label,
                    expires_at=ends,
                )

            return await application.database.write(create)

        made = with_database(self._settings, work)
        return NewCredential(id=show("crd", made.id), secret=made.secret)

    def create_plaza_key(self, *, party: str, label: str) -> NewCredential:
        """Make a pair of Plaza keys."""

        async def work(application: Application) -> PlazaKey:
            def create(connection: Connection) -> PlazaKey:
                retailer = find_retailer(connection, party)
                return admin.create_plaza_key(
                    connection, author(application), application.keyring, party=retailer, label=label
                )

            return await application.database.write(create)

        made = with_database(self._settings, work, uses_keys=True)
        assert made.id
        return NewCredential(id=show("crd", made.id), secret=made.private, public=made.public)

    def read(self, kind: str, party: str | None, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of a kind, newest first. Returns whether there are more."""
        now = system_clock()

        def page(connection: Connection, count: int, last: CredentialView | None) -> Sequence[CredentialView]:
            owner = find_party(connection, party).id if party else None
            after = last.id if last else None
            return list_credentials(connection, CredentialFilter(kind=kind, party=owner, after=after, limit=count))

        def hand_on(rows: Sequence[CredentialView]) -> None:
            take([credential_shown(row, now).model_dump(mode="json") for row in rows])

        return read_pages(self._settings, page, hand_on, most)

    def rename_token(self, token: str, label: str) -> str:
        """Give a token another label."""
        wanted = find_id("crd", token)
        self._write(partial(admin.rename, credential=wanted, label=label))
        return show("crd", wanted)

    def revoke_token(self, token: str) -> str:
        """End the token with this id."""
        wanted = find_id("crd", token)
        self._write(partial(admin.revoke, credential=wanted))
        return show("crd", wanted)

    def revoke_secret(self, secret: str) -> None:
        """End the token that this is."""
        self._write(partial(admin.revoke_token, secret=secret))

    def revoke_plaza_key(self, public: str) -> None:
        """End the pair of Plaza keys with this public half."""
        self._write(partial(admin.revoke_plaza_key, public=public))

    def create_client(self, *, party: str, label: str) -> NewCredential:
        """Make an OAuth client."""

        async def work(application: Application) -> ClientCredentials:
            def create(connection: Connection) -> ClientCredentials:
                retailer = find_retailer(connection, party)
                return admin.create_client(connection, author(application), party=retailer, label=label)

            return await application.database.write(create)

        made = with_database(self._settings, work)
        return NewCredential(id=show("crd", made.id), secret=made.secret, public=str(made.id))

    def revoke_client(self, client: UUID) -> None:
        """End the OAuth client with this id."""
        self._write(partial(admin.revoke_client, client=client))

    def _write(self, change: Callable[..., None]) -> None:
        async def work(application: Application) -> None:
            await application.database.write(partial(change, author=author(application)))

        with_database(self._settings, work)
