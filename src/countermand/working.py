"""A worker and nothing else, beside processes that serve."""

import asyncio
import signal
from collections.abc import Callable

from countermand.app import opened
from countermand.observability.systemd import Systemd
from countermand.observed import observed
from countermand.settings import Settings


async def work(settings: Settings, ready: Callable[[], None] = lambda: None) -> None:
    """Be a worker and nothing else, until SIGTERM or SIGINT; then finish what is under way.

    Raises:
        UnsafeDatabaseError: as ``opened``.
        KeyringError: as ``Application.check_keys``.
        UnobservableError: as ``observed``.
    """
    stopping, manager = asyncio.Event(), Systemd.from_environment()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    async with opened(settings) as application:
        await application.check_keys()
        async with observed(settings, application), manager.watched():
            working = asyncio.create_task(application.worker.run())
            ready()
            manager.ready("Does what is due.")
            await stopping.wait()
            manager.stopping()
            await application.worker.stop()
            working.cancel()
