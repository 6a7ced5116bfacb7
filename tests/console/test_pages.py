"""Every page and action of the console, by what people see and do there."""

import csv
import io
import re
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import select

from countermand.admin import endpoints
from countermand.admin.callers import PLATFORM
from countermand.admin.policies import put_in_force
from countermand.console.pages import jobs, journal, parties, refunds, scorecards, webhooks
from countermand.console.visit import seal_of
from countermand.domain.commands import AskCancellation, CancelOwn, EscalateCancellation
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.policy import Policy, Silence
from countermand.domain.reasons import CancelReason
from countermand.ids import show
from countermand.reads import waiting
from countermand.reads.cancellations import cancellation_by_id
from countermand.reads.refunds import RefundFilter, list_refunds
from countermand.service.calls import Done
from countermand.store import tables as t
from countermand.store.engines.protocol import CommitUnknownError
from tests.console.visiting import PASSWORD, Person, links_in, operator, person, words
from tests.support.money import place_paid
from tests.support.world import World

pytestmark = pytest.mark.anyio

CAN = "/console/cancellations"


class Asked:
    """A cancellation that waits, and its page."""

    def __init__(self, world: World, line: UUID, cancellation: UUID) -> None:
        self.world, self.line, self.cancellation = world, line, cancellation
        self.path = f"{CAN}/{show('can', cancellation)}"

    async def row(self) -> Any:
        scope = self.world.scope(PLATFORM)
        return await self.world.application.database.read(
            lambda connection: cancellation_by_id(connection, scope, self.cancellation)
        )

    async def buckets(self) -> tuple[int, int, int, int]:
        return await self.world.buckets(self.line)


async def asked(world: World, *, units: int = 2, paid: bool = False, by: Asker = Asker.RETAILER, **more: Any) -> Asked:
    order = await (place_paid(world) if paid else world.order(5))
    line = order.lines[0].id
    ask = AskCancellation(line=line, actor=world.actor(world.retailer), units=units, asker=by, **more)
    outcome = await world.submit(ask, retailer=world.retailer)
    assert isinstance(outcome, Done)
    return Asked(world, line, outcome.cancellations[0])


# One cancellation


async def test_the_page_says_where_it_stands_and_what_can_be_done(sqlite_world: World) -> None:
    one = await asked(sqlite_world, paid=True, reason=CancelReason.ORDERED_TWICE, note="Two <b>came</b>")
    page = await (await operator(sqlite_world)).look(one.path)
    told = words(page)
    for fact in (
        "Cancel 2 of 3 × SKU-0",
        "Asked. supplier answers next.",
        "2 days left",
        "Answer due Wed 4 Nov, 10:00 (09:00 UTC)",
        "Silence means no. If nobody answers, the ask lapses and 2 units are open again.",
        "Accept 2, refund 18.00 EUR…",
        "2 units are cancelled. retailer and supplier are told.",
        "Decline, keep 2 on order…",
        "Withdraw the ask for 2…",
        "We have asked the warehouse to stop 2 of your 3 × SKU-0. They answer by 10:00 on Wednesday 4 November."
        " If they can stop it, you get 18.00 EUR back.",
        "ordered twice",
        "Two <b>came</b>",
        "Card PAY-1 27.00 EUR 18.00 EUR by hand",
    ):
        assert fact in told
    assert "<b>came" not in page.text


async def test_what_is_said_to_the_customer_is_said_in_the_language_that_was_chosen(world: World) -> None:
    """By a link, so without JavaScript; the browser keeps it for the next customer."""
    one = await asked(world, paid=True)
    who = await operator(world)
    dutch = await who.look(f"{one.path}?say=nl")
    assert (
        "We hebben het magazijn gevraagd om 2 van uw 3 × SKU-0 tegen te houden. Het antwoord komt uiterlijk woensdag 4"
        " november om 10:00 uur. Als dat lukt, krijgt u 18,00 EUR terug."
    ) in words(dutch)
    assert 'lang="nl">We hebben' in dutch.text
    name, _, kept = dutch.headers["set-cookie"].partition(";")[0].partition("=")
    who.more[name] = kept
    again = await who.look(one.path)
    assert "Het antwoord komt" in words(again)
    assert "set-cookie" not in again.headers
    assert "Wir haben das Lager gebeten, 2 von 3 × „SKU-0“ aufzuhalten." in words(await who.look(f"{one.path}?say=de"))
    assert "Het antwoord komt" in words(await who.look(f"{one.path}?say=xx"))
    looked = await who.post("/console/account/look", {"theme": "dark", "keys": "on"})
    assert looked.headers["set-cookie"].startswith(f"{name}=dark.on.nl;"), "the theme leaves the language"


async def test_a_supplier_sees_no_money_and_what_it_can_answer(sqlite_world: World) -> None:
    one = await asked(sqlite_world, paid=True)
    told = words(await (await person(sqlite_world, sqlite_world.supplier)).look(one.path))
    assert "Accept 2…" in told
    for word in ("EUR", "refund", "Say to the customer", "Withdraw"):
        assert word not in told


async def test_who_cannot_answer_is_told_why(sqlite_world: World) -> None:
    one = await asked(sqlite_world)
    page = await (await person(sqlite_world, sqlite_world.retailer)).look(one.path)
    assert "supplier answers next, not you." in words(page)
    assert f"{one.path}/accept" not in links_in(page)
    assert f"{one.path}/withdraw" in links_in(page)
    viewer = await (await operator(sqlite_world, permissions=["view_order"])).look(one.path)
    assert "Your user may look and not decide: it lacks the permission cancel_order." in words(viewer)
    assert not [each for each in links_in(viewer) if each.startswith(f"{one.path}/")]


async def test_accept(world: World) -> None:
    one = await asked(world, paid=True)
    who = await operator(world)
    reply = await who.fill_in(f"{one.path}/accept")
    assert (reply.status_code, reply.headers["location"]) == (303, f"{one.path}?done=accept")
    assert await one.buckets() == (1, 0, 2, 0)
    told = words(await who.look(reply.headers["location"]))
    assert "2 units of PO-M cancelled. 18.00 EUR goes back." in told
    assert "Accepted by Platform." in told
    assert "2 of your 3 × SKU-0 are cancelled and will not be sent. You get 18.00 EUR back." in told
    event = next(each for each in await world.events(one.line) if each.kind == "cancellation.accepted")
    assert (event.door, event.actor) == ("console", "Platform (Ada Lindqvist)")


async def test_accept_fewer_with_a_reason_for_the_rest(world: World) -> None:
    one = await asked(world, units=3)
    who = await person(world, world.supplier)
    reply = await who.fill_in(f"{one.path}/accept?fewer=1", units=1, rest_reason="already_picked")
    assert reply.status_code == 303
    assert await one.buckets() == (4, 0, 1, 0)
    assert (await one.row()).accepted_units == 1


@pytest.mark.parametrize(("units", "status"), [("0", 422), ("-1", 422), ("x", 422), ("9", 409), ("٣", 422)])
async def test_a_wrong_number_comes_back_at_its_field(sqlite_world: World, units: str, status: int) -> None:
    one = await asked(sqlite_world)
    who = await person(sqlite_world, sqlite_world.supplier)
    reply = await who.fill_in(f"{one.path}/accept?fewer=1", units=units, note="typed before")
    assert reply.status_code == status
    assert 'id="units-wrong"' in reply.text
    assert "typed before" in reply.text
    assert await one.buckets() == (3, 2, 0, 0)


async def test_decline_needs_a_reason(world: World) -> None:
    one = await asked(world)
    who = await person(world, world.supplier)
    reply = await who.fill_in(f"{one.path}/decline", note="It is on the van")
    assert reply.status_code == 422
    assert "Choose why it is declined." in words(reply)
    assert "It is on the van" in reply.text
    reply = await who.fill_in(f"{one.path}/decline", reason="in_packing", note="It is on the van")
    assert reply.status_code == 303
    row = await one.row()
    assert (row.state, row.decline_reason, row.answer_note) == ("declined", "in_packing", "It is on the van")
    assert await one.buckets() == (5, 0, 0, 0)


async def test_who_holds_the_goods_reports_the_parcel(world: World) -> None:
    one = await asked(world)
    who = await person(world, world.supplier)
    form = {"reason": "already_shipped", "tracking_number": "3SABC"}
    assert (await who.fill_in(f"{one.path}/decline", **form)).status_code == 422
    assert (await who.fill_in(f"{one.path}/decline", carrier="PostNL", **form)).status_code == 303
    assert await one.buckets() == (3, 0, 0, 2)
    order = await who.look(f"/console/orders/{show('ord', (await world.line(one.line)).order_id)}")
    assert "parcel PostNL 3SABC" in words(order)


async def test_a_customers_ask_is_passed_on_to_who_holds_the_goods(world: World) -> None:
    one = await asked(world, by=Asker.CUSTOMER)
    who = await person(world, world.retailer)
    assert "Pass 2 on to supplier…" in words(await who.look(one.path))
    reply = await who.fill_in(f"{one.path}/accept")
    assert "Your yes is stored. supplier answers next." in words(await who.look(reply.headers["location"]))
    assert (await one.row()).awaiting == world.supplier


async def test_withdraw_and_ask_again(world: World) -> None:
    one = await asked(world)
    who = await person(world, world.retailer)
    reply = await who.fill_in(f"{one.path}/withdraw", note="The customer wants it after all")
    told = await who.look(reply.headers["location"])
    assert "is withdrawn." in words(told)
    assert await one.buckets() == (5, 0, 0, 0)
    [again] = [each for each in links_in(told) if each.endswith("/ask")]
    reply = await who.fill_in(again, units=4, asker="customer", reason="requested_by_customer")
    assert reply.status_code == 303
    assert await one.buckets() == (1, 4, 0, 0)


async def test_a_note_changes_nothing_and_is_shown(world: World) -> None:
    one = await asked(world)
    who = await operator(world)
    reply = await who.post(f"{one.path}/notes", {"note": " \n", "once": "1"})
    assert (reply.status_code, "Write what you want to note." in words(reply)) == (422, True)
    reply = await who.post(f"{one.path}/notes", {"note": "Called the warehouse.\nIt looks.", "once": "2"})
    told = await who.look(reply.headers["location"])
    assert "Your note is stored." in words(told)
    assert "Called the warehouse.\nIt looks." in told.text
    assert await one.buckets() == (3, 2, 0, 0)


async def test_the_same_form_sent_twice_counts_once(world: World) -> None:
    one = await asked(world)
    who = await operator(world)
    form = {"once": "a1", "step": "1", "units": "1"}
    first = await who.post(f"{one.path}/accept", form)
    second = await who.post(f"{one.path}/accept", form)
    assert (first.status_code, second.status_code) == (303, 303)
    assert await one.buckets() == (4, 0, 1, 0)


async def test_somebody_who_was_faster_is_named(world: World) -> None:
    one = await asked(world)
    who = await operator(world)
    form = await who.look(f"{one.path}/accept")
    assert form.status_code == 200
    other = await person(world, world.supplier, name="Nadia")
    await other.fill_in(f"{one.path}/decline", reason="already_shipped")
    reply = await who.post(f"{one.path}/accept", {"once": "a1", "step": "1", "units": "2"})
    told = words(reply)
    assert reply.status_code == 409
    assert "supplier (Nadia) was faster. At 10:00:00:" in told
    assert "What you sent changed nothing." in told
    assert await one.buckets() == (5, 0, 0, 0)
    late = await who.look(f"{one.path}/accept")
    assert (late.status_code, "This cannot be done any more." in words(late)) == (409, True)


async def test_when_nobody_knows_the_form_comes_back(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await asked(sqlite_world)
    who = await operator(sqlite_world)
    database = sqlite_world.application.database

    async def lost(*_: Any, **__: Any) -> Any:
        raise CommitUnknownError

    with monkeypatch.context() as broken:
        broken.setattr(type(database), "write", lost)
        reply = await who.fill_in(f"{one.path}/decline", reason="in_packing", note="It is on the van")
    assert reply.status_code == 503
    assert "nobody knows whether this was stored" in words(reply)
    assert "It is on the van" in reply.text


async def test_an_operator_answers_what_was_escalated(world: World) -> None:
    one = await asked(world)
    machine = Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="operator")
    await world.submit(
        EscalateCancellation(line=one.line, actor=machine, cancellation=one.cancellation), retailer=world.retailer
    )
    who = await operator(world)
    today = await who.look("/console/")
    assert "1 Escalated to you" in words(today)
    assert f"{CAN}?view=escalated" in links_in(today)
    assert one.path in links_in(await who.look(f"{CAN}?view=escalated"))
    assert "Escalated. An operator answers." in words(await who.look(one.path))
    assert (await who.fill_in(f"{one.path}/accept")).status_code == 303
    assert await one.buckets() == (3, 0, 2, 0)


# Lists


async def test_today_counts_what_needs_whom(world: World) -> None:
    one = await asked(world, paid=True)
    supplier, retailer, platform = (
        await person(world, world.supplier),
        await person(world, world.retailer),
        await operator(world),
    )
    first = words(await supplier.look("/console/"))
    assert "1 Asks that wait for your answer" in first
    assert "supplier no, it lapses 2 " in first
    assert "0 Asks that wait for your answer" in words(await retailer.look("/console/"))
    assert one.path in links_in(await platform.look("/console/"))
    world.clock.advance(hours=49)
    supplier, retailer, platform = (
        await person(world, world.supplier),
        await person(world, world.retailer),
        await operator(world),
    )
    owed = words(await supplier.look("/console/"))
    assert "1 Asks that wait for your answer The earliest deadline stands first. 1 is late:" in owed
    assert "0 Late answers of others" in owed
    for who, title in ((retailer, "1 Late answers of others"), (platform, "1 Late answers")):
        assert title in words(await who.look("/console/"))
        assert one.path in links_in(await who.look(f"{CAN}?view=late"))
    assert one.path not in links_in(await supplier.look(f"{CAN}?view=late"))


async def test_an_ask_counts_once_on_today_and_in_the_navigation(world: World) -> None:
    """What is escalated was late, and is not counted as late any more."""
    one = await asked(world)
    who = await operator(world)
    assert 'class="n' not in _navigation(await who.look("/console/orders"))
    machine = Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="operator")
    escalate = EscalateCancellation(line=one.line, actor=machine, cancellation=one.cancellation)
    assert isinstance(await world.submit(escalate, retailer=world.retailer), Done)
    world.clock.advance(hours=49)
    who = await operator(world)
    page = await who.look("/console/")
    assert "0 Late answers" in words(page)
    assert "1 Escalated to you" in words(page)
    assert 'Cancellations <span class="n">1<span class="hide"> needs you</span></span>' in _navigation(page)
    assert one.path not in links_in(await who.look(f"{CAN}?view=late"))
    assert one.path in links_in(await who.look(f"{CAN}?view=escalated"))
    supplier = await person(world, world.supplier)
    assert "Asks that wait for your answer" in words(await supplier.look("/console/"))
    assert 'class="n' not in _navigation(await supplier.look("/console/"))


def _navigation(reply: httpx2.Response) -> str:
    return reply.text.partition("<nav")[2].partition("</nav>")[0]


async def test_today_tells_what_happened_just_now(world: World) -> None:
    """To each party what it may see; money to no supplier; after an hour nothing."""
    one = await asked(world, paid=True)
    who = await operator(world)
    assert (await who.fill_in(f"{one.path}/accept")).status_code == 303
    told = "Platform accepted the cancellation of 2 units."
    supplier, stranger = await person(world, world.supplier), await person(world, world.other_retailer)
    for each in (who, await person(world, world.retailer), supplier):
        page = words(await each.look("/console/")).partition("Just now")[2]
        assert told in page
        assert page.index(told) < page.index("retailer asked to cancel 2 units"), "newest first"
        assert ("18.00 EUR" in page) == (each is not supplier)
    nothing = "Nothing happened to a cancellation or a refund in the last hour."
    assert nothing in words(await stranger.look("/console/"))
    world.clock.advance(hours=2)
    assert nothing in words(await (await operator(world)).look("/console/"))


async def test_lists_of_endpoints_and_parties_have_an_end(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What needs somebody stands first; of many parties the name is written instead of chosen."""
    who, world = await operator(sqlite_world), sqlite_world
    paths = []
    for number in range(4):
        new = {"url": f"https://{number}.example/in", "party": "supplier"}
        made = await who.post("/console/webhooks/add", new)
        paths.append(next(each for each in links_in(made) if "ept_" in each))
    failing = UUID(paths[3].rpartition("_")[2])
    change = t.endpoints.update().where(t.endpoints.c.id == failing).values(failing_since=world.clock())
    await world.application.database.write(lambda connection: connection.execute(change))
    monkeypatch.setattr(webhooks, "SHOWN", 2)
    seen, address = [], "/console/webhooks"
    while address:
        page = await who.look(address)
        seen.append([each for each in links_in(page) if each in paths])
        address = next((each for each in links_in(page) if "after=" in each), "")
    first, *others = sorted(paths[:3])
    assert seen == [[paths[3], first], others]
    monkeypatch.setattr(parties, "CHOICES_MAX", 1)
    monkeypatch.setattr(parties, "LISTED", 2)
    monkeypatch.setattr(scorecards, "LISTED", 2)
    assert '<input id="party" name="party"' in (await who.look("/console/webhooks/add")).text
    assert "There is no party of this name or id." in words(
        await who.post("/console/webhooks/add", {"url": "https://x.example/in", "party": "nobody"})
    )
    assert '<input id="f-r" name="retailer"' in (await who.look("/console/policies")).text
    assert "the defaults" in words(await who.look("/console/policies?retailer=retailer&holder=supplier"))
    for address in ("/console/parties", "/console/scorecards"):
        assert "2 parties shown. There are more. Write a part of a name." in words(await who.look(address))
        assert "shown" not in words(await who.look(f"{address}?q=OTHER_S"))


async def test_counts_end_at_a_bound(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "COUNTED_MAX", 1)
    for _ in range(3):
        await asked(sqlite_world)
    page = await (await person(sqlite_world, sqlite_world.supplier)).look("/console/")
    assert "1+ Asks that wait for your answer" in words(page)
    assert 'Cancellations <span class="n">1+<span class="hide"> need you</span></span>' in _navigation(page)


@pytest.mark.parametrize(
    "view", ["mine", "asked", "escalated", "late", "accepted", "declined", "withdrawn", "lapsed", "all", "nonsense"]
)
@pytest.mark.parametrize("who", ["platform", "retailer", "supplier"])
async def test_every_view_opens_for_everybody(sqlite_world: World, view: str, who: str) -> None:
    one = await asked(sqlite_world)
    party = PLATFORM if who == "platform" else getattr(sqlite_world, who)
    page = await (await person(sqlite_world, party)).look(f"{CAN}?view={view}&due=2030-01-01")
    assert page.status_code == 200
    page = await (await person(sqlite_world, party)).look(f"{CAN}?view={view}")
    shown = view in ("asked", "all") or (view in ("mine", "nonsense") and who == "supplier")
    assert (one.path in links_in(page)) == shown


async def test_a_filter_that_cannot_be_read_is_told(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    for query in ("due=tomorrow", "after=x", "after=20261102T090000_x", "view=accepted&due=2026-11-02", "q=%00"):
        page = await who.look(f"{CAN}?{query}")
        assert (page.status_code, "This filter cannot be read." in words(page)) == (200, True), query


async def test_the_list_has_pages(sqlite_world: World) -> None:
    for _ in range(52):
        await asked(sqlite_world, units=1)
    who = await operator(sqlite_world)
    for view in ("all", "asked"):
        first = await who.look(f"{CAN}?view={view}")
        rows = [each for each in links_in(first) if each.startswith(f"{CAN}/can_")]
        assert len(rows) == 50
        [more] = [each for each in links_in(first) if "after=" in each]
        second = [each for each in links_in(await who.look(more)) if each.startswith(f"{CAN}/can_")]
        assert (len(second), set(rows) & set(second)) == (2, set())


async def test_no_table_has_more_than_seven_columns(sqlite_world: World) -> None:
    one = await asked(sqlite_world, paid=True)
    who = await operator(sqlite_world)
    await who.fill_in(f"{one.path}/accept")
    order = f"/console/orders/{show('ord', (await sqlite_world.line(one.line)).order_id)}"
    for path in ("/console/", f"{CAN}?view=all", "/console/orders", "/console/refunds?state=all", order, one.path):
        for table in (await who.look(path)).text.split("<table")[1:]:
            assert table.partition("</thead>")[0].count("<th ") <= 7, path


async def test_one_box_finds_everything(world: World) -> None:
    one = await asked(world, paid=True)
    who = await operator(world)
    await who.fill_in(f"{one.path}/accept")
    scope = world.scope(PLATFORM)
    [refund] = await world.application.database.read(lambda c: list_refunds(c, scope, RefundFilter(line=one.line)))
    order = f"/console/orders/{show('ord', refund.order_id)}"
    for text, place in (
        (show("can", one.cancellation), one.path),
        (show("rfd", refund.id), f"/console/refunds/{show('rfd', refund.id)}"),
        (show("ord", refund.order_id), order),
        (show("lin", one.line), order),
        ("PO-M", order),
        ("PAY-1", order),
        ("SKU-0", order),
        (str((await world.line(one.line)).number), order),
    ):
        found = await who.look(f"/console/search?q={text}")
        while found.status_code == 303 and found.headers["location"] != place:
            found = await who.look(found.headers["location"])
        assert found.headers.get("location") == place, text
    nothing = await who.look((await who.look("/console/search?q=nothing+of+that")).headers["location"])
    assert "Nothing was found" in words(nothing)


async def test_several_are_answered_at_once_with_a_result_for_each(world: World) -> None:
    first, second, gone = await asked(world, paid=True), await asked(world), await asked(world)
    who = await operator(world)
    ids = "&".join(f"id={show('can', each.cancellation)}" for each in (first, second, gone))
    preview = await who.look(f"{CAN}/bulk?do=accept&{ids}")
    assert "Accept 6 units, refund 18.00 EUR" in words(preview)
    supplier = await person(world, world.supplier)
    await supplier.fill_in(f"{gone.path}/decline", reason="in_packing")
    form = {
        "do": "accept",
        "once": "a1",
        "id": [f"{show('can', each.cancellation)}-1" for each in (first, second, gone)],
    }
    reply = await who.post(f"{CAN}/bulk", form)
    told = words(reply)
    assert (reply.status_code, "2 of 3 were accepted. 18.00 EUR goes back." in told) == (200, True)
    assert "At step 1 this cancellation was declined by the supplier" in told
    assert (await first.buckets(), await second.buckets(), await gone.buckets()) == (
        (1, 0, 2, 0),
        (3, 0, 2, 0),
        (5, 0, 0, 0),
    )
    again = await who.post(f"{CAN}/bulk", form)
    assert "2 of 3 were accepted." in words(again)
    left_out = words(await who.look(f"{CAN}/bulk?do=accept&{ids}"))
    assert left_out.count("left out:") == 3
    assert "None of these can be answered by you." in left_out


async def test_several_are_declined_for_a_reason(world: World) -> None:
    both = [await asked(world), await asked(world)]
    who = await person(world, world.supplier)
    form = {"do": "decline", "once": "a1", "id": [f"{show('can', each.cancellation)}-1" for each in both]}
    reply = await who.post(f"{CAN}/bulk", {**form, "note": "typed before"})
    assert (reply.status_code, "Choose why they are declined." in words(reply)) == (422, True)
    assert "typed before" in reply.text
    reply = await who.post(f"{CAN}/bulk", {**form, "reason": "in_packing", "note": "typed before"})
    assert "2 of 2 were declined." in words(reply)
    assert [(await each.row()).decline_reason for each in both] == ["in_packing"] * 2


async def test_what_is_anothers_is_not_among_the_ticked(world: World) -> None:
    one = await asked(world)
    who = await person(world, world.other_supplier)
    for thing in (show("can", one.cancellation), "can_" + "0" * 32, "x", "é"):
        page = words(await who.look(f"{CAN}/bulk?do=accept&id={thing}"))
        assert "None of these can be answered by you." in page
    await who.post(f"{CAN}/bulk", {"do": "accept", "once": "1", "id": f"{show('can', one.cancellation)}-1"})
    assert await one.buckets() == (3, 2, 0, 0)
    for wrong in ("", "do=accept", "do=eat&id=x"):
        assert (await who.look(f"{CAN}/bulk?{wrong}")).status_code == 400


async def test_a_list_is_had_as_a_file_that_no_spreadsheet_calculates(world: World) -> None:
    one = await asked(world, paid=True)
    await asked(world)
    wicked = t.lines.update().where(t.lines.c.id == one.line).values(sku="=1+1")
    await world.application.database.write(lambda c: c.execute(wicked))
    who = await operator(world)
    [path] = [each for each in links_in(await who.look(f"{CAN}?view=asked")) if ".csv" in each]
    reply = await who.look(path)
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-disposition"] == 'attachment; filename="cancellations-asked.csv"'
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["state"] for row in rows] == ["asked", "asked"]
    assert "'=1+1" in {row["sku"] for row in rows}
    assert (await who.look(f"{CAN}.csv?due=never")).status_code == 422


# Orders


async def test_an_order_says_what_can_still_be_cancelled(sqlite_world: World) -> None:
    one = await asked(sqlite_world, paid=True)
    order = show("ord", (await sqlite_world.line(one.line)).order_id)
    page = words(await (await person(sqlite_world, sqlite_world.retailer)).look(f"/console/orders/{order}"))
    assert "Ask to cancel 1… supplier answers." in page
    page = words(await (await person(sqlite_world, sqlite_world.supplier)).look(f"/console/orders/{order}"))
    assert "Only the retailer and the platform can ask." in page


async def test_the_ask_says_what_would_go_back_and_comes_back_filled(world: World) -> None:
    order = await place_paid(world)
    who = await person(world, world.retailer)
    path = f"/console/lines/{show('lin', order.lines[0].id)}/ask"
    told = words(await who.look(f"{path}?units=2"))
    assert "supplier holds the goods and answers by Wed 4 Nov, 10:00 (09:00 UTC). Silence means: no, it lapses." in told
    assert "For 2 units, 18.00 EUR would go back." in told
    form = {"asker": "retailer", "reason": "ordered_twice", "note": "typed before"}
    for wrong in ({"units": 7}, {"units": "x"}, {"units": 1, "reason": "?"}, {"units": 1, "asker": "nobody"}):
        reply = await who.fill_in(path, **{**form, **wrong})
        assert reply.status_code in (409, 422), wrong
        assert "typed before" in reply.text
    reply = await who.fill_in(path, units=2, **form)
    assert "The ask is stored." in words(await who.look(reply.headers["location"]))


# Refunds


async def refund(world: World, who: Person) -> str:
    one = await asked(world, paid=True)
    await who.fill_in(f"{one.path}/accept")
    [path] = [each for each in links_in(await who.look(one.path)) if each.startswith("/console/refunds/")]
    return path


async def test_a_refund_by_hand_is_marked_as_paid(world: World) -> None:
    who = await operator(world)
    path = await refund(world, who)
    assert "1 Refunds to pay by hand 18.00 EUR." in words(await who.look("/console/"))
    assert path in links_in(await who.look("/console/refunds?state=by_hand"))
    assert "Mark 18.00 EUR as paid…" in words(await who.look(path))
    reply = await who.fill_in(f"{path}/paid", note="bank transfer 2026-1190")
    told = words(await who.look(reply.headers["location"]))
    assert "18.00 EUR is marked as paid." in told
    assert "bank transfer 2026-1190" in told
    late = await who.look(f"{path}/paid")
    assert (late.status_code, "This cannot be done any more" in words(late)) == (409, True)


async def test_refunds_stand_together_by_what_they_ask_of_a_person(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refunds, "IN_A_GROUP", 2)
    who = await operator(world)
    empty = words(await who.look("/console/refunds"))
    assert "By hand No refund waits to be paid by a person." in empty
    paths = []
    for _ in range(4):
        paths.append(await refund(world, who))
        world.clock.advance(seconds=1)
    for path in paths[:3]:
        await who.fill_in(f"{path}/paid", note="by bank")
    page = await who.look("/console/refunds")
    told = words(page)
    assert "Parked Every refund is settled, or is being settled." in told
    assert "By hand They are paid outside of this service, then marked here. All by hand Refunds that a" in told
    assert "Done The latest first. All confirmed , closed . The latest 2 are shown Refunds that" in told
    assert [each for each in links_in(page) if each in paths] == [paths[3], paths[2], paths[1]]
    assert "Mark the ticked ones as paid…" in told
    retailer = words(await (await person(world, world.retailer)).look("/console/refunds"))
    assert ("person pays State" in retailer, "Mark the ticked" in retailer) == (True, False)


async def test_a_refund_that_is_parked_says_why_and_what_can_be_done(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    order = await place_paid(sqlite_world, payments=[{"provider": "stripe", "reference": "pi_1", "captured": "27.00"}])
    ask = AskCancellation(line=order.lines[0].id, actor=sqlite_world.actor(sqlite_world.retailer), units=1)
    done = await sqlite_world.submit(ask, retailer=sqlite_world.retailer)
    assert isinstance(done, Done)
    yes = f"{CAN}/{show('can', done.cancellations[0])}/accept"
    assert (await who.fill_in(yes)).status_code == 303
    await sqlite_world.application.worker.settle_refunds()
    page = await who.look("/console/refunds")
    told = words(page)
    assert "Why The provider stripe is not set up here." in told
    assert "Next Set up the provider stripe, or pay it another way and mark it as paid." in told
    acts = [each.rpartition("/")[2] for each in links_in(page) if re.search("/console/refunds/rfd_.*/", each)]
    assert acts == ["paid", "retry", "correct", "close"]


async def test_a_refund_is_closed_with_a_reason(world: World) -> None:
    who = await operator(world)
    path = await refund(world, who)
    assert (await who.fill_in(f"{path}/close", note=" ")).status_code == 422
    reply = await who.fill_in(f"{path}/close", note="The customer kept it")
    assert "18.00 EUR is closed. Nothing is paid back." in words(await who.look(reply.headers["location"]))


async def test_a_refund_is_corrected(world: World) -> None:
    who = await operator(world)
    path = await refund(world, who)
    for wrong in ("", "x", "18.01", "-1", "1.001"):
        reply = await who.fill_in(f"{path}/correct", elsewhere=wrong, note="seen at the bank")
        assert (reply.status_code, 'id="elsewhere-wrong"' in reply.text) == (422, True), wrong
    reply = await who.fill_in(f"{path}/correct", elsewhere="3.00", note="seen at the bank")
    assert reply.status_code in (303, 409)


async def test_much_money_asks_for_the_password_again_and_gives_a_new_session(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    path = await refund(sqlite_world, who)
    sqlite_world.clock.advance(minutes=20)
    assert "Your password" not in words(await who.look(f"{path}/paid"))
    object.__setattr__(sqlite_world.application.settings, "console_password_above", 10)
    assert "Your password" in words(await who.look(f"{path}/paid"))
    for wrong in ("", "guessed"):
        reply = await who.fill_in(f"{path}/paid", note="by bank", password=wrong)
        assert (reply.status_code, "This is not your password." in words(reply)) == (422, True)
        assert "by bank" in reply.text
        assert "guessed" not in reply.text
    reply = await who.fill_in(f"{path}/paid", note="by bank", password=PASSWORD)
    assert reply.status_code == 303
    secret = reply.headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert (await who.look("/console/")).status_code == 303
    assert (await Person(sqlite_world, secret, who.email).look("/console/")).status_code == 200


async def test_several_refunds_are_marked_as_paid_with_a_reference_each(world: World) -> None:
    who = await operator(world)
    first, second, gone = [await refund(world, who) for _ in range(3)]
    ids = [path.rpartition("/")[2] for path in (first, second, gone)]
    listed = await who.look("/console/refunds?state=by_hand")
    assert all(f'name="id" value="{each}-1"' in listed.text for each in ids)
    address = f"/console/refunds/bulk?{urlencode([('id', each) for each in ids])}"
    preview = await who.look(address)
    assert "Mark 3 refunds as paid?" in words(preview)
    assert "Mark 54.00 EUR as paid" in words(preview)
    assert (await who.fill_in(f"{gone}/close", note="Paid in the shop.")).status_code == 303
    sent = {"once": "b1", "id": [f"{each}-1" for each in ids], "note": "By bank.", f"reference-{ids[0]}": "T-1"}
    done = await who.post("/console/refunds/bulk", sent)
    told = words(done)
    assert done.status_code == 200
    assert "2 of 3 were marked as paid. 36.00 EUR is settled." in told
    assert "changed nothing" in told
    assert "T-1" in words(await who.look(first))
    assert "By bank." in words(await who.look(second))
    again = words(await who.post("/console/refunds/bulk", sent))
    assert "2 of 3 were marked as paid." in again
    assert "left out: It is confirmed." in words(await who.look(address))
    assert (await who.look("/console/refunds/bulk")).status_code == 400
    assert (await who.look("/console/refunds/bulk?id=rfd_x")).status_code == 200


async def test_much_money_at_once_asks_for_the_password(sqlite_world: World) -> None:
    """What counts is the sum: many small refunds are much, too. The page after it is of the new log-in."""
    who = await operator(sqlite_world)
    ids = [(await refund(sqlite_world, who)).rpartition("/")[2] for _ in range(3)]
    address = f"/console/refunds/bulk?{urlencode([('id', each) for each in ids])}"
    settings = sqlite_world.application.settings
    object.__setattr__(settings, "console_password_above", 40)
    sqlite_world.clock.advance(minutes=20)
    assert "Your password" in words(await who.look(address))
    sent = {"once": "b1", "id": [f"{each}-1" for each in ids]}
    refused = await who.post("/console/refunds/bulk", {**sent, "password": "wrong"})
    assert (refused.status_code, "This is not your password." in words(refused)) == (422, True)
    done = await who.post("/console/refunds/bulk", {**sent, "password": PASSWORD})
    assert "3 of 3 were marked as paid." in words(done)
    secret = re.search(r"__Host-countermand=([^;]+)", done.headers["set-cookie"])
    assert secret
    assert seal_of(secret[1]) in done.text


async def test_the_journal_says_what_was_owed_and_given_back(world: World) -> None:
    who = await operator(world)
    path = await refund(world, who)
    assert "Owed 18.00 EUR, given back 0.00 EUR, left 18.00 EUR." in words(await who.look(path))
    world.clock.advance(seconds=1)
    await who.fill_in(f"{path}/paid", note="by bank")
    assert "Owed 18.00 EUR, given back 18.00 EUR, left 0.00 EUR." in words(await who.look(path))
    page = await who.look("/console/journal")
    told = words(page)
    assert "2 postings. Newest first." in told
    assert told.index("given back") < told.index("owed to the customer")
    assert path in links_in(page)
    retailer = await person(world, world.retailer)
    assert "2 postings." in words(await retailer.look("/console/journal"))
    other = await person(world, world.other_retailer)
    assert "No posting yet" in words(await other.look("/console/journal"))
    assert (await (await person(world, world.supplier)).look("/console/journal")).status_code == 403
    rows = list(csv.reader(io.StringIO((await retailer.look("/console/journal.csv")).text)))
    assert [row[2:7] for row in rows] == [
        ["what", "from", "to", "amount", "currency"],
        ["given back", "refunds_due", "provider:manual", "18.00", "EUR"],
        ["owed to the customer", "retailer", "refunds_due", "18.00", "EUR"],
    ]


async def test_the_journal_is_compared_with_the_refunds(world: World) -> None:
    who, retailer = await operator(world), await person(world, world.retailer)
    assert "no posting to check" in words(await who.look("/console/refunds"))
    paths = [await refund(world, who) for _ in range(2)]
    reply = await who.fill_in(f"{paths[0]}/paid", note="bank run 7")
    assert reply.status_code == 303
    other = await person(world, world.other_retailer)
    assert "balance" not in words(await other.look("/console/journal"))
    told = "In balance The journal and the refunds say the same about what is owed and what went back: 2 refunds with"
    for each in (who, retailer):
        for page in ("/console/refunds", "/console/journal"):
            shown = words(await each.look(page))
            assert told in shown
            assert "postings since Today 10:00 . Checked Today 10:00:00" in shown
    wrong = UUID(paths[1].rpartition("_")[2])
    refunds = t.refunds
    change = refunds.update().where(refunds.c.id == wrong).values(amount_minor=refunds.c.amount_minor + 1)
    await world.application.database.write(lambda connection: connection.execute(change))
    for page in ("/console/refunds", "/console/journal"):
        differs = await who.look(page)
        assert "Not in balance The journal and 1 refund of 2 say different amounts: rfd_" in words(differs)
        assert paths[1] in links_in(differs)


async def test_the_journal_goes_on_page_by_page(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "SHOWN", 2)
    who = await operator(sqlite_world)
    paths = []
    for _ in range(5):
        paths.append(await refund(sqlite_world, who))
        sqlite_world.clock.advance(seconds=1)
    found, address = [], "/console/journal"
    while address:
        page = await who.look(address)
        found += [each for each in links_in(page) if each.startswith("/console/refunds/")]
        address = next((each for each in links_in(page) if "after=" in each), "")
    assert found == paths[::-1]
    assert (await who.look("/console/journal?order=x")).status_code == 404


@pytest.mark.parametrize("what", ["token", "key", "client", "person", "party", "endpoint"])
async def test_what_is_made_by_a_form_is_made_once(world: World, what: str) -> None:
    """The same form again leads to where the first one led, and makes nothing. Filled in anew, it is another one."""
    who = await operator(world)
    party = f"/console/parties/{show('pty', world.retailer)}"
    made_by, fields, table = {
        "token": (
            f"{party}/tokens/add",
            {"label": "shop", "role": "chosen", "permission": "view_order"},
            t.credentials,
        ),
        "key": (f"{party}/keys/add", {"label": "shop"}, t.credentials),
        "client": (f"{party}/clients/add", {"label": "shop"}, t.credentials),
        "person": (
            f"{party}/users/add",
            {
                "email": "ada@shop.example",
                "name": "Ada",
                "password": PASSWORD,
                "role": "chosen",
                "permission": "view_order",
            },
            t.users,
        ),
        "party": ("/console/parties/add", {"name": "Berg & Tal", "kind": "retailer"}, t.parties),
        "endpoint": (
            "/console/webhooks/add",
            {"url": "https://hooks.shop.example/in", "label": "", "party": str(world.retailer), "kind": "line.placed"},
            t.endpoints,
        ),
    }[what]

    async def rows() -> int:
        return await world.application.database.read(lambda c: len(c.execute(select(table)).all()))

    before = await rows()
    first = await who.post(made_by, {"once": "f" * 32, **fields})
    assert first.status_code in (200, 303), words(first)
    assert await rows() == before + 1
    again = await who.post(made_by, {"once": "f" * 32, **fields})
    assert again.status_code == 303
    assert await rows() == before + 1
    assert (await who.look(again.headers["location"])).status_code == 200
    if first.status_code == 303:
        assert again.headers["location"] == first.headers["location"]


async def test_only_an_operator_settles_refunds(sqlite_world: World) -> None:
    path = await refund(sqlite_world, await operator(sqlite_world))
    retailer = await person(sqlite_world, sqlite_world.retailer)
    page = await retailer.look(path)
    assert "Only an operator of the platform can mark, close or correct a refund." in words(page)
    assert (await retailer.look(f"{path}/paid")).status_code == 403
    assert (await (await person(sqlite_world, sqlite_world.supplier)).look(path)).status_code == 403


# Webhooks, parties, policies, scorecards, audit


async def test_an_endpoint_is_paused_with_a_reason_and_resumed(world: World) -> None:
    application = world.application
    made = await application.database.write(
        lambda c: endpoints.add(
            c,
            world.author(),
            application.keyring,
            party=world.supplier,
            url="https://hooks.alpine.example/in",
        )
    )
    await asked(world)
    path = f"/console/webhooks/{show('ept', made.endpoint.id)}"
    for who in (await person(world, world.supplier), await operator(world)):
        assert path in links_in(await who.look("/console/webhooks"))
        assert "cancellation.asked" in words(await who.look(path))
        assert (await who.post(f"{path}/pause", {"reason": " "})).status_code == 422
        reply = await who.post(f"{path}/pause", {"reason": "we move <house>"})
        told = words(await who.look(reply.headers["location"]))
        assert "It is paused." in told
        assert "Paused: we move <house>" in told
        assert "1 Endpoints that are stopped" in words(await who.look("/console/"))
        reply = await who.post(f"{path}/resume", {})
        assert "It is resumed." in words(await who.look(reply.headers["location"]))


async def test_an_endpoint_is_added_with_a_secret_that_is_shown_once(world: World) -> None:
    for who, party in ((await operator(world), world.retailer), (await person(world, world.supplier), world.supplier)):
        form = {"url": "https://hooks.example/in", "label": "ours", "kind": ["line.placed", "cancellation.asked"]}
        for field, wrong in (("url", "ftp://x"), ("url", " "), ("label", "x\u202ey"), ("kind", "nothing")):
            reply = await who.post("/console/webhooks/add", {**form, "party": str(party), field: wrong})
            assert (reply.status_code, f'id="{field}-wrong"' in reply.text) == (422, True), field
            assert "hooks.example" in reply.text or field == "url"
        reply = await who.post("/console/webhooks/add", {**form, "party": str(party)})
        found = re.search("whsec_[A-Za-z0-9+/=]+", reply.text)
        assert (reply.status_code, bool(found)) == (200, True)
        [path] = {each for each in links_in(reply) if "ept_" in each}
        page = await who.look(path)
        assert "whsec_" not in page.text
        assert "line.placed, cancellation.asked" in words(page)
    added = await world.application.database.read(lambda c: endpoints.of_party(c))
    assert {each.party for each in added} == {world.retailer, world.supplier}


async def test_a_secret_asks_for_the_password_if_it_was_given_long_ago(sqlite_world: World) -> None:
    who = await person(sqlite_world, sqlite_world.supplier)
    made = await who.post("/console/webhooks/add", {"url": "https://hooks.example/in"})
    path = next(each for each in links_in(made) if "ept_" in each)
    sqlite_world.clock.advance(minutes=16)
    assert "Your password" in words(await who.look("/console/webhooks/add"))
    assert "Your password" in words(await who.look(f"{path}/secret"))
    wrong = await who.post(f"{path}/secret", {"password": "wrong"})
    assert (wrong.status_code, "whsec_" in wrong.text) == (422, False)
    right = await who.post(f"{path}/secret", {"password": PASSWORD})
    assert (right.status_code, "whsec_" in right.text) == (200, True)
    assert (await who.look("/console/")).status_code == 303
    assert made.text not in right.text


async def test_dead_notices_are_counted_and_listed(sqlite_world: World) -> None:
    world, application = sqlite_world, sqlite_world.application
    made = await application.database.write(
        lambda c: endpoints.add(
            c,
            world.author(),
            application.keyring,
            party=world.supplier,
            url="https://a.example/",
        )
    )
    await asked(world)
    dead = t.notices.update().values(state="dead", due_at=None, last_result="410 Gone")
    await application.database.write(lambda c: c.execute(dead))
    who = await operator(world)
    assert "Dead notices They could not be delivered" in words(await who.look("/console/"))
    page = words(await who.look(f"/console/webhooks/{show('ept', made.endpoint.id)}?state=dead"))
    assert "410 Gone" in page


async def test_a_policy_stands_in_plain_sentences_with_what_each_version_changed(world: World) -> None:
    application = world.application
    for policy in (
        Policy(answer_within_s=3600, silence=Silence.ACCEPT),
        Policy(answer_within_s=7200, silence=Silence.ACCEPT, free_window_s=900),
    ):
        put = partial(
            put_in_force,
            now=world.clock(),
            retailer=world.retailer,
            fulfiller=world.supplier,
            policy=policy,
            by="Ada",
        )
        await application.database.write(put)
    who = await operator(world)
    assert "Choose a retailer" in words(await who.look("/console/policies"))
    told = words(await who.look(f"/console/policies?retailer={world.retailer}&holder={world.supplier}"))
    for sentence in (
        "Version 2",
        "Each has 2 h to answer.",
        "Silence means yes: the units are cancelled.",
        "Within 15 min after ordering an ask is accepted at once.",
        "Supplier accepts cancellations until the goods are shipped.",
        "Version 2 , set by Ada . Each has 2 h to answer. Within 15 min",
    ):
        assert sentence in told
    assert "the defaults" in words(await who.look(f"/console/policies?retailer={world.retailer}"))
    assert (await who.look("/console/policies?retailer=nobody")).status_code == 404


async def test_a_scorecard_shows_weeks_and_what_counts(world: World) -> None:
    line = (await world.order(3)).lines[0].id
    own = CancelOwn(line=line, actor=world.actor(world.supplier), reason=CancelReason.OUT_OF_STOCK)
    assert isinstance(await world.submit(own, retailer=world.retailer), Done)
    who = await operator(world)
    path = f"/console/scorecards/{show('pty', world.supplier)}"
    assert path in links_in(await who.look("/console/scorecards"))
    for each in (who, await person(world, world.supplier)):
        page = await each.look(path)
        told = words(page)
        assert "unasked" in told
        assert "is not over: 100.00 % so far 1 of 1 item counts." in told
        assert "100.00 %" in told
        assert page.text.count("<g><title>Week 20") == 23
    assert "Nothing counts in this week" in words(await who.look(f"{path}?week=2026-W30"))
    assert (await who.look(f"/console/scorecards/{show('pty', PLATFORM)}")).status_code == 404
    assert (await who.look(f"/console/scorecards/{show('pty', PLATFORM)}/weeks.csv")).status_code == 404
    weeks = list(csv.DictReader(io.StringIO((await who.look(f"{path}/weeks.csv?as=fulfiller")).text)))
    assert (len(weeks), weeks[-1]["numerator"], weeks[-1]["value"], weeks[-1]["accepted"]) == (23, "1", "1.0", "0")


async def test_a_scorecard_is_shown_as_it_was(world: World) -> None:
    who = await operator(world)
    path = f"/console/scorecards/{show('pty', world.supplier)}"
    line = (await world.order(3)).lines[0].id
    own = CancelOwn(line=line, actor=world.actor(world.supplier), reason=CancelReason.OUT_OF_STOCK)
    assert isinstance(await world.submit(own, retailer=world.retailer), Done)
    today, before = f"{world.clock():%Y-%m-%d}", f"{world.clock() - timedelta(days=1):%Y-%m-%d}"
    for wrong in (today, "yesterday", "9999-12-31"):
        reply = await who.look(f"{path}?on={wrong}")
        assert (reply.status_code, "Choose a day that is over" in words(reply)) == (422, True), wrong
    then = words(await who.look(f"{path}?on={before}"))
    assert f"As it was at the end of {before}." in then
    assert "Nothing counts in this week" in then
    world.clock.advance(days=9)
    late = await who.look(f"{path}?on={today}")
    assert late.status_code == 303
    who = await operator(world)
    late = await who.look(f"{path}?on={today}")
    assert "unasked" in words(late)
    assert not [each for each in links_in(late) if "/judge/" in each]
    assert "is above the norm, and no strike: 100.00 % 1 of 1 item counts." in words(await who.look(path))


async def test_the_audit_trail_says_who_changed_what(world: World) -> None:
    who = await operator(world)
    await who.post("/console/logout-everywhere", {})
    ada = await operator(world)
    told = words(await ada.look("/console/audit"))
    assert "credential.revoked" in told
    assert "user.logged_out" in told
    assert "Platform (Ada Lindqvist) console" in told
    only = words(await ada.look("/console/audit?action=user.logged_out&party=Platform"))
    assert "user.logged_out usr_" in only
    assert "credential.revoked crd_" not in only
    assert "There is no party" in words(await ada.look("/console/audit?party=nobody"))


# Jobs


async def test_asks_from_a_file_are_tried_before_they_are_made(world: World) -> None:
    order = await place_paid(world, reference="PO-7")
    who = await person(world, world.retailer)
    for wrong in ("", "colour,units\nred,1", "\x00"):
        reply = await who.post("/console/jobs/ask", {"rows": wrong, "label": "Friday"})
        assert (reply.status_code, 'id="rows-wrong"' in reply.text) == (422, True), wrong
        assert "Friday" in reply.text
    rows = "order,sku,units,by\nPO-7,SKU-0,2,customer\nPO-7,no-such,1,customer\nPO-7,SKU-0,x,customer\n"
    reply = await who.post("/console/jobs/ask", {"rows": rows, "label": "Friday"})
    path = reply.headers["location"].partition("?")[0]
    await world.application.worker.do_jobs()
    told = await who.look(reply.headers["location"])
    assert "The rows are tried. Nothing is asked yet." in words(told)
    assert "3 of 3 rows done: 1 would work" in words(told)
    line = order.lines[0].id
    assert await world.buckets(line) == (3, 0, 0, 0)
    assert "Friday" in words(await who.look("/console/jobs"))
    reply = await who.post(f"{path}/do", {})
    await world.application.worker.do_jobs()
    told = await who.look(reply.headers["location"])
    assert "1 of 1 rows done: 1 worked" in words(told)
    assert await world.buckets(line) == (1, 2, 0, 0)
    [made] = [each for each in links_in(told) if each.startswith(f"{CAN}/can_")]
    assert (await who.look(made)).status_code == 200
    assert (await who.post(f"{path}/do", {})).status_code in (303, 409)
    again = reply.headers["location"].partition("?")[0]
    assert (await who.post(f"{again}/do", {})).status_code == 409
    assert (await (await operator(world)).look(path)).status_code == 404


async def test_the_results_of_a_job_are_had_as_a_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, more than are read at once, or those with one result; no spreadsheet calculates what they say."""
    monkeypatch.setattr(jobs, "PAGE", 2)
    await place_paid(world, reference="PO-7")
    who = await person(world, world.retailer)
    names = ["SKU-0", "=1+1", "a", "b", "c"]
    rows = "".join(f"PO-7,{name},1\n" for name in names)
    reply = await who.post("/console/jobs/ask", {"rows": f"order,sku,units\n{rows}"})
    path = reply.headers["location"].partition("?")[0]
    assert f"{path}/results.csv" not in links_in(await who.look(path))
    await world.application.worker.do_jobs()
    assert f"{path}/results.csv" in links_in(await who.look(path))
    file = await who.look(f"{path}/results.csv")
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert file.headers["content-disposition"] == f'attachment; filename="{path.rpartition("/")[2]}.csv"'
    assert file.headers["cache-control"] == "no-store"
    found = list(csv.DictReader(io.StringIO(file.text)))
    assert [(each["row"], each["result"]) for each in found] == [
        ("1", "ok"),
        *((str(n), "refused") for n in (2, 3, 4, 5)),
    ]
    assert not any(cell.startswith("=") for each in found for cell in each.values())
    assert links_in(await who.look(f"{path}?result=ok")).count(f"{path}/results.csv?result=ok") == 1
    some = await who.look(f"{path}/results.csv?result=ok")
    assert len(list(csv.DictReader(io.StringIO(some.text)))) == 1
    assert (await who.look(f"{path}/results.csv", method="HEAD")).content == b""


async def test_a_job_is_cancelled(world: World) -> None:
    await place_paid(world, reference="PO-7")
    who = await person(world, world.retailer)
    reply = await who.post("/console/jobs/ask", {"rows": "order,sku\nPO-7,SKU-0\n"})
    path = reply.headers["location"].partition("?")[0]
    assert (await who.post(f"{path}/cancel", {})).status_code == 303
    await world.application.worker.do_jobs()
    assert "Cancelled" in words(await who.look(path))


# Policies and judgements


async def test_a_policy_is_shown_as_sentences_before_it_is_saved(world: World) -> None:
    who = await operator(world)
    path = f"/console/policies/edit?retailer={world.retailer}&holder={world.supplier}"
    form = {
        "answer_within_s": "24", "free_window_s": "", "accepts_for_s": "", "proof_within_s": "1.5", "first": "yes",
        "silence": "accept", "accepts_until": "shipped", "whole_order": "what_can_be", "version": "0", "do": "preview",
    }  # fmt: skip
    assert 'value="48"' in (await who.look(path)).text
    for field, wrong in (
        ("answer_within_s", "soon"), ("answer_within_s", "-1"), ("answer_within_s", "0.0001"), ("silence", "sing"),
    ):  # fmt: skip
        reply = await who.post(path, {**form, field: wrong})
        assert (reply.status_code, f'id="{field}-wrong"' in reply.text) == (422, True), (field, wrong)
    nonsense = await who.post(path, {**form, "answer_within_s": "0.01"})
    assert (nonsense.status_code, "These terms make no sense" in words(nonsense)) == (422, True)
    assert "No ask waits that would keep other terms." in words(await who.post(path, form))
    await asked(world)
    shown = await who.post(path, form)
    told = "1 ask waits and keeps its terms. A cancellation keeps the policy that it was asked under."
    assert f"{told} 1 under the defaults, which hold now: Each has 2 days to answer. Silence means no" in words(shown)
    assert "<mark>Each has 1 day to answer.</mark>" in shown.text
    assert "<mark>Silence means yes: the units are cancelled.</mark>" in shown.text
    assert "No longer: Each has 2 days to answer." in words(shown)
    saved = await who.post(path, {**form, "do": "save"})
    told = words(await who.look(saved.headers["location"]))
    assert "The new version is saved." in told
    assert "Each has 1 day to answer." in told
    again = await who.post(path, {**form, "do": "save"})
    assert (again.status_code, "Somebody else has changed it" in words(again)) == (422, True)
    await asked(world)
    shown = await who.post(path, {**form, "version": "1", "free_window_s": "30"})
    assert "2 asks wait and keep their terms." in words(shown)
    assert "1 under version 1, which holds now, which says the same. 1 under the defaults: Each has 2" in words(shown)
    assert (await who.look("/console/policies/edit")).status_code == 422


async def test_an_item_is_taken_out_of_a_score_with_a_reason_and_counts_again(world: World) -> None:
    line = (await world.order(3)).lines[0].id
    own = CancelOwn(line=line, actor=world.actor(world.supplier), reason=CancelReason.OUT_OF_STOCK)
    assert isinstance(await world.submit(own, retailer=world.retailer), Done)
    who = await operator(world)
    card = f"/console/scorecards/{show('pty', world.supplier)}"
    [judge] = [each for each in links_in(await who.look(card)) if "/judge/" in each]
    told = words(await who.look(judge))
    assert "What changes: 0 of 1 item count in 2026-W45, instead of 1. That is 0.00 %, within the norm." in told
    assert (await who.fill_in(judge, note=" ")).status_code == 422
    assert (await who.fill_in(judge, note="The warehouse burnt down")).status_code == 303
    page = await who.look(card)
    assert "Does not count by Platform (Ada Lindqvist) , Today 10:00 : The warehouse burnt down" in words(page)
    [again] = [each for each in links_in(page) if "/judge/" in each]
    assert again.endswith("?counts=yes")
    told = words(await who.look(again))
    assert "What changes: 1 of 1 item counts in 2026-W45, instead of 0. That is 100.00 %, above the norm" in told
    assert "What was judged before Today 10:00 Platform (Ada Lindqvist) took it out: The warehouse burnt" in told
    assert (await who.fill_in(again, note="It did not")).status_code == 303
    assert "Does not count" not in words(await who.look(card))
    twice = await who.fill_in(again, note="It did not")
    assert twice.status_code == 409
    assert not [each for each in links_in(await (await person(world, world.supplier)).look(card)) if "/judge/" in each]


# The last weeks


async def test_the_last_weeks_are_drawn_and_stand_in_a_table(world: World) -> None:
    who, other = await operator(world), await person(world, world.other_retailer)
    assert "Last ten weeks" not in words(await who.look("/console/"))
    one = await asked(world)
    await asked(world)
    assert (await who.fill_in(f"{one.path}/decline", reason="in_packing")).status_code == 303
    for each in (who, await person(world, world.retailer), await person(world, world.supplier)):
        page = await each.look("/console/")
        assert "2 this week" in words(page)
        assert "0 % this week" in words(page)
        assert "2026-W45 2 0.0 % 0" in words(page)
        assert page.text.count('<svg class="chart"') == 3
    assert "Last ten weeks" not in words(await other.look("/console/"))
    world.clock.advance(weeks=1)
    again = words(await (await operator(world)).look("/console/"))
    assert "0 this week" in again
    assert "On average 0.2 begun a week" in again


async def test_each_count_of_today_leads_to_its_list(sqlite_world: World) -> None:
    who = await operator(sqlite_world)
    made = await who.post("/console/webhooks/add", {"url": "https://a.example/in", "party": str(sqlite_world.supplier)})
    path = next(each for each in links_in(made) if "ept_" in each)
    await asked(sqlite_world)
    change = t.endpoints.update().values(failing_since=sqlite_world.clock())
    dead = t.notices.update().values(state="dead", due_at=None, last_result="410 Gone")
    await sqlite_world.application.database.write(lambda c: (c.execute(change), c.execute(dead)))
    today = links_in(await who.look("/console/"))
    for list_path in ("/console/webhooks?state=failing", "/console/notices?state=dead"):
        assert list_path in today
        assert any("ept_" in each for each in links_in(await who.look(list_path)))
    assert path not in links_in(await who.look("/console/webhooks?state=stopped"))
