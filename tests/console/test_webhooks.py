"""Endpoints, notices, attempts and events, by what their owners and operators see and do."""

import json
import re
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import httpx2
import pytest

from countermand.console.pages.notices import _curl
from countermand.documents.attempts import AttemptRequestOut
from countermand.domain.events import EventKind
from countermand.ids import read, show
from countermand.reads.notices import NoticeFilter, NoticeView, list_notices
from countermand.store import tables as t
from countermand.store.attempts import AttemptRow, record
from tests.console.test_pages import asked
from tests.console.visiting import Person, links_in, operator, person, words
from tests.support.receiver import Receiver, answer
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

URL: Final = "https://hooks.example/in"


async def added(who: Person, url: str = URL, **more: Any) -> str:
    """The page of a new endpoint."""
    made = await who.post("/console/webhooks/add", {"url": url, **more})
    assert made.status_code == 200, words(made)
    return next(each for each in links_in(made) if "ept_" in each)


def id_of(path: str) -> UUID:
    found = read("ept", path.rpartition("/")[2])
    assert found
    return found


async def notices_to(world: World, path: str) -> list[NoticeView]:
    wanted = NoticeFilter(endpoint=id_of(path))
    return await world.application.database.read(lambda c: list_notices(c, wanted, 50, world.clock()))


async def die(world: World, path: str) -> None:
    """All notices to this endpoint are dead."""
    to = t.notices.c.endpoint_id == id_of(path)
    dead = t.notices.update().where(to).values(state="dead", due_at=None, last_result="410 Gone")
    await world.application.database.write(lambda c: c.execute(dead))


async def tried(world: World, notice: NoticeView, **what: Any) -> UUID:
    """An attempt to send this notice."""
    application = world.application
    row = AttemptRow(
        **{
            "retailer_id": notice.retailer_id, "id": application.ids.new(), "notice_id": notice.id,
            "endpoint_id": notice.endpoint_id, "event_id": notice.event_id, "line_id": notice.line_id,
            "seq": notice.seq, "kind": notice.kind, "url": notice.url, "at": world.clock(), "ok": False,
            "duration_ms": 109, "status": 502, "answer": "<h1>Bad Gateway</h1>", "error": "", **what,
        }
    )  # fmt: skip
    await application.database.write(lambda c: record(c, [row]))
    return row.id


def wrong_fields(reply: httpx2.Response) -> list[str]:
    return re.findall('id="([a-z]+)-wrong"', reply.text)


# An endpoint is changed


@pytest.mark.parametrize("by", ["operator", "owner"])
async def test_an_endpoint_is_changed_and_removed(world: World, by: str) -> None:
    owner = await person(world, world.supplier)
    who = await operator(world) if by == "operator" else owner
    path = await added(owner, label="ours")
    await asked(world)
    for form, field in (({"url": "ftp://x"}, "url"), ({"label": "x\u202ey"}, "label"), ({"kind": "nothing"}, "kind")):
        reply = await who.fill_in(f"{path}/edit", **{"url": URL, "label": "ours", **form})
        assert (reply.status_code, wrong_fields(reply)) == (422, [field]), form
    reply = await who.fill_in(f"{path}/edit", url="https://new.example/in", label="the new one", kind="line.placed")
    told = words(await who.look(reply.headers["location"]))
    for fact in ("Saved.", "the new one", "https://new.example/in", "line.placed"):
        assert fact in told
    assert 'value="line.placed" checked' in (await who.look(f"{path}/edit")).text
    late = await who.post(f"{path}/edit", {"seen": "0", "url": URL})
    assert (late.status_code, "Somebody else has changed this endpoint" in words(late)) == (422, True)
    due = len(await notices_to(world, path))
    page = await who.look(f"{path}/remove")
    assert f"{due} notices wait to be sent there. They are never sent." in words(page)
    reply = await who.post(f"{path}/remove", {})
    assert "The endpoint is removed." in words(await who.look(reply.headers["location"]))
    assert (await who.look(path)).status_code == 404
    assert {each.state for each in await notices_to(world, path)} == {"dead"}


async def test_the_head_says_when_an_endpoint_that_fails_is_paused(sqlite_world: World) -> None:
    who = await person(sqlite_world, sqlite_world.supplier)
    path = await added(who)
    since = sqlite_world.clock() - timedelta(days=4, hours=11)
    failing = t.endpoints.update().values(failing_since=since)
    await sqlite_world.application.database.write(lambda c: c.execute(failing))
    told = words(await who.look(path))
    assert "13 h left" in told
    assert "Paused, if nothing changes" in told


async def test_a_mailbox_is_asked_again_to_confirm(tmp_path: Any, clock: Clock) -> None:
    mail = {"smtp_host": "127.0.0.1", "mail_from": "shop@shop.example", "public_url": "https://shop.example"}
    async with running(f"sqlite:///{tmp_path}/mail.sqlite3", clock, **mail) as application:
        world = await populate(application, clock)
        who = await person(world, world.supplier)
        path = await added(who, "mailto:desk@supplier.example")
        page = words(await who.look(path))
        assert "Nobody has confirmed this mailbox" in page
        assert "Ask the mailbox again" in page
        assert (await who.post(f"{path}/test", {})).status_code == 409
        reply = await who.post(f"{path}/confirmation", {})
        assert "The mailbox is asked again." in words(await who.look(reply.headers["location"]))
        # Another mailbox has to confirm, too, and a webhook stays one.
        reply = await who.fill_in(f"{path}/edit", url=URL)
        assert (reply.status_code, wrong_fields(reply)) == (422, ["url"])


# Tests


@pytest.mark.parametrize("event", ["", "cancellation.asked"])
async def test_a_test_is_sent_now_and_shown_with_what_came_back(tmp_path: Any, clock: Clock, event: str) -> None:
    loopback = {"webhook_inner_addresses": ["127.0.0.0/8"], "webhook_http": True, "webhook_ports": []}
    async with (
        running(f"sqlite:///{tmp_path}/tests.sqlite3", clock, **loopback) as application,
        Receiver(otherwise=answer(418, b"no, <b>thanks</b>")) as receiver,
    ):
        world = await populate(application, clock)
        who = await person(world, world.supplier)
        path = await added(who, receiver.url)
        assert (await who.post(f"{path}/test", {"event": "nothing"})).status_code == 422
        reply = await who.post(f"{path}/test", {"event": event})
        attempt = reply.headers["location"]
        page = await who.look(attempt)
        (sent,) = receiver.requests
        assert json.loads(sent.body)["type"] == f"countermand.{event or 'endpoint.test'}.v1"
        told = words(page)
        for fact in ("It failed", "418", "no, <b>thanks</b>", f"webhook-id: {sent.headers['webhook-id']}", "curl -i"):
            assert fact in told
        assert attempt in links_in(await who.look(f"{path}/test"))
        other = await person(world, world.other_supplier)
        assert (await other.look(attempt)).status_code == 404


def test_a_call_with_curl_is_one_argument_each() -> None:
    request = AttemptRequestOut(url="https://x.example/a'b", headers={"X": "y"}, body='{"note": "it\'s $HOME"}')
    assert _curl(request) == (
        "curl -i 'https://x.example/a'\\''b' \\\n  -H 'X: y' \\\n  --data '{\"note\": \"it'\\''s $HOME\"}'"
    )


# Notices and events


async def test_a_notice_shows_its_attempts_and_one_of_them_in_full(world: World) -> None:
    who = await person(world, world.supplier)
    path = await added(who)
    await asked(world)
    notice = next(each for each in await notices_to(world, path) if each.kind == "cancellation.asked")
    first = await tried(world, notice)
    world.clock.advance(seconds=5)
    await tried(world, notice, status=None, answer="", error="no answer within 20 s")
    page = f"/console/notices/{show('ntc', notice.id)}"
    assert page in links_in(await who.look(path))
    told = words(await who.look(page))
    assert "no answer within 20 s" in told
    assert "Bad Gateway" not in told
    assert '"type": "countermand.cancellation.asked.v1"' in told
    chosen = await who.look(f"{page}?attempt={show('att', first)}")
    assert "<h1>Bad Gateway</h1>" in words(chosen)
    assert "<h1>Bad" not in chosen.text
    assert "POST /in HTTP/1.1" in words(chosen)


async def test_a_notice_is_sent_again_by_whose_endpoint_it_is(world: World) -> None:
    who, other = await person(world, world.supplier), await person(world, world.other_supplier)
    path = await added(who)
    await asked(world)
    await die(world, path)
    notice = (await notices_to(world, path))[0]
    page = f"/console/notices/{show('ntc', notice.id)}"
    assert (await other.post(f"{page}/resend", {})).status_code == 404
    assert (await other.look(page)).status_code == 404
    reply = await who.post(f"{page}/resend", {})
    assert "The notice is due again." in words(await who.look(reply.headers["location"]))
    assert {each.id: each.state for each in await notices_to(world, path)}[notice.id] == "due"


async def test_an_event_shows_what_it_says_and_where_it_was_sent(world: World) -> None:
    who = await person(world, world.supplier)
    path = await added(who)
    await asked(world)
    listed = await who.look("/console/events?kind=cancellation.asked")
    assert "retailer" in words(listed)
    [event] = {each for each in links_in(listed) if "evt_" in each}
    page = await who.look(event)
    assert '"type": "countermand.cancellation.asked.v1"' in words(page)
    assert any("/console/notices/ntc_" in each for each in links_in(page))
    assert any(each.startswith("/console/cancellations/can_") for each in links_in(page))
    assert "No event here" in words(await who.look("/console/events?kind=line.shipped"))
    assert "This time cannot be read." in words(await who.look("/console/events?since=x&after=1-x"))
    other = await person(world, world.other_supplier)
    assert (await other.look(event)).status_code == 404
    assert path.startswith("/console/webhooks/")


async def test_money_is_in_no_event_that_a_supplier_sees(sqlite_world: World) -> None:
    one = await asked(sqlite_world, paid=True)
    who = await person(sqlite_world, sqlite_world.supplier)
    assert (await who.fill_in(f"{one.path}/accept")).status_code == 303
    assert "refund.due" in words(await (await operator(sqlite_world)).look("/console/events"))
    seen = await who.look("/console/events")
    assert all(f">{kind.value}<" not in seen.text for kind in EventKind if kind.value.startswith("refund."))
    assert "cancellation.accepted" in words(seen)


# Recovery


async def test_what_was_missed_is_counted_and_then_sent_again(world: World) -> None:
    who = await person(world, world.supplier)
    path = await added(who)
    await asked(world)
    await die(world, path)
    world.clock.advance(minutes=1)
    dead = len(await notices_to(world, path))
    page = f"{path}/recover"
    day = f"{world.clock():%Y-%m-%d}"
    for form, field in (
        ({"since": ""}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"since": day, "until": f"{day}T00:00"}, "until"),
        ({"since": day, "which": "some"}, "which"),
    ):
        reply = await who.post(page, {"which": "dead", "do": "recover", **form})
        assert (reply.status_code, wrong_fields(reply)) == (422, [field]), form
    form = {"since": f"{day}T00:00", "until": "", "which": "dead"}
    counted = await who.post(page, {**form, "do": "count"})
    assert f"{dead} notices are sent again." in words(counted)
    assert {each.state for each in await notices_to(world, path)} == {"dead"}
    none = await who.post(page, {**form, "since": f"{world.clock() + timedelta(days=1):%Y-%m-%d}", "do": "count"})
    assert "No notice was found." in words(none)
    begun = await who.post(page, {**form, "do": "recover"})
    assert "The job is begun." in words(await who.look(begun.headers["location"]))
    await world.application.worker.do_jobs()
    assert {each.state for each in await notices_to(world, path)} == {"due"}


async def test_an_operator_recovers_for_any_party(sqlite_world: World) -> None:
    path = await added(await person(sqlite_world, sqlite_world.supplier))
    await asked(sqlite_world)
    await die(sqlite_world, path)
    sqlite_world.clock.advance(minutes=1)
    who = await operator(sqlite_world)
    form = {"since": f"{sqlite_world.clock():%Y-%m-%d}", "which": "all", "do": "recover"}
    begun = await who.post(f"{path}/recover", form)
    assert (await who.look(begun.headers["location"])).status_code == 200
    await sqlite_world.application.worker.do_jobs()
    assert {each.state for each in await notices_to(sqlite_world, path)} == {"due"}
