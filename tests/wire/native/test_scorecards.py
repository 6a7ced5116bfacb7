"""Scorecards through the native API: one's own, and everybody's for the platform; on both engines."""

from typing import Any
from uuid import UUID

import pytest

from countermand.admin.callers import PLATFORM
from countermand.domain.commands import CancelOwn
from countermand.domain.reasons import CancelReason
from tests.wire.native.calling import Native

pytestmark = pytest.mark.anyio
WEEK = "week=2026-W45"
"""The week in which the clock of these tests stands."""


async def cards(native: Native, party: UUID, query: str = "", who: UUID | str | None = None) -> dict[str, Any]:
    response = await native.call("GET", f"/v1/scorecards/{party}?{query}", who or party)
    assert response.status_code == 200, response.text
    return dict(response.json())


async def unasked(native: Native) -> UUID:
    """A line that its retailer holds, and cancelled though nobody had asked."""
    line = await native.line(2, by=native.retailer)
    actor = native.world.actor(native.retailer)
    await native.do(CancelOwn(line=line, actor=actor, reason=CancelReason.OUT_OF_STOCK))
    return line


async def test_a_party_sees_its_own_card_and_the_platform_everybodys(native: Native) -> None:
    await unasked(native)
    await native.line()
    mine = await cards(native, native.retailer, WEEK)
    [card] = mine["weeks"]
    assert (card["numerator"], card["denominator"], card["value"]) == (1, 2, 0.5)
    assert (mine["as"], mine["norm"], mine["strikes"], "evidence" in card) == ("retailer", 0.02, 0, False)
    assert await cards(native, native.retailer, WEEK, await native.token(PLATFORM)) == mine
    assert len((await cards(native, native.retailer))["weeks"]) == 6
    assert len((await cards(native, native.retailer, "weeks=9"))["weeks"]) == 9


async def test_every_item_that_counts_comes_with_its_events(native: Native) -> None:
    line = await unasked(native)
    [card] = (await cards(native, native.retailer, f"{WEEK}&evidence=true"))["weeks"]
    [incident] = card["evidence"]
    assert (incident["line"], incident["why"], incident["units"]) == (str(line), "unasked", 2)
    [event] = incident["events"]
    assert event["told"].endswith("cancelled 2 units, which nobody had asked for (out of stock).")


async def test_a_card_can_be_seen_as_it_was(native: Native) -> None:
    before = native.world.clock()
    native.world.clock.advance(hours=1)
    await unasked(native)
    query = {"week": "2026-W45", "as_of": before.isoformat()}
    response = await native.http.get(
        f"/v1/scorecards/{native.retailer}",
        params=query,
        headers={"Authorization": f"Bearer {native.world.tokens[native.retailer]}"},
    )
    [card] = response.json()["weeks"]
    assert (card["numerator"], card["denominator"]) == (0, 0)


async def test_a_supplier_is_judged_for_what_it_holds(native: Native) -> None:
    mine = await cards(native, native.world.supplier, f"{WEEK}&as=fulfiller")
    assert (mine["as"], mine["party"]) == ("fulfiller", str(native.world.supplier))


async def test_the_score_of_somebody_else_is_not_there(native: Native) -> None:
    world = native.world
    nobody = UUID(int=0xABC)
    for who, party in (
        (native.retailer, world.other_retailer),
        (native.retailer, world.supplier),
        (world.supplier, native.retailer),
        (native.retailer, nobody),
        (await native.token(PLATFORM), nobody),
    ):
        response = await native.call("GET", f"/v1/scorecards/{party}", who)
        assert (response.status_code, response.json()["code"]) == (404, "unknown_party")
    assert (await native.call("GET", f"/v1/scorecards/{native.retailer}", None)).status_code == 401
    blind = await native.token(native.retailer, permissions=["cancel_order"])
    assert (await native.call("GET", f"/v1/scorecards/{native.retailer}", blind)).status_code == 403


@pytest.mark.parametrize(
    "query",
    [
        "week=2026-W54",
        "week=now",
        "weeks=0",
        "weeks=53",
        "as=platform",
        "as_of=yesterday",
        "as_of=0001-01-01T00:00:00Z",
    ],
)
async def test_what_makes_no_sense_is_refused(native: Native, query: str) -> None:
    response = await native.call("GET", f"/v1/scorecards/{native.retailer}?{query}", native.retailer)
    assert (response.status_code, response.json()["code"]) == (422, "invalid")


async def test_a_supplier_sells_nothing_and_neither_does_the_platform(native: Native) -> None:
    for party, query in ((native.world.supplier, "as=retailer"), (PLATFORM, "")):
        response = await native.call("GET", f"/v1/scorecards/{party}?{query}", await native.token(PLATFORM))
        assert (response.status_code, response.json()["code"]) == (422, "invalid")
        assert response.json()["detail"].endswith("sells nothing.")
