"""A client that others wrote, and our own command line, against the real server."""

import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import requests
from bol.plaza.api import MethodGroup, PlazaAPI
from bol.plaza.models import ProcessStatus
from lxml import etree

from tests.seeds.serving import command
from tests.support.pgnode import free_port
from tests.support.waiting import HANGS_S
from tests.wire.bol_plaza.calling import SCHEMAS, cancellation, transport
from tests.wire.bol_plaza.shop import Shop, serving_shop
from tests.wire.bol_plaza.wire import answer_to

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with serving_shop(tmp_path_factory.mktemp("shop")) as shop:
        yield shop


@pytest.fixture
def api(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[PlazaAPI]:
    """PyPI's python-bol-api 0.10.0 as it is; only its address is set."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    client = PlazaAPI(shop.key.public, shop.key.private)
    client.url = shop.url
    yield client
    client.session.close()


def cancel(api: PlazaAPI, number: int, reason: str) -> Any:
    """The client has no method for it; this is how its parts make one (docs/plaza.md)."""
    group = MethodGroup(api, "order-items")
    body = group.create_request_xml("Cancellation", DateTime=datetime.now(UTC).replace(tzinfo=None), ReasonCode=reason)
    status = ProcessStatus.parse(api, group.request("PUT", f"/{number}/cancellation", data=body))
    assert (status.status, status.eventType, status.entityId) == ("PENDING", "CANCEL_ORDER", str(number))
    return status


def outcome(api: PlazaAPI, status: Any) -> tuple[str, str | None]:
    polled = api.process_status.get(status.id)
    assert polled.id == status.id
    return polled.status, getattr(polled, "errorMessage", None)


def items(api: PlazaAPI) -> dict[int, Any]:
    return {int(item.OrderItemId): item for order in api.orders.list() for item in order.OrderItems}


def test_the_client_lists_open_orders(api: PlazaAPI, shop: Shop) -> None:
    orders = api.orders.list()
    assert {len(order.OrderItems) for order in orders} == {6}
    order = next(order for order in orders if int(order.OrderItems[0].OrderItemId) in shop.own)
    assert order.DateTimeCustomer.tzinfo is not None
    assert order.CustomerDetails.ShipmentDetails.CountryCode == "ZZ"
    item = order.OrderItems[0]
    assert (item.Quantity, item.CancelRequest, str(item.OfferPrice)) == (2, "false", "0.00")


def test_the_client_confirms_what_a_customer_asked(api: PlazaAPI, shop: Shop) -> None:
    number = shop.own[1]
    cancellation_id = command("ask", "--line", str(number), "--by", "customer", "--database", shop.database)
    assert cancellation_id.startswith("can_")
    assert items(api)[number].CancelRequest == "true"
    status = cancel(api, number, "REQUESTED_BY_CUSTOMER")
    assert outcome(api, status) == ("SUCCESS", None)
    assert number not in items(api)
    answer = httpx2.get(
        f"{shop.url}/v1/cancellations/{cancellation_id}",
        headers={"Authorization": f"Bearer {shop.platform_token}"},
        trust_env=False,
        timeout=HANGS_S,
    )
    assert (answer.json()["state"], answer.json()["unasked"]) == ("accepted", False)


def test_the_client_cancels_what_it_has_not_got(api: PlazaAPI, shop: Shop) -> None:
    number = shop.own[2]
    first = cancel(api, number, "OUT_OF_STOCK")
    assert outcome(api, first) == ("SUCCESS", None)
    again = cancel(api, number, "OUT_OF_STOCK")
    status, sentence = outcome(api, again)
    # In one second the client signs both alike, which makes them one call.
    if again.id != first.id:
        assert status == "FAILURE"
        assert sentence is not None
        assert sentence.startswith("This order item is cancelled already. 2 units were cancelled by the retailer at ")
    unknown = cancel(api, 1, "OUT_OF_STOCK")
    assert outcome(api, unknown) == ("FAILURE", "There is no such order item that you can act on.")


@pytest.mark.parametrize(("verb", "place", "ends"), [("confirm", 0, "SUCCESS"), ("reject", 1, "FAILURE")])
def test_the_client_waits_for_the_suppliers_answer(api: PlazaAPI, shop: Shop, verb: str, place: int, ends: str) -> None:
    number = shop.suppliers[place]
    status = cancel(api, number, "OUT_OF_STOCK")
    assert outcome(api, status) == ("PENDING", None)
    answered = httpx2.patch(
        f"{shop.url}/timp/orders/items/cancel/{shop.lines[number]}/{verb}/",
        headers={"Authorization": f"Token {shop.supplier_token}"},
        trust_env=False,
    )
    assert answered.status_code == 204
    assert outcome(api, status)[0] == ends
    assert (number in items(api)) == (ends == "FAILURE")


def test_the_client_ships_and_corrects_the_parcel(api: PlazaAPI, shop: Shop) -> None:
    number = shop.own[3]
    sent = datetime(2026, 11, 22, 4, 15, 27, 509507, tzinfo=UTC).replace(tzinfo=None)
    status = api.shipments.create(number, sent, date(2026, 11, 23), "REF-1", "DHL", "3S1")
    assert (status.eventType, status.status) == ("CONFIRM_SHIPMENT", "PENDING")
    assert outcome(api, status) == ("SUCCESS", None)
    assert number not in items(api)
    (shipment,) = api.shipments.list(page=1)
    assert shipment.ShipmentReference == "REF-1"
    assert int(shipment.ShipmentItems[0].OrderItem.OrderItemId) == number
    assert (shipment.Transport.TransporterCode, shipment.Transport.TrackAndTrace) == ("DHL", "3S1")
    status = api.transports.update(shipment.Transport.TransportId, "UPS", "1Z1")
    assert outcome(api, status) == ("SUCCESS", None)
    (shipment,) = api.shipments.list()
    assert (shipment.Transport.TransporterCode, shipment.Transport.TrackAndTrace) == ("UPS", "1Z1")
    assert api.shipments.list(page=2) == []
    late = cancel(api, number, "OUT_OF_STOCK")
    assert outcome(api, late)[0] == "FAILURE"


def test_a_client_with_a_wrong_key_is_told_401(api: PlazaAPI) -> None:
    api.private_key = "another"
    with pytest.raises(requests.HTTPError, match="401") as refused:
        api.orders.list()
    # The error keeps the connection that pytest would find open.
    assert refused.value.response is not None
    assert b"41103" in refused.value.response.content


def test_odd_bytes_on_the_real_wire_are_answered(shop: Shop) -> None:
    for target in (b"/services/rest/orders/v2/%ff", b"/services/%00", b"/services/rest/orders/v2?%ff=\xc3\xa4"):
        status, body = answer_to(shop.url, b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % target)
        assert 400 <= status < 500, (target, body)


# countermand plaza


@pytest.fixture
def plaza(shop: Shop, countermand: Run) -> Run:
    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        keys = {
            "COUNTERMAND_PLAZA_PUBLIC_KEY": shop.key.public,
            "COUNTERMAND_PLAZA_PRIVATE_KEY": shop.key.private,
        }
        where = () if "--url" in arguments else ("--url", shop.url)
        return countermand("plaza", *arguments, *where, **{**keys, **more})

    return run


def test_the_command_line_lists_cancels_and_polls(plaza: Run, shop: Shop, tmp_path: Path) -> None:
    number = shop.own[4]
    listed = plaza("GET", "/services/rest/orders/v2?page=1", "--accept", "application/vnd.orders-v2.1+xml")
    assert (listed.returncode, listed.stderr) == (0, "200 OK\n")
    assert "<FulfilmentMethod>FBR</FulfilmentMethod>" in listed.stdout
    file = tmp_path / "cancellation.xml"
    file.write_bytes(cancellation("OUT_OF_STOCK"))
    sent = plaza("put", f"/services/rest/order-items/v2/{number}/cancellation", "--data", str(file))
    assert sent.returncode == 0
    process = valid(sent.stdout).findtext("{*}id")
    polled = valid(plaza("GET", f"/services/rest/process-status/v2/{process}").stdout)
    assert polled.findtext("{*}status") == "SUCCESS"


def test_the_command_line_reads_standard_input(plaza: Run) -> None:
    body = transport("UPS", "1Z").decode()
    sent = plaza("PUT", "/services/rest/transports/v2/1", "--data", "-", stdin=body)
    assert (sent.returncode, valid(sent.stdout).findtext("{*}eventType")) == (0, "CHANGE_TRANSPORT")


@pytest.mark.parametrize(
    ("arguments", "environment", "exit_code", "reported"),
    [
        (("GET", "/services/rest/orders/v2"), {"COUNTERMAND_PLAZA_PRIVATE_KEY": "wrong"}, 1, "401"),
        (("GET", "/services/rest/process-status/v2/1"), {}, 1, "404"),
        (("GET", "/services/rest/orders/v2"), {"COUNTERMAND_PLAZA_PUBLIC_KEY": ""}, 2, "plaza-key create"),
        (("PUT", "/services/rest/transports/v2/1", "--data", "/nowhere"), {}, 2, "/nowhere cannot be read"),
        (("GET", "/services/rest/orders/v2", "--url", f"http://127.0.0.1:{free_port()}"), {}, 75, "cannot be reached"),
        (("GET", "services/rest/orders/v2", "--url", "http://127.0.0.1:1"), {}, 2, "begins with /services"),
        (("GET", "/services/rest/orders/v2", "--url", "nonsense"), {}, 75, "cannot be reached"),
        (("G\u00cb", "/services/rest/orders/v2"), {}, 2, "no method such as GET"),
        (("GET", "/services/rest/orders/v2"), {"COUNTERMAND_PLAZA_PRIVATE_KEY": "\udcff"}, 2, "that no key has"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    plaza: Run, arguments: tuple[str, ...], environment: dict[str, str], exit_code: int, reported: str
) -> None:
    done = plaza(*arguments, **environment)
    assert done.returncode == exit_code, done.stderr
    assert reported in done.stderr
    assert "Traceback" not in done.stderr


def valid(text: str) -> etree._Element:
    root = etree.fromstring(text.encode())
    SCHEMAS[etree.QName(root).namespace or ""].assertValid(root)
    return root
