"""What a retailer and a fulfiller agreed on: who answers, by when, and what happens when the deadline passes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from countermand.domain.working_hours import WorkingHours

DURATION_MAX_S: Final = 10 * 366 * 24 * 3600
"""Ten years. Use ``None`` for no limit."""

ANSWER_MIN_S: Final = 60
"""A shorter deadline would pass before the party is notified."""


class Silence(StrEnum):
    """What happens to an ask when its deadline passes without an answer."""

    ACCEPT = "accept"
    LAPSE = "lapse"
    ESCALATE = "escalate"


class Rule(StrEnum):
    """The rule of a policy that decided, if no party did."""

    SILENCE = "silence"
    FREE_WINDOW = "free_window"
    NO_PROOF = "no_proof"
    TOGETHER = "together"
    CONTRADICTION = "contradiction"


class WholeOrder(StrEnum):
    """How a cancellation of a whole order treats lines that cannot be cancelled (EC-10)."""

    ALL_OR_NOTHING = "all_or_nothing"
    WHAT_CAN_BE = "what_can_be"


class Cutoff(StrEnum):
    """Until when a fulfiller accepts cancellations."""

    SHIPPED = "shipped"
    ALLOCATED = "allocated"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The agreement between one retailer and one fulfiller. Without an agreement, the defaults apply.

    A cancellation keeps the version that was valid when it was asked (EC-33). ``proof_within_s`` is how long a
    fulfiller that declines as already shipped has to name the parcel; ``None`` needs no proof (EC-17). Names that end
    in ``_s`` are in seconds.

    Raises:
        ValueError: a duration is negative, longer than ten years or than the working hours of a year; or a party has
            less than a minute to answer or to prove.
    """

    version: int = 0
    answer_within_s: int | None = 48 * 3600
    silence: Silence = Silence.LAPSE
    whole_order: WholeOrder = WholeOrder.WHAT_CAN_BE
    free_window_s: int = 0
    accepts_until: Cutoff = Cutoff.SHIPPED
    accepts_for_s: int | None = None
    customer_asks_retailer_first: bool = True
    working_hours: WorkingHours | None = None
    proof_within_s: int | None = None

    def __post_init__(self) -> None:
        for duration in (self.answer_within_s, self.free_window_s, self.accepts_for_s, self.proof_within_s):
            if duration is not None and not 0 <= duration <= DURATION_MAX_S:
                raise ValueError(f"a duration of {duration} seconds is not between none and ten years")
        for given in (self.answer_within_s, self.proof_within_s):
            if given is not None and given < ANSWER_MIN_S:
                raise ValueError(f"a party has at least {ANSWER_MIN_S} seconds to answer or to prove, not {given}")
        longest = timedelta(seconds=max(self.answer_within_s or 0, self.proof_within_s or 0))
        if self.working_hours and longest > 52 * self.working_hours.per_week:
            raise ValueError("an answer cannot be due after more working hours than a year has")

    def answer_due(self, asked_at: datetime) -> datetime | None:
        """When the deadline passes, counted in working time if the policy has any; ``None`` means never."""
        return self._after(asked_at, self.answer_within_s)

    def proof_due(self, declined_at: datetime) -> datetime | None:
        """Until when a decline as already shipped can be proved; ``None`` if no proof is needed (EC-17)."""
        return self._after(declined_at, self.proof_within_s)

    def is_free(self, placed_at: datetime, now: datetime) -> bool:
        """Whether an ask received now is accepted without asking anybody (EC-35: receipt decides, no grace)."""
        # Without a window nothing is free, even if the clock here is behind the one that placed the order.
        return self.free_window_s > 0 and now - placed_at < timedelta(seconds=self.free_window_s)

    def accepts(self, *, placed_at: datetime, allocated: bool, now: datetime) -> bool:
        """Whether the fulfiller can accept a cancellation of such a line at this moment."""
        if self.accepts_until is Cutoff.NEVER or (allocated and self.accepts_until is Cutoff.ALLOCATED):
            return False
        return self.accepts_for_s is None or now - placed_at < timedelta(seconds=self.accepts_for_s)

    def _after(self, start: datetime, seconds: int | None) -> datetime | None:
        if seconds is None:
            return None
        within = timedelta(seconds=seconds)
        return self.working_hours.after(start, within) if self.working_hours else start + within


DEFAULT_POLICY = Policy()
