"""Commands about parties, and what commands need to know of who calls them."""

import getpass
import os
import sys
from typing import Final, Literal
from uuid import UUID

from countermand.admin.audit import Author
from countermand.admin.finding import BadIdError, read_id
from countermand.cli import nouns
from countermand.cli.output import Exit, fail, print_csv, print_json, print_table
from countermand.cli.problems import as_command_error
from countermand.cli.running import CsvFlag, DatabaseFlag, JsonFlag
from countermand.domain.passwords import why_no_password
from countermand.ids import Clock, Ids
from countermand.road import Application


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


def author(application: Application) -> Author:
    """The user of this terminal, as the audit trail names them."""
    return author_with(application.clock, application.ids)


def author_with(clock: Clock, ids: Ids) -> Author:
    """The same before anything is opened."""
    return Author(name=f"operator {getpass.getuser()}", door="cli", at=clock(), ids=ids)


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
    if problem := why_no_password(password):
        fail(Exit.USAGE, "bad_password", problem)
    return password
