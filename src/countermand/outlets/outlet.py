"""The ways out: one for each kind of address, all alike."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from countermand.domain.addresses.address import AddressKind
from countermand.domain.delivery import Attempt
from countermand.domain.endpoint import Endpoint
from countermand.domain.events import EventKind
from countermand.reads.events import EventView
from countermand.reads.process_statuses import ProcessView
from countermand.reads.scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice: an event for one reader at one endpoint."""

    endpoint: Endpoint
    reader: Scope
    event: EventView


class Outlet(Protocol):
    """One way out. An attempt never raises: whatever goes wrong is a failed attempt that says so."""

    @property
    def kind(self) -> AddressKind:
        """The addresses that it sends to: how they are checked, and what holds for all of them."""
        ...

    async def send(self, notice: Notice, now: datetime) -> Attempt:
        """Make one attempt to send a notice."""
        ...

    async def test(self, endpoint: Endpoint, message: UUID, now: datetime, kind: EventKind | None = None) -> Attempt:
        """Make one attempt to send a test, whatever the state of the endpoint: with a ``kind``, a sample of it."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


class ProcessOutlet(Outlet, Protocol):
    """The way out to subscriptions. They get messages about process statuses, too."""

    async def send_process(self, endpoint: Endpoint, process: ProcessView, now: datetime) -> Attempt:
        """Make one attempt to say that a process status has become final."""
        ...


class Outlets:
    """All ways out, each found by the address of an endpoint; that of subscriptions by what they are."""

    def __init__(self, *outlets: Outlet, subscriptions: ProcessOutlet) -> None:
        self._by_kind = {outlet.kind.noun: outlet for outlet in outlets}
        self.subscriptions = subscriptions

    def of(self, endpoint: Endpoint) -> Outlet:
        """The way to this endpoint."""
        return self.of_kind(endpoint.kind) if endpoint.subscription is None else self.subscriptions

    def of_kind(self, kind: AddressKind) -> Outlet:
        """The way to endpoints of this kind."""
        return self._by_kind[kind.noun]

    async def close(self) -> None:
        """Let go of every connection."""
        for outlet in self._by_kind.values():
            await outlet.close()
