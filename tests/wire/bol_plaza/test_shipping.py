"""Shipments: told, listed, and corrected (docs/plaza.md)."""

import asyncio

import pytest

from countermand.domain.commands import Parcel, Ship, ShipOrder
from countermand.store import tables as t
from countermand.wire.bol.vocabulary import AMSTERDAM
from tests.wire.bol_plaza.calling import (
    SHIPMENTS,
    SHIPMENTS_V2_1,
    Answer,
    Process,
    Seller,
    new_seller,
    queued,
    shipment,
    transport,
    transport_path,
)

pytestmark = pytest.mark.anyio

V2_0: dict[str, str] = {}
DHL = "<Transport><TransporterCode>DHL</TransporterCode><TrackAndTrace>3S1</TrackAndTrace></Transport>"
SHIPPED, ASKED, DECLINED = "line.shipped", "cancellation.asked", "cancellation.declined"


@pytest.mark.parametrize("headers", [V2_0, SHIPMENTS_V2_1])
async def test_a_shipment_sends_all_that_is_left(seller: Seller, headers: dict[str, str]) -> None:
    line, number = await seller.line(3)
    answer = await seller.call("POST", SHIPMENTS, shipment(number, DHL, old=not headers), headers=headers)
    assert answer.text("eventType") == "CONFIRM_SHIPMENT"
    assert answer.text("description") == f"Confirm shipment for order item {number}."
    assert answer.text("entityId") == str(number)
    assert await seller.outcome(queued(answer)) == ("SUCCESS", None)
    assert await seller.world.buckets(line) == (0, 0, 0, 3)
    assert await seller.reported(line) == [(SHIPPED, 3, False)]


async def test_v2_0_says_when_and_the_claim_is_kept(seller: Seller) -> None:
    _, number = await seller.line()
    process = await seller.ship(number)
    assert (await seller.kept(process)).claimed_at == "2026-11-01T16:00:00+00:00"
    shown = await seller.shipments()
    now = seller.world.clock().astimezone(AMSTERDAM).isoformat()
    assert shown.text("Shipment", "ShipmentDate") == now, "the server's clock decides"
    without = await seller.call("POST", SHIPMENTS, shipment(number, old=False))
    assert (without.error, without.sentence) == ((400, 41201), "Message is missing required tag DateTime.")


@pytest.mark.parametrize("sent", ["", DHL])
async def test_a_shipment_told_again_is_a_success_and_ships_nothing_more(seller: Seller, sent: str) -> None:
    line, number = await seller.line(3)
    first = await seller.ship(number, sent)
    again = [await seller.ship(number, sent), *await asyncio.gather(*(seller.ship(number, sent) for _ in range(3)))]
    for process in (first, *again):
        assert await seller.outcome(process) == ("SUCCESS", None)
    assert await seller.reported(line) == [(SHIPPED, 3, False)]
    assert len((await seller.shipments()).all("Shipment")) == 1


async def test_a_correction_told_again_is_a_success_and_one_event(seller: Seller) -> None:
    line, number = await seller.line(2)
    await seller.ship(number, DHL)
    parcel = (await seller.shipments()).text("Shipment", "Transport", "TransportId")
    for _ in range(3):
        process = queued(await seller.call("PUT", transport_path(parcel), transport("PARCEL-NL", "3S4")))
        assert await seller.outcome(process) == ("SUCCESS", None)
    assert await seller.reported(line) == [(SHIPPED, 2, False), ("line.transport_changed", 2, False)]
    assert await seller.outcome(await seller.ship(number, DHL)) == ("SUCCESS", None), "the number it came with"


async def test_shipping_declines_what_the_customer_asked(seller: Seller) -> None:
    line, number = await seller.line(3)
    await seller.ask(line, 2)
    assert await seller.outcome(await seller.ship(number)) == ("SUCCESS", None)
    assert await seller.reported(line) == [(ASKED, 2, False), (DECLINED, 2, False), (SHIPPED, 3, False)]
    assert (await seller.world.events(line))[2].facts["reason"] == "already_shipped"
    assert (await seller.orders()).all() == []


@pytest.mark.parametrize("_", range(3))
async def test_of_a_shipment_and_a_cancellation_one_wins(seller: Seller, _: int) -> None:
    lines = [await seller.line(2) for _ in range(5)]
    calls = [call(number) for _, number in lines for call in (seller.cancel, seller.ship)]
    processes = await asyncio.gather(*calls)
    for place, (line, number) in enumerate(lines):
        outcomes = [await seller.process(each) for each in processes[2 * place : 2 * place + 2]]
        assert sorted(each.status for each in outcomes) == ["FAILURE", "SUCCESS"]
        winner = next(each for each in outcomes if each.status == "SUCCESS")
        cancelled = winner.event_type == "CANCEL_ORDER"
        assert await seller.world.buckets(line) == ((0, 0, 2, 0) if cancelled else (0, 0, 0, 2))
        loser = next(each for each in outcomes if each.status == "FAILURE")
        assert loser.entity_id == str(number)
        assert loser.error


@pytest.mark.parametrize("state", ["unknown", "foreign", "by a supplier", "shipped", "cancelled", "too large"])
async def test_what_cannot_be_shipped_fails(seller: Seller, state: str) -> None:
    line, number = await seller.line(by=seller.world.supplier if state == "by a supplier" else None)
    sender = seller
    if state == "foreign":
        sender = await new_seller(seller.world, seller.http)
    if state == "shipped":
        await seller.ship(number)
    if state == "cancelled":
        await seller.cancel(number)
    before = await seller.world.buckets(line)
    asked_for = {"unknown": 2**31 - 1, "too large": 9_999_999_999}.get(state, number)
    process = await sender.process(await sender.ship(asked_for, DHL))
    assert (process.status, process.entity_id) == ("FAILURE", str(asked_for))
    assert process.error is not None
    assert process.error.endswith(".")
    assert await seller.world.buckets(line) == before
    assert await sender.count(t.shipments) == (state == "shipped")


async def test_shipments_of_strangers_look_like_unknown_ones(seller: Seller) -> None:
    stranger = await new_seller(seller.world, seller.http)
    _, foreign = await stranger.line()
    _, suppliers = await seller.line(by=seller.world.supplier)
    words = {(await seller.process(await seller.ship(each))).error for each in (foreign, suppliers, 1)}
    assert len(words) == 1


async def test_a_shipment_is_listed_in_both_representations(seller: Seller) -> None:
    line, number = await seller.line(2)
    await seller.ship(number, f"<ShipmentReference>R &lt;1&gt;</ShipmentReference>{DHL}")
    for headers, old in ((V2_0, True), (SHIPMENTS_V2_1, False)):
        shown = await seller.shipments(headers=headers)
        names = [str(each.tag).rpartition("}")[2] for each in shown.all("Shipment")[0]]
        assert names == [
            "ShipmentId", "ShipmentDate", "ShipmentReference", "ShipmentItems", "Transport", "CustomerDetails",
        ]  # fmt: skip
        assert shown.text("Shipment", "ShipmentReference") == "R <1>"
        item = ("Shipment", "ShipmentItems", "ShipmentItem", "OrderItem")
        assert shown.text(*item, "OrderItemId") == str(number)
        assert shown.text(*item, "Quantity") == "2"
        assert shown.texts(*item, "OrderItemSequenceNumber") == (["1"] if old else [])
        assert shown.text(*item, "FulfilmentMethod") == "FBR"
        assert shown.text("Shipment", "Transport", "TransporterCode") == "DHL"
        assert shown.text("Shipment", "Transport", "TrackAndTrace") == "3S1"
        first_name = "FirstName" if old else "Firstname"
        assert len(shown.all("Shipment", "CustomerDetails", first_name)) == 1
    assert await seller.reported(line) == [(SHIPPED, 2, False)]


async def test_a_shipment_without_transport_is_taken_and_valid(seller: Seller) -> None:
    _, number = await seller.line()
    await seller.ship(number, "<ShippingLabelCode>LABEL</ShippingLabelCode><Transport/>")
    shown = await seller.shipments()
    assert shown.texts("Shipment", "Transport", "TransporterCode") == []


async def test_a_parcel_of_a_supplier_is_listed_for_the_retailer(seller: Seller) -> None:
    supplier = seller.world.supplier
    placed = await seller.order(2, 1, by=supplier)
    actor = seller.world.actor(supplier)
    parcel = Parcel(id=seller.world.application.ids.new(), tracking_number="1Z" * 40, carrier="A carrier of long name")
    ships = tuple(Ship(line=line.id, actor=actor) for line in placed.lines)
    await seller.do(ShipOrder(order=placed.id, actor=actor, lines=ships, parcel=parcel))
    shown = await seller.shipments()
    assert shown.texts("Shipment", "ShipmentItems", "ShipmentItem", "OrderItem", "Quantity") == ["2", "1"]
    assert shown.text("Shipment", "Transport", "TrackAndTrace") == "1Z" * 25
    number = shown.text("Shipment", "Transport", "TransportId")
    process = queued(await seller.call("PUT", transport_path(number), transport("DHL", "3S1")))
    assert (await seller.outcome(process))[0] == "FAILURE", "the parcel is the supplier's"
    assert (await seller.shipments()).content == shown.content


async def test_ten_shipments_to_a_page_newest_first_and_filtered(seller: Seller) -> None:
    placed = []
    for _ in range(12):
        seller.world.clock.advance(seconds=1)
        _, number = await seller.line()
        await seller.ship(number)
        placed.append(str(number))
    placed.reverse()

    def items(answer: Answer) -> list[str]:
        return answer.texts("Shipment", "ShipmentItems", "ShipmentItem", "OrderItem", "OrderItemId")

    for headers in (V2_0, SHIPMENTS_V2_1):
        assert items(await seller.shipments(headers=headers)) == placed[:10]
        assert items(await seller.shipments("?page=2", headers)) == placed[10:]
        assert items(await seller.shipments("?page=3", headers)) == []
    order = (await seller.shipments()).texts("Shipment", "ShipmentItems", "ShipmentItem", "OrderItem", "OrderId")[3]
    one = await seller.shipments(f"?order-id={order}", SHIPMENTS_V2_1)
    assert items(one) == placed[3:4]
    assert items(await seller.shipments(f"?order-id={order}")) == placed[:10], "v2.0 has no such filter"
    for unknown in ("1", "99999999999", "999999999999999999"):
        assert items(await seller.shipments(f"?order-id={unknown}", SHIPMENTS_V2_1)) == []
    stranger = await new_seller(seller.world, seller.http)
    assert items(await stranger.shipments(f"?order-id={order}", SHIPMENTS_V2_1)) == []


@pytest.mark.parametrize(
    ("headers", "name", "other"),
    [(V2_0, "fulfilmentmethod", "fulfilment-method"), (SHIPMENTS_V2_1, "fulfilment-method", "fulfilmentmethod")],
)
async def test_the_filter_by_fulfilment_has_a_name_per_version(
    sqlite_seller: Seller, headers: dict[str, str], name: str, other: str
) -> None:
    _, number = await sqlite_seller.line()
    await sqlite_seller.ship(number)
    for value, count in (("FBR", 1), ("fbr", 1), ("ALL", 1), ("all", 1), ("FBB", 0), ("fbb", 0)):
        assert len((await sqlite_seller.shipments(f"?{name}={value}", headers)).all()) == count
        assert len((await sqlite_seller.shipments(f"?{other}={value}", headers)).all()) == 1
    assert (await sqlite_seller.call("GET", f"{SHIPMENTS}?{name}=X", headers=headers)).error == (400, 41100)


async def test_how_a_parcel_travels_is_corrected(seller: Seller) -> None:
    line, number = await seller.line(2)
    await seller.ship(number, DHL)
    parcel = (await seller.shipments()).text("Shipment", "Transport", "TransportId")
    answer = await seller.call("PUT", transport_path(f"0{parcel}"), transport("PARCEL-NL", "3S &amp; 4"))
    assert answer.text("description") == f"Change transport with id {parcel}."
    process = await seller.process(queued(answer))
    assert process == Process(
        id=process.id, event_type="CHANGE_TRANSPORT", entity_id=parcel, status="SUCCESS", error=None
    )
    shown = await seller.shipments()
    assert shown.text("Shipment", "Transport", "TransporterCode") == "PARCEL-NL"
    assert shown.text("Shipment", "Transport", "TrackAndTrace") == "3S & 4"
    assert await seller.reported(line) == [(SHIPPED, 2, False), ("line.transport_changed", 2, False)]
    assert (await seller.world.events(line))[-1].facts["note"] == "PARCEL-NL 3S & 4"


async def test_a_parcel_of_nobody_or_of_a_stranger_cannot_be_corrected(seller: Seller) -> None:
    stranger = await new_seller(seller.world, seller.http)
    _, number = await stranger.line()
    await stranger.ship(number, DHL)
    before = await stranger.shipments()
    foreign = before.text("Shipment", "ShipmentId")
    words = set()
    for each in (foreign, "1", "2147483648", "0"):
        process = await seller.process(queued(await seller.call("PUT", transport_path(each), transport("UPS", "1Z"))))
        assert (process.status, process.entity_id) == ("FAILURE", each)
        words.add(process.error)
    assert words == {"There is no such transport that you can act on."}
    assert (await stranger.shipments()).content == before.content
    assert (await seller.call("PUT", transport_path("x"), transport("UPS", "1Z"))).error == (400, 41100)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (transport("", "1"), 41201),
        (transport("UPS", ""), 41201),
        (transport("U" * 21, "1"), 41202),
        (transport("UPS", "1" * 51), 41202),
        (b"", 41100),
        (shipment(1), 41100),
    ],
)
async def test_a_correction_that_says_too_little_or_too_much_is_refused(
    sqlite_seller: Seller, body: bytes, error: int
) -> None:
    assert (await sqlite_seller.call("PUT", transport_path(1), body)).error == (400, error)
    assert await sqlite_seller.count(t.process_statuses) == 0
