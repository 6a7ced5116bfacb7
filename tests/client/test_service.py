"""The clients against the service itself: within this process, and over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import httpx2
import pytest

from countermand.admin.callers import PLATFORM
from countermand_client import AsyncClient, Client, Conflict, Forbidden, Invalid, NotFound, RuleRefused, Unauthenticated
from tests.support.listening import Listening
from tests.support.waiting import HANGS_S
from tests.wire.native.calling import Native


@asynccontextmanager
async def calling(native: Native, party: UUID) -> AsyncIterator[AsyncClient]:
    """The client of a party, straight into the application."""
    http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=native.world.asgi))
    async with AsyncClient("http://test", native.world.tokens[party], http_client=http) as client:
        yield client


@pytest.mark.anyio
async def test_an_ask_is_answered_within_this_process(sqlite_native: Native) -> None:
    native, line = sqlite_native, await sqlite_native.line(3)
    async with calling(native, native.retailer) as retailer, calling(native, native.world.supplier) as supplier:
        asked = await retailer.cancellations.create(lines=[{"line": line, "units": 2}], asker="retailer", note="é")
        (made,) = asked.cancellations
        assert (made.state, made.units, made.step, made.fulfiller.id) == ("asked", 2, 1, str(native.world.supplier))
        waiting = [each.id async for each in supplier.cancellations.list(awaiting_me=True, line=line)]
        assert waiting == [made.id]
        answered = await supplier.cancellations.accept(made.id, units=1, rest_reason="already_picked")
        assert (answered.state, answered.accepted_units) == ("accepted", 1)
        with pytest.raises(RuleRefused) as caught:
            await supplier.cancellations.decline(made.id, reason="other")
        assert (caught.value.code, caught.value.problem["cancellation"]) == ("already_answered", made.id)
        events = [each async for each in retailer.events.list(line=line)]
        assert [each.kind for each in events] == ["line.placed", "cancellation.asked", "cancellation.accepted"]


@pytest.fixture
def retailer(service: Listening) -> Iterator[Client]:
    with Client(service.url, service.tokens[service.world.retailer]) as client:
        yield client


@pytest.fixture
def supplier(service: Listening) -> Iterator[Client]:
    with Client(service.url, service.tokens[service.world.supplier]) as client:
        yield client


@pytest.fixture
def platform(service: Listening) -> Iterator[Client]:
    with Client(service.url, service.tokens[PLATFORM]) as client:
        yield client


def test_the_same_key_is_the_same_call(service: Listening, retailer: Client) -> None:
    line = service.do(service.world.order(5)).lines[0].id
    key = str(uuid4())
    first = retailer.cancellations.create(lines=[{"line": line, "units": 1}], idempotency_key=key)
    again = retailer.cancellations.create(lines=[{"line": line, "units": 1}], idempotency_key=key)
    other = retailer.cancellations.create(lines=[{"line": line, "units": 1}])
    assert [each.id for each in again.cancellations] == [each.id for each in first.cancellations]
    assert other.cancellations[0].id != first.cancellations[0].id
    with pytest.raises(Invalid) as caught:
        retailer.cancellations.create(lines=[{"line": line, "units": 2}], idempotency_key=key)
    assert caught.value.code == "key_reused"


def test_a_list_is_read_page_by_page(service: Listening, retailer: Client) -> None:
    order = service.do(service.world.order(*[1] * 5))
    lines = [str(each.id) for each in order.lines]
    retailer.cancellations.create(lines=[{"line": each} for each in lines])
    page = retailer.cancellations.list(order=order.id, limit=2).page()
    assert (len(page), page.next is not None) == (2, True)
    found = list(retailer.cancellations.list(order=order.id, limit=2))
    assert sorted(each.line for each in found) == sorted(lines)
    assert [each.id for each in found[:2]] == [each.id for each in page]


def test_what_goes_wrong_has_its_class(
    service: Listening, retailer: Client, supplier: Client, platform: Client
) -> None:
    line = service.do(service.world.order(1)).lines[0].id
    with pytest.raises(NotFound) as unknown:
        retailer.cancellations.get("can_" + "0" * 32)
    assert unknown.value.code == "unknown_cancellation"
    assert unknown.value.docs_url == f"{service.url}/problems/unknown_cancellation"
    assert httpx2.get(unknown.value.docs_url, timeout=HANGS_S).status_code == 200
    with pytest.raises(Invalid) as invalid:
        retailer.cancellations.create(lines=[{"line": line, "units": 0}])
    assert [(each.pointer, each.code) for each in invalid.value.errors] == [("/lines/0/units", "out_of_range")]
    with pytest.raises(Forbidden):
        supplier.refunds.get("rfd_" + "0" * 32)
    with Client(service.url, "cmt_nobody") as nobody, pytest.raises(Unauthenticated):
        nobody.me.get()
    (made,) = retailer.cancellations.create(lines=[{"line": line}], asker="retailer").cancellations
    with pytest.raises(Conflict) as unnamed:
        platform.cancellations.accept(made.id)
    assert (unnamed.value.status, unnamed.value.code) == (428, "step_needed")
    assert platform.cancellations.accept(made.id, step=made.step).state == "accepted"


def test_a_line_is_given_to_another_by_who_saw_it_last(service: Listening, retailer: Client) -> None:
    seen = retailer.lines.get(service.do(service.world.order(2)).lines[0].id)
    other = service.do(service.world.name(service.world.other_supplier)) or ""
    with pytest.raises(Conflict) as caught:
        retailer.lines.reassign(seen.id, fulfiller=other, note="fire")
    assert caught.value.code == "if_match_needed"
    given = retailer.lines.reassign(seen.id, fulfiller=other, note="fire", if_match=seen.etag)
    assert given.fulfiller.name == other
    with pytest.raises(Conflict) as caught:
        retailer.lines.reassign(seen.id, fulfiller=other, note="fire", if_match=seen.etag)
    assert caught.value.code == "etag_mismatch"


def test_who_calls_and_whether_the_service_is_ready(service: Listening, retailer: Client) -> None:
    me = retailer.me.get()
    assert (me.party.id, me.kind) == (str(service.world.retailer), "retailer")
    assert retailer.health.live().status == "ok"
    assert [each.name for each in retailer.health.ready().checks][:1] == ["database"]
    raw = retailer.with_raw_response(retailer.me.get, request_id="client-test-1")
    assert (raw.request_id, raw.parsed.party.id) == ("client-test-1", me.party.id)
    assert "ratelimit" in raw.headers or raw.status == 200


def test_both_clients_say_the_same(service: Listening, retailer: Client) -> None:
    async def other() -> str:
        async with AsyncClient(service.url, service.tokens[service.world.retailer]) as client:
            return (await client.me.get()).model_dump_json()

    assert asyncio.run(other()) == retailer.me.get().model_dump_json()
