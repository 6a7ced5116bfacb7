"""Commands about what programs call with: tokens and Plaza keys."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Final

from cyclopts import Parameter, validators

from countermand.admin.callers import Permission
from countermand.cli import nouns
from countermand.cli.inputs import Text, Whole
from countermand.cli.listing import export, minute, newest_of
from countermand.cli.nouns import Document
from countermand.cli.orders import LimitFlag
from countermand.cli.output import print_json, print_table, report
from countermand.cli.running import CsvFlag, DatabaseFlag, JsonFlag

DAYS_MAX: Final = 36_500

PartyFlag = Annotated[str | None, Parameter(help="Of this party only: its name or id")]
PermissionFlag = Annotated[
    Sequence[Permission] | None,
    Parameter(name="--permission", negative=(), help="May be repeated; default: all that this kind of party can have"),
]


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
    made = nouns.credentials(database).create_token(party=party, permissions=permission, label=label, days=days)
    if json:
        print_json({"id": made.id, "token": made.secret})
    else:
        print(made.secret)


def token_list(
    *,
    party: PartyFlag = None,
    limit: LimitFlag | None = None,
    csv: CsvFlag = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List tokens, newest first, those of log-ins and revoked ones too: 50 unless --limit says otherwise.

    A token itself is never shown.
    """
    read = partial(nouns.credentials(database).read, "token", party)
    if csv:
        return export(read, _COLUMNS, lambda row: [as_cells(row)], limit)
    rows = newest_of(read, limit)
    if json:
        print_json(rows)
        return None
    shown = [
        (row["id"], row["label"], row["party"]["name"], row["user"] or "", minute(row["created_at"]), _end_of(row))
        for row in rows
    ]
    print_table(("Id", "Label", "Party", "User", "Created (UTC)", "End (UTC)"), shown, empty="There are no tokens.")
    return None


def token_rename(token: str, /, label: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Give a token another label.

    Parameters
    ----------
    token
        Its id.
    label
        What it is for; shown in timelines from now on.
    """
    renamed = nouns.credentials(database).rename_token(token, label)
    report(f"The token is now called {label}.", json=json, id=renamed, label=label)


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
    credentials = nouns.credentials(database)
    ended = None
    if token:
        ended = credentials.revoke_token(token)
    else:
        credentials.revoke_secret(sys.stdin.readline().strip())
    report("The token is revoked.", json=json, id=ended)


def plaza_key_create(*, party: str, label: Text = "", database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Make a Plaza key pair and print it: the public half, then the private one, which cannot be shown again.

    Parameters
    ----------
    party
        Name or id of the retailer.
    label
        What it is for; shown in timelines.
    """
    pair = nouns.credentials(database).create_plaza_key(party=party, label=label)
    if json:
        print_json({"public": pair.public, "private": pair.secret})
    else:
        print(f"{pair.public}\n{pair.secret}")


def plaza_key_list(*, party: str, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """List the Plaza keys of a party, newest first."""
    rows = list_pairs("plaza_key", party, database)
    if json:
        print_json(rows)
    else:
        print_pairs(rows, "Public key", empty="There are no Plaza keys.")


def list_pairs(kind: str, party: str, database: str | None) -> list[Document]:
    """Credentials of a kind that has a public half, newest first."""
    rows: list[Document] = []
    nouns.credentials(database).read(kind, party, rows.extend, None)
    return rows


def print_pairs(rows: Sequence[Document], public: str, *, empty: str) -> None:
    """A table of them; ``public`` is what the public half is called."""
    shown = [(row["public"], row["label"], minute(row["created_at"]), minute(row["revoked_at"])) for row in rows]
    print_table((public, "Label", "Created (UTC)", "Revoked (UTC)"), shown, empty=empty)


def plaza_key_revoke(public: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """End a Plaza key. A running service accepts it for a few seconds more (setting credential_cache_s).

    Parameters
    ----------
    public
        The public half.
    """
    nouns.credentials(database).revoke_plaza_key(public)
    report("The key is revoked.", json=json, public=public)


def as_cells(document: Document) -> Mapping[str, object]:
    """A document as a row of a file: a party by its name, and lists with blanks between."""

    def cell(value: Any) -> object:
        if isinstance(value, Mapping):
            return value["name"]
        return " ".join(value) if isinstance(value, list) else value

    return {name: cell(value) for name, value in document.items()}


def _end_of(row: Document) -> str:
    if row["revoked_at"]:
        return f"revoked {minute(row['revoked_at'])}"
    return f"expires {minute(row['expires_at'])}" if row["expires_at"] else ""


_COLUMNS: Final = ("id", "label", "party", "user", "permissions", "created_at", "expires_at", "revoked_at")
