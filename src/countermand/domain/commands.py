"""What a party can tell a line or an order to do. Commands ask; whether they are heeded, ``decide`` says."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from countermand.domain.money.commands import PaymentCommand, RefundCommand
from countermand.domain.parties import Actor, Asker
from countermand.domain.reasons import CancelReason, DeclineReason


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCancellation:
    """Ask to cancel ``units`` of a line (``None``: all that are open).

    ``key`` tells asks of one party apart that are otherwise alike. Without one, an ask for as many units by the same
    asker, in the same words, is the same ask while it waits; for another number of units it is a further ask.
    ``group`` is common to asks that shall be heeded together or not at all (EC-18).
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
    """Accept one cancellation, or every one of the line that awaits this party.

    ``units`` accepts only so many of the one that is named, or else of the oldest that awaits this party;
    ``rest_reason`` says why not the rest (EC-15). ``note`` is in the words of whoever accepts. ``step`` is the step of
    the cancellation that is answered: the platform must name it, since it may answer for anybody.
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
    """Decline one cancellation, or every one of the line that awaits this party. A reason is required (EC-16).

    ``tracking`` names the parcel that the units went in, where they shipped already (EC-17). ``step`` is as in
    ``AcceptCancellation``.
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
    """Take one cancellation back, or every one of the line that the actor may; with ``asker`` only what that one asked.

    Who brought a customer's ask speaks for the customer, and so does the platform. What a retailer asked on its own
    wish, the retailer takes back. ``step`` is the step at which the caller saw it.
    """

    line: UUID
    actor: Actor
    asker: Asker | None = None
    cancellation: UUID | None = None
    step: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassDeadline:
    """The answer to a cancellation is overdue: let the policy it was asked under speak."""

    line: UUID
    cancellation: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalateCancellation:
    """The party whose answer is due is gone: an operator has to answer (EC-26). Only operators say so."""

    line: UUID
    actor: Actor
    cancellation: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteCancellation:
    """Put a note to a cancellation, whatever became of it. It changes nothing (EC-40).

    ``note`` is why: what it cost, or that a label could not be voided. ``tracking`` names the parcel that it is about.
    """

    line: UUID
    actor: Actor
    cancellation: UUID
    note: str
    tracking: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOwn:
    """Cancel ``units`` (``None``: all not shipped) on one's own account. Counts against the canceller."""

    line: UUID
    actor: Actor
    reason: CancelReason
    units: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetailerCancel:
    """bol's cancellation call: confirms what the customer asked, or cancels what the retailer cannot fulfil."""

    line: UUID
    actor: Actor
    reason: CancelReason
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ship:
    """Ship ``units`` (``None``: all that can be). ``override`` ships asked units too, which declines their ask.

    ``tracking`` is the carrier and number of the parcel in words, as far as they are known. With a ``cancellation`` it
    is the answer to that one, at this ``step``: it declines it, and ships of its units only, while it waits.
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
    """The fulfiller's word on a line: so many accepted, backordered, rejected, in all. Rejected units are cancelled."""

    line: UUID
    actor: Actor
    accepted: int
    backordered: int
    rejected: int
    backorder_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTransport:
    """The parcel that units of this line went in travels otherwise than was said."""

    line: UUID
    actor: Actor
    carrier: str
    tracking_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reassign:
    """Give what is left of a line to another fulfiller; the asks for it follow (EC-42).

    ``seen`` is the ``seq`` at which the caller saw the line; ``None`` is any. ``takes_part`` says whether the new
    fulfiller does, and ``knows`` whether it hears of the order: those of a held one do not yet.
    """

    line: UUID
    actor: Actor
    fulfiller: UUID
    note: str
    seen: int | None = None
    takes_part: bool = True
    knows: bool = True


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
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """Ask to cancel whatever is open on every line of an order."""

    order: UUID
    actor: Actor
    asker: Asker = Asker.RETAILER
    reason: CancelReason = CancelReason.NOT_STATED
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLines:
    """Ask to cancel units of several lines of one order: all of it, or nothing."""

    order: UUID
    actor: Actor
    lines: tuple[AskCancellation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerOrder:
    """Accept (or, with a reason, decline) every cancellation on the order that awaits this party."""

    order: UUID
    actor: Actor
    decline_reason: DeclineReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocateOrder:
    """Allocate several lines of one order; each has a fate of its own."""

    order: UUID
    actor: Actor
    lines: tuple[Allocate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is known of a parcel: any part may be missing. ``id`` is the shipment's own."""

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
    """Send one parcel with units of one or several lines of an order: all of it, or nothing."""

    order: UUID
    actor: Actor
    lines: tuple[Ship, ...]
    parcel: Parcel


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeParcel:
    """Correct how a parcel travels, for all of its lines or for none."""

    order: UUID
    actor: Actor
    parcel: UUID
    lines: tuple[ChangeTransport, ...]
    carrier: str
    tracking_number: str


OrderCommand = CancelOrder | AskLines | AnswerOrder | AllocateOrder | ShipOrder | ChangeParcel


AboutOrder = OrderCommand | PaymentCommand
"""What names an order, and needs all of its lines."""

Command = LineCommand | OrderCommand | RefundCommand | PaymentCommand
