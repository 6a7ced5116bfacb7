"""One design system for all pages: names for colours and measures, which every style sheet of ours begins with."""

from functools import cache
from importlib.resources import files


@cache
def with_tokens(sheet: bytes) -> bytes:
    """A style sheet behind the tokens that it uses."""
    return files("countermand.wire").joinpath("tokens.css").read_bytes() + b"\n" + sheet
