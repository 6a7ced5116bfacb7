"""What a check has found."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: nothing to do, worth a look, or nobody should go on like this."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, how it is, and what to do about it."""

    name: str
    level: Level
    sentence: str
    remedy: str = ""


def fine(name: str, sentence: str) -> Finding:
    """Nothing is to be done."""
    return Finding(name=name, level=Level.FINE, sentence=sentence)


def warning(name: str, sentence: str, remedy: str) -> Finding:
    """Somebody should look at it."""
    return Finding(name=name, level=Level.WARNING, sentence=sentence, remedy=remedy)


def wrong(name: str, sentence: str, remedy: str) -> Finding:
    """It should be changed before anybody relies on the service."""
    return Finding(name=name, level=Level.WRONG, sentence=sentence, remedy=remedy)
