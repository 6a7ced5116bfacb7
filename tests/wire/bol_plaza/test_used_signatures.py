"""A signature covers no body, so it is good for one body about one item, in a window that is a setting."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from tests.support.world import running
from tests.wire.bol_plaza.calling import (
    SHIPMENTS,
    Seller,
    cancel_path,
    cancellation,
    checked,
    http_date,
    new_seller,
    opened_plaza,
    queued,
    shipment,
    transport_path,
)

pytestmark = pytest.mark.anyio

TRANSPORT = "<Transport><TransporterCode>TNT</TransporterCode></Transport>"
USED = "Client and server signature do not match: it was used for another message; sign again with a new date"


async def _sent(seller: Seller, method: str, path: str, body: bytes, headers: dict[str, str]) -> httpx2.Response:
    return await seller.http.request(method, path, content=body, headers=headers)


@pytest.mark.parametrize("later_s", [0, 1, 60, 299])
async def test_a_signature_is_good_for_one_body(seller: Seller, later_s: int) -> None:
    _, number = await seller.line(3)
    headers = seller.signed("PUT", cancel_path(number))
    first = queued(checked(await _sent(seller, "PUT", cancel_path(number), cancellation("OTHER"), headers)))
    seller.world.clock.advance(seconds=later_s)
    other = checked(await _sent(seller, "PUT", cancel_path(number), cancellation("OUT_OF_STOCK"), headers))
    assert (other.error, other.sentence) == ((401, 41103), USED)
    again = queued(checked(await _sent(seller, "PUT", cancel_path(number), cancellation("OTHER"), headers)))
    assert again == first
    later = cancellation("OTHER", "2026-11-02T10:00:09")
    assert queued(checked(await _sent(seller, "PUT", cancel_path(number), later, headers))) == first
    anew = seller.signed("PUT", cancel_path(number))
    assert queued(checked(await _sent(seller, "PUT", cancel_path(number), cancellation("OUT_OF_STOCK"), anew))) > first


async def test_a_body_that_was_refused_uses_nothing_up(seller: Seller) -> None:
    _, number = await seller.line()
    headers = seller.signed("PUT", cancel_path(number))
    assert checked(await _sent(seller, "PUT", cancel_path(number), b"<x/>", headers)).status == 400
    queued(checked(await _sent(seller, "PUT", cancel_path(number), cancellation(), headers)))


async def test_parcels_that_are_reported_in_one_second_are_signed_alike(seller: Seller) -> None:
    numbers = [(await seller.line())[1] for _ in range(4)]
    headers = seller.signed("POST", SHIPMENTS)
    made = [queued(checked(await _sent(seller, "POST", SHIPMENTS, shipment(each), headers))) for each in numbers[:3]]
    assert len(set(made)) == 3
    other = checked(await _sent(seller, "POST", SHIPMENTS, shipment(numbers[0], TRANSPORT), headers))
    assert (other.error, other.sentence) == ((401, 41103), USED)
    seller.world.clock.advance(seconds=6)
    assert queued(checked(await _sent(seller, "POST", SHIPMENTS, shipment(numbers[0]), headers))) == made[0]
    late = checked(await _sent(seller, "POST", SHIPMENTS, shipment(numbers[3]), headers))
    assert (late.error, late.sentence) == ((401, 41103), USED)


async def test_a_signature_of_one_seller_says_nothing_of_anothers(seller: Seller) -> None:
    stranger = await new_seller(seller.world, seller.http)
    date = http_date(seller.world.clock())
    for who in (seller, stranger):
        headers = who.signed("PUT", transport_path(7), date=date)
        answer = await _sent(who, "PUT", transport_path(7), transport_change(who.party.hex), headers)
        assert answer.status_code == 200
        queued(checked(answer))


async def test_it_is_remembered_over_a_restart_and_by_every_process(database_url: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    async with opened_plaza(database_url, key_file=keys) as seller:
        _, number = await seller.line()
        headers = seller.signed("PUT", cancel_path(number))
        first = queued(checked(await _sent(seller, "PUT", cancel_path(number), cancellation("OTHER"), headers)))
    path, clock = cancel_path(number), seller.world.clock
    async with running(database_url, clock, key_file=keys) as application:
        again = replace(seller.world, application=application)
        restarted = replace(seller, world=again, http=again.client())
        other = checked(await _sent(restarted, "PUT", path, cancellation("OUT_OF_STOCK"), headers))
        assert other.error == (401, 41103)
        assert queued(checked(await _sent(restarted, "PUT", path, cancellation("OTHER"), headers))) == first


async def test_parcels_of_one_second_are_counted_by_all_processes_together(database_url: str, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    async with opened_plaza(database_url, key_file=keys) as seller:
        numbers = [(await seller.line())[1] for _ in range(3)]
        headers, clock = seller.signed("POST", SHIPMENTS), seller.world.clock
        queued(checked(await _sent(seller, "POST", SHIPMENTS, shipment(numbers[0]), headers)))
    async with running(database_url, clock, key_file=keys) as application:
        again = replace(seller.world, application=application)
        other = replace(seller, world=again, http=again.client())
        queued(checked(await _sent(other, "POST", SHIPMENTS, shipment(numbers[1]), headers)))
        clock.advance(seconds=6)
        late = checked(await _sent(other, "POST", SHIPMENTS, shipment(numbers[2]), headers))
        assert (late.error, late.sentence) == ((401, 41103), USED)


async def test_the_window_is_a_setting(tmp_path: Path) -> None:
    async with opened_plaza(f"sqlite:///{tmp_path}/test.sqlite3", plaza_window_s=900) as seller:
        for off, status in ((900, 200), (-900, 200), (901, 401), (-901, 401)):
            date = http_date(seller.world.clock() + timedelta(seconds=off))
            assert (await seller.call("GET", "/services/rest/orders/v2", date=date)).status == status


def transport_change(number: str) -> bytes:
    return (
        b"<ChangeTransportRequest><TransporterCode>TNT</TransporterCode><TrackAndTrace>"
        + number.encode()
        + b"</TrackAndTrace></ChangeTransportRequest>"
    )
