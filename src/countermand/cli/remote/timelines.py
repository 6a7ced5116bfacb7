"""Timelines at a service."""

from collections.abc import Sequence
from itertools import islice

from countermand.cli.inputs import is_number
from countermand.cli.nouns import Document
from countermand.cli.output import say
from countermand.cli.remote.calling import calling
from countermand.cli.timelines import CUT, TOLD_MAX
from countermand.ids import read
from countermand_client import Client, NotFound
from countermand_client.models import Timeline


class RemoteTimelines:
    """What happened to lines, as the party of the token sees it."""

    def of(self, sought: str) -> Document:
        """The entries and judgements of what is meant."""
        with calling() as client:
            told = [found for each in _subjects(client, sought) if (found := _timeline(client, each))]
        return {name: [row for each in told for row in each.document[name]] for name in ("entries", "judgements")}


def _timeline(client: Client, subject: str) -> Timeline | None:
    try:
        return client.timeline.get(subject)
    except NotFound:
        return None


def _subjects(client: Client, sought: str) -> Sequence[str]:
    """The line or the orders that are meant. A number of bol's means its line alone."""
    if any(read(prefix, sought) for prefix in ("can", "lin", "ord")):
        return [sought]
    line = next(iter(client.lines.list(number=int(sought), limit=1)), None) if is_number(sought) else None
    found = list(islice(client.orders.list(q=sought, limit=TOLD_MAX + 1), TOLD_MAX + 1))
    if len(found) > TOLD_MAX:
        say(CUT)
    others = [each.id for each in found[:TOLD_MAX] if line is None or each.id != line.order]
    return [line.id, *others] if line else others
