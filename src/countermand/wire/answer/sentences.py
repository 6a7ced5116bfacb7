"""What a page says about a cancellation, in the reader's language: who decided, when, and what to do now."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from countermand.documents.languages import Language, later
from countermand.domain.line import State
from countermand.domain.parties import PartyKind
from countermand.domain.policy import Policy, Silence
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.reads.cancellations import CancellationToAnswer, waiting_units


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The party of the link."""

    party: UUID
    kind: PartyKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """In which language a page is read, by the clocks of which zone, and when."""

    language: Language
    zone: str
    now: datetime

    def moment(self, at: datetime) -> str:
        """A time, in full."""
        return self.language.moment(at, self.zone)

    def when(self, at: datetime) -> str:
        """A time, and on the next line how far away it is."""
        return f"{self.moment(at)}\n({self.language.from_now(at, self.now)})"


REASONS: Final = {
    CancelReason.NOT_STATED: later("not stated"),
    CancelReason.REQUESTED_BY_CUSTOMER: later("requested by the customer"),
    CancelReason.OUT_OF_STOCK: later("out of stock"),
    CancelReason.BAD_CONDITION: later("in bad condition"),
    CancelReason.SHIPPING_TOO_COSTLY: later("shipping costs too much"),
    CancelReason.INCORRECT_PRICE: later("incorrect price"),
    CancelReason.NOT_AVAILABLE_IN_TIME: later("not available in time"),
    CancelReason.GUARANTEE_NOT_MET: later("the guarantee cannot be met"),
    CancelReason.ORDERED_TWICE: later("ordered twice"),
    CancelReason.ITEM_RETAINED: later("the customer keeps the item"),
    CancelReason.TECHNICAL_ISSUE: later("technical issue"),
    CancelReason.ITEM_NOT_FOUND: later("the item was not found"),
    CancelReason.BACKORDER_TOO_LATE: later("the backorder comes too late"),
    CancelReason.REJECTED_AT_ALLOCATION: later("rejected by the supplier"),
    CancelReason.OTHER: later("another reason"),
    DeclineReason.ALREADY_SHIPPED: later("already shipped"),
    DeclineReason.ALREADY_PICKED: later("already picked"),
    DeclineReason.IN_PACKING: later("in packing"),
    DeclineReason.MADE_TO_ORDER: later("made to order"),
}


def reason_words(language: Language, reason: str) -> str:
    """A reason in words; one that this version does not know, as it is spelled."""
    words = {each.value: message for each, message in REASONS.items()}.get(reason)
    return language.of(words) if words else reason.replace("_", " ")


def facts(row: CancellationToAnswer, reader: Reader) -> Mapping[str, str]:
    """The facts of an ask, in the order in which they are read."""
    language = reader.language
    say = language.say
    asker = row.asked_by_name
    if row.asker == "customer":
        asker = say("the customer, through {party}", party=row.asked_by_name)
    found = {
        say("Retailer"): row.retailer_name,
        say("Order"): row.reference,
        say("Article"): f"{row.title} ({row.sku})" if row.title else row.sku,
        say("To cancel"): say(
            "{number} of {ordered} ordered",
            number=waiting_units(row) or row.units,
            ordered=language.count(row.ordered),
        ),
        say("Asked by"): asker,
        say("Asked on"): reader.when(row.asked_at),
    }
    if row.reason != "not_stated":
        found[say("Reason")] = reason_words(language, row.reason)
    if row.note:
        found[say("Note")] = row.note
    return found


def silence(row: CancellationToAnswer, policy: Policy, reader: Reader) -> str:
    """What happens if the answer that is due is not given."""
    say, units = reader.language.say, reader.language.count(waiting_units(row))
    if wants_proof(row):
        return say("If no parcel is named by then, the cancellation counts as accepted.")
    if row.due_at is None:
        return say("There is no deadline.")
    match policy.silence:
        case Silence.ACCEPT:
            return say("If you say nothing, the answer is yes. {units} will be cancelled.", units=units)
        case Silence.ESCALATE:
            return say("If you say nothing, an operator of the platform decides.")
        case Silence.LAPSE:
            return say("If you say nothing, the answer is no. {units} will stay on order.", units=units)


def wants_proof(row: CancellationToAnswer) -> bool:
    """Whether a decline as already shipped still lacks its parcel."""
    return bool(row.state == State.ASKED and row.decline_reason and row.due_at)


def proof_sentence(row: CancellationToAnswer, reader: Reader) -> str:
    """What a decline as already shipped still lacks; empty if nothing."""
    if not wants_proof(row) or row.due_at is None:
        return ""
    return reader.language.say(
        "It was declined as already shipped. Name the parcel by {time}, or the cancellation counts as accepted.",
        time=reader.moment(row.due_at),
    )


def standing(row: CancellationToAnswer, viewer: Viewer, reader: Reader) -> tuple[str, list[str]]:
    """The state of a cancellation: a title, and sentences that say who decided and what to do."""
    language = reader.language
    say, units = language.say, language.count(row.units)
    who = _decider(row, viewer, language)
    time = reader.moment(row.answered_at) if row.answered_at else ""
    match State(row.state):
        case State.ASKED if row.agreed:
            return say("This cancellation waits for other lines"), [
                say("{who} accepted the cancellation of {units}.", who=who, units=units),
                say(
                    "It was asked together with other lines of the order, all or nothing: nothing is cancelled until"
                    " all of them are accepted."
                ),
                say("Do not send these units while it waits."),
            ]
        case State.ASKED if row.awaiting is None:
            return say("An operator decides"), [
                say("No party has to answer any more: an operator of the platform decides.")
            ]
        case State.ASKED:
            return say("{party} answers next", party=row.awaiting_name), [
                say("This cancellation waits for the answer of {party}.", party=row.awaiting_name)
            ]
        case State.ACCEPTED:
            accepted, rest = language.count(row.accepted_units), row.units - row.accepted_units
            sentences = [
                say("{who} accepted the cancellation of {units} on {time}.", who=who, units=accepted, time=time),
                say("Do not send what is cancelled."),
            ]
            if rest:
                sentences.append(
                    language.say_many("{number} unit stays on order.", "{number} units stay on order.", rest)
                )
            return say("This cancellation was accepted"), sentences
        case State.DECLINED:
            why = reason_words(language, row.decline_reason or "")
            note = [say("Note: {note}", note=row.answer_note)] if row.answer_note else []
            first = say(
                "{who} declined the cancellation of {units} on {time}: {why}.", who=who, units=units, time=time, why=why
            )
            return say("This cancellation was declined"), [first, say("The declined units stay on order."), *note]
        case State.WITHDRAWN if row.by_policy:
            ended = say(
                "Another line that was asked together with it was not cancelled, so this one ended on {time}.",
                time=time,
            )
            return say("This cancellation has ended"), [ended, say("The units stay on order.")]
        case State.WITHDRAWN:
            taken_back = say("{who} withdrew it on {time}.", who=who, time=time)
            return say("This cancellation was withdrawn"), [taken_back, say("The units stay on order.")]
        case State.LAPSED:
            ended = say("Nobody answered in time, so it ended on {time}.", time=time)
            return say("This cancellation lapsed"), [ended, say("The units stay on order.")]


def _decider(row: CancellationToAnswer, viewer: Viewer, language: Language) -> str:
    if row.by_policy:
        return language.say("The policy")
    if row.answered_by == viewer.party:
        return language.say("{party} (you)", party=row.answered_by_name)
    return str(row.answered_by_name)
