"""How a command ends when the rules or the database did not do what it wanted."""

from typing import NoReturn

from countermand.cli.output import Exit, fail
from countermand.domain.endpoint import UNCONFIRMED
from countermand.service.calls import Done, Outcome, Refused


def accepted(outcome: Outcome) -> Done:
    """The outcome, if it is a good one; any other ends the program, with its reason."""
    if isinstance(outcome, Refused):
        fail(Exit.REFUSED, outcome.refusal.kind.value, outcome.refusal.detail)
    return outcome if isinstance(outcome, Done) else not_answered()


def not_answered() -> NoReturn:
    """End the program, since the database failed."""
    fail(Exit.TRY_LATER, "database_unavailable", "The database did not answer. Nothing is lost; try again.")


def unconfirmed() -> NoReturn:
    """End the program, since nothing is sent to a mailbox before it is confirmed."""
    hint = "`countermand endpoint confirm ID --again` sends the confirmation once more; without --again you confirm it."
    fail(Exit.REFUSED, "unconfirmed", UNCONFIRMED, hint)
