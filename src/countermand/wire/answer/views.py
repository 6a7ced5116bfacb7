"""The pages as they are shown: the templates with their values, and the headers that every page has."""

from dataclasses import dataclass
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from countermand.documents.languages import ENGLISH, NAMES, Language, Message, later
from countermand.documents.sentences import written
from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.domain.policy import Policy
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.reads.cancellations import CancellationToAnswer, waiting_units
from countermand.wire.answer import customer, sentences
from countermand.wire.answer.customer import Status
from countermand.wire.answer.messages import NOTHING, REASONS, FieldError, Form
from countermand.wire.answer.sentences import Reader, Viewer
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

_SOON_S: Final = 2 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a form came back: a sentence, and the field it is about."""

    sentence: str
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What the page with the forms shows besides the facts: what was filled in, what was wrong, what was done."""

    once: str
    form: Form = NOTHING
    problem: Problem | None = None
    notice: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The deadline: until when, how much is left, how far the time has run, and what happens then."""

    due: str
    left: str
    percent_gone: int
    urgency: str
    silence: str


def is_asked_of(row: CancellationToAnswer, viewer: Viewer) -> bool:
    """Whether the viewer's answer is due. The rules decide again when it is given."""
    return row.state == State.ASKED and (row.awaiting == viewer.party or viewer.kind is PartyKind.PLATFORM)


def is_at_step(row: CancellationToAnswer, viewer: Viewer, step: int | None) -> bool:
    """Whether it is at the step of the link. The platform can answer for any party, so its link must name a step."""
    return row.step == step or (step is None and viewer.kind is not PartyKind.PLATFORM)


def passes_on(row: CancellationToAnswer) -> bool:
    """Whether a yes asks the supplier next, so that it ends nothing."""
    return row.awaiting == row.retailer_id != row.fulfiller_id


def units_to_confirm(row: CancellationToAnswer, viewer: Viewer, step: int | None, form: Form) -> int:
    """How many units the reader is shown once more, before an answer counts that cannot be taken back; 0 for none.

    The rules refuse what does not fit, so that is not shown again.
    """
    is_due = is_asked_of(row, viewer) and is_at_step(row, viewer, step)
    ends_nothing = form.answer == "accept" and passes_on(row)
    lacks_reason = form.answer == "decline" and form.text("reason") not in {each.value for each in REASONS}
    if form.is_sure or not is_due or ends_nothing or lacks_reason:
        return 0
    waiting = waiting_units(row)
    units = int(form.text("units") or waiting) if form.answer != "decline" else waiting
    return units if 0 < units <= waiting else 0


def refusal_sentence(refusal: Refusal, language: Language) -> str:
    """Why an answer changed nothing. The rules speak English; in other languages the kind of refusal says it."""
    said = _REFUSALS.get(refusal.kind)
    return language.of(said) if said and language.code != ENGLISH else refusal.detail


_REFUSALS: Final = {
    RefusalKind.REASON_REQUIRED: later("A decline must say why: give a reason."),
    RefusalKind.UNITS_INVALID: later("The number of units must be at least 1."),
    RefusalKind.TOO_MANY_UNITS: later("So many units are not asked."),
    RefusalKind.UNITS_ASKED: later("These units wait for an answer."),
}


def answer_page(row: CancellationToAnswer, viewer: Viewer, policy: Policy, reader: Reader, shown: Shown) -> bytes:
    """The page with the forms."""
    form, language = shown.form, reader.language
    return _rendered(
        language,
        "ask.html",
        clock=_clock(row, policy, reader),
        facts=sentences.facts(row, reader),
        me=viewer.name,
        units=waiting_units(row),
        units_words=language.count(waiting_units(row)),
        passes_on=passes_on(row),
        holds_goods=row.fulfiller_id == viewer.party,
        proof=sentences.proof_sentence(row, reader),
        reasons={reason.value: language.of(words) for reason, words in REASONS.items()},
        problem=shown.problem,
        notice=shown.notice,
        answer=form.answer,
        filled=form.fields,
        once=shown.once,
    )


def confirm_page(row: CancellationToAnswer, units: int, reader: Reader, form: Form) -> bytes:
    """The page that says once more what an answer does that cannot be taken back."""
    language = reader.language
    return _rendered(
        language,
        "sure.html",
        row=row,
        article=f"{row.title} ({row.sku})" if row.title else row.sku,
        units=units,
        units_words=language.count(units),
        rest=waiting_units(row) - units,
        still_sent=language.count(row.ordered - units),
        why=sentences.reason_words(language, form.text("reason")),
        answer=form.answer,
        filled={name: value for name, value in form.fields.items() if name != "sure"},
    )


def standing_page(
    row: CancellationToAnswer, viewer: Viewer, reader: Reader, notice: str = "", present: str = ""
) -> bytes:
    """The page of a cancellation if no answer is due by this link.

    ``present`` is the link by which the answer that is due now can be given.
    """
    say = reader.language.say
    title, lines = sentences.standing(row, viewer, reader)
    if present:
        title = say("This link is for an earlier step")
        lines = [
            sentences.proof_sentence(row, reader)
            or say("It has been answered or has changed since. Another answer is due now.")
        ]
    facts = sentences.facts(row, reader)
    return _rendered(
        reader.language, "standing.html", title=title, sentences=lines, facts=facts, notice=notice, present=present
    )


def customer_page(status: Status, reader: Reader) -> bytes:
    """What a customer is shown of a cancellation."""
    row, language = status.row, reader.language
    title, lines = customer.outcome(status, reader)
    return _rendered(
        language,
        "customer.html",
        title=title,
        sentences=lines,
        money=customer.money(status, reader),
        row=row,
        article=row.title or row.sku,
        ordered=language.count(row.ordered),
        asked_on=reader.moment(row.asked_at),
    )


def mailbox_page(language: Language, address: str, party: str, service: str) -> bytes:
    """The page with the button that confirms a mailbox."""
    return _rendered(language, "confirm.html", address=address, party=party, service=service)


def message_page(language: Language, title: Message, *lines: Message) -> bytes:
    """A page with one message."""
    said = [language.of(line) for line in lines]
    return _rendered(language, "message.html", title=language.of(title), sentences=said)


def problem_with(error: FieldError, language: Language) -> Problem:
    """A field's error as the page shows it."""
    return Problem(sentence=language.of(error.sentence), field=error.field)


def page(status: int, body: bytes, *more: Header) -> Reply:
    """A page as a reply. Browsers do not run scripts in it, frame it, store it or index it."""
    return Reply(status=status, body=body, media_type=HTML, headers=(*HEADERS, *more))


def _clock(row: CancellationToAnswer, policy: Policy, reader: Reader) -> Clock | None:
    if row.due_at is None:
        return None
    left, whole = row.due_at - reader.now, row.due_at - (row.moved_at or row.asked_at)
    late = left.total_seconds() <= 0
    words = reader.language.span(abs(left)) or reader.language.say("less than a minute")
    return Clock(
        due=reader.moment(row.due_at),
        left=reader.language.say("{span} late", span=words) if late else reader.language.say("{span} left", span=words),
        percent_gone=100 if late or not whole else min(100, max(0, 100 - round(100 * (left / whole)))),
        urgency="late" if late else "soon" if left.total_seconds() < _SOON_S else "",
        silence=sentences.silence(row, policy, reader),
    )


def _rendered(language: Language, template: str, **values: object) -> bytes:
    environment = _environment(language)
    return environment.get_template(template).render(**values).encode("utf-8", "replace")


@cache
def _environment(language: Language) -> Environment:
    environment = Environment(
        loader=PackageLoader("countermand.wire.answer"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=lambda value: written(value) if type(value) is str else value,
    )
    environment.globals.update(say=language.say, say_many=language.say_many, code=language.code, languages=NAMES)
    return environment
