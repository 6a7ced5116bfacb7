"""Durations as people type them."""

import re

from countermand.cli.output import Exit, fail

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> int:
    """How many seconds ``90s``, ``30m``, ``48h`` or ``7d`` are; ends the command when it is something else."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if not match:
        fail(Exit.USAGE, "bad_duration", f"{text!r} is not a duration. Write 90s, 30m, 48h or 7d.")
    return int(match[1]) * _SECONDS[match[2]]
