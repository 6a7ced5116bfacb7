"""A service without its APIs: the write road and the worker, wired from the settings."""

from collections.abc import AsyncIterator, Mapping
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
from countermand.wire.auth import CredentialUses
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


@asynccontextmanager
async def opened(
    settings: Settings,
    clock: Clock = system_clock,
    *,
    creates: bool = True,
    courier: Courier | None = None,
) -> AsyncIterator[Service]:
    """Open the database, the write road and the worker; let go of all at the end, when every call has its outcome.

    With ``creates`` a database that is not there, or empty, is made.
    ``courier`` takes notices to where they go, if not over the network.

    Raises:
        UnsafeDatabaseError: the database would lose what was acknowledged, or its schema is not this version's.
    """
    providers, stream = open_providers(settings, clock), open_event_stream(settings)
    try:
        async with road.opened(settings, clock, creates=creates) as base:
            service, network = _wired(base, providers, courier, stream)
            service.lanes.report_to(wake=service.worker.wake, committed=service.arrivals.announce)
            yield service
            service.arrivals.close()
            await service.lanes.drain()
            await service.uses.settle()
            await network.close()
    finally:
        for provider in providers.values():
            await provider.close()
        if stream:
            await stream.close()


def _wired(
    base: Application, providers: Mapping[str, Provider], courier: Courier | None, stream: EventStream | None
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
    )
    return service, network
