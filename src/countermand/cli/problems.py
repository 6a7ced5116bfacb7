"""How a command ends when what it was asked for cannot be done, and what can be done about it."""

from typing import Final

from countermand.cli.output import CommandError, Exit
from countermand.domain.problems import NotSetUpError, ProblemError, RefusedError, UnknownError

HINTS: Final = {
    "unknown_party": "See `countermand party list`.",
    "unknown_user": "See `countermand user list`.",
    "unknown_credential": "See `countermand token list`, `plaza-key list` and `client-credentials list`.",
    "unknown_endpoint": "See `countermand endpoint list`.",
    "unknown_line": "See `countermand orders`.",
    "unknown_order": "See `countermand orders`.",
    "too_many_confirmations": "If you know the mailbox, confirm it by hand.",
    "whose_score": "Say whose is meant with --party.",
}
"""What to do, by the code of the problem."""


def exit_of(error: ProblemError) -> Exit:
    """How the command ends."""
    if isinstance(error, NotSetUpError):
        return Exit.BAD_CONFIGURATION
    if isinstance(error, UnknownError):
        return Exit.NOT_FOUND
    return Exit.REFUSED if isinstance(error, RefusedError) else Exit.USAGE


def as_command_error(error: ProblemError) -> CommandError:
    """The end of a command: the sentence of the problem, its code, and what to do."""
    return CommandError(exit_of(error), error.code, str(error), HINTS.get(error.code, ""))
