"""The commands on a line or an order. ``decide`` accepts or refuses them."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from countermand.domain.money.commands import PaymentCommand, RefundCommand
from countermand.domain.parties import Actor, Asker
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.values import value


@value
class AskCancellation:
    """Ask to cancel ``units`` of a line (``None``: all that are open).

    ``key`` distinguishes asks of one party that are otherwise equal. Without a key, an ask by the same asker for the
    same units, reason and note is the same ask while it waits. For another number of units it is a new ask. Asks with
    the same ``group`` are accepted together or not at all (EC-18).
    """

    line: UUID
    actor: Actor
    asker: Asker = Asker.RETAILER
    units: int | None = None
    reason: CancelReason = CancelReason.NOT_STATED
    note: str = ""
    key: str = ""
    group: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptCancellation:
    """Accept one cancellation, or all of the line that await this party.

    ``units`` accepts only so many of the named cancellation, or else of the oldest that awaits this party.
    ``rest_reason`` is why the rest is not accepted (EC-15). ``step`` is the step of the cancellation that the caller
    saw. The platform must name it, since it can answer for any party.
    """

    line: UUID
    actor: Actor
    cancellation: UUID | None = None
    step: int | None = None
    units: int | None = None
    rest_reason: DeclineReason | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclineCancellation:
    """Decline one cancellation, or all of the line that await this party. A reason is required (EC-16).

    ``tracking`` names the parcel of units that have already shipped (EC-17). ``step`` is as in ``AcceptCancellation``.
    """

    line: UUID
    actor: Actor
    reason: DeclineReason | None
    cancellation: UUID | None = None
    step: int | None = None
    note: str = ""
    tracking: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawCancellation:
    """Withdraw one cancellation, or all of the line that the actor may. With ``asker``, only the asks of that one.

    A customer's ask can be withdrawn by the party that entered it, and by the platform. A retailer's own ask can be
    withdrawn by the retailer. ``step`` is the step that the caller saw.
    """

    line: UUID
    actor: Actor
    asker: Asker | None = None
    cancellation: UUID | None = None
    step: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassDeadline:
    """The deadline of a cancellation has passed: apply its policy."""

    line: UUID
    cancellation: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalateCancellation:
    """The party whose answer is due is gone, so an operator has to answer (EC-26). Only operators can do this."""

    line: UUID
    actor: Actor
    cancellation: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteCancellation:
    """Add a note to a cancellation in any state. It changes nothing else (EC-40).

    ``note`` can be what the cancellation cost, or that a label could not be voided. ``tracking`` names a parcel.
    """

    line: UUID
    actor: Actor
    cancellation: UUID
    note: str
    tracking: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOwn:
    """Cancel ``units`` (``None``: all not shipped) without an ask. It counts against the party that cancels."""

    line: UUID
    actor: Actor
    reason: CancelReason
    units: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetailerCancel:
    """One call for both: it accepts what the customer asked, or cancels what the retailer cannot fulfil."""

    line: UUID
    actor: Actor
    reason: CancelReason
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ship:
    """Ship ``units`` (``None``: all that can ship). ``override`` ships asked units too, which declines their ask.

    ``tracking`` is the carrier and the number of the parcel, if known. With a ``cancellation``, the command answers
    that one at this ``step``: it declines it, and ships only its units.
    """

    line: UUID
    actor: Actor
    units: int | None = None
    override: bool = False
    tracking: str = ""
    cancellation: UUID | None = None
    step: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocate:
    """The fulfiller reports how many units it accepts, backorders and rejects in all. Rejected units are cancelled."""

    line: UUID
    actor: Actor
    accepted: int
    backordered: int
    rejected: int
    backorder_on: date | None = None
    reason: CancelReason = CancelReason.REJECTED_AT_ALLOCATION


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTransport:
    """Correct the carrier and the number of a parcel with units of this line."""

    line: UUID
    actor: Actor
    carrier: str
    tracking_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassign:
    """Give what is left of a line, with its asks, to another fulfiller (EC-42).

    ``seen`` is the ``seq`` that the caller saw; ``None`` accepts any. ``takes_part``: the new fulfiller is active.
    ``knows``: it has the order, which it has not while the order is held.
    """

    line: UUID
    actor: Actor
    fulfiller: UUID
    note: str
    seen: int | None = None
    takes_part: bool = True
    knows: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Hand a line of a held order to its fulfiller."""

    line: UUID
    actor: Actor


LineCommand = (
    AskCancellation
    | AcceptCancellation
    | DeclineCancellation
    | WithdrawCancellation
    | PassDeadline
    | EscalateCancellation
    | NoteCancellation
    | CancelOwn
    | RetailerCancel
    | Ship
    | Allocate
    | ChangeTransport
    | Reassign
    | Release
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """Ask to cancel all open units of an order. ``key`` is as in ``AskCancellation``."""

    order: UUID
    actor: Actor
    asker: Asker = Asker.RETAILER
    reason: CancelReason = CancelReason.NOT_STATED
    note: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLines:
    """Ask to cancel units of several lines of one order: all of them, or none."""

    order: UUID
    actor: Actor
    lines: tuple[AskCancellation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOrder:
    """Hand a held order to its fulfillers (EC-20)."""

    order: UUID
    actor: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOrder:
    """Accept all cancellations of the order that await this party, or decline them if there is a reason."""

    order: UUID
    actor: Actor
    decline_reason: DeclineReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocateOrder:
    """Allocate several lines of one order. Each line has its own outcome."""

    order: UUID
    actor: Actor
    lines: tuple[Allocate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A parcel. All but ``id``, the id of the shipment, may be unknown."""

    id: UUID
    tracking_number: str = ""
    carrier: str = ""
    method: str = ""
    weight: str = ""
    cost: str = ""
    shipped_on: date | None = None
    reference: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipOrder:
    """Send one parcel with units of one or several lines of an order: all of them, or none."""

    order: UUID
    actor: Actor
    lines: tuple[Ship, ...]
    parcel: Parcel


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeParcel:
    """Correct the carrier and the number of a parcel, for all of its lines or for none; ``None`` leaves what it has."""

    order: UUID
    actor: Actor
    parcel: UUID
    lines: tuple[UUID, ...]
    carrier: str | None
    tracking_number: str | None


OrderCommand = CancelOrder | AskLines | ReleaseOrder | AnswerOrder | AllocateOrder | ShipOrder | ChangeParcel


AboutOrder = OrderCommand | PaymentCommand
"""Commands that name an order and need all of its lines."""

Command = LineCommand | OrderCommand | RefundCommand | PaymentCommand
