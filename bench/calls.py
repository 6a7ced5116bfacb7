"""What is sent through each door to cancel one fresh line."""

from collections.abc import Callable, Iterable
from pathlib import Path
from uuid import UUID

from bench.seeding import PlantedOrder, Trader

CallMaker = Callable[[UUID, Trader], bytes]


def crux(line: UUID, retailer: Trader) -> bytes:
    """The seed's own call, framed as most clients frame it."""
    return http(
        "DELETE",
        f"/orders/items/cancel/{line}/",
        b"{}",
        Authorization=f"Token {retailer.token}",
        Content_Type="application/json",
    )


DOORS: dict[str, CallMaker] = {"crux": crux}
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
            yield make(order.lines[place], order.retailer)


def write(path: Path, calls: Iterable[bytes]) -> int:
    """Store the calls for the load client; how many there are."""
    count = 0
    with path.open("wb") as file:
        for call in calls:
            file.write(b"%d\n" % len(call) + call)
            count += 1
    return count
