"""E-mails about events: a question with a link if the reader's answer is due, otherwise information only.

Some programs show only subjects, and people trust them. So subjects have fixed words, numbers and ids of ours, and
nothing that a customer, a party or a receiver wrote.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from countermand.documents import timeline
from countermand.documents.sentences import count, from_now, lines, moment, one_line
from countermand.domain.events import EventKind, asks_for_answer
from countermand.domain.parties import PartyKind
from countermand.ids import show
from countermand.reads.events import EventView
from countermand.reads.scope import Scope

_TEMPLATES: Final = Environment(
    loader=PackageLoader("countermand.outlets"),
    autoescape=select_autoescape(("html",), default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_HAPPENED: Final[dict[EventKind, str]] = {
    EventKind.LINE_PLACED: "Ordered: {units}",
    EventKind.LINE_ALLOCATED: "The supplier reported how many units it has",
    EventKind.LINE_SHIPPED: "Shipped: {units}",
    EventKind.LINE_SHIPPED_THOUGH_CANCELLED: "Cancelled units reported as shipped: {units}",
    EventKind.LINE_TRANSPORT_CHANGED: "A parcel was corrected",
    EventKind.LINE_RELEASED: "Handed to the supplier: {units}",
    EventKind.LINE_REASSIGNED: "Given to another supplier: {units}",
    EventKind.CANCELLATION_ASKED: "A cancellation was asked for: {units}",
    EventKind.CANCELLATION_PASSED_ON: "A cancellation was passed on: {units}",
    EventKind.CANCELLATION_AGREED: "A cancellation was accepted and waits for other lines: {units}",
    EventKind.CANCELLATION_PROOF_ASKED: "A parcel has to be named: {units}",
    EventKind.CANCELLATION_ACCEPTED: "Cancelled: {units}",
    EventKind.CANCELLATION_DECLINED: "A cancellation was declined: {units}",
    EventKind.CANCELLATION_WITHDRAWN: "A cancellation was withdrawn: {units}",
    EventKind.CANCELLATION_LAPSED: "A cancellation lapsed: {units}",
    EventKind.CANCELLATION_ESCALATED: "An operator has to answer: {units}",
    EventKind.CANCELLATION_LATE_ANSWER: "An answer came too late",
    EventKind.CANCELLATION_CASE_OPENED: "An operator has to look at a cancellation: {units}",
    EventKind.CANCELLATION_NOTED: "A note was added to a cancellation",
    EventKind.PAYMENT_ADDED: "A payment was added",
    EventKind.PAYMENT_CAPTURED: "A payment was captured",
    EventKind.REFUND_DUE: "A refund is due",
    EventKind.REFUND_SENT: "A refund was sent to the provider",
    EventKind.REFUND_DONE: "A refund is done",
    EventKind.REFUND_FAILED: "A refund failed",
    EventKind.REFUND_CLOSED: "A refund was closed",
    EventKind.REFUND_CORRECTED: "A refund was corrected",
}
"""The subject for each kind of event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailText:
    """The three texts of an e-mail. Both bodies have the same content."""

    subject: str
    text: str
    html: str


def mail_of(event: EventView, *, reader: Scope, page: Callable[[EventView], str], now: datetime) -> MailText:
    """The message about one event for one party.

    ``page`` makes the link to answer. It is called only if the reader's answer is due.
    """
    awaiting = event.facts.get("awaiting")
    is_asked = reader.kind is PartyKind.PLATFORM if awaiting is None else awaiting == str(reader.party)
    if is_asked and asks_for_answer(event.kind, event.facts.get("state", "")):
        return ask_mail(event, link=page(event), now=now)
    return event_mail(event)


def ask_mail(event: EventView, *, link: str, now: datetime) -> MailText:
    """Ask for an answer: what is asked, by whom, until when, and where to answer."""
    facts = _facts(event)
    facts["To cancel"] = f"{event.facts['units']} of {count(event.ordered)} ordered"
    customer = event.facts.get("asker") == "customer"
    asked_by = one_line(_asked_by(event), 200)
    facts["Asked by"] = f"the customer, through {asked_by}" if customer else asked_by
    if event.cancellation_asked_at is not None:
        facts["Asked on"] = moment(event.cancellation_asked_at)
    if "due_at" in event.facts:
        due_at = datetime.fromisoformat(event.facts["due_at"])
        facts["Answer due"] = f"{moment(due_at)} ({from_now(due_at, now)})"
    else:
        facts["Answer due"] = "no deadline"
    units = count(event.facts["units"])
    note = lines(event.cancellation_note or "")
    question = subject = f"Can {units} still be cancelled?"
    if event.kind == EventKind.CANCELLATION_PROOF_ASKED:
        subject = f"Which parcel did {units} ship in?"
        question = f"{subject} Name it in time, or they count as cancelled."
    return _rendered("ask", f"{subject} {_about(event)}", question=question, facts=facts, note=note, link=link)


def _asked_by(event: EventView) -> str:
    """Who asked, which is not the party that passed the ask on or declined it without proof."""
    names: dict[UUID | None, str] = {
        event.retailer_id: event.retailer_name,
        event.fulfiller_id: event.fulfiller_name,
    }
    if event.kind == EventKind.CANCELLATION_ASKED:
        return str(event.actor_name or event.actor)
    return names.get(event.cancellation_asked_by, "the platform")


def event_mail(event: EventView) -> MailText:
    """Report what happened. No answer is due."""
    facts = _facts(event)
    facts["Happened on"] = moment(event.at)
    facts["Units now"] = timeline.state(event)
    sentence = one_line(timeline.sentence(event), 2000)
    subject = _HAPPENED[EventKind(event.kind)].format(units=count(event.facts["units"]))
    return _rendered("event", f"{subject} {_about(event)}", sentence=sentence, facts=facts)


def stopped_mail(address: str, why: str) -> MailText:
    """Notify the owner of an endpoint that nothing more is sent there, with what to do."""
    where = one_line(address, 200)
    return _rendered("stopped", "Notices to your endpoint have stopped", where=where, why=one_line(why, 1000))


def confirmation_mail(party: str, *, source: str, link: str, until: datetime) -> MailText:
    """Ask the reader of a mailbox whether this party may be notified there. An operator has named the party."""
    return _rendered(
        "confirm",
        "Please confirm this mailbox",
        party=one_line(party, 200),
        source=source,
        link=link,
        until=moment(until),
    )


def trial_mail(source: str) -> MailText:
    """A test message. ``source`` is the address of this service."""
    return _rendered("test", "A test", source=source)


def _facts(event: EventView) -> dict[str, str]:
    title, sku = one_line(event.title, 200), one_line(event.sku, 200)
    return {
        "Retailer": one_line(event.retailer_name, 200),
        "Order": one_line(event.reference, 200),
        "Article": f"{title} ({sku})" if title else sku,
    }


def _about(event: EventView) -> str:
    """The cancellation or line in a subject."""
    about = show("can", event.cancellation_id) if event.cancellation_id else f"line {event.line_id}"
    return f"({about})"


def _rendered(template: str, subject: str, **values: object) -> MailText:
    text, html = (
        _TEMPLATES.get_template(f"{template}.{kind}").render(subject=subject, **values) for kind in ("txt", "html")
    )
    return MailText(subject=subject, text=text, html=html)
