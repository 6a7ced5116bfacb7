"""Who has a link is taken for its party: what a link opens, if it is one of ours and still good."""

from dataclasses import dataclass
from functools import partial

from countermand.documents.languages import later
from countermand.domain.parties import Actor, PartyKind
from countermand.domain.policy import Policy
from countermand.outlets.links import (
    MAILBOX,
    ExpiredLinkError,
    Links,
    MailboxTicket,
    Ticket,
    UnknownLinkError,
)
from countermand.reads import cancellations as cancellation_reads
from countermand.reads.cancellations import CancellationToAnswer
from countermand.reads.policies import policy_asked_under
from countermand.reads.refunds import RefundFilter, list_refunds
from countermand.reads.scope import Scope as Scoped
from countermand.reads.views import PartyView
from countermand.store.fair_share import reading_party
from countermand.store.row_security import viewer
from countermand.wire.answer.customer import Status
from countermand.wire.answer.errors import expired, unknown_link
from countermand.wire.answer.sentences import Viewer
from countermand.wire.response import Scope
from countermand.wire.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A link that was found good: what it opens, whose it is, and how the cancellation stands."""

    ticket: Ticket
    party: PartyView
    row: CancellationToAnswer
    policy: Policy

    @property
    def viewer(self) -> Viewer:
        """The party that views the page."""
        return Viewer(party=self.party.id, kind=PartyKind(self.party.kind), name=self.party.name)

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
            await self._throttle.wrong(scope)
            raise unknown_link() from None
        except ExpiredLinkError:
            raise expired(
                later("It can no longer be used. If your answer is still due, contact the retailer.")
            ) from None
        await self._throttle.check_link((ticket.party, ticket.cancellation))
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
        party, row = found
        return Opened(ticket=ticket, party=party, row=row, policy=await self._policy(row))

    async def status(self, token: str, scope: Scope) -> Status:
        """What a link shows to a customer.

        Raises:
            PageError: as ``opened``.
            ThrottledError: as ``opened``.
        """
        try:
            ticket = self._links.read_status(token, self._clock())
        except UnknownLinkError:
            await self._throttle.wrong(scope)
            raise unknown_link() from None
        except ExpiredLinkError:
            raise expired(later("It can no longer be used. Ask the shop where you ordered.")) from None
        await self._throttle.check_link((ticket.retailer, ticket.cancellation))
        reading_party.set(ticket.retailer)
        viewer.set(ticket.retailer)
        read = self._database.read
        row = await read(
            partial(
                cancellation_reads.cancellation_for_customer,
                retailer=ticket.retailer,
                cancellation=ticket.cancellation,
            )
        )
        if row is None:
            raise unknown_link()
        retailer = Scoped(party=ticket.retailer, kind=PartyKind.RETAILER)
        refunds = await read(partial(list_refunds, scope=retailer, wanted=RefundFilter(line=row.line_id)))
        mine = [each for each in refunds if each.cancellation_id == ticket.cancellation]
        return Status(row=row, policy=await self._policy(row), refunds=mine)

    async def _policy(self, row: CancellationToAnswer) -> Policy:
        asked_under = partial(
            policy_asked_under,
            retailer=row.retailer_id,
            fulfiller=row.fulfiller_id,
            version=row.policy_version,
            asked_at=row.moved_at or row.asked_at,
        )
        return await self._database.read(asked_under)

    async def mailbox(self, token: str, scope: Scope) -> MailboxTicket:
        """The mailbox that a link confirms.

        Raises:
            PageError: as ``opened``.
            ThrottledError: as ``opened``.
        """
        try:
            ticket = self._links.read_confirmation(token, self._clock())
        except UnknownLinkError:
            await self._throttle.wrong(scope)
            raise unknown_link() from None
        except ExpiredLinkError:
            raise expired(_ASK_AGAIN) from None
        await self._throttle.check_link((ticket.endpoint, MAILBOX))
        reading_party.set(ticket.endpoint)
        viewer.set(None)
        return ticket


_ASK_AGAIN = later("It can no longer be used. Ask the one who registered this mailbox to have a new one sent.")
