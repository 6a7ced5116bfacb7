"""What the demo leaves to be done once its stories are told."""

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from countermand.admin import endpoints, parties
from countermand.admin.finding import EVERYTHING
from countermand.app import opened
from countermand.cli.open_work import ITEMS, RETAILER, SUPPLIER, leave_work
from countermand.domain.parties import Asker, PartyKind
from countermand.ids import system_clock
from countermand.reads.cancellations import CancellationFilter, list_cancellations
from countermand.reads.refunds import RefundFilter, list_refunds
from countermand.settings import Settings

pytestmark = pytest.mark.anyio


async def test_each_party_has_something_to_do(tmp_path: Path) -> None:
    """Each has asks to answer, one of them soon, and an endpoint; the retailer has refunds that wait for a person."""
    loopback: dict[str, Any] = {"webhook_inner_addresses": ["127.0.0.0/8"], "webhook_ports": []}
    settings = Settings(database=f"sqlite:///{tmp_path}/demo.sqlite3", key_file=tmp_path / "keys", **loopback)
    kinds = {RETAILER: PartyKind.RETAILER, SUPPLIER: PartyKind.SUPPLIER}
    async with opened(settings) as application:
        database, ids = application.database, application.ids
        made = {
            name: await database.write(partial(parties.enter, ids=ids, now=application.clock(), kind=kind, name=name))
            for name, kind in kinds.items()
        }
    await leave_work(settings, {name: str(party) for name, party in made.items()})
    soon = system_clock() + timedelta(hours=2)
    async with opened(settings) as application:
        for name, asker in ((RETAILER, Asker.CUSTOMER), (SUPPLIER, Asker.RETAILER)):
            wanted = CancellationFilter(awaiting=made[name], by_due=True)
            waiting = await application.database.read(partial(list_cancellations, scope=EVERYTHING, wanted=wanted))
            assert len(waiting) == sum(
                each.asker is asker and not each.accepted for _, items in ITEMS for each in items
            )
            assert waiting[0].due_at is not None
            assert system_clock() < waiting[0].due_at < soon
            assert await application.database.read(partial(endpoints.of_party, party=made[name]))
        await application.worker.settle_refunds()
        refunds = await application.database.read(lambda c: list_refunds(c, EVERYTHING, RefundFilter()))
        assert sorted(each.state for each in refunds) == ["by_hand", "parked"]
