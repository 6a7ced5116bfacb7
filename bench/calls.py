"""What is sent through each door to cancel one fresh line."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from bench.seeding import PlantedOrder
from countermand.wire.bol_plaza.signature import sign
from countermand.wire.bol_plaza.vocabulary import PLAZA_NAMESPACE
from countermand.wire.bol_retailer.vocabulary import MEDIA_TYPE

CallMaker = Callable[[PlantedOrder, int], bytes]


def crux(order: PlantedOrder, place: int) -> bytes:
    """The seed's own call, framed as most clients frame it."""
    return http(
        "DELETE",
        f"/orders/items/cancel/{order.lines[place]}/",
        b"{}",
        Authorization=f"Token {order.retailer.token}",
        Content_Type="application/json",
    )


def plaza(order: PlantedOrder, place: int) -> bytes:
    """The seed's own call, signed when the calls are prepared."""
    path = f"/services/rest/order-items/v2/{order.numbers[place]}/cancellation"
    now = datetime.now(UTC)
    date = format_datetime(now, usegmt=True)
    key = order.retailer.plaza_key
    mac = sign(key.private.encode(), method="PUT", content_type="application/xml", date=date, path=path)
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><Cancellation xmlns="{PLAZA_NAMESPACE}">'
        f"<DateTime>{now.isoformat(timespec='seconds')}</DateTime><ReasonCode>OTHER</ReasonCode></Cancellation>"
    )
    return http(
        "PUT",
        path,
        body.encode(),
        Content_Type="application/xml",
        X_BOL_Date=date,
        X_BOL_Authorization=f"{key.public}:{mac}",
    )


def retailer(order: PlantedOrder, place: int) -> bytes:
    """The same by bol's later API, with a token that counts for five minutes from when the calls are prepared."""
    body = f'{{"orderItems":[{{"orderItemId":"{order.numbers[place]}","reasonCode":"OTHER"}}]}}'
    return http(
        "PUT",
        "/retailer/orders/cancellation",
        body.encode(),
        Authorization=f"Bearer {order.retailer.access_token}",
        Accept=MEDIA_TYPE,
        Content_Type=MEDIA_TYPE,
    )


def native(order: PlantedOrder, place: int) -> bytes:
    """The same by the service's own API."""
    return http(
        "POST",
        "/v1/cancellations",
        f'{{"lines":[{{"line":"{order.lines[place]}","units":{order.units[place]}}}]}}'.encode(),
        Authorization=f"Bearer {order.retailer.token}",
        Content_Type="application/json",
    )


def whole_order(order: PlantedOrder) -> bytes:
    """The seed's own call for all lines of an order."""
    return http(
        "PATCH",
        "/orders/cancel/",
        f'{{"order_uuid":"{order.id}"}}'.encode(),
        Authorization=f"Token {order.retailer.token}",
        Content_Type="application/json",
    )


DOORS: dict[str, CallMaker] = {"crux": crux, "native": native, "plaza": plaza, "retailer": retailer}
"""A door is measured by one function: the whole bytes of the call that cancels a line."""


def http(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request as it stands on the wire. Underscores in header names are hyphens."""
    given = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{given}Content-Length: {len(body)}\r\n\r\n".encode() + body


def of_orders(door: str, orders: list[PlantedOrder]) -> Iterable[bytes]:
    """One call for each line: first the first line of every order, so that neighbours in time are strangers."""
    make = DOORS[door]
    for place in range(max(len(order.lines) for order in orders)):
        for order in orders:
            yield make(order, place)


def write(path: Path, calls: Iterable[bytes]) -> int:
    """Store the calls for the load client; how many there are."""
    count = 0
    with path.open("wb") as file:
        for call in calls:
            file.write(b"%d\n" % len(call) + call)
            count += 1
    return count
