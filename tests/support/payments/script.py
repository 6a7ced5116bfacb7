"""What goes wrong, and when: one after the other as told, or drawn from a seed."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from enum import StrEnum
from random import Random


class Fault(StrEnum):
    """What happens to one call that would move money."""

    NONE = "none"
    TIMEOUT_BEFORE = "time-out before the charge"
    TIMEOUT_AFTER = "time-out after the charge"
    RESET_BEFORE = "reset before the charge"
    RESET_AFTER = "reset after the charge"
    ERROR_BEFORE = "500 without the charge"
    ERROR_AFTER = "500 after success"
    GARBAGE_AFTER = "nonsense after success"
    CUT_AFTER = "an answer cut off after success"
    TWIN = "409 while a twin is in flight"
    RATE_LIMITED = "429"
    EXPIRED = "expired credentials"
    FORBIDDEN = "credentials that may not refund"
    BAD_API = "400 that is about the call and not about the refund"
    NO_FUNDS = "the balance is too low"
    ALREADY = "refunded by hand just before"
    PENDING = "carried out later"
    FAILS_LATER = "fails days later"
    OTHER_CURRENCY = "the answer names another currency"
    OTHER_AMOUNT = "the answer names another amount"
    OTHER_PAYMENT = "the answer names another payment"
    STRANGE_STATE = "a state nobody has heard of"
    SLOW = "slow"


PASSING = (
    *(Fault.TIMEOUT_BEFORE, Fault.TIMEOUT_AFTER, Fault.RESET_BEFORE, Fault.RESET_AFTER),
    *(Fault.ERROR_BEFORE, Fault.ERROR_AFTER, Fault.GARBAGE_AFTER, Fault.CUT_AFTER, Fault.TWIN),
    *(Fault.RATE_LIMITED, Fault.EXPIRED, Fault.NO_FUNDS, Fault.PENDING, Fault.FAILS_LATER, Fault.SLOW),
)
"""Those after which the money still gets where it should, or is seen not to."""


class Script:
    """Says what happens to each call: ``first`` in turn, then by chance.

    Chance is drawn from the seed, the reference of the wish and how many calls there were for it, so what other wishes
    do does not change it. No wish meets more than ``patience`` faults: a provider comes to itself some time.
    """

    def __init__(
        self,
        first: Iterable[Fault] = (),
        *,
        seed: int = 0,
        rate: float = 0.0,
        faults: Mapping[Fault, int] | Iterable[Fault] = PASSING,
        patience: int = 6,
    ) -> None:
        self.first = deque(first)
        self.met: Counter[Fault] = Counter()
        self._seed = seed
        self._rate = rate
        self._faults = tuple(Counter(faults).elements()) if isinstance(faults, Mapping) else tuple(faults)
        self._patience = patience
        self._calls: Counter[str] = Counter()

    def next(self, reference: str) -> Fault:
        """What happens to the next call for a wish."""
        fault = self.first.popleft() if self.first else self._by_chance(reference)
        self.met[fault] += 1
        return fault

    def _by_chance(self, reference: str) -> Fault:
        self._calls[reference] += 1
        chance = Random(f"{self._seed} {reference} {self._calls[reference]}")
        if self._calls[reference] > self._patience or chance.random() >= self._rate:
            return Fault.NONE
        return chance.choice(self._faults)
