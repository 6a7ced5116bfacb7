"""Commands about people who can log in."""

from functools import partial
from typing import Annotated, Final

from cyclopts import Parameter

from countermand.cli import nouns
from countermand.cli.credentials import PartyFlag, PermissionFlag, as_cells
from countermand.cli.inputs import Name
from countermand.cli.listing import export, newest_of
from countermand.cli.orders import LimitFlag
from countermand.cli.output import print_json, print_table, report
from countermand.cli.parties import read_password
from countermand.cli.running import CsvFlag, DatabaseFlag, JsonFlag

Which = Annotated[str, Parameter(help="Id or e-mail address")]
PasswordFlag = Annotated[bool, Parameter(negative=())]


def user_add(
    email: Name,
    *,
    party: str,
    name: Name | None = None,
    permission: PermissionFlag = None,
    password_stdin: PasswordFlag = False,
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
    users = nouns.users(database)
    added = users.add(email, party=party, name=name or email, password=password, permissions=permission)
    if json:
        print_json({"id": added, "email": email})
    else:
        print(added)


def user_list(
    *,
    party: PartyFlag = None,
    limit: LimitFlag | None = None,
    csv: CsvFlag = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List the people who can log in, newest first, disabled ones too: 50 unless --limit says otherwise."""
    read = partial(nouns.users(database).read, party)
    if csv:
        return export(read, _COLUMNS, lambda row: [as_cells(row)], limit)
    rows = newest_of(read, limit)
    if json:
        print_json(rows)
        return None
    shown = [(row["id"], row["email"], row["name"], row["party"]["name"], row["status"]) for row in rows]
    print_table(("Id", "E-mail", "Name", "Party", "State"), shown, empty="There are no users.")
    return None


def user_disable(user: Which, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Disable a user, who can no longer log in. The user's log-ins and tokens end."""
    found = nouns.users(database).set_status(user, active=False)
    report(f"{user} is disabled. All log-ins and tokens have ended.", json=json, user=found, status="disabled")


def user_enable(user: Which, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Enable a user again. Tokens that ended stay ended."""
    found = nouns.users(database).set_status(user, active=True)
    report(f"{user} can log in again.", json=json, user=found, status="active")


def user_password(
    user: Which,
    *,
    password_stdin: PasswordFlag = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """Replace a user's password. The user's log-ins and tokens end.

    The password comes from the terminal, from COUNTERMAND_PASSWORD, or from standard input with --password-stdin.
    """
    password = read_password(from_stdin=password_stdin)
    found = nouns.users(database).change_password(user, password)
    report(f"{user} has a new password. All log-ins and tokens have ended.", json=json, user=found)


def user_log_out(user: Which, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """End all log-ins and tokens of a user, who can log in again."""
    found = nouns.users(database).log_out(user)
    report(f"All log-ins and tokens of {user} have ended.", json=json, user=found)


_COLUMNS: Final = ("id", "email", "name", "party", "status", "permissions", "created_at")
