"""Wrong usage that the help page of a command shows, reported before the command is imported."""

from difflib import get_close_matches
from typing import Final

from countermand.cli import help_pages
from countermand.cli.arguments import LOCAL, OF_ALL, SERVER, Arguments
from countermand.cli.output import CommandError, Exit

EVERYWHERE: Final = OF_ALL | {"--help", "--version"}


def check(given: Arguments) -> None:
    """Ends the command when it has a flag that is unknown, or lacks what it needs. Values are looked at later."""
    if help_pages.is_group(given.command):
        return
    known = help_pages.flags(given.command)
    for flag in given.names:
        if flag == SERVER and given.command in LOCAL:
            raise wrong(given, f"`countermand {' '.join(given.command)}` has no --server. {LOCAL[given.command]}")
        if flag.startswith("--") and flag not in known | EVERYWHERE:
            near = get_close_matches(flag, sorted(known), n=1)
            raise wrong(given, f"Unknown option: {flag}." + "".join(f" Did you mean {each}?" for each in near))
    if {"--csv", "--json"} <= given.flags:
        raise wrong(given, "--csv and --json are two ways to write the same: choose one.")
    for name, has_a_place in help_pages.needed(given.command):
        if name not in given.names and not (has_a_place and given.has_values):
            raise wrong(given, f'Command "{" ".join(given.command)}" parameter {name} requires an argument.')


def wrong(given: Arguments, message: str) -> CommandError:
    """What is wrong, and which help page explains it."""
    return CommandError(Exit.USAGE, "usage", message, f"See `{' '.join(('countermand', *given.command, '--help'))}`.")
