"""The main job, played through over real HTTP against a real server on a fresh database."""

import asyncio
import json as json_module
import os
import signal
import stat
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

from cyclopts import Parameter
from sqlalchemy import Connection

from countermand.admin import credentials, parties, users, web_sessions
from countermand.admin.callers import PLATFORM
from countermand.admin.finding import EVERYTHING
from countermand.app import Service, opened
from countermand.cli.inputs import Whole
from countermand.cli.open_work import leave_work
from countermand.cli.orders import DOOR, operator
from countermand.cli.output import Exit, fail
from countermand.cli.receiver import Receiver
from countermand.cli.running import on_free_port, read_settings, run
from countermand.cli.sample import add_sample
from countermand.cli.stories.crux import CruxStory
from countermand.cli.stories.deadline import ORDER as LATE_ORDER
from countermand.cli.stories.deadline import DeadlineStory
from countermand.cli.stories.money import ORDER as PAID_ORDER
from countermand.cli.stories.money import MoneyStory
from countermand.cli.stories.page import PageStory
from countermand.cli.stories.plaza import PlazaStory
from countermand.cli.stories.retailer import RetailerStory
from countermand.cli.stories.score import ScoreStory
from countermand.cli.stories.story import Cast
from countermand.cli.stories.webhook import WebhookStory
from countermand.console.login import ONCE
from countermand.documents.orders import OrderIn, place
from countermand.domain.commands import AskCancellation
from countermand.domain.parties import Actor, PartyKind
from countermand.domain.policy import DEFAULT_POLICY
from countermand.ids import system_clock
from countermand.observability.logs import configure_logging
from countermand.reads import orders as order_reads
from countermand.reads.parties import find_party
from countermand.service.calls import Call
from countermand.serving import serve as serve_doors
from countermand.settings import Settings

LEFT = timedelta(seconds=4)
"""How long the supplier of the late order still has once the demo begins: about as long as the other stories take."""


LINKS_LAST = timedelta(days=1)
"""How long the links into the console can be used."""


def demo(
    *,
    port: Whole = 8765,
    once: Annotated[
        bool, Parameter(negative=(), help="End after the stories, with exit code 0 if no step failed")
    ] = False,
    json: Annotated[Path | None, Parameter(help="Write base URL, tokens and ids to this file")] = None,
) -> None:
    """Show how a cancellation is asked and answered through three APIs, on a fresh database, then stay up to be tried.

    Parameters
    ----------
    port
        Port to listen on.
    """
    configure_logging("error")
    with tempfile.TemporaryDirectory(prefix="countermand-demo-") as folder:
        url = f"sqlite:///{folder}/demo.sqlite3"
        # The receiver of its webhooks is on this machine, which a real service would refuse to call.
        loopback: dict[str, Any] = {"webhook_inner_addresses": ["127.0.0.0/8"], "webhook_ports": []}
        settings = on_free_port(read_settings(database=url, host="127.0.0.1", port=port, **loopback))
        run(_play(settings, once=once, file=json))


async def _play(settings: Settings, *, once: bool, file: Path | None) -> None:
    cast = await _prepare(settings)
    ready = asyncio.Event()
    server = asyncio.create_task(serve_doors(settings, lambda _: ready.set()))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait({server, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if server.done():
        waiting.cancel()
        await server
        fail(Exit.TRY_LATER, "not_started", f"The server did not start on port {settings.port}.")
    try:
        if file:
            await asyncio.to_thread(_write, file, cast)
        failures = await _tell(cast, settings)
        await leave_work(settings, cast.parties)
        if failures:
            fail(Exit.FAILED, "not_as_told", f"{failures} steps failed.")
        if not once:
            _explain(cast)
            await server
    finally:
        if not server.done():
            signal.raise_signal(signal.SIGTERM)
            await server


async def _tell(cast: Cast, settings: Settings) -> int:
    """Play all stories. Returns how many steps failed."""
    failures = await CruxStory(cast).play() + await PlazaStory(cast).play() + await RetailerStory(cast).play()
    async with Receiver() as receiver:
        failures += await WebhookStory(cast, settings, receiver).play()
    for story in (MoneyStory(cast), PageStory(cast, settings), DeadlineStory(cast), ScoreStory(cast)):
        failures += await story.play()
    return failures


def _write(file: Path, cast: Cast) -> None:
    try:
        # It holds tokens, so nobody but its owner may read it.
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as written:
            if stat.S_ISREG(os.fstat(handle).st_mode):
                os.fchmod(handle, 0o600)
            written.write(json_module.dumps(cast.__dict__, indent=2) + "\n")
    except OSError as error:
        fail(Exit.USAGE, "unwritable", f"{file} cannot be written: {error.strerror}.")


async def _prepare(settings: Settings) -> Cast:
    """A retailer, two suppliers, a dozen orders of several lines; an ask whose deadline is about to pass."""
    cast = Cast(base_url=f"http://{settings.host}:{settings.port}", database=settings.database)
    orders = _orders()
    async with opened(settings, _two_days_ago) as application:
        await application.database.write(lambda connection: _add_parties(connection, application, cast))
        await _place(application, cast, [orders.pop(LATE_ORDER)])
        await _ask_for_the_late_order(application, cast)
    async with opened(settings) as application:
        await _place(application, cast, orders)
        cast.orders.sort(key=lambda order: order["reference"])
        await _add_lines(application, cast)
        await application.database.write(lambda connection: _add_people(connection, application, cast))
    await add_sample(settings)
    return cast


def _two_days_ago() -> datetime:
    """When the late order was placed: an ask of that time has a few seconds left."""
    return system_clock() - timedelta(seconds=DEFAULT_POLICY.answer_within_s or 0) + LEFT


async def _place(application: Service, cast: Cast, orders: Sequence[OrderIn]) -> None:
    names = {name: UUID(party) for name, party in cast.parties.items()}
    for order in orders:
        now = application.clock()
        command = place(order, actor=operator(), party=names.__getitem__, ids=application.ids, now=now)
        await application.lanes.submit(Call(command=command, door=DOOR, retailer=command.retailer))
        cast.orders.append(
            {"order": str(command.id), "reference": command.reference, "first_line": str(command.lines[0].id)}
        )


async def _ask_for_the_late_order(application: Service, cast: Cast) -> None:
    retailer = UUID(cast.parties["Fine Shoes"])
    actor = Actor(party=retailer, kind=PartyKind.RETAILER, name="Fine Shoes")
    ask = AskCancellation(line=UUID(cast.orders[0]["first_line"]), actor=actor)
    await application.lanes.submit(Call(command=ask, door=DOOR, retailer=retailer))


async def _add_lines(application: Service, cast: Cast) -> None:
    for order in cast.orders:
        view = await application.database.read(
            partial(order_reads.order_by_id, scope=EVERYTHING, order=UUID(order["order"]))
        )
        order["lines"] = [
            {
                "line": str(line.row.id),
                "number": line.row.number,
                "sku": line.row.sku,
                "units": line.row.ordered,
                "supplier": line.supplier_name if line.row.fulfiller_id != line.row.retailer_id else None,
            }
            for line in (view.lines if view else ())
        ]


def _add_parties(connection: Connection, application: Service, cast: Cast) -> None:
    now = application.clock()
    for name, kind in (
        ("Fine Shoes", PartyKind.RETAILER),
        ("Alpine Supply", PartyKind.SUPPLIER),
        ("Harbour Goods", PartyKind.SUPPLIER),
    ):
        party = parties.enter(connection, application.ids, now, kind=kind, name=name)
        row = find_party(connection, str(party))
        cast.parties[name] = str(party)
        cast.tokens[name] = credentials.issue_token(connection, application.ids, now, party=row, label="demo")
    platform = find_party(connection, str(PLATFORM))
    cast.tokens["Platform"] = credentials.issue_token(connection, application.ids, now, party=platform, label="shop")
    retailer = find_party(connection, cast.parties["Fine Shoes"])
    keys = credentials.issue_plaza_key(
        connection, application.ids, application.keyring, now, party=retailer, label="demo"
    )
    cast.plaza_public_key, cast.plaza_private_key = keys.public, keys.private
    client = credentials.issue_client(connection, application.ids, now, party=retailer, label="demo")
    cast.bol_client_id, cast.bol_client_secret = str(client.id), client.secret


def _add_people(connection: Connection, application: Service, cast: Cast) -> None:
    """Somebody of each kind, and the link by which they come into the console."""
    ids, now = application.ids, application.clock()
    for name, party in (("Ada", "Platform"), ("Mila", "Fine Shoes"), ("Nadia", "Alpine Supply")):
        row = find_party(connection, str(PLATFORM) if party == "Platform" else cast.parties[party])
        user = users.enter(
            connection,
            ids,
            now,
            party=row,
            email=f"{name.lower()}@example.com",
            name=name,
            # Nobody knows it: they come by links.
            password=ids.token("demo"),
        )
        secret = web_sessions.issue_link(connection, ids, now, user=user, party=row.id, lasts=LINKS_LAST)
        cast.console[party] = f"{cast.base_url}{ONCE}{secret}"


def _orders() -> list[OrderIn]:
    """Ten orders that two suppliers hold the goods of, and two of goods that the retailer has itself."""
    return [_order(number, suppliers=("Alpine Supply", "Harbour Goods")) for number in range(10)] + [
        _order(number, suppliers=(None,)) for number in range(10, 12)
    ]


def _order(number: int, *, suppliers: Sequence[str | None]) -> OrderIn:
    goods = (
        ("boot-42", "Hiking boot", "89.95", "8712345000017"),
        ("lace-red", "Red laces", "4.50", "8712345000024"),
        ("wax-100", "Wax, 100 ml", "7.25", "8712345000031"),
    )
    payments = [{"method": "other", "captured": "200.65"}] if number == PAID_ORDER else None
    return OrderIn.model_validate(
        {
            "payments": payments,
            "retailer": "Fine Shoes",
            "reference": f"PO-{1001 + number}",
            "shipping_address": {
                "first_name": "Sam",
                "last_name": f"Customer {number + 1}",
                "street": "Main Street",
                "house_number": str(number + 1),
                "postcode": "1000 AA",
                "city": "Amsterdam",
                "country": "NL",
                "email": f"customer{number + 1}@example.com",
            },
            "lines": [
                {
                    "sku": sku,
                    "title": title,
                    "unit_price": price,
                    "ean": ean,
                    "units": 1 + (number + place) % 3,
                    "supplier": suppliers[(number + place) % len(suppliers)],
                }
                for place, (sku, title, price, ean) in enumerate(goods)
            ],
        }
    )


def _explain(cast: Cast) -> None:
    order = cast.orders[5]
    line = order["lines"][0]
    supplier = line["supplier"]
    base = cast.base_url
    print(
        f"""
The service stays up on {base}. Try it (Ctrl-C ends it, and its data is gone):

  # the console; each link logs in once
  operator          {cast.console["Platform"]}
  retailer's desk   {cast.console["Fine Shoes"]}
  supplier's desk   {cast.console["Alpine Supply"]}

  # the retailer cancels {line["sku"]} of {order["reference"]}
  curl -i -X DELETE {base}/orders/items/cancel/{line["line"]}/ \\
       -H 'Authorization: Token {cast.tokens["Fine Shoes"]}'

  # {supplier} sees what awaits its answer, and confirms
  curl -s '{base}/v1/cancellations?awaiting_me=true' -H 'Authorization: Bearer {cast.tokens[supplier]}'
  curl -i -X PATCH {base}/timp/orders/items/cancel/{line["line"]}/confirm/ \\
       -H 'Authorization: Token {cast.tokens[supplier]}'

  # what Fine Shoes has to ship itself, as a Plaza client sees it
  COUNTERMAND_PLAZA_PUBLIC_KEY={cast.plaza_public_key} \\
  COUNTERMAND_PLAZA_PRIVATE_KEY={cast.plaza_private_key} \\
  {sys.argv[0]} plaza GET /services/rest/orders/v2 --url {base}

  # the same by bol's Retailer API v10
  COUNTERMAND_BOL_CLIENT_ID={cast.bol_client_id} \\
  COUNTERMAND_BOL_CLIENT_SECRET={cast.bol_client_secret} \\
  {sys.argv[0]} bol GET /retailer/orders --url {base}

  # the whole story of the item
  {sys.argv[0]} timeline {line["line"]} --database {cast.database}
""",
        flush=True,
    )
