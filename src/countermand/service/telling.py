"""Events, and the notices that carry them to whoever wants to hear."""

from dataclasses import dataclass
from uuid import UUID

from countermand.domain.events import MONEY, Event, EventKind
from countermand.domain.line import Line
from countermand.domain.parties import Actor
from countermand.domain.scoring import CHANGES_CARDS
from countermand.service.agreements import Agreements, EventIds
from countermand.service.rows import Rows
from countermand.store.codecs import facts_of, partition_of
from countermand.store.score_cards import Touched


@dataclass(frozen=True, slots=True)
class Telling:
    """Writes each event down, and one notice for each endpoint that it concerns."""

    rows: Rows
    agreements: Agreements
    event_ids: EventIds

    def tell(self, line: Line, event: Event, actor: Actor | None, door: str) -> None:
        """What happened on a line, who did it, and through which door."""
        event_id, now = self.event_ids.in_order(self.rows.new_id()), self.rows.now
        at = event.at or now
        self.rows.add(
            "events",
            retailer_id=line.retailer,
            line_id=line.id,
            seq=event.seq,
            id=event_id,
            order_id=line.order,
            cancellation_id=event.cancellation,
            kind=event.kind.value,
            at=at,
            recorded_at=now if at < now else None,
            actor_id=actor.party if actor and not event.by_policy else None,
            actor=actor.name if actor and not event.by_policy else "policy",
            door=door,
            facts=facts_of(event),
            fulfiller_id=line.fulfiller,
        )
        if event.kind in CHANGES_CARDS:
            judged = {line.retailer, line.fulfiller, *([event.former] if event.former else [])}
            self.rows.scored |= {Touched(party, line.placed_at) for party in judged}
        # What the customer paid is no business of the fulfiller's.
        told = (line.retailer,) if event.kind in MONEY else line.told
        if (
            event.kind is EventKind.LINE_REASSIGNED
            and event.former
            and event.former not in told
            and line.with_fulfiller
        ):
            told = (*told, event.former)
        for endpoint in self.agreements.endpoints(told, event):
            self._notify(endpoint, line, event, event_id)

    def _notify(self, endpoint: UUID, line: Line, event: Event, event_id: UUID) -> None:
        self.rows.add(
            "notices",
            retailer_id=line.retailer,
            id=self.rows.new_id(),
            partition=partition_of(line.retailer),
            endpoint_id=endpoint,
            event_id=event_id,
            line_id=line.id,
            seq=event.seq,
            kind=event.kind.value,
            state="due",
            attempts=0,
            due_at=self.rows.now,
            last_result="",
            attempted_at=None,
            created_at=self.rows.now,
        )
