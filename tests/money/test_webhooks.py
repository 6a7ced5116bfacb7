"""News from a payment provider: through the door, with its signature, to the provider's own word; on both engines."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from countermand.ids import show
from countermand.payments.provider import Movement, Notified, ProviderResult, RefundRequest
from countermand.payments.stripe.webhooks import read_notice
from countermand.serving import doors
from countermand.wire.provider_webhooks import payment_door
from countermand.wire.throttle import Throttle
from countermand.worker.refunds import NEWS_MAX
from tests.money.bank import Bank
from tests.money.test_settling import Desk, desk
from tests.store.holding import assert_sound
from tests.support.money import rows_of
from tests.support.waiting import HANGS_S
from tests.support.world import World

pytestmark = pytest.mark.anyio

SECRET = "whsec_of_the_bank"
HOOK = "/v1/providers/stripe/webhook"


class SigningBank(Bank):
    """Reads webhooks as Stripe's adapter does."""

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notified]:
        return read_notice(headers, body, secret=SECRET, now=self.clock())


async def told_by_webhooks(world: World) -> tuple[Desk, httpx2.AsyncClient]:
    here = await desk(world)
    here.bank.__class__ = SigningBank
    door = payment_door(
        providers={"stripe": here.bank},
        follow=here.worker.refunds.follow,
        throttle=Throttle(world.application.settings, world.clock),
        settings=world.application.settings,
    )
    return here, httpx2.AsyncClient(transport=httpx2.ASGITransport(app=door.app), base_url="http://test")


def event(reference: str, *, payment: str = "pi_1") -> bytes:
    subject = {
        "object": "refund",
        "id": "re_1",
        "payment_intent": payment,
        "status": "succeeded",
        "amount": 10**9,
        "metadata": {"countermand_reference": reference},
    }
    return json.dumps({"type": "refund.updated", "data": {"object": subject}}).encode()


def signed(world: World, body: bytes, secret: str = SECRET, **later: float) -> dict[str, str]:
    at = int(world.clock().timestamp() + later.get("seconds", 0))
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={at},v1={mac}"}


async def test_news_settles_a_refund_whose_answer_was_lost_and_twice_is_once(world: World) -> None:
    here, client = await told_by_webhooks(world)
    here.bank.script.append("after")
    await here.owed()
    await here.work()
    assert await here.states() == ["unknown"]
    [row] = await rows_of(world, "refunds")
    body = event(show("rfd", row.id))
    for _ in range(2):
        answer = await client.post(HOOK, content=body, headers=signed(world, body))
        assert (answer.status_code, answer.json()) == (200, {})
        assert (await here.states(), here.bank.moved()) == (["confirmed"], 900), (
            "the amount in the webhook is not believed"
        )
    assert await here.reported() == ["due", "sent", "done"]
    await assert_sound(world.application.database)


async def test_news_of_a_payment_alone_finds_its_refunds(world: World) -> None:
    here, client = await told_by_webhooks(world)
    here.bank.script.append("accepted")
    await here.owed()
    await here.work()
    assert await here.states() == ["accepted"]
    here.bank.held["re_1"].movement = Movement.CONFIRMED
    body = json.dumps({"data": {"object": {"object": "payment_intent", "id": "pi_1"}}}).encode()
    assert (await client.post(HOOK, content=body, headers=signed(world, body))).status_code == 200
    assert await here.states() == ["confirmed"]


async def test_news_that_a_refund_failed_days_later_reopens_it(world: World) -> None:
    here, client = await told_by_webhooks(world)
    await here.owed()
    await here.work()
    here.bank.held["re_1"].movement = Movement.REFUSED
    world.clock.advance(days=3)
    [row] = await rows_of(world, "refunds")
    body = event(show("rfd", row.id))
    await client.post(HOOK, content=body, headers=signed(world, body))
    assert await here.states() == ["parked"]
    await assert_sound(world.application.database)


async def test_news_that_cannot_be_looked_into_comes_again(world: World) -> None:
    """A refund that failed after it was confirmed is asked about by nobody else."""
    here, client = await told_by_webhooks(world)
    await here.owed()
    await here.work()
    here.bank.held["re_1"].movement = Movement.REFUSED
    [row] = await rows_of(world, "refunds")
    body = event(show("rfd", row.id))
    here.bank.mute = True
    answer = await client.post(HOOK, content=body, headers=signed(world, body))
    assert (answer.status_code, await here.states()) == (503, ["confirmed"])
    here.bank.mute = False
    answer = await client.post(HOOK, content=body, headers=signed(world, body))
    assert (answer.status_code, await here.states()) == (200, ["parked"])


FORGED: dict[str, dict[str, Any]] = {
    "no signature": {"headers": {}},
    "another secret": {"secret": "whsec_of_somebody"},
    "an old signature": {"seconds": -400},
    "a signature of the future": {"seconds": 400},
    "another body": {"body": b"{}"},
}


@pytest.mark.parametrize("flaw", FORGED.values(), ids=FORGED.keys())
async def test_refund_webhook_forged_is_refused_and_logged_and_nobody_is_asked(
    world: World, flaw: dict[str, Any]
) -> None:
    here, client = await told_by_webhooks(world)
    here.bank.script.append("after")
    await here.owed()
    await here.work()
    [row] = await rows_of(world, "refunds")
    body = event(show("rfd", row.id))
    headers = signed(world, body, flaw.get("secret", SECRET), seconds=flaw.get("seconds", 0))
    with capture_logs() as logs:
        answer = await client.post(HOOK, content=flaw.get("body", body), headers=flaw.get("headers", headers))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert [(each["event"], each["provider"]) for each in logs] == [("webhook_forged", "stripe")]
    assert (here.bank.found, await here.states()) == (0, ["unknown"])


async def test_news_of_what_is_not_ours_creates_nothing(world: World) -> None:
    here, client = await told_by_webhooks(world)
    for body in (event("rfd_" + "0" * 32), event("somebody's"), event("", payment="pi_of_another_shop")):
        assert (await client.post(HOOK, content=body, headers=signed(world, body))).status_code == 200
    assert (here.bank.found, await here.states(), here.bank.moved()) == (0, [], 0)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/v1/providers/paypal/webhook", 404), ("POST", "/v1/providers/stripe/", 404), ("GET", HOOK, 405)],
)
async def test_other_addresses_and_methods(world: World, method: str, path: str, status: int) -> None:
    _, client = await told_by_webhooks(world)
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert (answer.headers.get("allow") == "POST") == (status == 405)


async def test_a_body_that_is_too_large_is_not_read(world: World) -> None:
    _, client = await told_by_webhooks(world)
    assert (await client.post(HOOK, content=b" " * (256 * 1024 + 1))).status_code == 413


async def test_without_a_provider_there_is_no_address(world: World) -> None:
    transport = httpx2.ASGITransport(app=doors(world.application))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.post(HOOK, content=b"{}")).status_code == 404


# Many of them


async def test_what_one_provider_sends_takes_nothing_from_another(world: World) -> None:
    here, _ = await told_by_webhooks(world)
    refunds = here.worker.refunds
    entered, full, leave = 0, asyncio.Event(), asyncio.Event()

    async def waiting(provider: str, notified: Notified) -> bool:
        nonlocal entered
        entered += 1
        if entered == NEWS_MAX + 1:
            full.set()
        await leave.wait()
        return True

    here.worker.refunds._follow = waiting  # type: ignore[method-assign]
    news = (Notified(provider_id="re_1", reference="", payment="pi_1"),)
    asked = [asyncio.create_task(refunds.follow("mollie", news)) for _ in range(NEWS_MAX)]
    asked.append(asyncio.create_task(refunds.follow("stripe", news)))
    async with asyncio.timeout(HANGS_S):
        await full.wait()
        assert not await refunds.follow("mollie", news)
        leave.set()
        assert all(await asyncio.gather(*asked))


async def test_news_of_one_refund_that_comes_at_once_is_asked_about_twice_at_most(world: World) -> None:
    here, _ = await told_by_webhooks(world)
    here.bank.script.append("accepted")
    await here.owed()
    await here.work()
    find, do, asked, heard, all_heard = here.bank.find, here.worker.refunds._merging.do, 0, 0, asyncio.Event()

    async def counted(request: RefundRequest) -> ProviderResult:
        nonlocal asked
        asked += 1
        await all_heard.wait()
        return await find(request)

    async def hearing(subject: Hashable, work: Callable[[], Awaitable[bool]]) -> bool:
        nonlocal heard
        heard += 1
        if heard == 20:
            all_heard.set()
        return await do(subject, work)

    here.bank.find = counted  # type: ignore[method-assign]
    here.worker.refunds._merging.do = hearing  # type: ignore[method-assign]
    news = (Notified(provider_id="re_1", reference="", payment="pi_1"),)
    async with asyncio.timeout(HANGS_S):
        assert all(await asyncio.gather(*(here.worker.refunds.follow("stripe", news) for _ in range(20))))
    assert asked == 2


async def test_an_address_says_so_much_in_the_name_of_a_provider_and_no_more(world: World) -> None:
    here = await desk(world)
    here.bank.__class__ = SigningBank
    settings = world.application.settings.model_copy(update={"provider_hint_limit": "2/minute"})
    door = payment_door(
        providers={"stripe": here.bank, "mollie": here.bank},
        follow=here.worker.refunds.follow,
        throttle=Throttle(settings, world.clock),
        settings=settings,
    )
    body = event("")

    async def post(address: str, provider: str = "stripe") -> httpx2.Response:
        transport = httpx2.ASGITransport(app=door.app, client=(address, 1))
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            path = HOOK.replace("stripe", provider)
            return await client.post(path, content=body, headers=signed(world, body))

    assert [(await post("192.0.2.1")).status_code for _ in range(3)] == [200, 200, 429]
    assert (await post("192.0.2.1")).headers["retry-after"] == "30"
    assert (await post("192.0.2.1", "mollie")).status_code == 200
    assert (await post("192.0.2.2")).status_code == 200
