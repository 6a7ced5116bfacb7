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
