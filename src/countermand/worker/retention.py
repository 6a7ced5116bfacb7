"""What has been kept long enough is deleted, and customers of old orders are erased, in small steps."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import Connection

from countermand.admin.endpoints import PREFIX
from countermand.domain.endpoint import WAITS_UNCONFIRMED
from countermand.ids import Clock, show
from countermand.observability import metrics
from countermand.store import outbox, retention
from countermand.store.codecs import partition_of
from countermand.store.engines.protocol import Database
from countermand.store.erasure import erase_customer
from countermand.worker.leases import Partitions

PAUSE_S: Final = 0.05
"""How long a step leaves the database to others before the next one."""
ORDERS_AT_ONCE: Final = 50
GIVEN_UP_AT_ONCE: Final = 100
FIRST: Final = 0
"""The owner of this partition sweeps the tables that have no retailer."""
BY: Final = "retention"

_COUNTED_MAX: Final = 1_000
_UNCONFIRMED: Final = f"The mailbox was not confirmed within {WAITS_UNCONFIRMED.days} days."

log = structlog.get_logger()


def _give_up_some(endpoint: UUID, before: datetime, connection: Connection) -> int:
    old = [row for row in outbox.first_waiting(connection, endpoint, GIVEN_UP_AT_ONCE) if row.created_at < before]
    outbox.mark_dead(connection, old, _UNCONFIRMED)
    return len(old)


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
        if FIRST in self._partitions.owned:
            await self._look_after_unconfirmed(done)
        async for owner in self._owners():
            for sweep in retention.SWEEPS:
                if sweep.by_retailer and (owner.is_retailer or sweep.of_all):
                    await self._sweep(sweep, owner.id, done)
            if owner.is_retailer:
                await self._erase_customers(owner.id, done)
        for table, rows in done.items():
            metrics.RETENTION_ROWS.add(table, by=rows)
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

    async def _look_after_unconfirmed(self, done: dict[str, int]) -> None:
        """Notices do not wait for ever for a mailbox to be confirmed, and nobody shall wonder where they are."""
        before = self._clock() - WAITS_UNCONFIRMED
        for row in await self._database.read(outbox.unconfirmed):
            given_up = 0
            while number := await self._database.write(partial(_give_up_some, row.id, before)):
                given_up += number
                await asyncio.sleep(self._pause_s)
            waiting = await self._database.read(partial(outbox.first_waiting, endpoint=row.id, most=_COUNTED_MAX))
            if given_up or waiting:
                whose = {"endpoint": show(PREFIX, row.id), "party": str(row.party_id)}
                log.warning("mailbox_unconfirmed", **whose, waiting=len(waiting), given_up=given_up)
            if given_up:
                done["notices_given_up"] = done.get("notices_given_up", 0) + given_up

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

    async def _owners(self) -> AsyncIterator[retention.Owner]:
        """The parties of the partitions that are owned, as long as they are."""
        after: UUID | None = None
        while True:
            page = await self._database.read(partial(retention.owners, after=after))
            for owner in page:
                if self._owns(owner.id):
                    yield owner
            if len(page) < retention.PAGE:
                return
            after = page[-1].id

    def _owns(self, retailer: UUID | None) -> bool:
        return (FIRST if retailer is None else partition_of(retailer)) in self._partitions.owned

    def _before(self, setting: str) -> datetime | None:
        days = self._days.get(setting, 0)
        return self._clock() - timedelta(days=days) if days else None
