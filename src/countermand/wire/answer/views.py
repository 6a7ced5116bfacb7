"""The page of a cancellation: its facts, its state, and the answers that are possible."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from jinja2 import Environment, PackageLoader, StrictUndefined

from countermand.documents.sentences import count, from_now, moment, written
from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.reads.cancellations import CancellationToAnswer, waiting_units
from countermand.wire.answer.messages import NOTHING, REASONS, FieldError, Form
from countermand.wire.replies import Header
from countermand.wire.response import Reply

HTML: Final = b"text/html; charset=utf-8"
POLICY: Final = b"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
HEADERS: Final = (
    (b"content-security-policy", POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-robots-tag", b"noindex"),
)

_TEMPLATES: Final = Environment(
    loader=PackageLoader("countermand.wire.answer"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    finalize=lambda value: written(value) if type(value) is str else value,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a form came back: a sentence, and the field it is about."""

    sentence: str
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The party of the link."""

    party: UUID
    kind: PartyKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page with the forms shows besides the facts: what was filled in, what was wrong, what was done."""

    once: str
    form: Form = NOTHING
    problem: Problem | None = None
    notice: str = ""


def is_asked_of(row: CancellationToAnswer, viewer: Viewer) -> bool:
    """Whether the viewer's answer is due. The rules decide again when it is given."""
    return row.state == State.ASKED and (row.awaiting == viewer.party or viewer.kind is PartyKind.PLATFORM)


def is_at_step(row: CancellationToAnswer, viewer: Viewer, step: int | None) -> bool:
    """Whether it is at the step of the link. The platform can answer for any party, so its link must name a step."""
    return row.step == step or (step is None and viewer.kind is not PartyKind.PLATFORM)


def answer_page(row: CancellationToAnswer, viewer: Viewer, now: datetime, shown: Shown) -> bytes:
    """The page with the forms."""
    form = shown.form
    return _rendered(
        "ask.html",
        facts=_facts(row, now),
        me=viewer.name,
        units=waiting_units(row),
        units_words=count(waiting_units(row)),
        passes_on=row.awaiting == row.retailer_id != row.fulfiller_id,
        holds_goods=row.fulfiller_id == viewer.party,
        proof=_wants_proof(row),
        reasons={reason.value: words for reason, words in REASONS.items()},
        problem=shown.problem,
        notice=shown.notice,
        answer=form.answer,
        filled=form.fields,
        once=shown.once,
    )


def standing_page(
    row: CancellationToAnswer, viewer: Viewer, now: datetime, notice: str = "", present: str = ""
) -> bytes:
    """The page of a cancellation if no answer is due by this link.

    ``present`` is the link by which the answer that is due now can be given.
    """
    title, sentences = _standing(row, viewer)
    if present:
        title = "This link is for an earlier step"
        sentences = [_wants_proof(row) or "It has been answered or has changed since. Another answer is due now."]
    facts = _facts(row, now)
    return _rendered("standing.html", title=title, sentences=sentences, facts=facts, notice=notice, present=present)


def _wants_proof(row: CancellationToAnswer) -> str:
    """What a decline as already shipped still lacks; empty if nothing."""
    if not (row.state == State.ASKED and row.decline_reason and row.due_at):
        return ""
    return (
        f"It was declined as already shipped. Name the parcel by {moment(row.due_at)}, or the cancellation counts as"
        " accepted."
    )


def confirmation_page(address: str, party: str, service: str) -> bytes:
    """The page with the button that confirms a mailbox."""
    return _rendered("confirm.html", address=address, party=party, service=service)


def message_page(title: str, *sentences: str) -> bytes:
    """A page with one message."""
    return _rendered("message.html", title=title, sentences=sentences)


def problem_with(error: FieldError) -> Problem:
    """A field's error as the page shows it."""
    return Problem(sentence=str(error), field=error.field)


def page(status: int, body: bytes, *more: Header) -> Reply:
    """A page as a reply. Browsers do not run scripts in it, frame it, store it or index it."""
    return Reply(status=status, body=body, media_type=HTML, headers=(*HEADERS, *more))


def _rendered(template: str, **values: object) -> bytes:
    return _TEMPLATES.get_template(template).render(**values).encode("utf-8", "replace")


def _facts(row: CancellationToAnswer, now: datetime) -> Mapping[str, str]:
    asker = "the customer" if row.asker == "customer" else row.asked_by_name
    through = f", through {row.asked_by_name}" if row.asker == "customer" else ""
    facts = {
        "Retailer": row.retailer_name,
        "Order": row.reference,
        "Article": f"{row.title} ({row.sku})" if row.title else row.sku,
        "To cancel": f"{waiting_units(row) or row.units} of {count(row.ordered)} ordered",
        "Asked by": f"{asker}{through}",
        "Asked on": _when(row.asked_at, now),
    }
    if row.reason != "not_stated":
        facts["Reason"] = _words(row.reason)
    if row.note:
        facts["Note"] = row.note
    if row.state == State.ASKED and row.awaiting is not None:
        facts["Answer due"] = _when(row.due_at, now) if row.due_at else "no deadline"
    return facts


def _standing(row: CancellationToAnswer, viewer: Viewer) -> tuple[str, list[str]]:
    """The state of a cancellation: a title, and sentences that say who decided and what to do."""
    when = f"on {moment(row.answered_at)}" if row.answered_at else ""
    match State(row.state):
        case State.ASKED if row.agreed:
            return "This cancellation waits for other lines", [
                f"{_who(row, viewer)} accepted the cancellation of {count(row.units)}.",
                "It was asked together with other lines of the order, all or nothing: nothing is cancelled until all"
                " of them are accepted.",
                "Do not send these units while it waits.",
            ]
        case State.ASKED if row.awaiting is None:
            return "An operator decides", ["No party has to answer any more: an operator of the platform decides."]
        case State.ASKED:
            return f"{row.awaiting_name} answers next", [
                f"This cancellation waits for the answer of {row.awaiting_name}."
            ]
        case State.ACCEPTED:
            accepted = count(row.accepted_units)
            rest = row.units - row.accepted_units
            sentences = [f"{_who(row, viewer)} accepted the cancellation of {accepted} {when}."]
            sentences.append("Do not send what is cancelled.")
            if rest:
                sentences.append(f"{count(rest)} {'stays' if rest == 1 else 'stay'} on order.")
            return "This cancellation was accepted", sentences
        case State.DECLINED:
            why = _words(row.decline_reason or "")
            note = [f"Note: {row.answer_note}"] if row.answer_note else []
            first = f"{_who(row, viewer)} declined the cancellation of {count(row.units)} {when}: {why}."
            return "This cancellation was declined", [first, "The declined units stay on order.", *note]
        case State.WITHDRAWN if row.by_policy:
            ended = f"Another line that was asked together with it was not cancelled, so this one ended {when}."
            return "This cancellation has ended", [ended, "The units stay on order."]
        case State.WITHDRAWN:
            taken_back = f"{_who(row, viewer)} withdrew it {when}."
            return "This cancellation was withdrawn", [taken_back, "The units stay on order."]
        case State.LAPSED:
            ended = f"Nobody answered in time, so it ended {when}."
            return "This cancellation lapsed", [ended, "The units stay on order."]


def _when(at: datetime, now: datetime) -> str:
    return f"{moment(at)}\n({from_now(at, now)})"


def _who(row: CancellationToAnswer, viewer: Viewer) -> str:
    if row.by_policy:
        return "The policy"
    return f"{row.answered_by_name} (you)" if row.answered_by == viewer.party else str(row.answered_by_name)


def _words(name: str) -> str:
    return name.replace("_", " ")
