"""The hostile documents through the door: each is answered in its words, and leaves nothing behind.

What each costs is held in tests/wire/test_hostile_documents.py.
"""

import pytest

from countermand.store import tables as t
from countermand.wire.bol_plaza.messages import read_change_transport_request, read_shipment_request
from tests.wire.bol_plaza.calling import SHIPMENTS, Seller, cancel_path, queued, transport_path
from tests.wire.bol_plaza.hostile import Case, corpus

pytestmark = pytest.mark.anyio

CALLS = {read_shipment_request: ("POST", SHIPMENTS), read_change_transport_request: ("PUT", transport_path(1))}
BODY_MAX = 256 * 1024


@pytest.mark.parametrize("case", corpus(), ids=lambda case: case.name)
async def test_each_document_has_its_answer(sqlite_seller: Seller, case: Case) -> None:
    line, number = await sqlite_seller.line()
    method, path = CALLS.get(case.read, ("PUT", cancel_path(number)))
    before = await sqlite_seller.count(t.events, t.cancellations)
    answer = await sqlite_seller.call(method, path, case.body)
    if case.outcome == "accepted":
        queued(answer)
        assert await sqlite_seller.count(t.process_statuses) == 1
        return
    assert answer.error == ((413, 41202) if len(case.body) > BODY_MAX else (400, int(case.outcome)))
    assert await sqlite_seller.count(t.process_statuses) == 0
    assert await sqlite_seller.count(t.events, t.cancellations) == before
    assert await sqlite_seller.world.buckets(line) == (1, 0, 0, 0)


async def test_after_all_of_them_the_door_still_answers(sqlite_seller: Seller) -> None:
    for case in corpus():
        for method, path in (("PUT", cancel_path(1)), *CALLS.values()):
            sqlite_seller.world.clock.advance(seconds=1)
            assert (await sqlite_seller.call(method, path, case.body)).status in (200, 400, 413)
    line, number = await sqlite_seller.line()
    assert await sqlite_seller.outcome(await sqlite_seller.cancel(number)) == ("SUCCESS", None)
    assert await sqlite_seller.world.buckets(line) == (0, 0, 1, 0)
