"""What people name, found at a service."""

from typing import Final

from countermand.cli.inputs import is_number
from countermand.cli.output import Exit, fail
from countermand.cli.parties import find_id
from countermand.cli.problems import HINTS
from countermand.ids import read, show
from countermand_client import Client, NotFound


def line_named(client: Client, text: str) -> str:
    """The id of a line: itself, or that of the line with this number of bol's."""
    if not is_number(text):
        return str(find_id("lin", text))
    found = next(iter(client.lines.list(number=int(text), limit=1)), None)
    if found is None:
        fail(Exit.NOT_FOUND, "unknown_line", f"There is no line {text}.", "See `countermand orders`.")
    return found.id


def named(prefix: str, text: str) -> str:
    """An id, of which the service says what there is; ends the command when it is none."""
    return show(prefix, find_id(prefix, text))


def party_named(client: Client, text: str) -> str:
    """The id of a party: itself, or that of the only party with this name. The platform has its name in any case."""
    own = client.me.get().party
    if text in (own.id, own.name):
        return own.id
    if read("pty", text):
        return text
    found = [each for each in client.parties.list(q=text, limit=200) if each.name == text] if len(text) > 1 else []
    if not found and text.casefold() == PLATFORM_NAME:
        found = list(client.parties.list(kind=PLATFORM_NAME, limit=1))
    if len(found) != 1:
        problem = "There is no party" if not found else f"There are {len(found)} parties"
        fail(Exit.NOT_FOUND, "unknown_party", f"{problem} with the id or name {text!r}.", HINTS["unknown_party"])
    return found[0].id


PLATFORM_NAME: Final = "platform"


class Names:
    """What parties are called, each asked for once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        own = client.me.get().party
        self._names = {own.id: own.name}

    def of(self, party: str) -> str:
        """The name of the party with this id; the id where it may not be read."""
        if party not in self._names:
            self._names[party] = self._read(party)
        return self._names[party]

    def _read(self, party: str) -> str:
        try:
            return self._client.parties.get(party).name
        except NotFound:
            return party
