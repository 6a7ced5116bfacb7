"""What shows a running service to its operator: the port on which Prometheus reads the metrics, and the traces."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from countermand.app import Service
from countermand.health import free_bytes
from countermand.http_server import ConnectionLimits, HttpServer, free_port
from countermand.observability import UnobservableError, metrics, tracing
from countermand.settings import Settings

LIMITS: Final = ConnectionLimits(total=64, per_address=64, idle_s=75.0, header_s=10.0, write_stall_s=10.0)


@asynccontextmanager
async def observed(settings: Settings, application: Service) -> AsyncIterator[None]:
    """Show metrics and send traces while this lasts, as the settings say.

    Raises:
        UnobservableError: the port of the metrics cannot be listened on, or OpenTelemetry is not installed.
    """
    if settings.traces:
        tracing.start()
    try:
        async with _metrics_served(settings, application):
            yield
    finally:
        # Whatever is still to be sent is sent in a thread: a collector that hangs holds up nobody.
        await asyncio.to_thread(tracing.stop)


def watch(application: Service) -> None:
    """Let the metrics read what a service counts."""
    lanes, turns, settings = application.lanes, application.database.turns, application.settings
    metrics.LANE_DEPTH.read_from(lambda: lanes.depth)
    metrics.LANE_DEPTH_MAX.read_from(lambda: lanes.depth_max)
    metrics.READERS.read_from(lambda: turns.taken)
    metrics.READERS_MAX.read_from(lambda: turns.places)
    metrics.READS_WAITING.read_from(lambda: turns.waiting)
    metrics.PARTITIONS_OWNED.read_from(lambda: len(application.worker.partitions.owned))
    metrics.WORKER_LAG_SECONDS.read_from(application.worker.passes.lags_s)
    if settings.sqlite_path:
        metrics.DISK_FREE_BYTES.read_from(lambda: free_bytes(settings) or 0)
    metrics.BUILD_INFO.set(1, version("countermand"), application.database.engine.name)
    metrics.STARTED.set(time.time())


@asynccontextmanager
async def _metrics_served(settings: Settings, application: Service) -> AsyncIterator[None]:
    if not settings.metrics_port:
        yield
        return
    # It takes a fifth of a second to import.
    from countermand.observability.exposition import exposed

    watch(application)
    host, port = settings.metrics_host, settings.metrics_port
    try:
        free_port(host, port)
    except OSError as error:
        raise UnobservableError(f"Port {port} of {host} cannot be used for the metrics: {error.strerror}.") from error
    server = HttpServer(exposed(), host=host, port=port, limits=LIMITS)
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.stop()
        await serving
