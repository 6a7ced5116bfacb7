"""What follows from a decision: the line and its cancellations change, the parties hear of it, money goes back."""

from dataclasses import dataclass, field
from uuid import UUID

from countermand.domain.commands import Actor
from countermand.domain.events import EventKind
from countermand.domain.line import Cancellation, Decision, Line
from countermand.service.known import Known
from countermand.service.processes import settle_process
from countermand.service.refunding import Refunding
from countermand.service.rows import Rows
from countermand.service.telling import Telling
from countermand.store.records import allocation, buckets, cancellation_row


@dataclass(slots=True)
class Following:
    """Notes decisions, and writes down at the end how lines and cancellations are then."""

    known: Known
    rows: Rows
    telling: Telling
    refunding: Refunding
    _cancellations: dict[UUID, tuple[Line, Cancellation, str]] = field(default_factory=dict)

    def note(self, decision: Decision, actor: Actor | None, door: str) -> None:
        """Note a decision; one that repeats what was decided before has no events and leaves nothing to note."""
        if not decision.events:
            return
        line = decision.line
        self.known.touch(line)
        for cancellation in decision.cancellations:
            noted = self._cancellations.get(cancellation.id)
            self._cancellations[cancellation.id] = (line, cancellation, noted[2] if noted else door)
            settle_process(self.rows, line, cancellation)
        for event in decision.events:
            self.telling.tell(line, event, actor, door)
            if event.kind is EventKind.CANCELLATION_ACCEPTED and line.id in self.known.priced:
                self.refunding.owe(line, event, actor, door)

    def save(self) -> None:
        """Write down the lines and the cancellations that changed."""
        self._save_lines()
        self._save_cancellations()

    def _save_lines(self) -> None:
        placed = {row["id"]: row for row in self.rows.new.get("lines", ())}
        for _, line in sorted(self.known.touched.items()):
            changed = {**buckets(line), **allocation(line), "seq": line.seq, "changed_at": self.rows.now}
            if line.id in placed:
                placed[line.id].update(changed)
            else:
                self.rows.change("lines", line.retailer, line.id, changed)

    def _save_cancellations(self) -> None:
        for line, cancellation, door in self._cancellations.values():
            row = cancellation_row(line, cancellation, door)
            if cancellation.id in self.known.stored:
                self.rows.change("cancellations", line.retailer, cancellation.id, row)
            else:
                self.rows.add("cancellations", **row)
