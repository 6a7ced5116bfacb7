"""``Idempotency-Key``: the same call with the same key has one effect and one answer, for every unsafe call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import insert

from countermand.admin.callers import PLATFORM
from countermand.domain.delivery import Attempt, Verdict
from countermand.domain.endpoint import Endpoint
from countermand.outlets.webhook import WebhookOutlet
from countermand.service.calls import Call, Outcome
from countermand.service.lanes import Lanes
from countermand.store import tables as t
from countermand.store.erasure import erase_customer
from countermand.wire import in_flight
from countermand.wire.native.cancellations import Acceptance
from countermand.wire.native.endpoints import EndpointIn
from countermand.wire.native.meaning import former_fingerprint
from countermand.wire.native.operations import OPERATIONS
from tests.wire.native.calling import PATH, Native, new_retailer
from tests.wire.native.test_refunds import paid

pytestmark = pytest.mark.anyio

ENDPOINTS = "/v1/endpoints"
HOOK = {"url": "https://hooks.example.com/in"}


def replayed(response: httpx2.Response) -> bool:
    return response.headers.get("idempotent-replayed") == "true"


def is_replay(first: httpx2.Response, again: httpx2.Response) -> None:
    """The same status, body and place, and it says so."""
    assert not replayed(first)
    assert replayed(again)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers.get("location") == first.headers.get("location")


async def keyed(native: Native, path: str, who: UUID | str, body: Any, key: str = "k", **more: Any) -> httpx2.Response:
    method = more.pop("method", "POST")
    who = await native.token(PLATFORM) if who == PLATFORM else who
    return await native.call(method, path, who, body, headers={**native.keyed(key), **more})


async def test_a_repeat_gets_the_answer_of_then(native: Native) -> None:
    line = await native.line(5)
    wish = {"line": str(line), "units": 2}
    first = await native.ask(wish, key="k", asker="retailer")
    (made,) = first.json()["cancellations"]
    assert made["state"] == "asked"
    taken = await keyed(native, f"{PATH}/{made['id']}/accept", native.world.supplier, {})
    assert taken.json()["state"] == "accepted"
    is_replay(first, await native.ask(wish, key="k", asker="retailer"))
    is_replay(
        taken, await keyed(native, f"{PATH}/{made['id'].upper().replace('CAN_', '')}/accept", native.world.supplier, {})
    )
    assert await native.world.buckets(line) == (3, 0, 2, 0)


async def test_the_keys_of_a_party_are_in_one_space(native: Native) -> None:
    """Across lines, orders, operations, retailers and tokens."""
    line, other = await native.line(5), await native.line(5)
    stranger = await new_retailer(native.world, native.http)
    theirs = await stranger.line(5)
    ask = {"lines": [{"line": str(line), "units": 1}]}
    first = await keyed(native, PATH, PLATFORM, ask)
    assert first.status_code == 202
    (made,) = first.json()["cancellations"]
    cases: list[tuple[str, Any, list[str]]] = [
        (PATH, {"lines": [{"line": str(line), "units": 2}]}, ["/lines/0/units"]),
        (PATH, {"lines": [{"line": str(other), "units": 1}]}, ["/lines"]),
        (PATH, {"lines": [{"line": str(theirs), "units": 1}]}, ["/lines"]),
        (PATH, {**ask, "note": "x"}, ["/note"]),
        (f"{PATH}/{made['id']}/accept", {"step": 1}, ["operation"]),
        (f"{PATH}/can_{UUID(int=5).hex}/accept", {"step": 1}, ["operation"]),
        (ENDPOINTS, HOOK, ["operation"]),
    ]
    for path, body, differs in cases:
        reused = await keyed(native, path, PLATFORM, body)
        assert (reused.status_code, reused.json()["code"]) == (422, "key_reused"), path
        assert reused.json()["differs"] == differs
        assert reused.json()["first_used_at"] == "2026-11-02T09:00:00Z"
        assert not replayed(reused)
    is_replay(first, await keyed(native, PATH, PLATFORM, ask))
    assert (await keyed(native, PATH, native.retailer, ask)).status_code == 202, "another party's key"


async def test_lines_in_another_order_are_the_same_lines(native: Native) -> None:
    order = await native.order(2, 2)
    lines = [{"line": str(each.id), "units": 1} for each in order.lines]
    first = await native.ask(*lines, key="k")
    is_replay(first, await native.ask(*reversed(lines), key="k"))


async def test_refusals_by_the_rules_are_kept_and_others_leave_the_key_free(native: Native) -> None:
    line = await native.line(2)
    too_many = {"line": str(line), "units": 3}
    refused = await native.ask(too_many, key="rule")
    assert refused.json()["code"] == "too_many_units"
    is_replay(refused, await native.ask(too_many, key="rule"))
    # What has no effect by any rule: form, unknown ids, a step that is not named.
    assert await native.refused({"line": str(line), "units": 0}, key="form") == (422, "invalid")
    assert (await native.ask({"line": str(line), "units": 1}, key="form")).status_code == 202
    assert await native.refused(str(UUID(int=9)), key="unknown") == (404, "unknown_line")
    assert (await native.ask({"line": str(line), "units": 1}, key="unknown")).status_code == 202
    (made, *_) = await native.listed()
    answer = f"{PATH}/{made['id']}/accept"
    needed = await keyed(native, answer, PLATFORM, {}, "step")
    assert (needed.status_code, needed.json()["code"]) == (428, "step_needed")
    assert (await keyed(native, answer, PLATFORM, {"step": 1}, "step")).status_code == 200


async def test_a_step_that_is_over_is_refused_the_same_way_again(native: Native) -> None:
    (made,) = await native.asked({"line": str(await native.line(2))})
    await native.call("POST", f"{PATH}/{made['id']}/accept", native.retailer, {"step": 1})
    refused = await keyed(native, f"{PATH}/{made['id']}/decline", PLATFORM, {"step": 1, "reason": "other"})
    assert refused.json()["code"] == "state_changed"
    await native.call("POST", f"{PATH}/{made['id']}/accept", native.world.supplier, {})
    is_replay(refused, await keyed(native, f"{PATH}/{made['id']}/decline", PLATFORM, {"step": 1, "reason": "other"}))


async def test_a_key_comes_before_what_is_unknown_and_before_if_match(native: Native) -> None:
    line = await native.line(2)
    body = {"fulfiller": str(native.world.other_supplier), "note": "a fire"}
    first = await keyed(native, f"/v1/lines/{line}/reassign", native.retailer, body, **{"If-Match": "*"})
    assert first.status_code == 200
    again = await keyed(native, f"/v1/lines/{line}/reassign", native.retailer, body)
    is_replay(first, again)
    assert again.headers["etag"] == first.headers["etag"]
    unknown = await keyed(native, f"/v1/lines/{UUID(int=3)}/reassign", native.retailer, body)
    assert (unknown.status_code, unknown.json()["differs"]) == (422, ["operation"])


async def test_without_a_key_nothing_is_replayed(native: Native) -> None:
    line = await native.line(2)
    first = await native.ask({"line": str(line), "units": 1})
    again = await native.ask({"line": str(line), "units": 1})
    assert not replayed(again)
    assert [each["repeated"] for each in (*first.json()["cancellations"], *again.json()["cancellations"])] == [
        False,
        True,
    ]


@pytest.mark.parametrize("key", ["", "a b", "ä", "a\x7f"])
async def test_a_key_is_visible_ascii(sqlite_native: Native, key: str) -> None:
    headers: Any = {"Idempotency-Key": key.encode()}
    response = await sqlite_native.call("POST", PATH, sqlite_native.retailer, {}, headers=headers)
    assert response.status_code == 422
    assert {"in": "header", "name": "Idempotency-Key"}.items() <= response.json()["errors"][0].items()


async def test_every_unsafe_operation_takes_a_key(sqlite_native: Native) -> None:
    described = (await sqlite_native.http.get("/openapi.json")).json()
    unsafe = {
        call["operationId"]: {each["name"] for each in call.get("parameters", ())}
        for path in described["paths"].values()
        for method, call in path.items()
        if method in ("post", "patch", "delete")
    }
    without = {name for name, parameters in unsafe.items() if "Idempotency-Key" not in parameters}
    assert without <= {"quotes.create", "policies.preview"}
    assert unsafe.keys() <= OPERATIONS.keys()


# Payments, endpoints


async def test_payments_take_keys(native: Native) -> None:
    path = f"/v1/orders/{(await paid(native, payments=[])).id}/payments"
    card = {"id": "card", "provider": "manual", "reference": f"pi_{native.retailer.hex}"}
    added = await keyed(native, path, native.retailer, {**card, "authorised": "17.00"}, "a")
    assert added.status_code == 200, added.text
    captured = await keyed(native, f"{path}/card/capture", native.retailer, {"captured": "17.00"}, "c")
    assert captured.json()["payments"][0]["captured"] == "17.00"
    is_replay(added, await keyed(native, path, native.retailer, {"authorised": "17.0", **card}, "a"))
    is_replay(captured, await keyed(native, f"{path}/card/capture", native.retailer, {"captured": "17.0"}, "c"))


async def test_every_change_of_an_endpoint_takes_a_key(native: Native) -> None:
    made = await keyed(native, ENDPOINTS, native.retailer, HOOK, "create")
    assert made.headers["location"] == f"{ENDPOINTS}/{made.json()['id']}"
    again = await keyed(native, ENDPOINTS, native.retailer, HOOK, "create")
    assert again.headers["location"] == made.headers["location"]
    one = f"{ENDPOINTS}/{made.json()['id']}"
    paused = await keyed(native, f"{one}/pause", native.retailer, {"reason": "rest"}, "pause")
    resumed = await keyed(native, f"{one}/resume", native.retailer, None, "resume")
    is_replay(paused, await keyed(native, f"{one}/pause", native.retailer, {"reason": "rest"}, "pause"))
    is_replay(resumed, await keyed(native, f"{one}/resume", native.retailer, None, "resume"))
    assert (await native.call("GET", one, native.retailer)).json()["state"] == "active"
    gone = await keyed(native, one, native.retailer, None, "delete", method="DELETE")
    assert gone.status_code == 204
    is_replay(gone, await keyed(native, one, native.retailer, None, "delete", method="DELETE"))
    assert (await native.call("DELETE", one, native.retailer)).status_code == 404


# Twins in flight


class Held:
    """The write road, which lets nothing through until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.arrived, self.open = asyncio.Event(), asyncio.Event()
        submit = Lanes.submit

        async def held(lanes: Lanes, call: Call) -> Outcome:
            self.arrived.set()
            await self.open.wait()
            return await submit(lanes, call)

        monkeypatch.setattr(Lanes, "submit", held)


async def test_a_twin_waits_for_the_answer_of_the_first(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = {"line": str(await native.line(3)), "units": 1}
    held = Held(monkeypatch)
    first = asyncio.create_task(native.ask(wish, key="k"))
    await held.arrived.wait()
    twins = [asyncio.create_task(native.ask(wish, key="k")) for _ in range(3)]
    other = asyncio.create_task(native.ask({**wish, "units": 2}, key="k"))
    held.open.set()
    answers = await asyncio.gather(*twins)
    for each in answers:
        is_replay(await first, each)
    assert (await other).json()["differs"] == ["/lines/0/units"]
    assert len(await native.listed()) == 1


async def test_a_twin_that_waits_too_long_is_told_to_come_again(
    native: Native, monkeypatch: pytest.MonkeyPatch
) -> None:
    wish = {"line": str(await native.line(3)), "units": 1}
    held = Held(monkeypatch)
    first = asyncio.create_task(native.ask(wish, key="k"))
    await held.arrived.wait()
    monkeypatch.setattr(in_flight, "WAIT_S", 0)
    twin = await native.ask(wish, key="k")
    assert (twin.status_code, twin.json()["code"], twin.headers["retry-after"]) == (409, "key_in_use", "1")
    assert twin.json()["retryable"] is True
    held.open.set()
    is_replay(await first, await native.ask(wish, key="k"))


async def test_a_twin_of_another_process_waits_in_the_database(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither of two processes knows of the other's calls."""
    monkeypatch.setattr(in_flight.InFlight, "alone", _unknown)
    wish = {"line": str(await native.line(9)), "units": 1}
    asks = await asyncio.gather(*(native.ask(wish, key="k") for _ in range(6)))
    assert len({each.content for each in asks}) == 1
    assert sum(not replayed(each) for each in asks) == 1
    made = await asyncio.gather(*(keyed(native, ENDPOINTS, native.retailer, HOOK, "e") for _ in range(6)))
    assert {each.status_code for each in made} == {201}
    assert len({each.json()["id"] for each in made}) == 1
    assert sum(each.json()["secret"] is not None for each in made) == 1


async def test_a_test_that_two_processes_send_has_one_id(native: Native, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can take back what was sent: its receiver knows the repeat by ``webhook-id``."""
    monkeypatch.setattr(in_flight.InFlight, "alone", _unknown)
    sent: list[str] = []

    async def post(outlet: WebhookOutlet, endpoint: Endpoint, message: str, document: Any, now: datetime) -> Attempt:
        sent.append(message)
        return Attempt(verdict=Verdict.DELIVERED, result="204", status=204)

    monkeypatch.setattr(WebhookOutlet, "_post", post)
    hook = (await native.call("POST", ENDPOINTS, native.retailer, HOOK)).json()["id"]
    path = f"{ENDPOINTS}/{hook}/test"
    answers = await asyncio.gather(*(keyed(native, path, native.retailer, {}, "t") for _ in range(4)))
    assert {each.status_code for each in answers} == {200}
    assert len({each.content for each in answers}) == 1
    assert (len(set(sent)), sum(not replayed(each) for each in answers)) == (1, 1)
    await keyed(native, path, native.retailer, {}, "another")
    await native.call("POST", path, native.retailer, {})
    assert len(set(sent)) == 3


@asynccontextmanager
async def _unknown(_: in_flight.InFlight, __: object) -> AsyncIterator[None]:
    yield


# What earlier versions kept


async def as_0_1_kept_it(native: Native, owner: UUID, caller: str, fingerprint: str, answer: dict[str, Any]) -> None:
    record = {
        "retailer_id": owner,
        "caller": caller,
        "key": native.keyed("old")["Idempotency-Key"],
        "fingerprint": fingerprint,
        "answer": answer,
        "created_at": native.world.clock(),
    }
    await native.world.application.database.write(
        lambda connection: connection.execute(insert(t.idempotency_records), record)
    )


async def test_keys_of_earlier_versions_still_find_their_calls(native: Native) -> None:
    (made,) = await native.asked({"line": str(await native.line(5)), "units": 2}, asker="retailer")
    given, cancellation = Acceptance(units=1), UUID(made["id"].removeprefix("can_"))
    fingerprint = former_fingerprint(f"accept {cancellation}", given)()
    supplier = native.world.supplier
    answer = {"cancellations": [cancellation.hex], "process": None}
    await as_0_1_kept_it(native, native.retailer, str(supplier), fingerprint, answer)
    path = f"{PATH}/{made['id']}/accept"
    again = await keyed(native, path, supplier, {"units": 1}, "old")
    assert (again.status_code, replayed(again), again.json()["state"]) == (200, True, "asked")
    other = await keyed(native, path, supplier, {"units": 2}, "old")
    assert (other.json()["code"], other.json()["differs"]) == ("key_reused", [""])


async def test_an_endpoint_that_an_earlier_version_made_is_found_without_its_secret(native: Native) -> None:
    made = (await native.call("POST", ENDPOINTS, native.retailer, HOOK)).json()
    answer = {"endpoint": made["id"].removeprefix("ept_"), "secret": "closed"}
    fingerprint = former_fingerprint("add endpoint", EndpointIn(**HOOK))()
    await as_0_1_kept_it(native, native.retailer, f"{native.retailer} endpoints", fingerprint, answer)
    again = await keyed(native, ENDPOINTS, native.retailer, HOOK, "old")
    assert (again.status_code, again.json(), replayed(again)) == (201, {**made, "secret": None}, True)
    other = await keyed(native, PATH, native.retailer, {"lines": [{"line": str(await native.line())}]}, "old")
    assert other.json()["code"] == "key_reused"


async def test_a_reply_about_an_erased_customer_is_made_anew(native: Native) -> None:
    order = await native.order(2)
    wish = {"line": str(order.lines[0].id), "units": 1}
    first = await native.ask(wish, key="k")
    database, now = native.world.application.database, native.world.clock()
    await database.write(lambda connection: erase_customer(connection, order.id, at=now, by="test"))
    again = await native.ask(wish, key="k")
    assert (again.status_code, replayed(again)) == (202, True)
    assert again.json()["cancellations"][0]["id"] == first.json()["cancellations"][0]["id"]
    kept = await database.read(
        lambda connection: connection.execute(
            t.idempotency_records.select().where(t.idempotency_records.c.order_id == order.id)
        ).all()
    )
    assert [row.reply for row in kept] == [None]
