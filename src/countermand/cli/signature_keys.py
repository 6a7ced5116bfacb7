"""Commands about the keys that sign messages to subscriptions of bol's Retailer API."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from countermand.admin import signature_keys
from countermand.admin.signature_keys import SignatureKey
from countermand.cli.listing import minute
from countermand.cli.output import print_json, print_table, report
from countermand.cli.parties import author
from countermand.cli.running import DatabaseFlag, JsonFlag, ask_database, read_settings, with_database
from countermand.domain.dates import write_moment
from countermand.ids import system_clock
from countermand.road import Application


def signature_keys_list(*, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """List the keys that are published: the one that signs, then those that it replaced within a day."""
    question = partial(signature_keys.published_keys, now=system_clock())
    rows = [_document(key) for key in ask_database(read_settings(database=database), question)]
    if json:
        print_json(rows)
        return
    cells = [(row["id"], minute(row["created_at"]), minute(row["replaced_at"])) for row in rows]
    print_table(("Key", "Made", "Replaced"), cells, empty="There is no key yet. The first subscription makes one.")


def signature_keys_rotate(*, database: DatabaseFlag = None, json: JsonFlag = False) -> None:
    """Have a new key sign, from the next minute on. The old one stays published for a day, and can sign no more."""
    made = signature_keys.generate_key()

    async def work(application: Application) -> Sequence[SignatureKey]:
        change = partial(signature_keys.rotate, author=author(application), keyring=application.keyring, made=made)
        return await application.database.write(change)

    signs = with_database(read_settings(database=database), work, uses_keys=True)[0]
    report(f"The key {signs.id} signs from now on.", json=json, **_document(signs))


def _document(key: SignatureKey) -> dict[str, Any]:
    return {
        "id": str(key.id),
        "public_key": key.public_base64,
        "created_at": write_moment(key.created_at),
        "replaced_at": write_moment(key.replaced_at) if key.replaced_at else None,
    }
