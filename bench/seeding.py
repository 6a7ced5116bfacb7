"""Orders in an empty database, put there by the service's own write road, many to a transaction."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from uuid import UUID

from sqlalchemy import Connection, select

from countermand.admin import credentials, parties
from countermand.admin.callers import PLATFORM
from countermand.admin.credentials import PlazaKey
from countermand.app import Service, opened
from countermand.domain.orders import NewLine, PlaceOrder
from countermand.domain.parties import Actor, PartyKind
from countermand.ids import Ids
from countermand.reads.parties import find_party
from countermand.service.batch import run_batch
from countermand.service.calls import Call, Done
from countermand.service.numbers import numbers_needed
from countermand.service.workspace import LaneState
from countermand.settings import Settings
from countermand.store import tables
from countermand.wire.bol_retailer.auth import AccessTokens

ORDERS_A_TRANSACTION = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Trader:
    """A party that calls, with its token and its Plaza key."""

    party: UUID
    token: str
    plaza_key: PlazaKey
    access_token: str
    """Of bol's Retailer API; it counts for five minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlantedOrder:
    """An order that waits to be cancelled: its lines and how many units each has."""

    id: UUID
    retailer: Trader
    supplier: Trader
    lines: tuple[UUID, ...]
    units: tuple[int, ...]
    numbers: tuple[int, ...] = ()


def plant(
    url: str,
    *,
    orders: int,
    lines: int,
    retailers: int = 50,
    suppliers: int = 10,
    units_max: int = 1,
    seed: int = 1,
    group: str = "",
    keys: Path | None = None,
) -> list[PlantedOrder]:
    """Bring the schema up to date and place ``orders`` orders of ``lines`` lines each, spread over the retailers.

    Those of another ``group`` have other names, so that it can be done again.
    """
    settings = Settings(database=url, key_file=keys, read_timeout_s=0)
    return asyncio.run(_plant(settings, orders, lines, retailers, suppliers, units_max, Random(seed), group))


async def _plant(
    settings: Settings,
    orders: int,
    lines: int,
    retailers: int,
    suppliers: int,
    units_max: int,
    dice: Random,
    group: str,
) -> list[PlantedOrder]:
    async with opened(settings) as application:
        sellers = await _traders(application, PartyKind.RETAILER, retailers, group)
        holders = await _traders(application, PartyKind.SUPPLIER, suppliers, group)
        clock = _PastClock()
        ids = Ids(clock, dice)
        planted = [
            PlantedOrder(
                id=ids.new(),
                retailer=sellers[number % retailers],
                supplier=dice.choice(holders),
                lines=tuple(ids.new() for _ in range(lines)),
                units=tuple(dice.randint(1, units_max) for _ in range(lines)),
            )
            for number in range(orders)
        ]
        state = LaneState(application.database.engine)
        for first in range(0, orders, ORDERS_A_TRANSACTION):
            some = planted[first : first + ORDERS_A_TRANSACTION]
            calls = [
                Call(command=_command(order, clock()), door="bench", retailer=order.retailer.party) for order in some
            ]

            def place(connection: Connection, calls: Sequence[Call] = calls) -> bool:
                lacking = state.numbers.lacking(numbers_needed(calls))
                if lacking:
                    state.numbers.reserve(connection, lacking)
                done = run_batch(connection, calls, clock(), ids.new, state).outcomes
                return all(isinstance(each, Done) for each in done)

            if not await application.database.write(place):
                raise RuntimeError("an order was refused")
        numbered = await application.database.read(partial(_numbers_of_lines, sellers=sellers))
        return [replace(order, numbers=tuple(numbered[line] for line in order.lines)) for order in planted]


def platform_token(url: str, keys: Path) -> str:
    """A new token of the platform."""

    async def made() -> str:
        async with opened(Settings(database=url, key_file=keys)) as application:
            ids, now = application.ids, application.clock()
            return await application.database.write(
                lambda connection: credentials.issue_token(
                    connection, ids, now, party=find_party(connection, str(PLATFORM))
                )
            )

    return asyncio.run(made())


def _numbers_of_lines(connection: Connection, sellers: Sequence[Trader]) -> dict[UUID, int]:
    lines = tables.lines.c
    mine = select(lines.id, lines.number).where(lines.retailer_id.in_([each.party for each in sellers]))
    return {row.id: row.number for row in connection.execute(mine)}


async def _traders(application: Service, kind: PartyKind, count: int, group: str) -> list[Trader]:
    def add(connection: Connection) -> list[Trader]:
        ids, now = application.ids, application.clock()
        added = [parties.enter(connection, ids, now, kind=kind, name=f"{kind.value} {group}{n}") for n in range(count)]
        return [
            Trader(
                party=party,
                token=credentials.issue_token(connection, ids, now, party=find_party(connection, str(party))),
                access_token=_access_token(connection, application, party),
                plaza_key=credentials.issue_plaza_key(
                    connection, ids, application.keyring, now, party=find_party(connection, str(party))
                ),
            )
            for party in added
        ]

    return await application.database.write(add)


def _access_token(connection: Connection, application: Service, party: UUID) -> str:
    row = find_party(connection, str(party))
    client = credentials.issue_client(connection, application.ids, application.clock(), party=row)
    return AccessTokens(application.keyring).make(client.id, datetime.now(UTC))


class _PastClock:
    """Starts a day ago and goes on by a millisecond with every look, so that ids are spread as real ones are."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC) - timedelta(days=1)

    def __call__(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now


def _command(order: PlantedOrder, now: datetime) -> PlaceOrder:
    return PlaceOrder(
        id=order.id,
        actor=Actor(party=order.retailer.party, kind=PartyKind.RETAILER, name="bench"),
        retailer=order.retailer.party,
        reference=f"PO-{order.id.hex[-8:]}",
        placed_at=now,
        lines=tuple(
            NewLine(id=line, fulfiller=order.supplier.party, sku=f"SKU-{line.hex[-3:]}", units=units, details={})
            for line, units in zip(order.lines, order.units, strict=True)
        ),
        details={},
    )
