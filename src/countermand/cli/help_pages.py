"""The help of every command, as files: showing one imports nothing, so that it comes at once.

``make docs`` writes them from the commands.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "help"

_VALUED = re.compile(r"(?<![\w-])(?:[A-Z]+ (--[\w-]+)|(--[\w-]+) [A-Z]+\b)")
"""A flag with a word for its value after it, or an argument that can be named as well."""


def file_of(command: Sequence[str]) -> Path:
    """Where the page of this command or group of commands is."""
    return FOLDER / f"{'.'.join(command)}.txt"


def command_in(words: Sequence[str]) -> tuple[str, ...]:
    """The command, or group of commands, that these words begin with."""
    known: tuple[str, ...] = ()
    for word in words:
        if not re.fullmatch("[a-z][a-z-]{0,30}", word) or not file_of((*known, word)).exists():
            break
        known = (*known, word)
    return known


def is_group(command: Sequence[str]) -> bool:
    """Whether it takes another word to be a command."""
    return any(FOLDER.glob(f"{'.'.join(command)}.*.txt")) if command else True


def page(command: Sequence[str]) -> str:
    """What ``--help`` shows."""
    return file_of(command).read_text(encoding="utf-8")


def flags(command: Sequence[str]) -> frozenset[str]:
    """The flags of a command."""
    return frozenset(flag for line in page(command).splitlines() for flag in re.findall(r"--[a-z][\w-]*", line[:60]))


def needed(command: Sequence[str]) -> list[tuple[str, bool]]:
    """What a command cannot do without, by its flag if it has one, and whether it is given by its position."""
    found = re.findall(r"^│ \*  (?:([A-Z]+) )?(--[\w-]+)?", page(command), re.MULTILINE)
    return [(flag or place, bool(place)) for place, flag in found]


def flags_with_a_value(command: Sequence[str]) -> frozenset[str]:
    """The flags of a command after which something follows."""
    if not command:
        return frozenset()
    beginnings = [line[:60] for line in page(command).splitlines() if "--" in line[:60]]
    return frozenset(found[1] or found[2] for each in beginnings for found in [_VALUED.search(each)] if found)
