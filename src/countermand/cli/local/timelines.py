"""Timelines of a database."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin.finding import EVERYTHING
from countermand.cli.inputs import is_number
from countermand.cli.nouns import Document
from countermand.cli.output import say
from countermand.cli.running import ask_database, read_settings
from countermand.cli.timelines import CUT, TOLD_MAX
from countermand.documents.timeline import timeline_of
from countermand.domain.numbers import read_digits
from countermand.ids import read
from countermand.reads import lines as line_reads
from countermand.reads import orders as order_reads
from countermand.reads.lookup import Lookup


class LocalTimelines:
    """What happened to lines, read from the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def of(self, sought: str) -> Document:
        """The entries and judgements of what is meant."""

        def question(connection: Connection) -> Document:
            told = [timeline_of(connection, EVERYTHING, each) for each in _subjects(connection, sought)]
            return {
                "entries": [entry.model_dump(mode="json") for each in told for entry in each.entries],
                "judgements": [word.model_dump(mode="json") for each in told for word in each.judgements],
            }

        return ask_database(self._settings, question)


def _subjects(connection: Connection, sought: str) -> Sequence[UUID]:
    """The line or the orders that are meant. A number of bol's means its line alone."""
    for prefix in ("can", "lin", "ord"):
        if subject := read(prefix, sought):
            return [subject]
    line = line_reads.line_of_bol_number(connection, read_digits(sought)) if is_number(sought) else None
    whole = order_reads.orders_by_lookup(connection, EVERYTHING, Lookup(anything=sought, whole=True), TOLD_MAX + 1)
    found = whole or order_reads.orders_by_lookup(connection, EVERYTHING, Lookup(anything=sought), TOLD_MAX + 1)
    if len(found) > TOLD_MAX:
        say(CUT)
    others = [view.row.id for view in found[:TOLD_MAX] if line is None or view.row.id != line.order_id]
    return [line.id, *others] if line else others
