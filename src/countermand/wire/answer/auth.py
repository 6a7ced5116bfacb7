"""Who has a link is taken for its party: what a link opens, if it is one of ours and still good."""

from dataclasses import dataclass
from functools import partial

from countermand.domain.parties import Actor, PartyKind
from countermand.outlets.links import MAILBOX, ExpiredLinkError, Links, MailboxTicket, Ticket, UnknownLinkError
from countermand.reads import cancellations as cancellation_reads
from countermand.reads.cancellations import CancellationToAnswer
from countermand.reads.views import PartyView
from countermand.store.fair_share import reading_party
from countermand.store.row_security import viewer
from countermand.wire.answer import views
from countermand.wire.answer.errors import expired, unknown_link
from countermand.wire.response import Scope
from countermand.wire.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A link that was found good: what it opens, whose it is, and how the cancellation stands."""

    ticket: Ticket
    party: PartyView
    row: CancellationToAnswer

    @property
    def viewer(self) -> views.Viewer:
        """The party that views the page."""
        return views.Viewer(party=self.party.id, kind=PartyKind(self.party.kind), name=self.party.name)

    @property
    def actor(self) -> Actor:
        """Who acts when the form is sent."""
        name = f"{self.party.name} (link in an e-mail)"
        return Actor(party=self.party.id, kind=PartyKind(self.party.kind), name=name)


class LinkReader:
    """Reads links, and counts how often each is used and how often somebody makes one up."""

    def __init__(self, services: Services, links: Links) -> None:
        self._database, self._clock, self._throttle = services.database, services.clock, services.throttle
        self._links = links

    async def opened(self, token: str, scope: Scope) -> Opened:
        """What a link to a cancellation opens. What is read from then on counts as its party's.

        Raises:
            PageError: it is none, or has expired.
            ThrottledError: it was used too often, or too many wrong ones came from its address.
        """
        try:
            ticket = self._links.read(token, self._clock())
        except UnknownLinkError:
            self._throttle.wrong(scope)
            raise unknown_link() from None
        except ExpiredLinkError:
            raise expired("It can no longer be used. If your answer is still due, contact the retailer.") from None
        self._throttle.check_link((ticket.party, ticket.cancellation))
        reading_party.set(ticket.party)
        viewer.set(None)
        opened = await self.found(ticket)
        viewer.set(None if opened.viewer.kind is PartyKind.PLATFORM else ticket.party)
        return opened

    async def found(self, ticket: Ticket) -> Opened:
        """What this ticket is about, as it stands now.

        Raises:
            PageError: it is not there.
        """
        found = await self._database.read(
            partial(
                cancellation_reads.cancellation_to_answer,
                party=ticket.party,
                retailer=ticket.retailer,
                cancellation=ticket.cancellation,
            )
        )
        if found is None:
            raise unknown_link()
        return Opened(ticket=ticket, party=found[0], row=found[1])

    def mailbox(self, token: str, scope: Scope) -> MailboxTicket:
        """The mailbox that a link confirms.

        Raises:
            PageError: as ``opened``.
            ThrottledError: as ``opened``.
        """
        try:
            ticket = self._links.read_confirmation(token, self._clock())
        except UnknownLinkError:
            self._throttle.wrong(scope)
            raise unknown_link() from None
        except ExpiredLinkError:
            raise expired(_ASK_AGAIN) from None
        self._throttle.check_link((ticket.endpoint, MAILBOX))
        reading_party.set(ticket.endpoint)
        viewer.set(None)
        return ticket


_ASK_AGAIN = "It can no longer be used. Ask the one who registered this mailbox to have a new one sent."
