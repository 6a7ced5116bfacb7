"""Cells of CSV files that a spreadsheet may open: what it would take for a formula is written so that it does not."""

import unicodedata
from typing import Final


def tame(cell: str) -> str:
    """A cell of a CSV file that no spreadsheet takes for a formula; somebody else chose what references say.

    Spreadsheets skip blanks, line breaks and tabs before a formula, and some take full-width signs for the plain ones.
    """
    begins = unicodedata.normalize("NFKC", cell.lstrip()[:1])[:1]
    return f"'{cell}" if begins in _FORMULA or cell[:1] in _BREAKS else cell


def untamed(cell: str) -> str:
    """What ``tame`` made the cell of."""
    return cell[1:] if cell.startswith("'") and tame(cell[1:]) == cell else cell


_FORMULA: Final = frozenset("=+-@|%")
_BREAKS: Final = frozenset("\t\r\n")
