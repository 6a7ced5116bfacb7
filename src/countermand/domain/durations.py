"""Durations as people write them: ``90s``, ``30m``, ``48h``, ``7d``."""

import re
from typing import Final

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> int:
    """How many seconds ``90s``, ``30m``, ``48h`` or ``7d`` are.

    Raises:
        ValueError: it is something else.
    """
    match = re.fullmatch(r"([0-9]{1,9})([smhd])", text)
    if not match:
        raise ValueError("must be a duration such as 90s, 30m, 48h or 7d")
    return int(match[1]) * _SECONDS[match[2]]


def as_duration(length_s: int) -> str:
    """The same in the largest unit that leaves nothing over: ``48h``, never ``2880m``."""
    unit = next((unit for unit in "hms" if length_s % _SECONDS[unit] == 0), "s")
    return f"{length_s // _SECONDS[unit]}{unit}" if length_s else "0s"
