"""After a restore, the provider may know of calls that the database does not: those between backup and restore.

So before anything more is sent for a payment, what the provider lists for it is held against what the database says. A
call that is missing here was made in the time that was lost: perhaps for what is owed now, under the id of a
cancellation that was lost as well. A person says whether it was (docs/how-to/back-up.md).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from countermand.domain.money.amounts import write_minor
from countermand.domain.money.refunds import Refund
from countermand.ids import show
from countermand.payments.provider import ListedRefund, Movement, ProviderResult
from countermand.store.restored import Restore

SKEW: Final = timedelta(hours=1)
"""The provider's clock may be so much behind ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Of what the provider lists for a payment: whether a call is there, and which calls are missing here."""

    call: str
    """Its reference, empty if it is not there. It can be a later call of the same refund, which was lost here."""
    lost: Sequence[ListedRefund]


def seen_of(restore: Restore, refund: Refund, held: Iterable[ListedRefund], here: Iterable[Refund]) -> Seen:
    """Compare what the provider holds with the refunds of the same payment that are stored."""
    known: dict[str, int | None] = {}
    for each in here:
        known |= {reference(each.id, number): None for number in range(1, each.round)}
        known[reference(*each.call)] = each.requested_minor
    standing = [each for each in held if each.reference and each.movement is not Movement.REFUSED]
    mine = [each.reference for each in standing if _is_call_of(refund, each.reference)]
    since = [each for each in standing if each.made_at is None or each.made_at >= restore.taken_at - SKEW]
    lost = [
        each for each in since if each.reference not in known or known[each.reference] not in (None, each.amount_minor)
    ]
    return Seen(call=mine[0] if mine else "", lost=lost)


def _is_call_of(refund: Refund, found: str) -> bool:
    """Whether this is the present call of a refund, or one of its own that came later."""
    if found == reference(*refund.call):
        return True
    first, _, number = found.partition("-")
    return first == show("rfd", refund.id) and number.isdecimal() and int(number) > refund.round


def for_a_person(lost: Sequence[ListedRefund]) -> ProviderResult:
    """Why a refund is not sent before a person has read just that, and had it tried again."""
    amounts = ", ".join(f"{write_minor(each.amount_minor, each.currency)} {each.currency}" for each in lost)
    result = (
        f"Since the backup that this database was restored from, {amounts} of the payment went back"
        f" ({', '.join(each.provider_id for each in lost)}), which this database does not know of. If it was for this"
        " cancellation, correct this refund by it; if not, retry."
    )
    return ProviderResult(movement=Movement.LATER, result=result, needs_person=True)


def reference(refund: UUID, number: int) -> str:
    """What the provider keeps of a call, to find it by: the id of the refund, and which key of it after the first."""
    shown = show("rfd", refund)
    return shown if number == 1 else f"{shown}-{number}"
