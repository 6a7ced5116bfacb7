"""Secrets that can be recognised are put into every door: none of them comes back in a log or in a metric."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import pytest
import structlog
from prometheus_client import generate_latest

from countermand.observability.exposition import registry
from countermand.observability.logs import LineSink, configure_logging
from tests.store.speaking import new_sale
from tests.support.logs import log_plainly
from tests.support.world import World
from tests.worker.station import ERROR, endpoint, station

pytestmark = pytest.mark.anyio

CANARY: Final = "canary5ecret"
MAIL: Final = f"{CANARY}@customer.example"
JSON: Final = f'{{"username": "{MAIL}", "password": "{CANARY}", "customer": {{"name": "{CANARY}", "email": "{MAIL}"}}}}'
FORM: Final = f"email={MAIL}&password={CANARY}&next=/{CANARY}&answer=accept&note={CANARY}"

PATHS: Final = (
    ("POST", "/organizations/user-login/", JSON),
    ("POST", "/timp/organizations/user-login/", JSON),
    ("POST", "/orders/create/", JSON),
    ("GET", f"/orders/po/{CANARY}/", ""),
    ("DELETE", f"/orders/items/cancel/{CANARY}/", ""),
    ("PUT", f"/services/rest/order-items/v2/{CANARY}/cancellation", f"<a>{CANARY}</a>"),
    ("GET", f"/services/rest/process-status/v2/{CANARY}", ""),
    ("POST", f"/token?grant_type=client_credentials&client_secret={CANARY}", FORM),
    ("GET", f"/retailer/orders/{CANARY}", ""),
    ("POST", "/v1/orders", JSON),
    ("POST", "/v1/cancellations", JSON),
    ("GET", f"/v1/search?q={MAIL}", ""),
    ("GET", f"/v1/{CANARY}", ""),
    ("GET", f"/answer/{CANARY}", ""),
    ("POST", f"/answer/{CANARY}", FORM),
    ("GET", f"/status/{CANARY}", ""),
    ("GET", f"/console/login/{CANARY}", ""),
    ("POST", "/console/login", FORM),
    ("GET", f"/console/orders?q={MAIL}", ""),
    ("POST", f"/v1/providers/stripe/webhook?key={CANARY}", JSON),
    ("GET", f"/{CANARY}", ""),
)
"""Calls of every door, each with the secret wherever its callers have secrets."""

HEADERS: Final[tuple[dict[str, str], ...]] = (
    {"Authorization": f"Bearer {CANARY}"},
    {"Authorization": f"Token {CANARY}"},
    {"Authorization": f"Basic {CANARY}", "X-BOL-Authorization": f"{CANARY}:{CANARY}"},
    {"Cookie": f"__Host-session={CANARY}; session={CANARY}", "Sec-Fetch-Site": "same-origin"},
    {"Idempotency-Key": CANARY, "Stripe-Signature": f"t=1,v1={CANARY}"},
)


class Lines(LineSink):
    """Everything that is logged, from ``debug`` on, in the bytes that would be written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def keep(self, line: bytes) -> None:
        self.written.append(line)

    later = now = keep

    @property
    def text(self) -> str:
        return b"\n".join(self.written).decode()


def log_into(lines: Lines) -> None:
    """As the service logs, from ``debug`` on."""
    structlog.reset_defaults()
    configure_logging("debug", sink=lines)


@pytest.fixture
def lines() -> Iterator[Lines]:
    kept = Lines()
    log_into(kept)
    yield kept
    log_plainly()


def check(lines: Lines) -> None:
    """The secret is nowhere, and something was logged at all."""
    assert lines.written
    assert CANARY not in lines.text
    assert CANARY not in generate_latest(registry()).decode()


@pytest.mark.parametrize("headers", HEADERS, ids=lambda each: next(iter(each)))
async def test_no_secret_of_a_caller_is_logged(sqlite_world: World, lines: Lines, headers: dict[str, str]) -> None:
    async with sqlite_world.client() as client:
        for method, path, body in PATHS:
            kind = "application/x-www-form-urlencoded" if body == FORM else "application/json"
            await client.request(method, path, content=body, headers={"Content-Type": kind, **headers})
    check(lines)


async def test_nor_is_it_of_one_who_may_call(sqlite_world: World, lines: Lines) -> None:
    token = sqlite_world.tokens[sqlite_world.retailer]
    async with sqlite_world.client() as client:
        for scheme in ("Bearer", "Token"):
            for method, path, body in PATHS:
                headers = {"Content-Type": "application/json", "Authorization": f"{scheme} {token}"}
                await client.request(method, path, content=body, headers=headers)
    check(lines)
    assert token not in lines.text


async def test_an_error_of_ours_says_nothing_of_the_call(
    sqlite_world: World, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(sqlite_world.application.database, "read", broken)
    async with sqlite_world.client() as client:
        for method, path, body in PATHS:
            for headers in HEADERS:
                await client.request(
                    method, path, content=body, headers={"Content-Type": "application/json", **headers}
                )
    assert "unexpected_error" in lines.text
    check(lines)


async def test_what_a_receiver_says_is_not_logged(sqlite_world: World, lines: Lines) -> None:
    """A receiver can say whatever it was sent: links, and customers' data."""
    working = station(sqlite_world)
    where = await endpoint(sqlite_world, sqlite_world.supplier, f"mailto:{CANARY}@alpine.example")
    sale = await new_sale(sqlite_world, 1)
    await sale.done(sale.ask(1))
    working.postman.otherwise[where] = replace(ERROR, result=f"It says: {CANARY}", answer=CANARY, status=500)
    await working.worker.once()
    assert "notice_attempted" in lines.text
    assert "notice_waits" in lines.text
    check(lines)
