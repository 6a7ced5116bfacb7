"""The ten stories of the native API, told whole through the Python clients to a service on a port, on both engines."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from countermand.admin.callers import PLATFORM
from countermand.ids import system_clock
from countermand_client import AsyncClient, Client, Conflict, Invalid, RuleRefused, inputs, models
from tests.support.listening import Listening, listening
from tests.support.mailbox import Mailbox
from tests.support.payments.ledger import Ledger
from tests.support.payments.server import API_KEY, WEBHOOK_SECRET, Fake
from tests.support.waiting import HANGS_S
from tests.support.world import Clock

PUBLIC_URL = "https://cancel.shop.example"
NUMBERS = count(1)


@dataclass(frozen=True, kw_only=True)
class Town:
    """A service on a port, with the mail server and the payment provider that it calls."""

    service: Listening
    portal: BlockingPortal
    mailbox: Mailbox
    provider: Fake

    def letter(self, number: int) -> tuple[str, str]:
        """The text of a letter, and the path of the page that it leads to."""
        text = self.portal.call(self.mailbox.received, number)[number - 1].body("plain")
        found = re.search(rf"{PUBLIC_URL}(/answer/\S+)", text)
        assert found, text
        return text, found[1]


@dataclass(frozen=True, kw_only=True)
class Market:
    """A retailer and its supplier, made for one story, with the token of each."""

    town: Town
    retailer: models.Party
    supplier: models.Party
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        return self.town.service.url

    def client(self, who: str) -> Client:
        return Client(self.url, self.tokens[who])

    def async_client(self, who: str) -> AsyncClient:
        return AsyncClient(self.url, self.tokens[who])

    def order(self, units: int = 5, **more: Any) -> models.Order:
        """An order of one line at 10.00 a unit, paid by card, unless it says otherwise."""
        body: dict[str, Any] = {
            "retailer": self.retailer.id,
            "reference": f"PO-{uuid4()}",
            "lines": [{"sku": "boot-42", "units": units, "unit_price": "10.00", "supplier": self.supplier.id}],
            "payments": [{"id": "card", "captured": f"{units * 10}.00"}],
        }
        with self.client("R") as retailer:
            return retailer.orders.create(**{**body, **more})

    def line(self) -> str:
        """The line of such an order."""
        return lines_of(self.order())[0]

    def works(self) -> None:
        """The worker sends what is due."""
        self.town.service.do(self.town.service.world.application.worker.once())


def lines_of(order: models.Order) -> list[str]:
    return [each.id for each in order.lines or []]


@pytest.fixture(scope="module")
def town(shared_url: str) -> Iterator[Town]:
    clock = Clock(system_clock())
    with start_blocking_portal() as portal:
        here = portal.wrap_async_context_manager
        with (
            here(Mailbox()) as mailbox,
            here(Fake(ledger=Ledger(clock=clock))) as provider,
            listening(shared_url, clock, **_neighbours(mailbox, provider)) as service,
        ):
            yield Town(service=service, portal=portal, mailbox=mailbox, provider=provider)


def _neighbours(mailbox: Mailbox, provider: Fake) -> dict[str, Any]:
    """The settings by which a service finds them on loopback."""
    return {
        "public_url": PUBLIC_URL,
        "webhook_inner_addresses": ["127.0.0.0/8"],
        "smtp_host": "127.0.0.1",
        "smtp_port": mailbox.port,
        "smtp_tls": "none",
        "mail_from": "mail@shop.example",
        "payment_providers": ["stripe"],
        "stripe_api_key": API_KEY,
        "stripe_webhook_secret": WEBHOOK_SECRET,
        "stripe_url": provider.url,
    }


@pytest.fixture
def market(town: Town) -> Market:
    number, platform_token = next(NUMBERS), town.service.tokens[PLATFORM]
    with Client(town.service.url, platform_token) as platform:
        retailer = platform.parties.create(kind="retailer", name=f"Fine Shoes {number}")
        supplier = platform.parties.create(kind="supplier", name=f"Alpine Supply {number}")
        tokens = {
            name: platform.credentials.create(kind="token", party=party.id).secret or ""
            for name, party in (("R", retailer), ("S", supplier))
        }
    return Market(town=town, retailer=retailer, supplier=supplier, tokens={**tokens, "P": platform_token})


def test_story_1_two_of_five(market: Market) -> None:
    line = market.line()
    wish: dict[str, Any] = {"lines": [{"line": line, "units": 2}], "note": "wrong size"}
    with market.client("P") as platform, market.client("R") as retailer, market.client("S") as supplier:
        dry = platform.with_raw_response(platform.cancellations.create, **wish, dry_run=True)
        told = {"line": line, "units": 2, "outcome": "would_ask", "cancellation": None, "code": "", "detail": ""}
        assert (dry.status, dry.parsed.dry_run, dry.parsed.cancellations) == (200, True, [])
        assert [each.model_dump() for each in dry.parsed.outcomes] == [told]
        assert dry.parsed.quote
        assert (str(dry.parsed.quote.refund), dry.parsed.quote.refund_minor) == ("20.00", 2000)
        assert list(platform.cancellations.list(line=line)) == []

        real = platform.with_raw_response(platform.cancellations.create, **wish)
        (made,) = real.parsed.cancellations
        assert (real.status, made.state, made.step, made.waiting_units) == (202, "asked", 1, 2)
        assert [each.model_dump() for each in real.parsed.outcomes] == [
            {**told, "outcome": "asked", "cancellation": made.id}
        ]
        assert real.parsed.quote == dry.parsed.quote
        assert (made.awaiting, made.note) == (market.retailer.id, "wrong size")

        passed = retailer.cancellations.accept(made.id, step=1)
        assert (passed.step, passed.awaiting, passed.state) == (2, market.supplier.id, "asked")
        done = supplier.cancellations.accept(made.id)
        assert (done.step, done.state, done.accepted_units, done.waiting_units) == (3, "accepted", 2, 0)
        (refund,) = retailer.refunds.list(cancellation=made.id)
        assert (str(refund.amount), refund.state) == ("20.00", "by_hand")


@pytest.mark.anyio
async def test_story_2_lost_answer(market: Market) -> None:
    line, key = market.line(), str(uuid4())
    async with market.async_client("P") as platform:
        ask = platform.cancellations.create
        first = await platform.with_raw_response(ask, lines=[{"line": line, "units": 2}], idempotency_key=key)
        again = await platform.with_raw_response(ask, lines=[{"line": line, "units": 2}], idempotency_key=key)
        assert (first.status, again.status, again.content) == (202, 202, first.content)
        assert ("idempotent-replayed" in first.headers, again.headers["idempotent-replayed"]) == (False, "true")
        assert (first.parsed.replayed, again.parsed.replayed) == (False, True)
        with pytest.raises(Invalid) as other:
            await ask(lines=[{"line": line, "units": 1}], idempotency_key=key)
        problem = other.value.problem
        assert (other.value.status, other.value.code, problem["differs"]) == (422, "key_reused", ["/lines/0/units"])
        assert problem["first_used_at"].endswith("Z")
        assert [each.units async for each in platform.cancellations.list(line=line)] == [2]


@pytest.mark.anyio
async def test_story_3_two_operators(market: Market) -> None:
    line = market.line()
    async with market.async_client("P") as one, market.async_client("P") as two:
        (made,) = (await one.cancellations.create(lines=[{"line": line, "units": 2}])).cancellations
        with pytest.raises(Conflict) as unnamed:
            await one.cancellations.accept(made.id)
        assert (unnamed.value.status, unnamed.value.code) == (428, "step_needed")
        both = await asyncio.gather(*(each.cancellations.accept(made.id, step=1) for each in (one, two)))
        assert [(each.step, each.awaiting) for each in both] == [(2, market.supplier.id)] * 2
        assert sorted(each.repeated for each in both) == [False, True]
        with pytest.raises(RuleRefused) as late:
            await two.cancellations.decline(made.id, step=1, reason="other")
        assert (late.value.status, late.value.code) == (409, "state_changed")
        assert late.value.problem["cancellation"] == made.id
        current = late.value.problem["current"]
        assert (current["state"], current["step"], current["awaiting"]) == ("asked", 2, market.supplier.id)
        assert (current["answered_by"], current["answered_at"][-1]) == (str(PLATFORM), "Z")
        kinds = [each.kind async for each in one.events.list(cancellation=made.id)]
        assert kinds == ["cancellation.asked", "cancellation.passed_on"]


def test_story_4_five_hundred_rows(market: Market) -> None:
    goods = [
        {"sku": f"sku-{number}", "units": 1, "unit_price": "10.00", "supplier": market.supplier.id}
        for number in range(500)
    ]
    lines = lines_of(market.order(lines=goods, payments=[]))
    shipped = lines[100]
    wrong = {16: f"{lines[16]},two,customer,", 321: "no-line,1,customer,"}
    rows = [wrong.get(place, f"{line},1,customer,") for place, line in enumerate(lines)]
    with market.client("P") as platform, market.client("S") as supplier:
        supplier.shipments.create(order=supplier.lines.get(shipped).order, lines=[{"line": shipped}])
        job = platform.jobs.create(kind="ask", format="csv", label="mass cancellation")
        assert (job.state, job.rows.total, job.rows.done) == ("draft", None, 0)
        file = "\r\n".join(["line,units,asker,key", *rows, ""]).encode()
        halves = (file[: len(file) // 2], file[len(file) // 2 :])
        for part, content in enumerate(halves, start=1):
            platform.jobs.upload(job.id, part=part, content=content, media_type="text/csv")
        started = platform.with_raw_response(platform.jobs.start, job.id, parts=2)
        assert (started.status, started.parsed.state) == (202, "queued")
        market.town.service.do(market.town.service.world.application.worker.do_jobs())
        done = platform.jobs.get(job.id)
        assert (done.state, done.ended) == ("done", True)
        counted = {"total": 500, "done": 500, "ok": 497, "refused": 1, "invalid": 2, "cancelled": 0}
        assert done.rows.model_dump() == counted
        bad = list(platform.jobs.results(job.id, result=["invalid", "refused"]))
        assert [(each.row, each.result, each.code) for each in bad] == [
            (17, "invalid", "invalid"),
            (101, "refused", "already_shipped"),
            (322, "invalid", "invalid"),
        ]
        assert (bad[0].errors[0]["code"], bad[0].errors[0]["pointer"]) == ("integer", "/units")
        assert bad[0].input["units"] == "two"
        good = list(platform.jobs.results(job.id, result="ok", limit=200))
        (first,) = platform.cancellations.list(line=lines[0])
        assert (len(good), good[0].row, good[0].id) == (497, 1, first.id)


@pytest.mark.anyio
async def test_story_5_captured_later(market: Market) -> None:
    made = market.order(3, payments=[])
    async with market.async_client("P") as platform, market.async_client("S") as supplier:
        added = await platform.with_raw_response(platform.payments.create, made.id, id="card", authorised="30.00")
        assert (added.status, str(added.parsed.payments[0].authorised)) == (200, "30.00")
        (asked,) = (
            await platform.cancellations.create(lines=[{"line": lines_of(made)[0], "units": 1}], asker="platform")
        ).cancellations
        assert (await supplier.cancellations.accept(asked.id)).state == "accepted"
        (release,) = [each async for each in platform.refunds.list(cancellation=asked.id)]
        assert (release.kind, str(release.amount)) == ("release", "10.00")
        with pytest.raises(RuleRefused) as beyond:
            await platform.payments.capture(made.id, "card", captured="30.00")
        assert (beyond.value.status, beyond.value.code) == (409, "payment_differs")
        assert beyond.value.problem["order"] == made.id
        captured = await platform.with_raw_response(platform.payments.capture, made.id, "card", captured="20.00")
        (card,) = captured.parsed.payments
        assert (captured.status, str(card.captured), card.captured_minor) == (200, "20.00", 2000)
        assert str(card.released) == "10.00"


def test_story_6_by_mail(market: Market) -> None:
    letters = len(market.town.mailbox.letters)
    with (
        market.client("P") as platform,
        market.client("S") as supplier,
        httpx2.Client(base_url=market.url, timeout=HANGS_S) as browser,
    ):
        address = f"desk-{next(NUMBERS)}@b.example"
        made = platform.endpoints.create(url=f"mailto:{address}", party=market.supplier.id)
        assert (made.state, made.party) == ("unconfirmed", market.supplier.id)
        market.works()
        _, confirm = market.town.letter(letters + 1)
        assert browser.post(confirm, data={"answer": "confirm"}).status_code == 200
        assert supplier.endpoints.get(made.id).state == "active"

        wish: inputs.LineUnits = {"line": market.line(), "units": 2}
        (asked,) = platform.cancellations.create(lines=[wish], asker="platform").cancellations
        market.works()
        text, page = market.town.letter(letters + 2)
        assert "2 units" in text
        shown = browser.get(page).text
        once = re.search(r'name="once" value="([^"]+)"', shown)
        assert once, shown
        answer = {"answer": "accept", "once": once[1], "units": "2", "sure": "yes"}
        assert browser.post(page, data=answer).status_code == 200
        answered = platform.cancellations.get(asked.id)
        assert (answered.state, answered.answered_by) == ("accepted", market.supplier.id)
        events = list(platform.events.list(cancellation=asked.id, type="cancellation.accepted"))
        assert [(each.data.door, each.data.by.party) for each in events] == [("answer", market.supplier.id)]


@pytest.mark.anyio
async def test_story_7_escalated(market: Market) -> None:
    service, made = market.town.service, market.order()
    async with market.async_client("P") as platform, market.async_client("R") as retailer:
        terms: dict[str, Any] = {"retailer": market.retailer.id, "supplier": market.supplier.id}
        now = await platform.policies.in_force(**terms)
        await platform.policies.create(**terms, based_on=now.version, silence="escalate", answer_within="1h")
        (asked,) = (await platform.cancellations.create(order=made.id)).cancellations
        await retailer.cancellations.accept(asked.id)
        service.world.clock.advance(hours=2)
        await asyncio.wrap_future(
            asyncio.run_coroutine_threadsafe(service.world.application.worker.fire_deadlines(), service.loop)
        )
        listed = [each async for each in platform.cancellations.list(state="escalated", order=made.id)]
        assert [(each.id, each.step, each.escalated) for each in listed] == [(asked.id, 3, True)]
        mine = [each.id async for each in platform.cancellations.list(awaiting_me=True, order=made.id)]
        assert mine == [asked.id]
        declined = await platform.with_raw_response(
            platform.cancellations.decline, asked.id, step=3, reason="already_picked"
        )
        assert (declined.status, declined.parsed.state) == (200, "declined")
        assert (declined.parsed.decline_reason, declined.parsed.step) == ("already_picked", 4)


def test_story_8_corrected(market: Market) -> None:
    town, payment = market.town, f"pi_{uuid4().hex}"
    worker = town.service.world.application.worker
    town.provider.ledger.pay(payment, "50.00")
    paid = [{"id": "card", "provider": "stripe", "reference": payment, "captured": "50.00"}]
    made = market.order(5, payments=paid)
    with market.client("P") as platform, market.client("S") as supplier:
        town.provider.ledger.refund(payment, town.provider.ledger.payments[payment].captured - 10, {})
        wish: inputs.LineUnits = {"line": lines_of(made)[0], "units": 2}
        (asked,) = platform.cancellations.create(lines=[wish], asker="platform").cancellations
        supplier.cancellations.accept(asked.id)
        town.service.do(worker.settle_refunds())
        (parked,) = platform.refunds.list(state="parked", order=made.id)
        assert (parked.step, str(parked.amount)) == (2, "20.00")
        assert parked.can == ["mark_paid", "close", "retry", "correct"]
        with pytest.raises(RuleRefused) as late:
            platform.refunds.correct(parked.id, step=1, refunded_elsewhere="0.00", note="goodwill")
        assert (late.value.status, late.value.code) == (409, "state_changed")
        assert (late.value.problem["current"]["state"], late.value.problem["current"]["step"]) == ("parked", 2)
        corrected = platform.with_raw_response(
            platform.refunds.correct, parked.id, step=2, refunded_elsewhere="0.00", note="goodwill"
        )
        assert (corrected.status, corrected.parsed.state, corrected.parsed.step) == (200, "due", 3)
        assert str(corrected.parsed.refunded_elsewhere) == "0.00"
        assert "refund.corrected" in [each.kind for each in platform.events.list(order=made.id)]


@pytest.mark.anyio
async def test_story_9_reassigned(market: Market) -> None:
    made = market.order()
    line = lines_of(made)[0]
    async with (
        market.async_client("P") as platform,
        market.async_client("R") as retailer,
        market.async_client("S") as former,
    ):
        beta = await platform.parties.create(kind="supplier", name=f"Beta {next(NUMBERS)}")
        token = (await platform.credentials.create(kind="token", party=beta.id)).secret
        wish: list[inputs.LineUnits] = [{"line": line, "units": 2}]
        (asked,) = (await platform.cancellations.create(lines=wish, asker="platform")).cancellations
        assert (asked.step, asked.awaiting) == (1, market.supplier.id)
        with pytest.raises(Conflict) as unguarded:
            await retailer.lines.reassign(line, fulfiller=beta.name, note="fire")
        assert (unguarded.value.status, unguarded.value.code) == (428, "if_match_needed")
        seen = await retailer.lines.get(line)
        given = await retailer.with_raw_response(
            retailer.lines.reassign, line, fulfiller=beta.name, note="fire", if_match=seen.etag
        )
        assert (given.status, given.parsed.fulfiller.id) == (200, beta.id)
        moved = await retailer.cancellations.get(asked.id)
        assert (moved.step, moved.awaiting) == (2, beta.id)
        with pytest.raises(RuleRefused) as late:
            await former.cancellations.accept(asked.id)
        assert (late.value.status, late.value.code) == (409, "reassigned")
        assert late.value.problem["cancellation"] == asked.id
        assert beta.name in late.value.detail
        assert (await former.cancellations.get(asked.id)).id == asked.id, "the former supplier still reads it"
        async with AsyncClient(market.url, token) as supplier:
            assert (await supplier.cancellations.accept(asked.id)).state == "accepted"


def test_story_10_a_day_later(market: Market) -> None:
    made = market.order()
    wish: inputs.LineUnits = {"line": lines_of(made)[0], "units": 1}
    with market.client("P") as platform, market.client("R") as retailer, market.client("S") as supplier:
        yesterday = retailer.events.stream(order=made.id)
        assert next(iter(yesterday)).kind == "line.placed"
        (asked,) = platform.cancellations.create(lines=[wish], asker="platform").cancellations
        market.town.service.world.clock.advance(days=1)
        supplier.cancellations.accept(asked.id)

        stream = retailer.events.stream(order=made.id, after=yesterday.cursor)
        events = iter(stream)
        missed = [next(events) for _ in range(3)]
        assert [each.kind for each in missed] == ["cancellation.asked", "cancellation.accepted", "refund.due"]
        assert (missed[1].time - missed[0].time).days == 1
        retailer.cancellations.note(asked.id, note="label not voided")
        live = next(events)
        assert (live.kind, live.data.line) == ("cancellation.noted", wish["line"])
        assert [each.kind for each in retailer.events.list(order=made.id, after=stream.cursor)] == []


def test_a_browser_goes_on_by_the_header(market: Market) -> None:
    made = market.order(1)
    with market.client("R") as retailer, httpx2.Client(base_url=market.url, timeout=HANGS_S) as browser:
        headers = {"Authorization": f"Bearer {market.tokens['R']}"}
        page = retailer.events.list(order=made.id).page()
        platform_ask = retailer.cancellations.create(order=made.id, asker="retailer").cancellations[0]
        going_on = {**headers, "Last-Event-ID": page.next or "", "Accept": "text/event-stream"}
        with browser.stream("GET", f"/v1/events/stream?order={made.id}", headers=going_on) as answer:
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            told: dict[str, str] = {}
            for each in answer.iter_lines():
                name, _, value = each.partition(": ")
                told.setdefault(name, value)
                if name == "data":
                    break
        assert (told["retry"], told["event"]) == ("3000", "cancellation.asked")
        assert platform_ask.id in told["data"]
        assert [each.kind for each in retailer.events.list(order=made.id, after=told["id"])] == []
