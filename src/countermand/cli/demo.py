"""The main job, played through over real HTTP against a real server on a fresh database."""

import asyncio
import json as json_module
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx2
from cyclopts import Parameter
from sqlalchemy import Connection

from countermand import parties, reads, story
from countermand.app import Application, configure_logging, opened
from countermand.app import serve as serve_app
from countermand.cli.orders import DOOR, EVERYTHING, operator
from countermand.cli.output import Exit, fail, say
from countermand.cli.running import read_settings, run
from countermand.domain.commands import PartyKind
from countermand.ordering import OrderIn, place
from countermand.service import Call
from countermand.settings import Settings


@dataclass(kw_only=True)
class Cast:
    """Who plays, with what."""

    base_url: str
    database: str
    parties: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)


def demo(
    *,
    port: int = 8765,
    once: Annotated[
        bool, Parameter(negative=(), help="End after the story, with exit code 0 if it went as told")
    ] = False,
    json: Annotated[Path | None, Parameter(help="Write base URL, tokens and ids to this file")] = None,
) -> None:
    """Show how a retailer cancels and a supplier answers, on a fresh database, then stay up to be tried.

    Parameters
    ----------
    port
        Port to listen on.
    """
    configure_logging("error")
    with tempfile.TemporaryDirectory(prefix="countermand-demo-") as folder:
        url = f"sqlite:///{folder}/demo.sqlite3"
        settings = read_settings(database=url, host="127.0.0.1", port=port)
        run(_play(settings, once=once, file=json))


async def _play(settings: Settings, *, once: bool, file: Path | None) -> None:
    cast = await _prepare(settings)
    ready = asyncio.Event()
    server = asyncio.create_task(serve_app(settings, lambda _: ready.set()))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({server, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        waiting.cancel()
        await server
        fail(Exit.TRY_LATER, "not_started", f"The server did not start on port {settings.port}.")
    if file:
        await asyncio.to_thread(file.write_text, json_module.dumps(cast.__dict__, indent=2))
    try:
        failures = await _Story(cast).tell()
        if failures:
            fail(Exit.FAILED, "not_as_told", f"{failures} steps did not go as told.")
        if not once:
            _explain(cast)
            await server
    finally:
        if not server.done():
            signal.raise_signal(signal.SIGTERM)
            await server


async def _prepare(settings: Settings) -> Cast:
    """A retailer, two suppliers, a dozen orders of several lines."""
    cast = Cast(base_url=f"http://{settings.host}:{settings.port}", database=settings.database)
    async with opened(settings) as application:
        await application.database.write(lambda connection: _add_parties(connection, application, cast))
        names = {name: UUID(party) for name, party in cast.parties.items()}
        for order in _orders():
            now = application.clock()
            command = place(order, actor=operator(), party=names.__getitem__, ids=application.ids, now=now)
            await application.lanes.submit(Call(command=command, door=DOOR, retailer=command.retailer))
            lines = [
                {"line": str(line.id), "sku": line.sku, "units": line.units, "supplier": each.supplier}
                for line, each in zip(command.lines, order.lines, strict=True)
            ]
            cast.orders.append({"order": str(command.id), "reference": command.reference, "lines": lines})
    return cast


def _add_parties(connection: Connection, application: Application, cast: Cast) -> None:
    now = application.clock()
    for name, kind in (
        ("Fine Shoes", PartyKind.RETAILER),
        ("Alpine Supply", PartyKind.SUPPLIER),
        ("Harbour Goods", PartyKind.SUPPLIER),
    ):
        party = parties.add_party(connection, application.ids, now, kind=kind, name=name)
        row = parties.find_party(connection, str(party))
        cast.parties[name] = str(party)
        cast.tokens[name] = parties.create_token(connection, application.ids, now, party=row, label="demo")


def _orders() -> list[OrderIn]:
    goods = [("boot-42", "Hiking boot", "89.95"), ("lace-red", "Red laces", "4.50"), ("wax-100", "Wax, 100 ml", "7.25")]
    suppliers = ("Alpine Supply", "Harbour Goods")
    return [
        OrderIn.model_validate(
            {
                "retailer": "Fine Shoes",
                "reference": f"PO-{1001 + number}",
                "shipping_address": {
                    "last_name": f"Customer {number + 1}",
                    "street": "Main Street",
                    "house_number": str(number + 1),
                    "postcode": "1000 AA",
                    "city": "Amsterdam",
                    "country": "NL",
                },
                "lines": [
                    {
                        "sku": sku,
                        "title": title,
                        "unit_price": price,
                        "units": 1 + (number + place) % 3,
                        "supplier": suppliers[(number + place) % 2],
                    }
                    for place, (sku, title, price) in enumerate(goods)
                ],
            }
        )
        for number in range(12)
    ]


class _Story:
    """The steps, each said in a line and checked."""

    def __init__(self, cast: Cast) -> None:
        self._cast = cast
        self._failures = 0
        self._http = httpx2.AsyncClient(base_url=cast.base_url, timeout=10, trust_env=False)

    async def tell(self) -> int:
        """Play it. Returns how many steps did not go as told."""
        async with self._http:
            await self._retailer_cancels_supplier_confirms()
            await self._supplier_rejects()
            await self._shipped_cannot_be_cancelled()
        await self._show_timeline()
        return self._failures

    async def _retailer_cancels_supplier_confirms(self) -> None:
        order, line = self._line(0, 0)
        supplier = line["supplier"]
        self._title(f"Fine Shoes cancels {line['sku']} of {order['reference']}; {supplier} confirms")
        path = f"/orders/items/cancel/{line['line']}/"
        await self._step("the retailer asks to cancel the item", "DELETE", path, "Fine Shoes", 204)
        await self._step("a client that lost the answer asks again: the same ask", "DELETE", path, "Fine Shoes", 204)
        shown = await self._step(
            "order detail: no status of CRUX tells of an ask", "GET", f"/orders/{order['order']}/", "Fine Shoes", 200
        )
        self._check("the item is shown as before", shown["line_items"][0]["status"], "Unallocated")
        asked = await self._step(
            f"{supplier} looks for what awaits its answer", "GET", "/v1/cancellations?awaiting_me=true", supplier, 200
        )
        self._check("it finds one ask, about this item", [c["line"] for c in asked["cancellations"]], [line["line"]])
        confirm = f"/timp/orders/items/cancel/{line['line']}/confirm/"
        await self._step(f"{supplier} confirms", "PATCH", confirm, supplier, 204)
        shown = await self._step("order detail again", "GET", f"/orders/{order['order']}/", "Fine Shoes", 200)
        self._check("now the item is cancelled", shown["line_items"][0]["status"], "Cancelled")
        await self._step("the retailer cancels it once more: refused", "DELETE", path, "Fine Shoes", 422)

    async def _supplier_rejects(self) -> None:
        order, line = self._line(1, 1)
        supplier = line["supplier"]
        self._title(f"Fine Shoes cancels {line['sku']} of {order['reference']}; {supplier} rejects")
        path = f"/orders/items/cancel/{line['line']}/"
        await self._step("the retailer asks to cancel the item", "DELETE", path, "Fine Shoes", 204)
        reject = f"/timp/orders/items/cancel/{line['line']}/reject/"
        await self._step(f"{supplier} rejects: the item stays on order", "PATCH", reject, supplier, 204)

    async def _shipped_cannot_be_cancelled(self) -> None:
        order, line = self._line(2, 0)
        supplier = line["supplier"]
        self._title(f"{supplier} ships {line['sku']} of {order['reference']}; Fine Shoes is too late")
        parcel = {
            "tracking_number": "3SABCD0001",
            "supplier_provided_carrier": "Parcel Post",
            "line_items": [{"line_item_uuid": line["line"], "quantity_shipped": line["units"]}],
        }
        path = f"/timp/orders/tracking/{order['order']}/"
        await self._step(f"{supplier} reports the parcel", "POST", path, supplier, 201, parcel)
        refused = await self._step(
            "the retailer asks to cancel: refused, it has shipped",
            "DELETE",
            f"/orders/items/cancel/{line['line']}/",
            "Fine Shoes",
            422,
        )
        self._check("the refusal has a name", refused["code"], "already_shipped")

    async def _show_timeline(self) -> None:
        self._title("The audit trail of the first item")
        _, line = self._line(0, 0)
        for event in await self._read(lambda connection: reads.timeline(connection, EVERYTHING, UUID(line["line"]))):
            print(f"  {event.at:%H:%M:%S}  {story.sentence(event)}  [{story.state(event)}]")

    async def _read(self, question: Callable[[Connection], Any]) -> Any:
        async with opened(read_settings(database=self._cast.database)) as application:
            return await application.database.read(question)

    async def _step(
        self, what: str, method: str, path: str, who: str, expected: int, body: Any = None
    ) -> Any:  # fmt: skip
        scheme = "Bearer" if path.startswith("/v1/") else "Token"
        headers = {"Authorization": f"{scheme} {self._cast.tokens[who]}"}
        answer = await self._http.request(method, path, headers=headers, json=body)
        self._told(f"{what}\n      {method} {path} -> {answer.status_code}", answer.status_code == expected)
        if answer.status_code != expected:
            say(f"      expected {expected}: {answer.text}")
        return answer.json() if answer.content else None

    def _check(self, what: str, found: Any, expected: Any) -> None:
        self._told(what, found == expected)
        if found != expected:
            say(f"      expected {expected!r}, found {found!r}")

    def _told(self, what: str, as_told: bool) -> None:
        print(f"  {'ok  ' if as_told else 'FAIL'} {what}", flush=True)
        self._failures += not as_told

    def _title(self, text: str) -> None:
        print(f"\n{text}", flush=True)

    def _line(self, order: int, line: int) -> tuple[dict[str, Any], dict[str, Any]]:
        chosen = self._cast.orders[order]
        return chosen, chosen["lines"][line]


def _explain(cast: Cast) -> None:
    order = cast.orders[5]
    line = order["lines"][0]
    supplier = line["supplier"]
    base = cast.base_url
    print(
        f"""
The service stays up on {base}. Try it (Ctrl-C ends it, and its data is gone):

  # the retailer cancels {line["sku"]} of {order["reference"]}
  curl -i -X DELETE {base}/orders/items/cancel/{line["line"]}/ \\
       -H 'Authorization: Token {cast.tokens["Fine Shoes"]}'

  # {supplier} sees what awaits its answer, and confirms
  curl -s '{base}/v1/cancellations?awaiting_me=true' -H 'Authorization: Bearer {cast.tokens[supplier]}'
  curl -i -X PATCH {base}/timp/orders/items/cancel/{line["line"]}/confirm/ \\
       -H 'Authorization: Token {cast.tokens[supplier]}'

  # the whole story of the item
  {sys.argv[0]} timeline {line["line"]} --database {cast.database}
""",
        flush=True,
    )
