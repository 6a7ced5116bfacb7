"""What an e-mail about an event says: a question with a link where an answer is due, else plain information."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from countermand import story
from countermand.domain.events import EventKind
from countermand.domain.line import State
from countermand.sending.words import count, from_now, lines, moment, one_line
from countermand.store.columns import Record

_TEMPLATES: Final = Environment(
    loader=PackageLoader("countermand.sending"),
    autoescape=select_autoescape(("html",), default=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_SUBJECT_PART: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class MailText:
    """The three texts of a message; the two bodies say the same."""

    subject: str
    text: str
    html: str


def mail_of(event: Record, *, reader: UUID, page: Callable[[Record], str], now: datetime) -> MailText:
    """The message about one event (a row of ``reads.events_for_sending``) for one party.

    ``page`` makes the link to answer, and is asked only if the reader's answer is due.
    """
    facts = event.facts
    is_asked = facts.get("state") == State.ASKED.value and facts.get("awaiting") == str(reader)
    if is_asked and event.kind != EventKind.CANCELLATION_NOTED:
        return ask_mail(event, link=page(event), now=now)
    return event_mail(event)


def ask_mail(event: Record, *, link: str, now: datetime) -> MailText:
    """Ask for an answer: what is wanted, by whom, until when, and where to answer."""
    facts = _facts(event)
    facts["To cancel"] = f"{event.facts['units']} of {count(event.ordered)} ordered"
    customer = event.facts.get("asker") == "customer"
    asked_by = one_line(_asked_by(event), 200)
    facts["Asked by"] = f"the customer, through {asked_by}" if customer else asked_by
    facts["Asked on"] = moment(event.cancellation_asked_at)
    if "due_at" in event.facts:
        due_at = datetime.fromisoformat(event.facts["due_at"])
        facts["Answer due"] = f"{moment(due_at)} ({from_now(due_at, now)})"
    else:
        facts["Answer due"] = "no deadline"
    units, sku = count(event.facts["units"]), one_line(event.sku, _SUBJECT_PART)
    note = lines(event.cancellation_note or "")
    question, subject = f"Can {units} still be cancelled?", f"Can {units} of {sku} still be cancelled?"
    if event.kind == EventKind.CANCELLATION_PROOF_ASKED:
        question = f"Which parcel did {units} ship in? Without an answer in time, they count as cancelled."
        subject = f"Which parcel did {units} of {sku} ship in?"
    return _rendered(
        "ask", f"{subject} Order {_reference(event)}", question=question, facts=facts, note=note, link=link
    )


def _asked_by(event: Record) -> str:
    """Who asked; whoever passed it on, or declined it without proof, did not."""
    names = {event.retailer_id: event.retailer_name, event.fulfiller_id: event.fulfiller_name}
    if event.kind == EventKind.CANCELLATION_ASKED:
        return str(event.actor_name or event.actor)
    return str(names.get(event.cancellation_asked_by, "the platform"))


def event_mail(event: Record) -> MailText:
    """Tell what happened; nothing is asked."""
    facts = _facts(event)
    facts["Happened on"] = moment(event.at)
    facts["Units now"] = story.state(event)
    sentence = one_line(story.sentence(event), 2000)
    return _rendered("event", f"Order {_reference(event)}: {sentence}"[:200], sentence=sentence, facts=facts)


def stopped_mail(address: str, why: str) -> MailText:
    """Tell the owner of an endpoint that nothing more is sent there, and what to do."""
    where = one_line(address, 200)
    return _rendered("stopped", "Notices to your endpoint have stopped", where=where, why=one_line(why, 1000))


def _facts(event: Record) -> dict[str, str]:
    title, sku = one_line(event.title, 200), one_line(event.sku, 200)
    return {
        "Retailer": one_line(event.retailer_name, 200),
        "Order": one_line(event.reference, 200),
        "Article": f"{title} ({sku})" if title else sku,
    }


def _reference(event: Record) -> str:
    return one_line(event.reference, _SUBJECT_PART)


def _rendered(template: str, subject: str, **values: object) -> MailText:
    text, html = (
        _TEMPLATES.get_template(f"{template}.{kind}").render(subject=subject, **values) for kind in ("txt", "html")
    )
    return MailText(subject=subject, text=text, html=html)
