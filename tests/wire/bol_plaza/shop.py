"""A real server with a shop in it: a retailer that calls by both of bol's APIs, a supplier, and order items of both."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, update

from countermand.admin import credentials, parties
from countermand.admin.callers import PLATFORM
from countermand.admin.credentials import ClientCredentials, PlazaKey
from countermand.app import opened
from countermand.documents.orders import LineIn, OrderIn, place
from countermand.domain.parties import Actor, PartyKind
from countermand.reads import orders as order_reads
from countermand.reads.parties import find_party
from countermand.service.calls import Call, Done
from countermand.settings import Settings
from countermand.store import tables as t
from tests.seeds.serving import serving
from tests.support import templates

SEED_ITEM = 206605326
"""The order item of the seed page's example."""


@dataclass(frozen=True, kw_only=True)
class Shop:
    """``own`` are numbers of items that the retailer holds itself, ``suppliers`` of those that the supplier holds."""

    url: str
    database: str
    key: PlazaKey
    client: ClientCredentials
    platform_token: str
    supplier_token: str
    own: list[int]
    suppliers: list[int]
    lines: dict[int, str]


@contextmanager
def serving_shop(folder: Path, *, items: int = 6, **environment: str) -> Iterator[Shop]:
    """The first of ``own`` is the item of the seed's example."""
    database = f"sqlite:///{folder}/shop.sqlite3"
    templates.fill_if_absent(database)
    made = asyncio.run(_fill(database, items))
    with serving(database, folder / "server.log", **environment) as server:
        yield Shop(url=f"http://127.0.0.1:{server.port}", database=database, **made)


async def _fill(database: str, items: int) -> dict[str, Any]:
    async with opened(Settings(database=database)) as application:
        ids, now = application.ids, application.clock()

        def people(connection: Connection) -> dict[str, Any]:
            retailer = parties.enter(connection, ids, now, kind=PartyKind.RETAILER, name="Fine Shoes")
            supplier = parties.enter(connection, ids, now, kind=PartyKind.SUPPLIER, name="Alpine")
            row = find_party(connection, str(retailer))
            token = partial(credentials.issue_token, connection, ids, now)
            connection.execute(update(t.number_blocks).values(next_number=SEED_ITEM - 1))
            return {
                "retailer": retailer,
                "supplier": supplier,
                "key": credentials.issue_plaza_key(connection, ids, application.keyring, now, party=row),
                "client": credentials.issue_client(connection, ids, now, party=row),
                "platform_token": token(party=find_party(connection, str(PLATFORM))),
                "supplier_token": token(party=find_party(connection, str(supplier))),
            }

        made = await application.database.write(people)
        retailer, supplier = made.pop("retailer"), made.pop("supplier")
        for holder, name in ((retailer, "own"), (supplier, "suppliers")):
            lines = [LineIn(sku=f"{name}-{number}", units=2, supplier="other") for number in range(items)]
            order = OrderIn(retailer="me", reference=name, lines=lines)
            who = {"me": retailer, "other": holder}
            actor = Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="test")
            command = place(order, actor=actor, party=who.__getitem__, ids=ids, now=now)
            assert isinstance(await application.lanes.submit(Call(command=command, door="test")), Done)
        listed = await application.database.read(partial(order_reads.open_orders, retailer=retailer, start=0, count=10))
        for view in listed:
            made[view.row.reference] = [line.number for line in view.lines]
        made["lines"] = {line.number: str(line.id) for view in listed for line in view.lines}
        return made
