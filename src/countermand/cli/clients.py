"""Commands about OAuth clients of bol's Retailer API."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin import credentials
from countermand.admin.credentials import ClientCredentials
from countermand.admin.finding import find_party, find_retailer
from countermand.cli.inputs import Text
from countermand.cli.output import Exit, fail, print_json, print_table, report
from countermand.cli.parties import author
from countermand.cli.running import DatabaseFlag, JsonFlag, ask_database, read_settings, with_database
from countermand.documents.credentials import client_document
from countermand.ids import read_uuid
from countermand.reads.credentials import ClientView, list_clients
from countermand.road import Application


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

    async def work(application: Application) -> ClientCredentials:
        def create(connection: Connection) -> ClientCredentials:
            retailer = find_retailer(connection, party)
            return credentials.create_client(connection, author(application), party=retailer, label=label)

        return await application.database.write(create)

    client = with_database(read_settings(database=database), work)
    if json:
        print_json({"client_id": str(client.id), "client_secret": client.secret})
    else:
        print(f"{client.id}\n{client.secret}")


def client_credentials_list(*, party: str, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """List the OAuth clients of a party."""

    def question(connection: Connection) -> Sequence[ClientView]:
        return list_clients(connection, find_party(connection, party).id)

    rows = ask_database(read_settings(database=database), question)
    if json:
        print_json([client_document(row) for row in rows])
        return
    shown = [
        (
            str(row.id),
            row.label,
            f"{row.created_at:%Y-%m-%d %H:%M}",
            f"{row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else "",
        )
        for row in rows
    ]
    print_table(("Client id", "Label", "Created (UTC)", "Revoked (UTC)"), shown, empty="There are no clients.")


def client_credentials_revoke(id: str, *, database: DatabaseFlag = None, json: JsonFlag = False) -> None:  # noqa: A002
    """End an OAuth client. A running service accepts it for a few seconds more (setting credential_cache_s).

    Parameters
    ----------
    id
        The id of the client.
    """
    client = _client(id)

    async def work(application: Application) -> None:
        end = partial(credentials.revoke_client, author=author(application), client=client)
        await application.database.write(end)

    with_database(read_settings(database=database), work)
    report("The client is revoked.", json=json, client_id=str(client))


def _client(text: str) -> UUID:
    try:
        return read_uuid(text)
    except ValueError as error:
        fail(Exit.USAGE, "bad_id", f"The id of a client {error}.")
