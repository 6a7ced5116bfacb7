"""Six calls on their way through the service, traced: ``python -m tests.support.routes`` prints where they go."""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import httpx2

from countermand.domain.commands import CancelOwn
from countermand.domain.money.commands import Movement
from countermand.domain.orders import PlaceOrder
from countermand.domain.reasons import CancelReason
from countermand.ids import show
from countermand.service.calls import Done
from countermand.worker import Worker
from tests.money.test_settling import worker_of
from tests.payments.conftest import adapter
from tests.support import templates
from tests.support.money import place_paid, rows_of
from tests.support.payments.ledger import Ledger
from tests.support.payments.server import Fake
from tests.support.tracing import Route, Tracer
from tests.support.world import Clock, World, populate, running
from tests.wire.bol_plaza.calling import Seller, cancel_path, cancellation, new_seller

CRUX_CANCEL: Final = "CRUX `DELETE /orders/items/cancel/{id}/`"
PLAZA_CANCEL: Final = "Plaza `PUT /order-items/v2/{id}/cancellation`"
ASK: Final = "native `POST /v1/cancellations`"
ACCEPT: Final = "native `POST /v1/cancellations/{id}/accept`"
LOOK: Final = "native `GET /v1/cancellations/{id}`"
REFUND: Final = "a refund, from the decision to the provider"

SETTINGS: Final[dict[str, Any]] = {"credential_cache_s": 60}
"""As the service comes: a credential is looked up once, and remembered."""


async def traced(folder: Path) -> dict[str, Route]:
    """The route of each call. Each has been made once before, so that nothing is read for the first time."""
    clock, tracer = Clock(), Tracer()
    with tracer.installed():
        async with running(templates.filled_file(folder / "traced.sqlite3"), clock, **SETTINGS) as application:
            world = await populate(application, clock)
            async with world.client() as http:
                return await _routes(world, http, tracer)


async def _routes(world: World, http: httpx2.AsyncClient, tracer: Tracer) -> dict[str, Route]:
    seller = await new_seller(world, http)
    routes: dict[str, Route] = {}

    async def follow(name: str, call: Callable[[Any], Awaitable[None]], *prepared: Any) -> None:
        first, second = prepared
        await call(first)
        with tracer.tracing() as routes[name]:
            await call(second)

    async def native(method: str, path: str, who: UUID, body: Any = None) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {world.tokens[who]}"}
        response = await http.request(method, f"/v1/cancellations{path}", headers=headers, json=body)
        assert response.is_success, response.text
        return response

    async def crux_cancel(order: PlaceOrder) -> None:
        path = f"/orders/items/cancel/{order.lines[0].id}/"
        assert (await http.delete(path, headers=world.token(world.retailer))).status_code == 204

    async def plaza_cancel(made: tuple[str, dict[str, str]]) -> None:
        path, headers = made
        assert (await http.put(path, headers=headers, content=cancellation())).status_code == 200

    async def ask(order: PlaceOrder) -> None:
        await native("POST", "", world.retailer, {"asker": "retailer", "lines": [{"line": str(order.lines[0].id)}]})

    async def accept(of: UUID) -> None:
        await native("POST", f"/{show('can', of)}/accept", world.supplier, {"step": 1})

    async def look(of: UUID) -> None:
        await native("GET", f"/{show('can', of)}", world.retailer)

    await follow(CRUX_CANCEL, crux_cancel, *[await world.order(2) for _ in range(2)])
    await follow(PLAZA_CANCEL, plaza_cancel, *[await _signed(seller) for _ in range(2)])
    await follow(ASK, ask, *[await world.order(2) for _ in range(2)])
    asked = await world.application.database.read(_asked)
    await follow(ACCEPT, accept, *asked[:2])
    await follow(LOOK, look, *asked[:2])
    await _follow_refund(world, follow)
    return routes


def _asked(connection: Any) -> list[UUID]:
    from sqlalchemy import select

    from countermand.store.tables import cancellations

    waiting = select(cancellations.c.id).where(cancellations.c.state == "asked").order_by(cancellations.c.id)
    return list(connection.execute(waiting).scalars())


async def _signed(seller: Seller) -> tuple[str, dict[str, str]]:
    _, number = await seller.line(2)
    return cancel_path(number), seller.signed("PUT", cancel_path(number))


async def _follow_refund(world: World, follow: Callable[..., Awaitable[None]]) -> None:
    async with Fake(ledger=Ledger(clock=world.clock)) as fake:
        provider = adapter("stripe", fake.url, world.clock)
        worker = worker_of(world, provider)
        await worker.renew_leases()
        orders = [await _paid(world, fake, f"pi_{number}") for number in range(2)]

        async def refund(order: PlaceOrder) -> None:
            await _cancel_and_settle(world, worker, order)

        await follow(REFUND, refund, *orders)
        states = [row.state for row in await rows_of(world, "refunds")]
        assert states == [Movement.CONFIRMED.value] * 2, states
        await provider.close()


async def _paid(world: World, fake: Fake, payment: str) -> PlaceOrder:
    fake.ledger.pay(payment, "27.00")
    return await place_paid(world, payments=[{"provider": "stripe", "reference": payment, "captured": "27"}])


async def _cancel_and_settle(world: World, worker: Worker, order: PlaceOrder) -> None:
    reason = CancelReason.OUT_OF_STOCK
    command = CancelOwn(line=order.lines[0].id, actor=world.actor(world.supplier), units=1, reason=reason)
    assert isinstance(await world.submit(command), Done)
    # As the loops of the worker do it; its leases are renewed by another loop.
    for at in worker.refunds.groups:
        await worker.refunds.settle_all(at)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        routes = asyncio.run(traced(Path(folder)))
    for name, route in routes.items():
        print(f"{name}: {len(route.files)} files, {len(route.moves)} moves")
        if "--moves" in sys.argv:
            print(*(f"  {move.source or '·'} -> {move.file} {move.function}" for move in route.moves), sep="\n")
        elif "--files" in sys.argv:
            print(*(f"  {file}" for file in route.files), sep="\n")


if __name__ == "__main__":
    main()
