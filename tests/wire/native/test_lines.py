"""GET /v1/lines/<id> and POST /v1/lines/<id>/reassign."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from countermand.admin.callers import PLATFORM
from tests.wire.native.calling import PATH, Native

pytestmark = pytest.mark.anyio


async def give(
    native: Native, line: UUID | str, to: Any, who: UUID | str | None = None, *, match: str | None = "*", **more: Any
) -> httpx2.Response:
    headers = {} if match is None else {"If-Match": match}
    body = {"fulfiller": str(to), "note": "a fire", **more}
    return await native.call("POST", f"/v1/lines/{line}/reassign", who or native.retailer, body, headers=headers)


async def test_a_line_is_shown_to_those_who_may_see_it(native: Native) -> None:
    line = await native.line(5)
    shown = await native.call("GET", f"/v1/lines/{line}", native.retailer)
    assert shown.json()["units"] == {"ordered": 5, "open": 5, "asked": 0, "cancelled": 0, "shipped": 0}
    assert shown.json()["fulfiller"] == {"id": str(native.world.supplier), "name": "supplier"}
    assert shown.headers["etag"].startswith('"')
    assert (await native.call("GET", f"/v1/lines/{line}", native.world.supplier)).json()["unit_price"] is None
    for unseen in (line, uuid4(), "nonsense"):
        refused = await native.call("GET", f"/v1/lines/{unseen}", native.world.other_supplier)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_line")


async def test_story_nine(native: Native) -> None:
    """A line is given to another supplier; the former one's answer does not count."""
    world, line = native.world, await native.line(5)
    (made,) = await native.asked({"line": str(line), "units": 2}, asker="retailer")
    needed = await give(native, line, world.other_supplier, match=None)
    assert (needed.status_code, needed.json()["code"]) == (428, "if_match_needed")
    etag = (await native.call("GET", f"/v1/lines/{line}", native.retailer)).headers["etag"]
    given = await give(native, line, "other_supplier", match=etag)
    assert (given.status_code, given.json()["fulfiller"]["name"]) == (200, "other_supplier")
    again = await give(native, line, world.supplier, match=etag)
    assert (again.status_code, again.json()["code"]) == (412, "etag_mismatch")
    assert again.headers["etag"] == given.headers["etag"] != etag
    shown = (await native.call("GET", f"{PATH}/{made['id']}", native.retailer)).json()
    assert (shown["step"], shown["awaiting"]) == (2, str(world.other_supplier))
    former = await native.call("POST", f"{PATH}/{made['id']}/accept", world.supplier, {})
    assert (former.status_code, former.json()["code"]) == (409, "reassigned")
    assert former.json()["cancellation"] == made["id"]
    assert "given to other_supplier at" in former.json()["detail"]
    assert (await native.call("GET", f"{PATH}/{made['id']}", world.supplier)).status_code == 200
    done = await native.call("POST", f"{PATH}/{made['id']}/accept", world.other_supplier, {"step": 2})
    assert (done.status_code, done.json()["state"]) == (200, "accepted")
    for who, count in ((world.supplier, 1), (world.other_supplier, 1), (native.retailer, 1)):
        events = (await native.call("GET", f"/v1/events?line={line}", who)).json()["events"]
        moved = [event["data"] for event in events if event["type"] == "countermand.line.reassigned.v1"]
        assert len(moved) == count
        assert moved[0]["former_fulfiller"] == {"id": str(world.supplier), "name": "supplier"}
        assert moved[0]["fulfiller"] == {"id": str(world.other_supplier), "name": "other_supplier"}
        placed = [event["data"] for event in events if event["type"] == "countermand.line.placed.v1"]
        assert placed[0]["fulfiller"]["name"] == "supplier", "told as it was then"


async def test_who_may_give_it_and_to_whom(native: Native) -> None:
    world, line = native.world, await native.line(5)
    assert (await give(native, line, world.other_supplier, world.supplier)).status_code == 403
    stranger = await give(native, line, world.other_supplier, world.other_retailer)
    assert (stranger.status_code, stranger.json()["code"]) == (404, "unknown_line")
    for nobody in (uuid4(), "Nobody", PLATFORM):
        refused = await give(native, line, nobody)
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_party")
    for wrong in ({"note": " "}, {"fulfiller": ""}, {"why": "x"}):
        assert (await give(native, line, world.other_supplier, **wrong)).status_code == 422
    platform = await native.token(PLATFORM)
    assert (await give(native, line, world.other_supplier, platform)).status_code == 200
    assert (await give(native, line, native.retailer)).json()["fulfiller"]["id"] == str(native.retailer)
