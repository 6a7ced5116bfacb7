"""Subscriptions: who is told of what, how a message is signed, and how a subscription is made, changed and tried."""

import base64
import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from sqlalchemy import Table, select

from countermand.admin import credentials, signature_keys
from countermand.admin.audit import Author
from countermand.domain.parties import Asker
from countermand.domain.subscriptions import PROCESS_FINISHED
from countermand.reads.parties import find_party
from countermand.store import tables as t
from tests.docs.snippets import the_snippet
from tests.support.receiver import Received, Receiver, answer
from tests.wire.bol_retailer.calling import Answer, RetailerSeller, new_retailer_seller, opened_retailer, queued
from tests.wire.bol_retailer.test_orders import UNFIT, item_of

pytestmark = pytest.mark.anyio

PATH = "/retailer/subscriptions"
PAGE = "docs/retailer.md"
BOTH = ("PROCESS_STATUS", "ORDER")
EMPTY = "The supplied value is empty, but is required."
LOOPBACK: dict[str, Any] = {"webhook_inner_addresses": ["127.0.0.0/8"], "webhook_ports": []}

Told = tuple[str, str, str]
"""What a message says: the resource, the type, and the id."""


@pytest.fixture(scope="module")
async def world_of_sellers(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RetailerSeller]:
    async with opened_retailer(shared_url, key_file=tmp_path_factory.mktemp("keys") / "keys", **LOOPBACK) as shop:
        yield shop


@pytest.fixture
async def shop(world_of_sellers: RetailerSeller) -> RetailerSeller:
    return await new_retailer_seller(world_of_sellers.world, world_of_sellers.seller.http)


def wanted(url: str, *resources: str, **more: Any) -> dict[str, Any]:
    return {"resources": list(resources or BOTH), "url": url, "subscriptionType": "WEBHOOK", **more}


async def subscribe(shop: RetailerSeller, url: str, *resources: str, **more: Any) -> str:
    """The id of a new subscription."""
    process = await shop.process(queued(await shop.call("POST", PATH, wanted(url, *resources, **more))))
    assert process["status"] == "SUCCESS", process
    return str(process["entityId"])


async def outcome(shop: RetailerSeller, answered: Answer) -> tuple[str, str | None]:
    return await shop.outcome(queued(answered))


async def sent(shop: RetailerSeller, receiver: Receiver) -> list[Told]:
    """What the worker has sent since this was last asked; each message held against its signature and its shape."""
    await shop.world.application.worker.once()
    arrived = [*receiver.requests]
    receiver.requests.clear()
    return [await checked(shop, each) for each in arrived]


async def checked(shop: RetailerSeller, received: Received) -> Told:
    assert received.method == "POST"
    assert received.headers["content-type"] == "application/json"
    await verify(shop, received)
    message = json.loads(received.body)
    event = message.pop("event")
    retailer = (await shop.get("/retailer/retailers/current"))["retailerId"]
    assert message == {"retailerId": retailer, "timestamp": message["timestamp"]}
    assert re.fullmatch(r"2026-11-\d\dT\d\d:\d\d:\d\d\.\d{3}\+01:00", message["timestamp"])
    assert set(event) == {"resource", "type", "resourceId"}
    return event["resource"], event["type"], event["resourceId"]


async def verify(shop: RetailerSeller, received: Received) -> str:
    """As a receiver does: by the published key that the header names. Returns which that is."""
    found = re.fullmatch(
        r'keyId="([^"]+)",algorithm="rsa-sha256",signature="([A-Za-z0-9+/=]+)"', received.headers["signature"]
    )
    assert found is not None
    keys = {each["id"]: each for each in (await shop.get(f"{PATH}/signature-keys"))["signatureKeys"]}
    key = keys[found[1]]
    assert key["type"] == "RSA"
    public = load_der_public_key(base64.b64decode(key["publicKey"]))
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(base64.b64decode(found[2]), received.body, padding.PKCS1v15(), SHA256())
    with pytest.raises(InvalidSignature):
        public.verify(base64.b64decode(found[2]), received.body + b" ", padding.PKCS1v15(), SHA256())
    return found[1]


async def rows(shop: RetailerSeller, table: Table) -> list[Any]:
    return await shop.world.application.database.read(lambda connection: [*connection.execute(select(table))])


# What is told


async def test_each_change_of_an_order_and_each_end_of_a_process_is_told(
    shop: RetailerSeller, receiver: Receiver
) -> None:
    await subscribe(shop, receiver.url)
    ((_, _, made),) = await sent(shop, receiver)
    assert (await shop.process(made))["eventType"] == "CREATE_SUBSCRIPTION"
    line, item = await item_of(shop, 3)
    order = (await shop.get("/retailer/orders"))["orders"][0]["orderId"]
    assert await sent(shop, receiver) == [("ORDER", "CREATED", order)]
    await shop.seller.ask(line, 1)
    assert await sent(shop, receiver) == [("ORDER", "CANCELLATION_REQUESTED", order)]
    await shop.seller.withdraw(line)
    assert await sent(shop, receiver) == [("ORDER", "CANCELLATION_ENDED", order)]
    parcel = await shop.ship(item, quantity=1)
    assert sorted(await sent(shop, receiver)) == [
        ("ORDER", "SHIPPED", order),
        ("PROCESS_STATUS", "SUCCESS", parcel),
    ]
    cancelled = await shop.cancel(item)
    assert sorted(await sent(shop, receiver)) == [
        ("ORDER", "CANCELLED", order),
        ("PROCESS_STATUS", "SUCCESS", cancelled),
    ]
    unknown = await shop.cancel("77")
    assert await sent(shop, receiver) == [("PROCESS_STATUS", "FAILURE", unknown)]


async def test_a_process_that_waits_is_told_once_it_has_its_answer(shop: RetailerSeller, receiver: Receiver) -> None:
    yes, one = await item_of(shop, by=shop.world.supplier)
    no, two = await item_of(shop, by=shop.world.supplier)
    late, three = await item_of(shop, by=shop.world.supplier)
    await subscribe(shop, receiver.url, "PROCESS_STATUS")
    await sent(shop, receiver)
    accepted, again = await shop.cancel(one), await shop.cancel(one)
    declined, forgotten = await shop.cancel(two), await shop.cancel(three)
    assert await sent(shop, receiver) == []
    await shop.seller.accept(yes, by=shop.world.supplier)
    ended = ("PROCESS_STATUS", "SUCCESS")
    assert sorted(await sent(shop, receiver)) == [(*ended, accepted), (*ended, again)]
    await shop.seller.decline(no, by=shop.world.supplier)
    assert await sent(shop, receiver) == [("PROCESS_STATUS", "FAILURE", declined)]
    await shop.seller.withdraw(late, asker=Asker.RETAILER)
    assert await sent(shop, receiver) == [("PROCESS_STATUS", "FAILURE", forgotten)]


async def test_a_process_that_nobody_answers_in_time_is_told_as_timed_out(
    shop: RetailerSeller, receiver: Receiver
) -> None:
    _, item = await item_of(shop, by=shop.world.supplier)
    await subscribe(shop, receiver.url, "PROCESS_STATUS")
    await sent(shop, receiver)
    process = await shop.cancel(item)
    shop.world.clock.advance(hours=48, seconds=1)
    await shop.world.application.worker.fire_deadlines()
    assert await sent(shop, receiver) == [("PROCESS_STATUS", "TIMEOUT", process)]
    assert (await shop.outcome(process))[0] == "TIMEOUT"


async def test_a_call_of_the_older_api_is_told_of_too(shop: RetailerSeller, receiver: Receiver) -> None:
    await subscribe(shop, receiver.url, "PROCESS_STATUS")
    await sent(shop, receiver)
    _, item = await item_of(shop)
    process = await shop.seller.cancel(item, "OUT_OF_STOCK")
    assert await sent(shop, receiver) == [("PROCESS_STATUS", "SUCCESS", str(process))]


@pytest.mark.parametrize("resource", BOTH)
async def test_nothing_else_is_told_and_nobody_else(shop: RetailerSeller, receiver: Receiver, resource: str) -> None:
    await subscribe(shop, receiver.url, resource)
    await sent(shop, receiver)
    other = await new_retailer_seller(shop.world, shop.seller.http)
    _, theirs = await item_of(other)
    await other.cancel(theirs)
    assert await sent(shop, receiver) == []
    _, mine = await item_of(shop)
    await shop.cancel(mine)
    assert {told[0] for told in await sent(shop, receiver)} == {resource}


async def test_what_a_receiver_does_not_take_is_sent_again(shop: RetailerSeller, receiver: Receiver) -> None:
    await subscribe(shop, receiver.url, "ORDER")
    receiver.script = [answer(500), answer(204)]
    await item_of(shop)
    first = await sent(shop, receiver)
    (notice,) = [each for each in await rows(shop, t.notices) if each.retailer_id == shop.party]
    assert (notice.state, notice.last_result) == ("due", "The receiver answered 500 Internal Server Error.")
    shop.world.clock.advance(seconds=10)
    station = shop.world.application.worker.notices
    station._queues.clear()
    assert await sent(shop, receiver) == first
    (notice,) = [each for each in await rows(shop, t.notices) if each.retailer_id == shop.party]
    assert notice.state == "sent"


async def test_the_page_shows_a_message_and_a_sample_that_checks_it(shop: RetailerSeller, receiver: Receiver) -> None:
    await subscribe(shop, receiver.url, "ORDER")
    line, _ = await item_of(shop, 3)
    await shop.seller.ask(line, 1)
    await shop.world.application.worker.once()
    message, header = receiver.requests[-1].body, receiver.requests[-1].headers["signature"]
    shown, told = json.loads(the_snippet(PAGE, "json")), json.loads(message)
    assert (shown["event"] | {"resourceId": ""}) == (told["event"] | {"resourceId": ""})
    assert shown.keys() == told.keys()
    keys = {each["id"]: each["publicKey"] for each in (await shop.get(f"{PATH}/signature-keys"))["signatureKeys"]}
    sample: dict[str, Any] = {}
    exec(the_snippet(PAGE, "python"), sample)
    sample["check"](header, message, keys)
    with pytest.raises(InvalidSignature):
        sample["check"](header, message + b" ", keys)


# A subscription's life


async def test_a_subscription_is_made_shown_changed_and_removed(shop: RetailerSeller, receiver: Receiver) -> None:
    name = await subscribe(shop, receiver.url, "ORDER")
    shown = {
        "id": name,
        "resources": ["ORDER"],
        "url": receiver.url,
        "subscriptionType": "WEBHOOK",
        "enabled": True,
    }
    assert await shop.get(f"{PATH}/{name}") == shown
    assert await shop.get(PATH) == {"subscriptions": [shown]}
    changed = wanted(f"{receiver.url}/two", "PROCESS_STATUS", "PROCESS_STATUS", enabled=False)
    answered = await shop.call("PUT", f"{PATH}/{name}", changed)
    assert answered.body["description"] == f"Update subscription with id {name}."
    assert answered.body["entityId"] == name
    assert await outcome(shop, answered) == ("SUCCESS", None)
    assert await shop.get(f"{PATH}/{name}") == {
        **shown,
        "resources": ["PROCESS_STATUS"],
        "url": f"{receiver.url}/two",
        "enabled": False,
    }
    assert await outcome(shop, await shop.call("DELETE", f"{PATH}/{name}")) == ("SUCCESS", None)
    assert await shop.get(PATH) == {"subscriptions": []}
    gone = await shop.call("GET", f"{PATH}/{name}")
    assert (gone.status, gone.body["detail"]) == (404, f"Subscription for subscription id {name} not found.")
    about = f"/shared/process-status?entity-id={name}&event-type=UPDATE_SUBSCRIPTION"
    assert [each["status"] for each in (await shop.get(about))["processStatuses"]] == ["SUCCESS"]


async def test_what_happens_while_it_is_disabled_is_told_afterwards(shop: RetailerSeller, receiver: Receiver) -> None:
    name = await subscribe(shop, receiver.url, "ORDER", enabled=False)
    await item_of(shop)
    assert await sent(shop, receiver) == []
    await shop.call("PUT", f"{PATH}/{name}", wanted(receiver.url, "ORDER", enabled=True))
    assert [told[1] for told in await sent(shop, receiver)] == ["CREATED"]


@pytest.mark.parametrize("call", [("PUT", ""), ("DELETE", ""), ("POST", "/test")])
@pytest.mark.parametrize("whose", ["nobody's", "another's", "an endpoint", *UNFIT])
async def test_what_is_no_subscription_of_the_seller_fails(
    shop: RetailerSeller, receiver: Receiver, call: tuple[str, str], whose: str
) -> None:
    names = {"nobody's": "nonsense", **{each: each for each in UNFIT}}
    if whose == "another's":
        other = await new_retailer_seller(shop.world, shop.seller.http)
        names[whose] = await subscribe(other, receiver.url)
    if whose == "an endpoint":
        made = await native(shop, "POST", "/v1/endpoints", {"url": receiver.url})
        names[whose] = str(UUID(made["id"].removeprefix("ept_")))
    method, between = call
    body = wanted(receiver.url) if method == "PUT" else None
    path = f"{PATH}{between}/{names[whose]}"
    assert await outcome(shop, await shop.call(method, path, body)) == ("FAILURE", "There is no such subscription.")
    assert (await shop.call("GET", f"{PATH}/{names[whose]}")).status == 404
    assert receiver.requests == []


async def test_one_too_many_fails(shop: RetailerSeller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countermand.admin.endpoints.ENDPOINTS_MAX", 1)
    url = "https://seller.example.com/bol"
    await subscribe(shop, url)
    status, sentence = await outcome(shop, await shop.call("POST", PATH, wanted(url)))
    assert (status, sentence) == ("FAILURE", "The party has 1 endpoints. Remove one first.")


@pytest.mark.parametrize(
    ("change", "name", "reason"),
    [
        ({"resources": []}, "resources", "The list has 0 elements, but must have at least 1."),
        ({"resources": None}, "resources", EMPTY),
        ({"resources": ["SHIPMENT"]}, "resources[0]", "'SHIPMENT', allowed values: PROCESS_STATUS, ORDER."),
        ({"resources": ["ORDER", 5]}, "resources[1]", "'5', allowed values"),
        ({"url": ""}, "url", EMPTY),
        ({"url": "http://seller.example.com/"}, "url", "https://"),
        ({"url": "mailto:seller@example.com"}, "url", "The address does not start with https://."),
        ({"url": "ftp://seller.example.com/"}, "url", "The address does not start with https://."),
        ({"url": "https://seller.example.com/#a"}, "url", "fragment"),
        ({"url": "https://" + "x" * 2000}, "url", "2000"),
        ({"url": "https://seller.example.com/\u0000"}, "url", "null characters"),
        ({"subscriptionType": "AWS_SQS"}, "subscriptionType", "'AWS_SQS', allowed values: WEBHOOK."),
        ({"subscriptionType": None}, "subscriptionType", EMPTY),
        ({"enabled": "yes"}, "enabled", "boolean"),
    ],
)
async def test_what_cannot_be_a_subscription_is_a_violation(
    shop: RetailerSeller, change: dict[str, Any], name: str, reason: str
) -> None:
    body = {**wanted("https://seller.example.com/bol"), **change}
    for method, path in (("POST", PATH), ("PUT", f"{PATH}/1"), ("POST", "/retailer-demo/subscriptions")):
        assert reason in (await shop.call(method, path, body)).violations[name]
    assert (await shop.get(PATH))["subscriptions"] == []


# Trying it


async def test_a_trial_tells_how_the_receiver_took_it(shop: RetailerSeller, receiver: Receiver) -> None:
    name = await subscribe(shop, receiver.url, "ORDER")
    receiver.script = [answer(204), answer(500)]
    assert await outcome(shop, await shop.call("POST", f"{PATH}/test/{name}")) == ("SUCCESS", None)
    assert await checked(shop, receiver.requests[0]) == ("TEST", "TEST", name)
    shop.world.clock.advance(seconds=1)
    failed = await outcome(shop, await shop.call("POST", f"{PATH}/test/{name}"))
    assert failed == ("FAILURE", "The receiver answered 500.")
    attempts = (await native(shop, "GET", f"/v1/attempts?endpoint=ept_{name}"))["attempts"]
    assert [each["ok"] for each in attempts] == [False, True]
    assert json.loads(attempts[1]["request"]["body"]) == json.loads(receiver.requests[0].body)


# Keys


async def rotate(shop: RetailerSeller) -> None:
    application = shop.world.application
    author = Author(name="op", door="test", at=shop.world.clock(), ids=application.ids)
    made = signature_keys.generate_key()
    act = partial(signature_keys.rotate, author=author, keyring=application.keyring, made=made)
    await application.database.write(act)


async def test_a_message_that_waits_is_signed_by_the_key_of_its_sending(
    shop: RetailerSeller, receiver: Receiver
) -> None:
    await subscribe(shop, receiver.url, "ORDER")
    receiver.script = [answer(500), answer(204)]
    await item_of(shop)
    await sent(shop, receiver)
    await rotate(shop)
    key = (await shop.get(f"{PATH}/signature-keys"))["signatureKeys"][0]["id"]
    shop.world.clock.advance(seconds=60)
    shop.world.application.worker.notices._queues.clear()
    await shop.world.application.worker.once()
    assert [await verify(shop, each) for each in receiver.requests] == [key]


async def test_a_new_key_signs_at_once_and_the_old_one_stays_published_for_a_day(
    shop: RetailerSeller, receiver: Receiver
) -> None:
    await subscribe(shop, receiver.url, "ORDER")
    application, clock = shop.world.application, shop.world.clock

    async def ids() -> list[str]:
        return [each["id"] for each in (await shop.get(f"{PATH}/signature-keys"))["signatureKeys"]]

    async def signed_by() -> str:
        await item_of(shop)
        await application.worker.once()
        return await verify(shop, receiver.requests[-1])

    (first, *_) = await ids()
    assert await signed_by() == first
    await rotate(shop)
    clock.advance(seconds=60)
    second, was, *_ = await ids()
    assert was == first
    assert await signed_by() == second
    clock.advance(seconds=int(timedelta(days=1).total_seconds()))
    assert await ids() == [second]
    for _ in range(signature_keys.KEYS_MAX - 1):
        await rotate(shop)
    with pytest.raises(signature_keys.TooManyKeysError, match="The next one can be made at"):
        await rotate(shop)
    assert len(await ids()) == signature_keys.KEYS_MAX
    kept = await rows(shop, t.signature_keys)
    assert [each.private is None for each in kept].count(False) == 1
    assert len(kept) == signature_keys.KEYS_MAX


# What others see of it


async def bearer(shop: RetailerSeller) -> dict[str, str]:
    application = shop.world.application
    token = await application.database.write(
        lambda connection: credentials.issue_token(
            connection, application.ids, shop.world.clock(), party=find_party(connection, str(shop.party))
        )
    )
    return {"Authorization": f"Bearer {token}"}


async def native(shop: RetailerSeller, method: str, path: str, body: Any = None) -> Any:
    headers = {**await bearer(shop), "If-Match": "*"}
    answered = await shop.seller.http.request(method, path, json=body, headers=headers)
    assert answered.is_success, answered.text
    return answered.json()


async def test_the_native_api_shows_it_and_leaves_its_messages_to_bols(
    shop: RetailerSeller, receiver: Receiver
) -> None:
    name = await subscribe(shop, receiver.url)
    await shop.world.application.worker.once()
    (message,) = receiver.requests
    (shown,) = (await native(shop, "GET", "/v1/endpoints"))["endpoints"]
    assert (shown["id"], shown["resources"], shown["events"]) == (f"ept_{UUID(name).hex}", list(BOTH), [])
    changed = await native(shop, "PATCH", f"/v1/endpoints/ept_{name}", {"label": "bol"})
    assert changed["label"] == "bol"
    headers = {**await bearer(shop), "If-Match": "*"}
    for path, body, code in (
        ("", {"events": ["line.placed"]}, 422),
        ("/rotate", None, 409),
    ):
        method = "PATCH" if body else "POST"
        refused = await shop.seller.http.request(method, f"/v1/endpoints/ept_{name}{path}", json=body, headers=headers)
        assert refused.status_code == code, refused.text
    (notice,) = (await native(shop, "GET", f"/v1/notices?endpoint=ept_{name}&expand=attempts"))["notices"]
    assert (notice["type"], notice["line"], notice["state"]) == (PROCESS_FINISHED, None, "sent")
    (attempt,) = notice["attempts"]
    assert json.loads(attempt["request"]["body"]) == json.loads(message.body)
    again = await native(shop, "POST", f"/v1/notices/{notice['id']}/resend")
    assert again["state"] == "due"
    assert len(await sent(shop, receiver)) == 2


async def test_plaza_does_not_know_its_processes(shop: RetailerSeller) -> None:
    process = queued(await shop.call("POST", PATH, wanted("https://seller.example.com/bol")))
    answered = await shop.seller.call("GET", f"/services/rest/process-status/v2/{process}")
    assert answered.status == 404


async def test_the_sandbox_has_one_and_sends_nothing(shop: RetailerSeller, receiver: Receiver) -> None:
    demo = PATH.replace("retailer", "retailer-demo")
    ((name, *_),) = [[each["id"]] for each in (await shop.get(demo))["subscriptions"]]
    assert (await shop.get(f"{demo}/{name}"))["enabled"] is True
    assert (await shop.call("GET", f"{demo}/1")).status == 404
    for method, path, body in (
        ("POST", demo, wanted("https://seller.example.com/bol")),
        ("PUT", f"{demo}/{name}", wanted("https://seller.example.com/bol")),
        ("POST", f"{demo}/test/{name}", None),
        ("DELETE", f"{demo}/{name}", None),
    ):
        assert queued(await shop.call(method, path, body)) == "1"
    ((key,),) = [[each] for each in (await shop.get(f"{demo}/signature-keys"))["signatureKeys"]]
    assert isinstance(load_der_public_key(base64.b64decode(key["publicKey"])), rsa.RSAPublicKey)
    assert await shop.seller.count(t.process_statuses, t.notices) == 0
    assert UUID(name).int > 0
