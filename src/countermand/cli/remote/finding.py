"""What people name, found at a service."""

from countermand.cli.output import Exit, fail
from countermand_client import Client


def line_named(client: Client, text: str) -> str:
    """The id of a line: itself, or that of the line with this number of bol's."""
    if not (text.isascii() and text.isdigit() and len(text) <= _NUMBER_DIGITS_MAX):
        return text
    found = next(iter(client.lines.list(number=int(text), limit=1)), None)
    if found is None:
        fail(Exit.NOT_FOUND, "unknown_line", f"There is no line {text}.", "See `countermand orders`.")
    return found.id


_NUMBER_DIGITS_MAX = 10


def party_named(client: Client, text: str) -> str:
    """The id of a party: itself, the own one by its name, or that of the only other one with this name."""
    own = client.me.get().party
    if text == own.name:
        return own.id
    if "-" in text or len(text) == _HEX_DIGITS:
        return text
    named = [each.id for each in client.parties.list(q=text) if each.name == text]
    if len(named) > 1:
        fail(Exit.USAGE, "ambiguous_party", f"{len(named)} parties are called {text}: name one by its id.")
    return named[0] if named else text


_HEX_DIGITS = 32
