"""Takes notices to where they go: to webhooks over HTTP, to mailboxes by e-mail."""

from collections.abc import Sequence

from countermand.domain.schedule import Attempt, Verdict
from countermand.store.columns import Record


class Couriers:
    """Chooses by the endpoint's address."""

    async def deliver(self, endpoint: Record, notice: Record) -> Attempt:
        """Write the notice down, sign it, and make one attempt to send it."""
        return Attempt(verdict=Verdict.FAILED, result="Nothing can be sent yet.")

    async def tell_owner(self, endpoint: Record, addresses: Sequence[str], why: str) -> None:
        """Tell the people of the endpoint's party that nothing more is sent there."""
