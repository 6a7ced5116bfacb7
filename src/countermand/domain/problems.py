"""Why something that a person asked for cannot be done: an exception whose message is a sentence for that person.

Commands of lines have refusals instead (``refusals.py``), which are values. These are for everything else that an
operator or the owner of an endpoint does.
"""

from typing import ClassVar


class ProblemError(Exception):
    """It cannot be done. ``code`` names the problem for programs, and does not change."""

    code: ClassVar[str] = "problem"


class UnknownError(ProblemError):
    """Nothing has this name or id."""


class UnfitError(ProblemError):
    """What was asked makes no sense, whatever is stored."""


class RefusedError(ProblemError):
    """What is stored does not allow it."""


class NotSetUpError(ProblemError):
    """The settings do not allow it."""
