"""Commands about OAuth clients of bol's Retailer API."""

from countermand.cli import nouns
from countermand.cli.credentials import list_pairs, print_pairs
from countermand.cli.inputs import Text
from countermand.cli.output import Exit, fail, print_json, report
from countermand.cli.running import DatabaseFlag, JsonFlag
from countermand.ids import read_uuid


def client_credentials_create(
    *, party: str, label: Text = "", database: DatabaseFlag = None, json: JsonFlag = False
) -> None:
    """Make an OAuth client and print its id, then its secret, which cannot be shown again.

    Parameters
    ----------
    party
        Name or id of the retailer.
    label
        What it is for; shown in timelines.
    """
    made = nouns.credentials(database).create_client(party=party, label=label)
    if json:
        print_json({"id": made.id, "client_id": made.public, "client_secret": made.secret})
    else:
        print(f"{made.public}\n{made.secret}")


def client_credentials_list(*, party: str, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """List the OAuth clients of a party, newest first, revoked ones too."""
    rows = list_pairs("oauth_client", party, database)
    if json:
        print_json(rows)
    else:
        print_pairs(rows, "Client id", empty="There are no clients.")


def client_credentials_revoke(id: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:  # noqa: A002
    """End an OAuth client. A running service accepts it for a few seconds more (setting credential_cache_s).

    Parameters
    ----------
    id
        The id of the client.
    """
    try:
        client = read_uuid(id)
    except ValueError as error:
        fail(Exit.USAGE, "bad_id", f"The id of a client {error}.")
    nouns.credentials(database).revoke_client(client)
    report("The client is revoked.", json=json, client_id=str(client))
