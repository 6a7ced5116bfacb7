"""A service without its APIs: the write road and the worker, wired from the settings."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from countermand import road
from countermand.ids import Clock, system_clock
from countermand.outlets.event_stream import EventStream
from countermand.outlets.links import Links
from countermand.outlets.outlet import Outlets
from countermand.outlets.registry import open_event_stream, open_outlets
from countermand.payments.provider import Provider
from countermand.payments.registry import open_providers
from countermand.reads.arrivals import Arrivals
from countermand.road import Application
from countermand.settings import Settings
from countermand.store.engines.protocol import Pair
from countermand.store.hints import Hints
from countermand.wire.auth import CredentialUses
from countermand.wire.rates import SharedQuotas
from countermand.worker import Worker
from countermand.worker.courier import Couriers
from countermand.worker.notices import Courier


@dataclass(frozen=True, slots=True, kw_only=True)
class Service(Application):
    """A running service without its doors and sockets."""

    links: Links
    worker: Worker
    providers: Mapping[str, Provider]
    arrivals: Arrivals
    outlets: Outlets
    uses: CredentialUses
    shared_quotas: SharedQuotas | None
    """``None`` where one process works on the database: it counts by itself."""


@asynccontextmanager
async def opened(
    settings: Settings,
    clock: Clock = system_clock,
    *,
    creates: bool = True,
    courier: Courier | None = None,
    worker: str = "",
    former_worker: str = "",
) -> AsyncIterator[Service]:
    """Open the database, the write road and the worker; let go of all at the end, when every call has its outcome.

    With ``creates`` a database that is not there, or empty, is made.
    ``courier`` takes notices to where they go, if not over the network. ``worker`` is the name of this one, and
    ``former_worker`` that of one whose place it takes, and which is known to be dead.

    Raises:
        UnsafeDatabaseError: the database would lose what was acknowledged, or its schema is not this version's.
    """
    providers, stream = open_providers(settings, clock), open_event_stream(settings)
    try:
        async with road.opened(settings, clock, creates=creates) as base:
            service, network = _wired(base, providers, courier, stream, worker, former_worker)
            async with _reporting(service):
                yield service
            service.arrivals.close()
            await service.lanes.drain()
            await service.uses.settle()
            if service.shared_quotas is not None:
                await service.shared_quotas.settle()
            # Its last commits woke the worker, which may never have run.
            await service.worker.notices.finish(0)
            await network.close()
    finally:
        for provider in providers.values():
            await provider.close()
        if stream:
            await stream.close()


@asynccontextmanager
async def _reporting(service: Service) -> AsyncIterator[None]:
    """After each commit, wake whoever waits for one: in this process, and by hints in the others."""
    worker, arrivals, channel = service.worker, service.arrivals, service.database.channel()
    if channel is None:
        service.lanes.report_to(wake=worker.wake, committed=arrivals.announce)
        yield
        return
    hints = Hints(channel, wake=worker.wake, committed=arrivals.announce)

    def wake(pairs: Collection[Pair]) -> None:
        worker.wake(pairs)
        hints.tell(pair for pair in pairs if worker.partitions.fence(pair[0]) is None)

    def committed() -> None:
        arrivals.announce()
        hints.tell()

    service.lanes.report_to(wake=wake, committed=committed)
    hints.begin()
    try:
        yield
    finally:
        await hints.end()


def _wired(
    base: Application,
    providers: Mapping[str, Provider],
    courier: Courier | None,
    stream: EventStream | None,
    name: str,
    former: str,
) -> tuple[Service, Couriers]:
    settings, clock, keyring = base.settings, base.clock, base.keyring
    links = Links(keyring, settings.base_url, days=settings.answer_link_days)
    outlets, email = open_outlets(settings, keyring=keyring, links=links, clock=clock, database=base.database)
    network = Couriers(outlets, email, links=links, clock=clock, source=settings.base_url)
    worker = Worker(
        base.database,
        base.lanes,
        courier or network,
        clock,
        at_once=settings.worker_sends,
        lease_s=settings.worker_lease_s,
        providers=providers,
        watch_refunds=timedelta(days=settings.refund_check_days),
        keep_days=settings.retention,
        score_zone=settings.score_zone,
        stream=stream,
        stream_keep=settings.nats_keep,
        source=settings.base_url,
        name=name,
        former=former,
    )
    service = Service(
        settings=settings,
        database=base.database,
        lanes=base.lanes,
        ids=base.ids,
        clock=clock,
        keyring=keyring,
        links=links,
        worker=worker,
        providers=providers,
        arrivals=Arrivals(base.database),
        outlets=outlets,
        uses=CredentialUses(base.database, clock),
        shared_quotas=None if base.database.engine.one_writer else SharedQuotas(base.database, clock),
    )
    return service, network
