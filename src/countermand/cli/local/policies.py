"""Policies of a database."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection

from countermand.admin import policies as admin
from countermand.admin.finding import EVERYTHING
from countermand.admin.policies import Preview
from countermand.cli.nouns import Document
from countermand.cli.parties import author
from countermand.cli.running import ask_database, read_settings, with_database
from countermand.documents.policies import PolicyOut, policy_shown, preview_shown
from countermand.domain.policy_terms import changes_of
from countermand.reads.policies import NamedPolicy
from countermand.road import Application


class LocalPolicies:
    """Policies, kept in the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def in_force(self, retailer: str, supplier: str | None) -> Document:
        """What holds between the two."""
        return ask_database(self._settings, _in_force(retailer, supplier)).model_dump(mode="json")

    def change(self, retailer: str, supplier: str | None, terms: Mapping[str, Any]) -> Document:
        """Save a new version."""
        seen = _in_force(retailer, supplier)

        async def work(application: Application) -> NamedPolicy:
            def change(connection: Connection) -> NamedPolicy:
                return admin.change_terms(
                    connection,
                    author(application),
                    retailer=retailer,
                    supplier=supplier,
                    changes=changes_of(terms),
                    based_on=seen(connection).version,
                )

            return await application.database.write(change)

        return policy_shown(with_database(self._settings, work)).model_dump(mode="json")

    def preview(self, retailer: str, supplier: str | None, terms: Mapping[str, Any]) -> Document:
        """What a new version would change, in sentences."""
        seen = _in_force(retailer, supplier)

        def question(connection: Connection) -> Preview:
            preview = partial(admin.preview, retailer=retailer, supplier=supplier, changes=changes_of(terms))
            return preview(connection, based_on=seen(connection).version)

        found = ask_database(self._settings, question)
        shown = preview_shown(found.now, found.proposed, found.retailer, found.supplier, found.open_asks)
        return shown.model_dump(mode="json", by_alias=True)


def _in_force(retailer: str, supplier: str | None) -> Callable[[Connection], PolicyOut]:
    def question(connection: Connection) -> PolicyOut:
        seller, holder = admin.pair(connection, retailer, supplier)
        holder_named = str(holder) if supplier else None
        return admin.in_force_seen(connection, EVERYTHING, retailer=str(seller), supplier=holder_named)

    return question
