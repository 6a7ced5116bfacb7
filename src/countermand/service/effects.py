"""What follows from a decision: the line and its cancellations change, the parties hear of it, money goes back."""

from dataclasses import dataclass, field
from uuid import UUID

from countermand.domain.events import EventKind
from countermand.domain.line import Cancellation, Decision, Line
from countermand.domain.parties import Actor
from countermand.service.money import Refunding
from countermand.service.process_status import settle_process
from countermand.service.rows import Rows
from countermand.service.telling import Telling
from countermand.service.workspace import Workspace
from countermand.store.codecs import allocation, buckets, cancellation_row
from countermand.store.parts import Moved


@dataclass(slots=True)
class Following:
    """Notes decisions, and writes down at the end how lines and cancellations are then."""

    known: Workspace
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
            if event.former and event.kind is EventKind.LINE_REASSIGNED:
                self._move(line, event.former, event.seq)

    def _move(self, line: Line, former: UUID, seq: int) -> None:
        """The line is another fulfiller's, which may find the order from now on."""
        sku, title, _ = self.known.articles[line.id]
        self.rows.add(
            "reassignments",
            retailer_id=line.retailer,
            line_id=line.id,
            seq=seq,
            at=self.rows.now,
            former_id=former,
            fulfiller_id=line.fulfiller,
        )
        if line.fulfiller != line.retailer:
            self.rows.connect(line.retailer, line.fulfiller)
        self.rows.moved.append(
            Moved(
                retailer=line.retailer,
                order=line.order,
                line=line.id,
                seq=seq,
                placed_at=line.placed_at,
                former=former,
                to=line.fulfiller,
                held=line.with_fulfiller and line.fulfiller != line.retailer,
                sku=sku,
                title=title,
            )
        )

    def save(self) -> None:
        """Write down the lines and the cancellations that changed."""
        self._save_lines()
        self._save_cancellations()

    def _save_lines(self) -> None:
        placed = {row["id"]: row for row in self.rows.new.get("lines", ())}
        for _, line in sorted(self.known.touched.items()):
            holder = {"fulfiller_id": line.fulfiller, "with_fulfiller": line.with_fulfiller}
            changed = {**holder, **buckets(line), **allocation(line), "seq": line.seq, "changed_at": self.rows.now}
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
