"""How much random tests try: a little in every run, and much where ``COUNTERMAND_LONG=1`` asks for it."""

import os
from typing import Final

LONG: Final = os.environ.get("COUNTERMAND_LONG") == "1"


def examples(few: int, many: int) -> int:
    """How many examples a test is to try."""
    return many if LONG else few
