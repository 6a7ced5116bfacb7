"""Small parts of pages that are made of the code."""

import re
import textwrap
from collections.abc import Iterable


def table(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table with its heading."""
    head, *body = (f"| {' | '.join(line)} |\n" for line in (heading, *rows))
    return "".join([head, "|" + "---|" * len(heading) + "\n", *body])


def as_markdown(docstring: str) -> str:
    """A docstring as a page has it."""
    return re.sub(r"``([^`]+)``", r"`\1`", docstring).strip()


def cell(text: str) -> str:
    """What fits into a cell of a table."""
    return " ".join(as_markdown(text).split()).replace("|", "\\|")


def filled(text: str) -> str:
    """A paragraph in lines that fit."""
    return "\n".join(textwrap.wrap(text, 119, break_long_words=False, break_on_hyphens=False))
