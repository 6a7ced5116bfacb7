"""Durations as people type them."""

from countermand.cli.output import Exit, fail
from countermand.domain import durations


def seconds(text: str) -> int:
    """How many seconds ``90s``, ``30m``, ``48h`` or ``7d`` are; ends the command when it is something else."""
    try:
        return durations.seconds(text)
    except ValueError:
        fail(Exit.USAGE, "bad_duration", f"{text!r} is not a duration. Write 90s, 30m, 48h or 7d.")
