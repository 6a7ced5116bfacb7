"""Commands about parties, users and tokens."""

import getpass
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Annotated, Final, Literal
from uuid import UUID

from cyclopts import Parameter, validators
from sqlalchemy import Connection

from countermand.admin import credentials, users
from countermand.admin.audit import Author
from countermand.admin.callers import Permission
from countermand.admin.credentials import PlazaKey, TooManyKeysError
from countermand.admin.finding import BadIdError, find_party, find_retailer, read_id
from countermand.cli import nouns
from countermand.cli.inputs import Name, Text, Whole
from countermand.cli.output import Exit, fail, print_csv, print_json, print_table, report
from countermand.cli.problems import as_command_error
from countermand.cli.running import CsvFlag, DatabaseFlag, JsonFlag, ask_database, read_settings, with_database
from countermand.documents.credentials import plaza_key_document
from countermand.domain.texts import why_unfit
from countermand.ids import show
from countermand.reads.credentials import PlazaKeyView, list_plaza_keys
from countermand.road import Application

DAYS_MAX = 36_500

PermissionFlag = Annotated[
    Sequence[Permission] | None,
    Parameter(name="--permission", negative=(), help="May be repeated; default: all that this kind of party can have"),
]


def party_add(
    kind: Literal["retailer", "supplier", "platform"],
    name: str,
    *,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Add a party and print its id.

    Parameters
    ----------
    kind
        retailer, supplier or platform.
    name
        What people call it.
    """
    party = nouns.parties(database).add(kind, name)
    if json:
        print_json({"id": party, "kind": kind, "name": name})
    else:
        print(party)


def party_list(*, csv: CsvFlag = False, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """List the parties."""
    rows = nouns.parties(database).all()
    if json:
        print_json(rows)
        return
    if csv:
        print_csv(_PARTY_COLUMNS, rows)
        return
    shown = [(row["id"], row["kind"], row["name"], row["number"]) for row in rows]
    print_table(("Id", "Kind", "Name", "Number"), shown, empty="There are no parties yet.")


_PARTY_COLUMNS: Final = ("id", "kind", "name", "number")


def user_add(
    email: Name,
    *,
    party: str,
    name: Name | None = None,
    permission: PermissionFlag = None,
    password_stdin: Annotated[bool, Parameter(negative=())] = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Add a person who can log in for a party, and print the user's id.

    The password comes from the terminal, from COUNTERMAND_PASSWORD, or from standard input with --password-stdin.

    Parameters
    ----------
    email
        The address to log in with.
    party
        Name or id of the party.
    name
        What the person is called; the address by default.
    """
    password = read_password(from_stdin=password_stdin)

    async def work(application: Application) -> UUID:
        def add(connection: Connection) -> UUID:
            return users.add(
                connection,
                author(application),
                party=find_party(connection, party),
                email=email,
                name=name or email,
                password=password,
                permissions=permission,
            )

        return await application.database.write(add)

    user = with_database(read_settings(database=database), work)
    if json:
        print_json({"id": str(user), "email": email})
    else:
        print(user)


def token_create(
    *,
    party: str,
    permission: PermissionFlag = None,
    label: Text = "",
    days: Annotated[
        Whole | None,
        Parameter(validator=validators.Number(gte=1, lte=DAYS_MAX), help="Until it expires; never by default"),
    ] = None,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Make a token and print it, alone on standard output. It cannot be shown again.

    Parameters
    ----------
    party
        Name or id of the party.
    label
        What it is for; shown in timelines.
    """

    async def work(application: Application) -> credentials.NewToken:
        now = application.clock()

        def create(connection: Connection) -> credentials.NewToken:
            return credentials.create_token(
                connection,
                author(application),
                party=find_party(connection, party),
                permissions=permission,
                label=label,
                expires_at=now + timedelta(days=days) if days is not None else None,
            )

        return await application.database.write(create)

    token = with_database(read_settings(database=database), work)
    if json:
        print_json({"id": show("crd", token.id), "token": token.secret})
    else:
        print(token.secret)


def token_revoke(
    token: Annotated[str | None, Parameter(help="Its id; without one, standard input holds the token itself")] = None,
    /,
    *,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """End a token: the one with this id, or the one that standard input holds.

    The token itself is no argument, as every user of the machine could read it there. A running service honours it for
    a few seconds more (setting credential_cache_s).
    """
    wanted = find_id("crd", token) if token else None
    secret = "" if token else sys.stdin.readline().strip()

    async def work(application: Application) -> None:
        def end(connection: Connection) -> None:
            if wanted:
                credentials.revoke(connection, author(application), wanted)
            else:
                credentials.revoke_token(connection, author(application), secret)

        await application.database.write(end)

    with_database(read_settings(database=database), work)
    report("The token is revoked.", json=json, id=show("crd", wanted) if wanted else None)


def plaza_key_create(*, party: str, label: Text = "", database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Make a Plaza key pair and print it: the public half, then the private one, which cannot be shown again.

    Parameters
    ----------
    party
        Name or id of the retailer.
    label
        What it is for; shown in timelines.
    """

    async def work(application: Application) -> PlazaKey:
        def create(connection: Connection) -> PlazaKey:
            return credentials.create_plaza_key(
                connection,
                author(application),
                application.keyring,
                party=find_retailer(connection, party),
                label=label,
            )

        try:
            return await application.database.write(create)
        except TooManyKeysError as error:
            fail(Exit.REFUSED, error.code, str(error), f"See `countermand plaza-key list --party {party!r}`.")

    pair = with_database(read_settings(database=database), work, uses_keys=True)
    if json:
        print_json({"public": pair.public, "private": pair.private})
    else:
        print(f"{pair.public}\n{pair.private}")


def plaza_key_list(*, party: str, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """List the Plaza keys of a party."""

    def question(connection: Connection) -> Sequence[PlazaKeyView]:
        return list_plaza_keys(connection, find_party(connection, party).id)

    rows = ask_database(read_settings(database=database), question)
    if json:
        print_json([plaza_key_document(row) for row in rows])
        return
    shown = [
        (r.lookup, r.label, f"{r.created_at:%Y-%m-%d %H:%M}", f"{r.revoked_at:%Y-%m-%d %H:%M}" if r.revoked_at else "")
        for r in rows
    ]
    print_table(("Public key", "Label", "Created (UTC)", "Revoked (UTC)"), shown, empty="There are no Plaza keys.")


def plaza_key_revoke(public: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """End a Plaza key. A running service accepts it for a few seconds more (setting credential_cache_s).

    Parameters
    ----------
    public
        The public half.
    """

    async def work(application: Application) -> None:
        await application.database.write(
            partial(credentials.revoke_plaza_key, author=author(application), public=public)
        )

    with_database(read_settings(database=database), work)
    report("The key is revoked.", json=json, public=public)


def author(application: Application) -> Author:
    """The user of this terminal, as the audit trail names them."""
    return Author(name=f"operator {getpass.getuser()}", door="cli", at=application.clock(), ids=application.ids)


def find_id(prefix: str, text: str) -> UUID:
    """The id in ``text``; ends the command when it is not one."""
    try:
        return read_id(prefix, text)
    except BadIdError as error:
        raise as_command_error(error) from error


def read_password(*, from_stdin: bool) -> str:
    """The password that was given; ends the command when there is none."""
    if from_stdin:
        password = sys.stdin.readline().rstrip("\n")
    elif "COUNTERMAND_PASSWORD" in os.environ:
        password = os.environ["COUNTERMAND_PASSWORD"]
    elif sys.stdin.isatty():
        password = getpass.getpass("Password: ")
    else:
        fail(Exit.USAGE, "no_password", "No password: use a terminal, COUNTERMAND_PASSWORD, or --password-stdin.")
    if not password:
        fail(Exit.USAGE, "no_password", "The password is empty.")
    if problem := why_unfit(password):
        fail(Exit.USAGE, "bad_password", f"This cannot be a password: {problem}.")
    return password
