"""Refunds at a service."""

from collections.abc import Callable, Sequence

from countermand.cli.nouns import Document, WantedRefunds
from countermand.cli.remote.calling import calling, document, not_tried, page_size, read_list
from countermand.cli.remote.finding import line_named, named
from countermand_client import Client
from countermand_client.inputs import LineUnits
from countermand_client.models import Refund


class RemoteRefunds:
    """Refunds that the party of the token sees."""

    def quote(self, line: str, units: int | None) -> Document:
        """What would go back for units of a line."""
        with calling() as client:
            wanted: LineUnits = {"line": line_named(client, line)}
            if units is not None:
                wanted["units"] = units
            return document(client.quotes.create(lines=[wanted]))

    def read(self, wanted: WantedRefunds, take: Callable[[Sequence[Document]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them. Returns whether there are more."""
        with calling() as client:
            found = client.refunds.list(
                q=wanted.sought,
                state=wanted.state,
                provider=wanted.provider,
                retailer=wanted.party,
                limit=page_size(most),
            )
            return read_list(found, document, take, most)

    def paid(self, refund: str, *, note: str) -> str:
        """Mark one as paid by hand."""
        return _do(lambda client: client.refunds.mark_paid(named("rfd", refund), note=note or None))

    def close(self, refund: str, *, note: str) -> str:
        """Close one that is not going to be paid."""
        return _do(lambda client: client.refunds.close(named("rfd", refund), note=note))

    def retry(self, refund: str, *, note: str) -> str:
        """Try a parked one again."""
        return _do(lambda client: client.refunds.retry(named("rfd", refund), note=note or None))

    def correct(self, refund: str, *, step: int | None, elsewhere: str, note: str) -> str:
        """Correct how much of one was paid outside."""

        def call(client: Client) -> Refund:
            seen = client.refunds.get(named("rfd", refund)).step if step is None else step
            return client.refunds.correct(named("rfd", refund), step=seen, refunded_elsewhere=elsewhere, note=note)

        return _do(call)


def _do(call: Callable[[Client], Refund]) -> str:
    not_tried()
    with calling() as client:
        return call(client).id
