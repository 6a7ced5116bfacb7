"""Users of a database."""

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection

from countermand.admin import users as admin
from countermand.admin.audit import Author
from countermand.admin.callers import Permission
from countermand.admin.finding import find_party
from countermand.admin.users import User
from countermand.cli.nouns import Document
from countermand.cli.parties import author
from countermand.cli.running import read_pages, read_settings, with_database
from countermand.documents.users import user_shown
from countermand.ids import show
from countermand.reads.users import UserFilter, UserView, list_users
from countermand.road import Application


class LocalUsers:
    """Users of all parties, changed in the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def add(self, email: str, *, party: str, name: str, password: str, permissions: Sequence[str] | None) -> str:
        """Add one."""

        def add(connection: Connection, by: Author) -> str:
            user = admin.add(
                connection,
                by,
                party=find_party(connection, party),
                email=email,
                name=name,
                password=password,
                permissions=None if permissions is None else [Permission(each) for each in permissions],
            )
            return show("usr", user)

        return self._write(add)

    def read(self, party: str | None, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them, newest first. Returns whether there are more."""

        def page(connection: Connection, count: int, last: UserView | None) -> Sequence[UserView]:
            wanted = find_party(connection, party).id if party else None
            return list_users(connection, UserFilter(party=wanted, after=last.id if last else None, limit=count))

        def hand_on(rows: Sequence[UserView]) -> None:
            take([user_shown(row).model_dump(mode="json") for row in rows])

        return read_pages(self._settings, page, hand_on, most)

    def set_status(self, user: str, *, active: bool) -> str:
        """Enable one, or disable it."""
        return self._change(user, admin.enable if active else admin.disable)

    def change_password(self, user: str, password: str) -> str:
        """Replace the password of one."""
        return self._change(user, partial(admin.change_password, password=password))

    def log_out(self, user: str) -> str:
        """End the log-ins and tokens of one."""
        return self._change(user, admin.log_out)

    def _change(self, text: str, change: Callable[[Connection, Author, User], object]) -> str:
        def apply(connection: Connection, by: Author) -> str:
            found = admin.find_user(connection, text)
            change(connection, by, found)
            return show("usr", found.id)

        return self._write(apply)

    def _write(self, change: Callable[[Connection, Author], str]) -> str:
        async def work(application: Application) -> str:
            return await application.database.write(lambda connection: change(connection, author(application)))

        return with_database(self._settings, work)
