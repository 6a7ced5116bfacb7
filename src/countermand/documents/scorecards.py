"""Scorecards as they are shown: several weeks of a party, its strikes, and the events of every item that counts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import Connection

from countermand.documents import timeline
from countermand.domain.dates import write_moment
from countermand.domain.parties import PartyKind
from countermand.domain.problems import UnfitError
from countermand.domain.scoring import NORM, STRIKE_WEEKS, Figures, Incident, Judgement, Reply, Role, Scorecard, Week
from countermand.ids import show
from countermand.reads import scores
from countermand.reads.parties import find_party
from countermand.reads.scores import EvidenceEvent
from countermand.reads.views import PartyView

WEEKS: Final = 6
WEEKS_MAX: Final = 52


class SellsNothingError(UnfitError):
    """A platform has no score, and a supplier none as a retailer. The message says which."""

    code = "wrong_party"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which cards: one ``week``, or so many ``weeks`` up to now, in a ``role``; as they were at ``as_of``.

    ``evidence`` asks for the events of every item that counts.
    """

    week: Week | None = None
    weeks: int = WEEKS
    role: Role | None = None
    as_of: datetime | None = None
    evidence: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The scorecards of a party: its figures, oldest first, and the strikes of the last closed weeks.

    ``evidence`` has the cards with all that counts, if that was requested.
    """

    party: PartyView
    role: Role
    cards: Sequence[Figures]
    evidence: Mapping[Week, Scorecard]
    strikes: int
    now: datetime
    zone: tzinfo
    events: dict[UUID, EvidenceEvent]


def scorecards_for(connection: Connection, name: str, wanted: Wanted, *, zone: tzinfo, now: datetime) -> Shown:
    """The cards of the party with this id or name. ``now`` is the present where no ``as_of`` says otherwise.

    Raises:
        UnknownPartyError: there is no such party.
        SellsNothingError: it has no such score.
    """
    party = find_party(connection, name)
    part, now = _role(party, wanted.role), wanted.as_of or now
    who = scores.Party(id=party.id, role=part)
    current = Week.of(now, zone)
    # A week closes on the Wednesday after, so the last or the last but one may be open.
    span = [current.later(number) for number in range(-max(STRIKE_WEEKS + 1, wanted.weeks - 1), 1)]
    weeks = [wanted.week] if wanted.week else span[-wanted.weeks :]
    cards = scores.cards(connection, who, weeks, zone, as_of=wanted.as_of) if wanted.evidence else []
    recent = _figures(connection, who, span, wanted, zone)
    closed = [each for each in recent if each.week.closes(zone) <= now][-STRIKE_WEEKS:]
    chosen = _figures(connection, who, weeks, wanted, zone) if wanted.week else recent[-wanted.weeks :]
    found = [incident for card in cards for incident in all_incidents(card)] if wanted.evidence else []
    return Shown(
        party=party,
        role=part,
        cards=chosen,
        evidence={card.week: card for card in cards},
        strikes=sum(each.strike for each in closed),
        now=now,
        zone=zone,
        events=scores.evidence(connection, found) if found else {},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that counts in one week of a party, with the events of it."""

    card: Scorecard
    events: Mapping[UUID, EvidenceEvent]


def evidence_of(
    connection: Connection,
    party: PartyView,
    week: Week,
    *,
    role: Role | None,
    zone: tzinfo,
    as_of: datetime | None = None,
) -> Evidence:
    """What counts in one week. No other week is counted for it.

    Raises:
        SellsNothingError: the party has no such score.
    """
    who = scores.Party(id=party.id, role=_role(party, role))
    [card] = scores.cards(connection, who, [week], zone, as_of=as_of)
    found = all_incidents(card)
    return Evidence(card=card, events=scores.evidence(connection, found) if found else {})


def _figures(
    connection: Connection, who: scores.Party, weeks: Sequence[Week], wanted: Wanted, zone: tzinfo
) -> list[Figures]:
    if wanted.as_of is None:
        return scores.figures(connection, who, weeks, zone)
    return [card.figures for card in scores.cards(connection, who, weeks, zone, as_of=wanted.as_of)]


def all_incidents(card: Scorecard) -> list[Incident]:
    """What counts, and what an operator excluded."""
    return [*card.counted, *(incident for incident, _ in card.excluded)]


def document(shown: Shown, *, evidence: bool) -> dict[str, Any]:
    """The scorecards of a party as JSON."""
    return {
        "party": str(shown.party.id),
        "name": shown.party.name,
        "as": shown.role.value,
        "zone": str(shown.zone),
        "at": write_moment(shown.now),
        "norm": float(NORM),
        "strikes": shown.strikes,
        "weeks": [_card(card, shown, evidence=evidence) for card in shown.cards],
    }


def written(connection: Connection, name: str, wanted: Wanted, *, zone: tzinfo, now: datetime) -> bytes:
    """The same as it is sent. All that there is to compute is done here.

    Raises:
        UnknownPartyError, SellsNothingError: as ``scorecards_for``.
    """
    shown = scorecards_for(connection, name, wanted, zone=zone, now=now)
    return orjson.dumps(document(shown, evidence=wanted.evidence))


def _role(party: PartyView, role: Role | None) -> Role:
    kind = PartyKind(party.kind)
    if kind is PartyKind.PLATFORM or (kind is PartyKind.SUPPLIER and role is Role.RETAILER):
        raise SellsNothingError(f"{party.name} is a {kind.value} and sells nothing.")
    return role or (Role.RETAILER if kind is PartyKind.RETAILER else Role.FULFILLER)


def _card(card: Figures, shown: Shown, *, evidence: bool) -> dict[str, Any]:
    median, p90 = card.seconds_to_answer or (None, None)
    return {
        "week": str(card.week),
        "closed": card.week.closes(shown.zone) <= shown.now,
        "numerator": card.numerator,
        "denominator": card.ordered,
        "value": None if card.value is None else float(card.value),
        "distance_to_norm": None if card.distance is None else float(card.distance),
        "conforms": card.conforms,
        "strike": card.strike,
        "answers": {reply.value: card.replies(reply) for reply in Reply},
        "median_s": median,
        "p90_s": p90,
        "decline_rate": None if card.decline_rate is None else float(card.decline_rate),
        **({"evidence": _evidence(shown.evidence[card.week], shown)} if evidence else {}),
    }


def _evidence(card: Scorecard, shown: Shown) -> list[dict[str, Any]]:
    words = {incident.cancellation: judgement for incident, judgement in card.excluded}
    return [_incident(each, words.get(each.cancellation), shown) for each in all_incidents(card)]


def _incident(incident: Incident, word: Judgement | None, shown: Shown) -> dict[str, Any]:
    first = shown.events[incident.evidence[0]]
    return {
        "cancellation": show("can", incident.cancellation),
        "line": str(incident.line),
        "reference": first.reference,
        "sku": first.sku,
        "ordered": first.ordered,
        "why": incident.why.value,
        "units": incident.units,
        "excluded": None if word is None else {"reason": word.reason, "by": word.by, "at": write_moment(word.at)},
        "events": [
            {
                "id": show("evt", each),
                "at": write_moment(shown.events[each].at),
                "told": timeline.sentence(shown.events[each]),
            }
            for each in incident.evidence
        ],
    }
