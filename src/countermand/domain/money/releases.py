"""Releases: authorised money that is let go, unless it turns out to be captured and has to be refunded instead."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from countermand.domain.cancellation import NewId
from countermand.domain.events import EventKind
from countermand.domain.line import Line
from countermand.domain.money.refunds import (
    UNDER_WAY,
    Refund,
    RefundKind,
    RefundOutcome,
    RefundState,
    opened_again,
    outcome_of,
    with_new_key,
)

STUCK: Final = frozenset({RefundState.PARKED, RefundState.CLOSED})
"""A release in one of these states was not carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """The releases of a payment, in minor units: ``pending`` ones are under way, ``stuck`` ones were not carried out.

    What is neither has been released.
    """

    pending_minor: int = 0
    stuck_minor: int = 0

    @classmethod
    def of(cls, releases: Iterable[Refund]) -> "Releases":
        """The sums of these releases."""
        found = list(releases)
        return cls(
            pending_minor=sum(each.amount_minor for each in found if each.state in UNDER_WAY),
            stuck_minor=sum(each.amount_minor for each in found if each.state in STUCK),
        )


NO_RELEASES: Final = Releases()


def refund_captured(line: Line, release: Refund, captured_minor: int, now: datetime, new_id: NewId) -> RefundOutcome:
    """So much of a release has been captured: it is refunded instead, under a key of its own.

    The rest stays a release. A release that a person has closed becomes a closed refund.
    """
    if captured_minor < release.amount_minor:
        rest = replace(release, amount_minor=release.amount_minor - captured_minor)
        if rest.state in UNDER_WAY or rest.state is RefundState.PARKED:
            rest = opened_again(rest, now)
        part = replace(release, id=new_id(), amount_minor=captured_minor, attempts=0, round=0, step=1, created_at=now)
        became = _as_refund(part, now)
        return replace(
            outcome_of(line, became, *_falls_due(became), note=release.last_result), refund=rest, split=became
        )
    became = replace(_as_refund(release, now), step=release.step + 1)
    return outcome_of(line, became, *_falls_due(became), note=release.last_result)


def _as_refund(release: Refund, now: datetime) -> Refund:
    became = with_new_key(replace(release, kind=RefundKind.REFUND, movement=None, check_at=None))
    return became if release.state is RefundState.CLOSED else opened_again(became, now)


def _falls_due(refund: Refund) -> tuple[EventKind, ...]:
    return () if refund.state is RefundState.CLOSED else (EventKind.REFUND_DUE,)
