"""One cancellation, one party, one page: what it shows, what it takes, and what it never does."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from html import unescape
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import update

from countermand.admin.callers import PLATFORM
from countermand.domain.commands import (
    AcceptCancellation,
    AskCancellation,
    EscalateCancellation,
    PassDeadline,
    WithdrawCancellation,
)
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.reads import cancellations as cancellation_reads
from countermand.reads import orders as order_reads
from countermand.reads.scope import Scope
from countermand.service.calls import Done
from countermand.store import tables as t
from countermand.wire.answer.messages import REASONS
from tests.support.world import World

pytestmark = pytest.mark.anyio

FORM = {"content-type": "application/x-www-form-urlencoded"}


class Page:
    """One cancellation and the link to it."""

    def __init__(self, world: World, line: UUID, cancellation: UUID, party: UUID, step: int = 1) -> None:
        self.world = world
        self.line = line
        self.cancellation = cancellation
        self.url = world.application.links.page(
            retailer=world.retailer, line=line, cancellation=cancellation, party=party, at=world.clock(), step=step
        )
        self.path = self.url.removeprefix(world.application.settings.base_url)

    async def look(self, method: str = "GET") -> httpx2.Response:
        async with self.world.client() as client:
            return await client.request(method, self.path)

    async def send(self, answer: str, **fields: object) -> httpx2.Response:
        """Fill in the form that the page shows, and send it for good."""
        once = re.search(r'name="once" value="([^"]+)"', (await self.look()).text)
        return await self.post({"answer": answer, "once": once[1] if once else "", "sure": "yes", **fields})

    async def post(self, fields: dict[str, object]) -> httpx2.Response:
        async with self.world.client() as client:
            return await client.post(self.path, content=urlencode(fields), headers=FORM)

    async def row(self) -> Any:
        everything = Scope(party=self.world.retailer, kind=PartyKind.RETAILER)
        return await self.world.application.database.read(
            partial(cancellation_reads.cancellation_by_id, scope=everything, cancellation=self.cancellation)
        )

    async def buckets(self) -> tuple[int, int, int, int]:
        return await self.world.buckets(self.line)


async def asked(
    world: World,
    *,
    ordered: int = 5,
    units: int = 2,
    by: Asker = Asker.RETAILER,
    fulfiller: UUID | None = None,
    party: UUID | None = None,
    **more: Any,
) -> Page:
    """An order, an ask for some of its units, and the page of the party whose answer is due."""
    order = await world.order(ordered, fulfillers=[fulfiller or world.supplier])
    line = order.lines[0].id
    ask = AskCancellation(line=line, actor=world.actor(world.retailer), units=units, asker=by, **more)
    outcome = await world.submit(ask, retailer=world.retailer)
    assert isinstance(outcome, Done)
    return Page(world, line, outcome.cancellations[0], party or world.supplier)


def words(reply: httpx2.Response) -> str:
    """What a person reads on the page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", reply.text.partition("<body>")[2])).split())


MONDAY = "on Monday 2 November 2026, 10:00 in Amsterdam (09:00 UTC)"

# What it shows


async def test_the_page_tells_what_is_asked(sqlite_world: World) -> None:
    page = await asked(
        sqlite_world, by=Asker.RETAILER, reason=CancelReason.ORDERED_TWICE, note="Two <b>came</b>\nby mistake"
    )
    sqlite_world.clock.advance(hours=3)
    reply = await page.look()
    assert reply.status_code == 200
    reported = words(reply)
    for fact in (
        "Can 2 units still be cancelled?",
        "Retailer retailer",
        "Article SKU-0",
        "To cancel 2 of 5 units ordered",
        "Asked by retailer",
        "Asked on Monday 2 November 2026, 10:00 in Amsterdam (09:00 UTC) (3 hours ago)",
        "Reason ordered twice",
        "Note Two <b>came</b> by mistake",
        "Answer due Wednesday 4 November 2026, 10:00 in Amsterdam (09:00 UTC) 1 day and 21 hours left",
        "You answer for supplier.",
    ):
        assert fact in reported
    assert re.search("Order PO-[0-9a-f]{6}", reported)
    assert "<b>came" not in reply.text


@pytest.mark.parametrize("odd", ["\x1b", "\x07", "\x9b", "\x7f", "a\rb"], ids=repr)
@pytest.mark.parametrize("field", ["note", "reason", "units"])
async def test_what_no_text_can_hold_is_told_at_its_field(sqlite_world: World, odd: str, field: str) -> None:
    page = await asked(sqlite_world, by=Asker.RETAILER)
    look = await page.send("decline", **{"reason": "other", field: odd})
    assert look.status_code == 422
    assert "This holds a character that cannot be kept" in look.text


@pytest.mark.parametrize("odd", ["\u202e", "\u2066", "\u200f", "\u2028", "\ue000", "\ufeff"])
async def test_what_steers_the_reading_is_not_shown(sqlite_world: World, odd: str) -> None:
    page = await asked(sqlite_world, by=Asker.RETAILER, note=f"one{odd}two\nthree")
    looks = [await page.look(), await page.send("decline", note=f"a{odd}b")]
    looks.append(await page.send("decline", reason="other", note=f"a{odd}b"))
    looks.append(await page.look())
    for look in looks:
        assert odd not in look.text
        assert "one two three" in words(look)
    assert "a b" in looks[1].text
    assert "Note: a b" in words(looks[3])


async def test_nothing_comes_from_elsewhere_and_nothing_is_kept(sqlite_world: World) -> None:
    page = await asked(sqlite_world)
    for reply in (await page.look(), await page.send("decline"), await page.send("accept", units=2), await page.look()):
        assert {
            name: reply.headers[name] for name in reply.headers if name not in ("content-length", "retry-after")
        } == {
            "content-type": "text/html; charset=utf-8",
            "content-security-policy": (
                "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
            ),
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            "x-robots-tag": "noindex",
        }
        assert "<script" not in reply.text
        assert " style=" not in reply.text
        assert not re.search(r"(src|href|action)=\"(https?:)?//", reply.text)
        assert re.findall('href="([^"#]+)"', reply.text) == ["style.css", "?lang=en", "?lang=nl", "?lang=de"]


async def test_the_style_is_served(sqlite_world: World) -> None:
    async with sqlite_world.client() as client:
        reply = await client.get("/answer/style.css")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "url(" not in reply.text
    assert "@import" not in reply.text


async def test_every_field_has_a_label(sqlite_world: World) -> None:
    text = (await (await asked(sqlite_world)).look()).text
    fields = re.findall(r'<(?:input|textarea)(?![^>]*type="(?:hidden|radio)")[^>]* id="([^"]+)"', text)
    assert fields == ["accept-units", "carrier", "tracking-number", "ship-units", "note"]
    for field in fields:
        assert f'<label for="{field}">' in text
    assert len(re.findall(r'<label class="choice"><input type="radio"', text)) == len(REASONS)
    assert len(re.findall("<button[ >]", text)) == 3


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_changes_nothing(sqlite_world: World, method: str) -> None:
    page = await asked(sqlite_world)
    before = len(await sqlite_world.events(page.line))
    for _ in range(3):
        reply = await page.look(method)
        assert reply.status_code == 200
        assert bool(reply.content) == (method == "GET")
    assert await page.buckets() == (3, 2, 0, 0)
    assert len(await sqlite_world.events(page.line)) == before


# What it takes


async def test_accept(world: World) -> None:
    page = await asked(world)
    reply = await page.send("accept", units=2)
    assert reply.status_code == 200
    assert "Thank you. Your answer is stored." in words(reply)
    assert (
        "supplier (you) accepted the cancellation of 2 units on Monday 2 November 2026, 10:00 in Amsterdam (09:00 UTC)."
        in words(reply)
    )
    assert await page.buckets() == (3, 0, 2, 0)
    event = (await world.events(page.line))[-1]
    assert (event.kind, event.actor_id, event.actor, event.door) == (
        "cancellation.accepted",
        world.supplier,
        "supplier (link in an e-mail)",
        "answer",
    )


async def test_accept_some(world: World) -> None:
    page = await asked(world, units=3)
    reply = await page.send("accept", units=1)
    assert "accepted the cancellation of 1 unit" in words(reply)
    assert "2 units stay on order." in words(reply)
    assert await page.buckets() == (4, 0, 1, 0)


async def test_a_single_unit_needs_no_number(sqlite_world: World) -> None:
    page = await asked(sqlite_world, ordered=1, units=1)
    assert 'type="number"' not in (await page.look()).text
    assert (await page.send("accept")).status_code == 200
    assert await page.buckets() == (0, 0, 1, 0)


@pytest.mark.parametrize("reason", REASONS)
async def test_decline(sqlite_world: World, reason: DeclineReason) -> None:
    page = await asked(sqlite_world)
    reply = await page.send("decline", reason=reason.value, note="  Sorry,\r\nit is too late <i> ")
    assert reply.status_code == 200
    why = "another reason" if reason is DeclineReason.OTHER else reason.replace("_", " ")
    assert f"supplier (you) declined the cancellation of 2 units {MONDAY}: {why}." in words(reply)
    assert await page.buckets() == (5, 0, 0, 0)
    row = await page.row()
    assert (row.decline_reason, row.answer_note) == (reason.value, "Sorry,\nit is too late <i>")
    assert "<i>" not in reply.text


async def test_decline_on_both_engines(world: World) -> None:
    page = await asked(world)
    assert (await page.send("decline", reason="in_packing")).status_code == 200
    assert (await page.row()).state == "declined"


async def test_already_shipped(world: World) -> None:
    page = await asked(world)
    reply = await page.send("ship", units=2, carrier=" PostNL ", tracking_number="3S  ABC\t1")
    assert reply.status_code == 200
    assert "declined the cancellation of 2 units" in words(reply)
    assert "already shipped" in words(reply)
    assert await page.buckets() == (3, 0, 0, 2)
    assert (await page.row()).decline_reason == "already_shipped"
    order = await world.application.database.read(
        partial(
            order_reads.order_by_id,
            scope=Scope(party=world.retailer, kind=PartyKind.RETAILER),
            order=(await world.line(page.line)).order_id,
        )
    )
    assert order is not None
    parcel = order.lines[0].parcels[0]
    assert (parcel.carrier, parcel.tracking_number, parcel.units) == ("PostNL", "3S ABC 1", 2)


async def test_a_parcel_with_fewer_units_declines_the_ask_and_leaves_the_rest_on_order(world: World) -> None:
    page = await asked(world)
    reply = await page.send("ship", units=1, carrier="PostNL", tracking_number="3S1")
    assert reply.status_code == 200
    assert "declined the cancellation of 2 units" in words(reply)
    assert await page.buckets() == (4, 0, 0, 1)


async def test_a_link_ships_the_units_of_its_cancellation_and_no_others(sqlite_world: World) -> None:
    page = await asked(sqlite_world)
    other = AskCancellation(line=page.line, actor=sqlite_world.actor(sqlite_world.retailer), units=1, key="other")
    await sqlite_world.submit(other)
    assert (await page.send("ship", carrier="PostNL", tracking_number="3S1", units=3)).status_code == 409
    assert await page.buckets() == (2, 3, 0, 0)
    assert (await page.send("ship", carrier="PostNL", tracking_number="3S1")).status_code == 200
    assert await page.buckets() == (2, 1, 0, 2)


OPERATOR = Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="operator")

After = Callable[[Page], Awaitable[object]]


def by_retailer(page: Page) -> Actor:
    return page.world.actor(page.world.retailer)


async def withdrawn(page: Page) -> None:
    await page.world.submit(WithdrawCancellation(line=page.line, actor=by_retailer(page)))


async def accepted_by_an_operator(page: Page) -> None:
    await page.world.submit(AcceptCancellation(line=page.line, actor=OPERATOR, cancellation=page.cancellation, step=1))


async def accepted_in_part(page: Page) -> None:
    await page.send("accept", units=1)


async def declined(page: Page) -> None:
    await page.send("decline", reason="other")


async def shipped(page: Page) -> None:
    await page.send("ship", carrier="PostNL", tracking_number="3S0", units=1)


async def lapsed(page: Page) -> None:
    page.world.clock.advance(days=3)
    await page.world.submit(PassDeadline(line=page.line, cancellation=page.cancellation))


async def escalated(page: Page) -> None:
    await page.world.submit(EscalateCancellation(line=page.line, actor=OPERATOR, cancellation=page.cancellation))


USED: dict[str, tuple[After, str, set[str]]] = {
    "withdrawn": (withdrawn, "This cancellation was withdrawn", set()),
    "accepted by an operator": (accepted_by_an_operator, "This cancellation was accepted", {"accept"}),
    "accepted in part": (accepted_in_part, "This cancellation was accepted", {"accept"}),
    "declined": (declined, "This cancellation was declined", {"decline"}),
    "shipped": (shipped, "This cancellation was declined", {"ship"}),
    "lapsed": (lapsed, "This cancellation lapsed", set()),
    "escalated": (escalated, "An operator decides", set()),
}

ANSWERS: dict[str, dict[str, object]] = {
    "accept": {"units": 1},
    "accept all": {},
    "decline": {"reason": "other"},
    "decline, another reason": {"reason": "made_to_order"},
    "ship": {"carrier": "PostNL", "tracking_number": "3S1", "units": 1},
    "ship, the same parcel": {"carrier": "PostNL", "tracking_number": "3S0", "units": 1},
    "ship all": {"carrier": "PostNL", "tracking_number": "3S1"},
}


@pytest.mark.parametrize(("after", "title", "repeats"), USED.values(), ids=USED.keys())
async def test_a_used_link_does_nothing_more_and_shows_what_happened(
    world: World, after: After, title: str, repeats: set[str]
) -> None:
    page = await asked(world)
    await after(page)
    assert title in words(await page.look())
    before = await page.buckets()
    for name, fields in ANSWERS.items():
        answer = name.partition(" ")[0].strip(",")
        reply = await page.post({"answer": answer, "once": name, "sure": "yes", **fields})
        assert reply.status_code == 409 or (reply.status_code == 200 and answer in repeats)
        assert title in words(reply)
        assert "<form" not in reply.text
        assert await page.buckets() == before
    kinds = {event.kind for event in (await world.events(page.line))[3:]}
    assert kinds <= {"cancellation.late_answer", "line.shipped"}


async def test_the_retailers_used_link_does_not_answer_for_the_supplier(world: World) -> None:
    page = await asked(world, by=Asker.CUSTOMER, party=world.retailer)
    await page.send("accept")
    before = len(await world.events(page.line))
    for name, fields in ANSWERS.items():
        reply = await page.post({"answer": name.partition(" ")[0].strip(","), "once": name, "sure": "yes", **fields})
        assert "This cancellation waits for the answer of supplier." in words(reply)
    assert await page.buckets() == (3, 2, 0, 0)
    assert len(await world.events(page.line)) == before


async def test_a_parcel_reported_by_the_link_after_silence_is_kept_as_a_late_answer_once(world: World) -> None:
    page = await asked(world)
    await lapsed(page)
    for once in ("a", "b"):
        await page.post({"answer": "ship", "once": once, "carrier": "PostNL", "tracking_number": "3S1"})
    late = [event for event in await world.events(page.line) if event.kind == "cancellation.late_answer"]
    assert [(event.facts["answer"], event.facts["tracking"]) for event in late] == [("decline", "PostNL 3S1")]
    assert await page.buckets() == (5, 0, 0, 0)


@pytest.mark.parametrize("answer", ["accept", "decline", "ship"])
async def test_a_form_sent_twice_is_one_answer(world: World, answer: str) -> None:
    page = await asked(world)
    fields = {
        "answer": answer,
        "once": "a",
        "sure": "yes",
        "units": 1,
        "reason": "other",
        "carrier": "a",
        "tracking_number": "b",
    }
    first, *others = await asyncio.gather(*(page.post(fields) for _ in range(5)))
    again = await page.post(fields)
    assert {reply.status_code for reply in (first, *others, again)} == {200}
    assert await page.buckets() == {"accept": (4, 0, 1, 0), "decline": (5, 0, 0, 0), "ship": (4, 0, 0, 1)}[answer]


async def test_the_retailer_passes_the_customers_ask_on(world: World) -> None:
    page = await asked(world, by=Asker.CUSTOMER, party=world.retailer)
    shown = await page.look()
    assert "Asked by the customer, through retailer" in words(shown)
    assert "Accept and ask the supplier" in words(shown)
    assert "Tracking number" not in words(shown)
    reply = await page.send("accept")
    assert "This cancellation waits for the answer of supplier." in words(reply)
    supplier = Page(world, page.line, page.cancellation, world.supplier, step=2)
    assert (await supplier.send("accept", units=2)).status_code == 200
    assert await page.buckets() == (3, 0, 2, 0)


async def test_a_retailer_with_its_own_goods(sqlite_world: World) -> None:
    retailer = sqlite_world.retailer
    page = await asked(sqlite_world, by=Asker.CUSTOMER, fulfiller=retailer, party=retailer)
    assert "Tracking number" in words(await page.look())
    await page.send("accept", units=2)
    assert await page.buckets() == (3, 0, 2, 0)


# What is wrong with a form


@pytest.mark.parametrize(
    ("answer", "fields", "status", "sentence"),
    [
        ("decline", {"note": "Sorry"}, 422, "A decline must say why: give a reason."),
        ("decline", {"reason": "not_stated", "note": "Sorry"}, 422, "A decline must say why: give a reason."),
        (
            "decline",
            {"reason": "other", "note": "x" * 1001},
            422,
            "This is too long; there is room for 1000 characters.",
        ),
        ("accept", {"units": "two"}, 422, "Write the number of units in digits."),
        ("accept", {"units": "-1"}, 422, "Write the number of units in digits."),
        ("accept", {"units": "٢"}, 422, "Write the number of units in digits."),
        ("accept", {"units": "0"}, 422, "The number of units must be at least 1."),
        ("accept", {"units": "3"}, 409, "3 units named, but there are only 2 units asked."),
        ("accept", {"units": "9" * 8}, 422, "This is too long; there is room for 7 characters."),
        ("ship", {"carrier": "PostNL"}, 422, "Write the tracking number of the parcel."),
        ("ship", {"carrier": " ", "tracking_number": "3S1"}, 422, "Write who carries the parcel."),
        (
            "ship",
            {"carrier": "a", "tracking_number": "b", "units": "6"},
            409,
            "6 units named, but there",
        ),
    ],
)
async def test_the_form_comes_back_filled(
    sqlite_world: World, answer: str, fields: dict[str, str], status: int, sentence: str
) -> None:
    page = await asked(sqlite_world)
    reply = await page.send(answer, **fields)
    assert (reply.status_code, sentence in words(reply)) == (status, True), words(reply)
    assert reply.text.count('aria-invalid="true"') == 1
    assert f'<a href="#{answer}">' in reply.text
    assert "<title>Not sent yet: " in reply.text
    for value in fields.values():
        assert value.strip() in reply.text or value == "not_stated"
    assert await page.buckets() == (3, 2, 0, 0)


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"answer=accept", "application/json", 415),
        (b"answer=accept", "multipart/form-data; boundary=x", 415),
        (b"answer=accept", "text/plain", 415),
        (b"answer=accept", "", 415),
        (b"", FORM["content-type"], 400),
        (b"answer=", FORM["content-type"], 400),
        (b"answer=withdraw", FORM["content-type"], 400),
        (b"units=1", FORM["content-type"], 400),
        (b"answer=accept&units=%FF", FORM["content-type"], 400),
        (b"answer=accept&units=\xff", FORM["content-type"], 400),
        (b"answer=decline&reason=other&note=a%00b", FORM["content-type"], 400),
        (b"&".join([b"answer=accept"] + [b"a=1"] * 20), FORM["content-type"], 400),
        (b"answer=decline&note=" + b"x" * 300_000, FORM["content-type"], 413),
        (b"answer=accept&units=1&sure=yes", "Application/X-WWW-form-urlencoded; charset=UTF-8", 200),
        (b"answer=accept&units=1&units=2&answer=decline&sure=yes", FORM["content-type"], 200),
    ],
)
async def test_what_is_no_form_of_ours(sqlite_world: World, content: bytes, media_type: str, status: int) -> None:
    page = await asked(sqlite_world)
    async with sqlite_world.client() as client:
        reply = await client.post(
            page.path, content=content, headers={"content-type": media_type} if media_type else {}
        )
    assert reply.status_code == status
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert await page.buckets() == ((4, 0, 1, 0) if status == 200 else (3, 2, 0, 0))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
async def test_other_methods(sqlite_world: World, method: str) -> None:
    reply = await (await asked(sqlite_world)).look(method)
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, HEAD, POST")


# Links that open nothing any more


async def test_a_used_link_says_who_answered_and_offers_nothing(world: World) -> None:
    page = await asked(world)
    await page.send("decline", reason="in_packing", note="Gone to the packers")
    world.clock.advance(days=2)
    shown = await page.look()
    assert shown.status_code == 200
    assert f"supplier (you) declined the cancellation of 2 units {MONDAY}: in packing." in words(shown)
    assert "Note: Gone to the packers" in words(shown)
    assert "<form" not in shown.text
    late = await page.send("accept", units=2)
    assert late.status_code == 409
    assert "Your answer changed nothing" in words(late)
    assert "<form" not in late.text
    assert await page.buckets() == (5, 0, 0, 0)


async def _accepted_elsewhere(page: Page) -> None:
    world = page.world
    await world.submit(
        AcceptCancellation(line=page.line, actor=world.actor(world.supplier), cancellation=page.cancellation),
        retailer=world.retailer,
    )


async def _withdrawn(page: Page) -> None:
    world = page.world
    await world.submit(
        WithdrawCancellation(
            line=page.line,
            actor=world.actor(world.retailer),
            asker=Asker.RETAILER,
            cancellation=page.cancellation,
        ),
        retailer=world.retailer,
    )


async def _lapsed(page: Page) -> None:
    page.world.clock.advance(hours=49)
    assert await page.world.application.worker.fire_deadlines() == 1


@pytest.mark.parametrize(
    ("meanwhile", "reported"),
    [
        (_accepted_elsewhere, "supplier (you) accepted the cancellation of 2 units"),
        (_withdrawn, "retailer withdrew it on Monday 2 November 2026, 10:00 in Amsterdam (09:00 UTC)."),
        (_lapsed, "Nobody answered in time, so it ended on Wednesday 4 November 2026, 10:00 in Amsterdam (09:00 UTC)."),
    ],
)
async def test_what_happened_meanwhile(sqlite_world: World, meanwhile: Callable[[Page], Any], reported: str) -> None:
    page = await asked(sqlite_world)
    await meanwhile(page)
    for reply in (await page.look(), await page.send("decline", reason="other")):
        assert reported in words(reply)
        assert "<form" not in reply.text
    assert reply.status_code == 409


async def test_an_answer_of_another_party_is_named(sqlite_world: World) -> None:
    page = await asked(sqlite_world, party=sqlite_world.retailer)
    await _accepted_elsewhere(page)
    assert "supplier accepted the cancellation" in words(await page.look())


async def test_an_expired_link(world: World) -> None:
    page = await asked(world)
    world.clock.advance(days=30)
    for reply in (await page.look(), await page.send("accept", units=2)):
        assert reply.status_code == 410
        assert "This link has expired" in words(reply)
        assert "<form" not in reply.text
        assert "SKU" not in reply.text
    assert await page.buckets() == (3, 2, 0, 0)


async def test_a_link_that_is_not_ours(world: World) -> None:
    page = await asked(world)
    token = page.path.removeprefix("/answer/")
    for forged in (
        "",
        "x",
        token[:-1],
        token[:-1] + "!",
        "A" * 112,
        token + "/",
        token + "/accept",
        f"{token}A",
        "../healthz",
    ):
        page.path = f"/answer/{forged}"
        for reply in (await page.look(), await page.send("accept", units=2)):
            assert reply.status_code in (404, 200 if forged == "../healthz" else 404, 405), forged
            assert "SKU" not in reply.text
    assert await page.buckets() == (3, 2, 0, 0)


async def test_a_link_opens_for_its_party_only(world: World) -> None:
    """A good signature over what the party may not see, does not exist, or over another cancellation, opens nothing."""
    page = await asked(world)
    for change in (
        {"party": world.other_supplier},
        {"party": world.other_retailer},
        {"party": uuid4()},
        {"cancellation": uuid4()},
        {"retailer": world.other_retailer},
    ):
        given = {"retailer": world.retailer, "cancellation": page.cancellation, "party": world.supplier} | change
        url = world.application.links.page(line=page.line, at=world.clock(), step=1, **given)
        page.path = url.removeprefix(world.application.settings.base_url)
        assert (await page.look()).status_code == 404
        assert (await page.send("accept", units=2)).status_code == 404
    assert await page.buckets() == (3, 2, 0, 0)


async def test_a_party_whose_answer_is_not_due_is_offered_nothing(sqlite_world: World) -> None:
    page = await asked(sqlite_world, party=sqlite_world.retailer)
    shown = await page.look()
    assert "This cancellation waits for the answer of supplier." in words(shown)
    assert "<form" not in shown.text
    reply = await page.send("accept", units=2)
    assert reply.status_code == 409
    assert await page.buckets() == (3, 2, 0, 0)


async def test_a_party_that_was_deactivated(sqlite_world: World) -> None:
    page = await asked(sqlite_world)
    await sqlite_world.application.database.write(
        lambda connection: connection.execute(
            update(t.parties).where(t.parties.c.id == sqlite_world.supplier).values(status="deactivated")
        )
    )
    assert (await page.look()).status_code == 404


async def test_a_day_before_it_expires_it_still_opens(sqlite_world: World) -> None:
    page = await asked(sqlite_world)
    sqlite_world.clock.now += timedelta(days=29)
    assert (await page.look()).status_code == 200
