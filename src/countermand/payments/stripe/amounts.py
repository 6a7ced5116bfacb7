"""Stripe's amounts: whole numbers of a currency's smallest unit, save where Stripe counts differently from ISO 4217."""

from typing import Final

from countermand.domain.money.amounts import digits_of, step_of, write_minor

_DIGITS: Final = {"ISK": 2, "UGX": 2, "MGA": 0}
"""Stripe writes two zeros for old callers (króna, Ugandan shilling), or no decimals (ariary)."""

POWERS: Final = (1, 10, 100, 1_000, 10_000)


class UnwritableError(ValueError):
    """An amount that Stripe cannot move. The message is a sentence."""


def to_stripe(amount_minor: int, currency: str) -> int:
    """How Stripe writes an amount.

    Raises:
        UnwritableError: it is finer than Stripe's steps: of three decimals the last must be 0, and ariary are whole.
    """
    ours, theirs = digits_of(currency), _DIGITS.get(currency, digits_of(currency))
    scaled, rest = divmod(amount_minor * POWERS[theirs], POWERS[ours])
    if rest or amount_minor % step_of("stripe", currency):
        raise UnwritableError(f"Stripe cannot move {write_minor(amount_minor, currency)} {currency}: it is too fine.")
    return scaled


def from_stripe(amount: int, currency: str) -> int:
    """The minor units in an amount of Stripe's.

    Raises:
        UnwritableError: it is finer than the currency, for example half a króna.
    """
    ours, theirs = digits_of(currency), _DIGITS.get(currency, digits_of(currency))
    minor, rest = divmod(amount * POWERS[ours], POWERS[theirs])
    if rest:
        raise UnwritableError(f"Stripe names {amount} of {currency}, which is finer than its smallest unit.")
    return minor
