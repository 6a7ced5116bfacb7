"""The order that ``orders.create`` means, and its parties."""

from functools import partial

from countermand.admin.callers import Caller
from countermand.admin.orders import WrongPartyError, parties_of
from countermand.documents.new_orders import NewOrder
from countermand.documents.orders import place
from countermand.domain.orders import PlaceOrder, Repeats
from countermand.domain.parties import PartyKind
from countermand.ids import read
from countermand.reads.parties import UnknownPartyError, party_name
from countermand.reads.views import PartyView
from countermand.wire.native.errors import invalid
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services


async def order_meant(services: Services, who: Caller, order: NewOrder) -> tuple[PlaceOrder, str]:
    """The order, with the parties that it names, and the name of its retailer.

    Raises:
        CallError: a party is unknown, cannot do what it shall, or is not the caller's to name; it is of the future.
    """
    if who.kind is PartyKind.RETAILER:
        order = await _own(services, who, order)
    found: dict[str, PartyView] = {}
    try:
        known = await services.database.read(partial(parties_of, order=order, found=found))
    except (UnknownPartyError, WrongPartyError) as error:
        raise CallError(Problem.UNKNOWN_PARTY, str(error)) from None
    try:
        command = place(
            order,
            actor=who.actor,
            party=known.__getitem__,
            ids=services.ids,
            now=services.clock(),
            repeats=Repeats.ID if order.allow_same_reference else Repeats.REFERENCE,
        )
    except ValueError as error:
        raise invalid(f"{error}.", "body", "placed_at", code="in_future") from None
    return command, found[order.retailer].name


async def _own(services: Services, who: Caller, order: NewOrder) -> NewOrder:
    """The order of a retailer that names itself, by its id or its name."""
    if read("pty", order.retailer) != who.party:
        name = await services.database.read(partial(party_name, party=who.party))
        if order.retailer != name:
            raise CallError(Problem.WRONG_PARTY, "A retailer places its own orders.")
    return order.model_copy(update={"retailer": str(who.party)})
