"""Orders and their lines: what can still be cancelled, what would go back, and the ask."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from countermand.admin.callers import Permission
from countermand.admin.policies import in_force
from countermand.console import words
from countermand.console.errors import PageError, unknown
from countermand.console.forms import FieldError
from countermand.console.markup import amount
from countermand.console.pages.cancellation import worth_words
from countermand.console.pages.cancellations import rows_of
from countermand.console.rendering import Note, redirect, show_page
from countermand.console.visit import Visit
from countermand.documents.sentences import count
from countermand.domain.commands import AskCancellation
from countermand.domain.parties import Asker, PartyKind
from countermand.domain.policy import Cutoff, Policy, Silence
from countermand.domain.reasons import CancelReason
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.domain.texts import read_text
from countermand.ids import read, show
from countermand.reads.cancellations import CancellationFilter, list_cancellations
from countermand.reads.lines import LineDetail, line_view
from countermand.reads.lookup import Lookup
from countermand.reads.order_lists import OrderFilter, PlaceInTime
from countermand.reads.orders import (
    LineView,
    OrderView,
    order_by_id,
    orders_behind,
    orders_by_lookup,
)
from countermand.reads.refunds import Quoted, RefundFilter, list_refunds, quote_units
from countermand.reads.views import LineRow
from countermand.service.calls import Done, Failed, Refused
from countermand.wire.replies import REPLIES
from countermand.wire.response import Reply

SHOWN: Final = 30
PATH: Final = "/console/orders"

ASK_REASONS: Final = {
    CancelReason.REQUESTED_BY_CUSTOMER: "The customer wants it cancelled",
    CancelReason.ORDERED_TWICE: "It was ordered twice",
    CancelReason.NOT_AVAILABLE_IN_TIME: "It would come too late",
    CancelReason.INCORRECT_PRICE: "The price is wrong",
    CancelReason.OUT_OF_STOCK: "It is out of stock",
    CancelReason.OTHER: "Another reason",
}


# The list


async def look(visit: Visit) -> Reply:
    """Orders, newest first, or those that fit what is searched for."""
    text = visit.query.get("q", "").strip()[:200]
    note = None
    try:
        found = await _searched(visit, read_text(text)) if text else await _newest(visit)
    except ValueError as error:
        note, found = Note(title="This cannot be looked for.", text=f"{error}.", mood="bad"), []
    if text and len(found) == 1 and "after" not in visit.query:
        return redirect(f"{PATH}/{show('ord', found[0].row.id)}")
    shown = found[:SHOWN]
    more = ""
    if not text and len(found) > SHOWN:
        last = shown[-1].row
        more = f"{PATH}?{urlencode({'after': f'{last.placed_at:%Y%m%dT%H%M%S.%f}_{last.id.hex}'})}"
    return show_page(
        visit,
        "orders.html",
        title=f"Orders found for {text}" if text else "Orders",
        note=note,
        orders=shown,
        text=text,
        more=more,
        first="after" not in visit.query,
    )


async def _searched(visit: Visit, text: str) -> list[OrderView]:
    """By the whole of what people have at hand, then by how it begins."""
    found = await visit.read(orders_by_lookup, visit.scope, Lookup(anything=text, whole=True), SHOWN)
    more = await visit.read(orders_by_lookup, visit.scope, Lookup(anything=text), SHOWN)
    known = {each.row.id for each in found}
    return [*found, *(each for each in more if each.row.id not in known)]


async def _newest(visit: Visit) -> list[OrderView]:
    place = None
    if after := visit.query.get("after", ""):
        moment, _, name = after.rpartition("_")
        found = read("ord", name)
        if found is None:
            raise ValueError("The address of this page is cut off")
        place = PlaceInTime(datetime.strptime(moment, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC), found)
    return await visit.read(orders_behind, visit.scope, OrderFilter(), place, SHOWN + 1)


# One order


@dataclass(frozen=True, slots=True, kw_only=True)
class LineShown:
    """A line of an order, and whether units of it can still be cancelled."""

    line: LineRow
    holder: str
    parcels: tuple[str, ...]
    can_ask: bool
    why: str


async def look_at_one(visit: Visit) -> Reply:
    """One order with its lines, its cancellations and its refunds."""
    wanted = read("ord", visit.names["order"])
    order = await visit.read(order_by_id, visit.scope, wanted) if wanted else None
    if order is None:
        raise unknown("order", PATH, "Orders")
    asked = await visit.read(list_cancellations, visit.scope, CancellationFilter(order=order.row.id))
    refunds = []
    if visit.caller.kind is not PartyKind.SUPPLIER:
        mine = ((order.row.retailer_id, order.row.id),)
        refunds = await visit.read(list_refunds, visit.scope, RefundFilter(orders=mine))
    return show_page(
        visit,
        "order.html",
        title=f"Order {order.row.reference}",
        order=order,
        lines=[await _line(visit, order, each) for each in order.lines],
        rows=await rows_of(visit, asked),
        refunds=refunds,
        refund_shapes=words.REFUND_SHAPES,
        where_to=words.where_to,
        customer=_customer(visit, order),
        amount=amount,
    )


def _customer(visit: Visit, order: OrderView) -> str:
    """Where the goods go, for whoever sends them."""
    address = order.row.details.get("shipping_address") or {}
    if order.row.customer_erased_at is not None or not isinstance(address, dict):
        return ""
    names = (address.get(name) for name in ("first_name", "last_name", "city", "country"))
    return ", ".join(filter(None, [" ".join(str(each) for each in names if each)]))


async def _line(visit: Visit, order: OrderView, each: LineView) -> LineShown:
    line = each.row
    policy = await visit.read(in_force, line.retailer_id, line.fulfiller_id)
    why = why_not_ask(visit, line, policy, each.supplier_name)
    return LineShown(
        line=line,
        holder=each.supplier_name,
        parcels=tuple(f"{each.carrier} {each.tracking_number}".strip() for each in each.parcels),
        can_ask=not why,
        why=why or _what_follows(line, policy, each.supplier_name, visit.now),
    )


def why_not_ask(visit: Visit, line: LineRow | LineDetail, policy: Policy, holder: str) -> str:
    """Why units of a line cannot be asked for; empty if they can. The rules decide again when it is asked."""
    if not visit.may(Permission.CANCEL_ORDER):
        return "Your user may look and not ask: it lacks the permission cancel_order."
    if not visit.is_platform and visit.caller.party != line.retailer_id:
        return "Only the retailer and the platform can ask."
    if not line.open:
        if line.asked:
            return f"{count(line.asked)} {'is' if line.asked == 1 else 'are'} asked for already."
        return (
            "All units are shipped or cancelled; ask for a return instead."
            if line.shipped
            else "All units are cancelled."
        )
    if line.fulfiller_id != line.retailer_id and not policy.accepts(
        placed_at=line.placed_at, allocated=line.allocated, now=visit.now
    ):
        never = policy.accepts_until is Cutoff.NEVER
        return f"{holder} accepts no cancellations." if never else f"{holder} accepts none of this line any more."
    return ""


def _what_follows(line: LineRow, policy: Policy, holder: str, now: datetime) -> str:
    if line.fulfiller_id == line.retailer_id or not line.with_fulfiller:
        return "The retailer holds the goods: its own ask is accepted at once."
    if policy.is_free(line.placed_at, now):
        return "It is within the free time after ordering: an ask is accepted at once."
    due = policy.answer_due(now)
    return f"{holder} answers{'' if due else ', without a deadline'}."


# Asking


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAsk:
    """A line with all that the page of the ask needs."""

    line: LineDetail
    policy: Policy
    quoted: Quoted | None
    units: int
    why_not: str

    @property
    def path(self) -> str:
        """The page of the order."""
        return f"{PATH}/{show('ord', self.line.order_id)}"

    @property
    def title(self) -> str:
        """The article."""
        return self.line.title or self.line.sku


async def _to_ask(visit: Visit, units: int | None) -> ToAsk:
    wanted = read("lin", visit.names["line"])
    line = await visit.read(line_view, visit.scope, wanted) if wanted else None
    if line is None:
        raise unknown("line", PATH, "Orders")
    policy = await visit.read(in_force, line.retailer_id, line.fulfiller_id)
    chosen = min(units or line.open, line.open)
    quoted: Quoted | None = None
    if chosen > 0:
        found = await visit.read(quote_units, visit.scope, {line.id: chosen})
        quoted = None if isinstance(found, Refusal) else found
    why = why_not_ask(visit, line, policy, line.fulfiller_name)
    return ToAsk(line=line, policy=policy, quoted=quoted, units=chosen, why_not=why)


async def confirm_ask(visit: Visit) -> Reply:
    """The page of the ask: how many units, whose wish it is, and what would go back."""
    text = visit.query.get("units", "")
    units = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else None
    return _confirm_ask(visit, await _to_ask(visit, units))


def _confirm_ask(
    visit: Visit, asked: ToAsk, *, status: int = 200, wrong: FieldError | None = None, note: Note | None = None
) -> Reply:
    line = asked.line
    if asked.why_not and note is None:
        raise PageError(409, "This line cannot be asked for", asked.why_not, links={asked.path: line.reference})
    due = asked.policy.answer_due(visit.now)
    return show_page(
        visit,
        "ask.html",
        title=f"Ask to cancel {asked.title}",
        status=status,
        note=note,
        asked=asked,
        line=line,
        worth=worth_words(asked.quoted),
        due=due,
        silence=words.SILENCE_WORDS[asked.policy.silence],
        lapses=asked.policy.silence is Silence.LAPSE,
        at_once=line.fulfiller_id == line.retailer_id or not line.with_fulfiller,
        free=asked.policy.is_free(line.placed_at, visit.now),
        reasons=ASK_REASONS,
        once=visit.form.text("once") or visit.new_once(),
        filled=visit.form,
        field=wrong.field if wrong else "",
        wrong=str(wrong or ""),
    )


async def ask(visit: Visit) -> Reply:
    """Ask to cancel units of a line."""
    asked = await _to_ask(visit, None)
    try:
        command = _command(visit, asked)
    except FieldError as error:
        return _confirm_ask(visit, replace(asked, why_not=""), status=422, wrong=error)
    outcome = await visit.submit(command, asked.line.retailer_id)
    match outcome:
        case Done(cancellations=cancellations):
            made: UUID = cancellations[0]
            return redirect(f"/console/cancellations/{show('can', made)}?done=ask")
        case Refused(refusal=refusal):
            status = REPLIES[refusal.kind].native
            about_units = refusal.kind in (RefusalKind.TOO_MANY_UNITS, RefusalKind.UNITS_INVALID)
            wrong = FieldError("units", refusal.detail) if about_units else None
            note = None if about_units else Note(title="Nothing was asked.", text=refusal.detail, mood="warn")
            return _confirm_ask(visit, replace(asked, why_not=""), status=status, wrong=wrong, note=note)
        case Failed():
            text = "Nobody knows whether the ask was stored. Send it again: the same form sent twice counts once."
            note = Note(title="The database did not answer.", text=text, mood="bad")
            return _confirm_ask(visit, replace(asked, why_not=""), status=503, note=note)


def _command(visit: Visit, asked: ToAsk) -> AskCancellation:
    form = visit.form
    reason, asker = form.text("reason"), form.text("asker")
    if reason not in set(ASK_REASONS):
        raise FieldError("reason", "Choose why. Whoever answers reads it.")
    if asker not in (Asker.CUSTOMER, Asker.RETAILER):
        raise FieldError("asker", "Say whose wish it is.")
    return AskCancellation(
        line=asked.line.id,
        actor=visit.caller.actor,
        asker=Asker(asker),
        units=form.units(),
        reason=CancelReason(reason),
        note=form.note(),
        key=form.text("once")[:64],
    )
