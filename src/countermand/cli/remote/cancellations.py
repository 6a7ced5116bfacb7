"""Cancellations at a service."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from countermand.cli.nouns import Shown, WantedCancellations
from countermand.cli.remote.calling import calling, not_tried, own_scope, page_size, read_list
from countermand.cli.remote.finding import named, party_named
from countermand.domain.dates import write_moment
from countermand_client import Client
from countermand_client.models import Cancellation

if TYPE_CHECKING:
    from countermand.documents.cancellations import ListedCancellation


class RemoteCancellations:
    """Cancellations, as the party of the token sees and answers them."""

    def read(self, wanted: WantedCancellations, take: Callable[[Sequence[Shown]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them. Returns whether there are more."""
        own_scope(wanted.party)
        with calling() as client:
            found = client.cancellations.list(
                state=wanted.state,
                awaiting=party_named(client, wanted.awaiting) if wanted.awaiting else None,
                late=wanted.late or None,
                sort="due_at" if wanted.by_due else None,
                q=wanted.sought,
                limit=page_size(most),
            )
            return read_list(found, shown, take, most)

    def accept(
        self, cancellation: str, *, step: int | None, units: int | None, rest_reason: str | None, note: str
    ) -> tuple[Shown, bool]:
        """Accept one."""
        said: dict[str, Any] = {"units": units, "rest_reason": rest_reason, "note": note or None}
        return self._do(lambda client: client.cancellations.accept(named("can", cancellation), step=step, **said))

    def decline(
        self, cancellation: str, *, step: int | None, reason: str, note: str, tracking: str
    ) -> tuple[Shown, bool]:
        """Decline one."""
        said: dict[str, Any] = {"reason": reason, "note": note or None, "tracking": tracking or None}
        return self._do(lambda client: client.cancellations.decline(named("can", cancellation), step=step, **said))

    def withdraw(self, cancellation: str, *, step: int | None, note: str) -> tuple[Shown, bool]:
        """Withdraw one."""
        return self._do(
            lambda client: client.cancellations.withdraw(named("can", cancellation), step=step, note=note or None),
        )

    def _do(self, call: Callable[[Client], Cancellation]) -> tuple[Shown, bool]:
        not_tried()
        with calling() as client:
            done = call(client)
        return shown(done), done.repeated


def shown(found: Cancellation) -> Shown:
    """A cancellation of an answer as commands print it."""
    document: ListedCancellation = {
        "id": found.id,
        "line": found.line,
        "number": found.number,
        "order": found.order,
        "reference": found.reference,
        "retailer": found.retailer.name,
        "held_by": found.fulfiller.name,
        "sku": found.sku,
        "units": found.units,
        "state": found.state,
        "escalated": found.escalated,
        "asker": found.asker,
        "asked_at": write_moment(found.asked_at),
        "awaiting": found.awaiting,
        "due_at": write_moment(found.due_at) if found.due_at else None,
        "accepted_units": found.accepted_units,
        "unasked": found.unasked,
        "step": found.step,
        "waiting_units": found.waiting_units,
    }
    return Shown(document=document, of_units=found.of_units, agreed=found.agreed, awaited=_awaited(found))


def _awaited(found: Cancellation) -> str:
    """Whose answer is due, by name."""
    if found.escalated:
        return "Platform"
    names = {each.id: each.name for each in (found.retailer, found.fulfiller)}
    return names.get(found.awaiting or "", "") if found.state == "asked" else ""
