"""What a password may be, wherever it is set."""

from typing import Final

from countermand.domain.texts import why_unfit

PASSWORD_MIN: Final = 12
PASSWORD_MAX: Final = 200


def why_no_password(text: str) -> str:
    """A sentence that says why a text cannot be a password; empty if it can."""
    if not PASSWORD_MIN <= len(text) <= PASSWORD_MAX:
        return f"A password has {PASSWORD_MIN} to {PASSWORD_MAX} characters. This one has {len(text)}."
    problem = why_unfit(text)
    return f"This cannot be a password: {problem}." if problem else ""
