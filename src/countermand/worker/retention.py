"""What has been kept long enough is deleted, and customers of old orders are erased, in small steps."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import Connection

from countermand.ids import Clock
from countermand.store import retention
from countermand.store.engine import Database
from countermand.store.erasure import erase_customer
from countermand.store.records import partition_of
from countermand.worker.partitions import Partitions

PAUSE_S: Final = 0.05
"""How long a step leaves the database to others before the next one."""
ORDERS_AT_ONCE: Final = 50
FIRST: Final = 0
"""Whoever owns this partition sweeps the tables that have no retailer."""
BY: Final = "retention"

log = structlog.get_logger()


class Retention:
    """Sweeps what belongs to this worker's partitions. ``days`` are the settings; what they do not name stays."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        partitions: Partitions,
        days: Mapping[str, int],
        *,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._partitions = partitions
        self._days = days
        self._pause_s = pause_s

    async def sweep_all(self) -> dict[str, int]:
        """Delete and erase all that is due now. Returns how many rows went, by table, and orders that were erased."""
        done: dict[str, int] = {}
        for sweep in retention.SWEEPS:
            if not sweep.by_retailer and FIRST in self._partitions.owned:
                await self._sweep(sweep, None, done)
        async for retailer in self._retailers():
            for sweep in retention.SWEEPS:
                if sweep.by_retailer:
                    await self._sweep(sweep, retailer, done)
            await self._erase_customers(retailer, done)
        if done:
            log.info("retention", **done)
        return done

    async def _sweep(self, sweep: retention.Sweep, retailer: UUID | None, done: dict[str, int]) -> None:
        before = self._before(sweep.setting)
        if before is None:
            return
        after: retention.Key | None = None
        while True:
            work = partial(retention.purge, sweep=sweep, retailer=retailer, before=before, after=after)
            page = await self._database.write(work)
            if page.deleted:
                done[sweep.table.name] = done.get(sweep.table.name, 0) + page.deleted
            if page.after is None or not self._owns(retailer):
                return
            after = page.after
            await asyncio.sleep(self._pause_s)

    async def _erase_customers(self, retailer: UUID, done: dict[str, int]) -> None:
        before = self._before("customer_days")
        while before is not None and self._owns(retailer):
            erased = await self._database.write(partial(self._erase_some, retailer, before))
            if not erased:
                return
            done["orders"] = done.get("orders", 0) + erased
            await asyncio.sleep(self._pause_s)

    def _erase_some(self, retailer: UUID, before: datetime, connection: Connection) -> int:
        orders = retention.orders_with_customer(connection, retailer, before, ORDERS_AT_ONCE)
        for order in orders:
            erase_customer(connection, order, at=self._clock(), by=BY)
        return len(orders)

    async def _retailers(self) -> AsyncIterator[UUID]:
        """The retailers of the partitions that are owned, as long as they are."""
        after: UUID | None = None
        while True:
            page = await self._database.read(partial(retention.retailers, after=after))
            for retailer in page:
                if self._owns(retailer):
                    yield retailer
            if len(page) < retention.PAGE:
                return
            after = page[-1]

    def _owns(self, retailer: UUID | None) -> bool:
        return (FIRST if retailer is None else partition_of(retailer)) in self._partitions.owned

    def _before(self, setting: str) -> datetime | None:
        days = self._days.get(setting, 0)
        return self._clock() - timedelta(days=days) if days else None
