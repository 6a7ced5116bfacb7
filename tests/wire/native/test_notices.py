"""/v1/notices and /v1/attempts: what was to be sent, what was tried, and sending it again."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from sqlalchemy import func, select

from countermand.admin.callers import PLATFORM
from countermand.documents.events import Envelope
from countermand.domain.delivery import Attempt, Verdict
from countermand.ids import show
from countermand.store import tables as t
from tests.wire.native.calling import Native
from tests.worker.station import OK, Station, change_endpoint, endpoint, station

pytestmark = pytest.mark.anyio

REFUSED = Attempt(verdict=Verdict.FAILED, result="The receiver answered 500.", status=500, answer="oops\nagain")
UNREACHED = Attempt(verdict=Verdict.FAILED, result="The host cannot be reached.")
TAKEN = Attempt(verdict=Verdict.DELIVERED, result="The receiver answered 204.", status=204)


async def got(native: Native, path: str, who: UUID | str | None = None) -> Any:
    answer = await native.call("GET", f"/v1/{path}", who or native.retailer)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def told(native: Native, *answers: Attempt) -> tuple[Station, str]:
    """An endpoint of the retailer, a notice for it, and a worker to whom the receiver gives these answers."""
    to = await endpoint(native.world, native.retailer)
    post = station(native.world)
    post.postman.script[to].extend(answers)
    await native.line()
    return post, show("ept", to)


async def tried(post: Station, times: int) -> None:
    for _ in range(times):
        await post.later(3600)


async def test_a_notice_is_listed_and_shown_with_what_was_tried(native: Native) -> None:
    began = native.world.clock()
    post, to = await told(native, REFUSED, UNREACHED, TAKEN)
    (due,) = (await got(native, "notices"))["notices"]
    (event,) = (await got(native, "events"))["events"]
    assert due == {
        "id": due["id"],
        "endpoint": to,
        "event": event["id"],
        "type": "line.placed",
        "line": event["data"]["line"],
        "state": "due",
        "attempts_made": 0,
        "due_at": due["due_at"],
        "created_at": due["created_at"],
        "sent_at": None,
        "last_result": "",
    }
    assert due["due_at"]
    await post.worker.once()
    await tried(post, 2)
    sent = await got(native, f"notices/{due['id']}?expand=attempts")
    assert (sent["state"], sent["attempts_made"], sent["due_at"]) == ("sent", 3, None)
    assert sent["sent_at"]
    attempts = sent.pop("attempts")
    assert [(each["ok"], each["status"], each["answer"], each["error"]) for each in attempts] == [
        (False, 500, "oops\nagain", ""),
        (False, None, "", "The host cannot be reached."),
        (True, 204, "", ""),
    ]
    assert await got(native, f"notices/{due['id']}") == sent
    assert (await got(native, "notices?expand=attempts"))["notices"][0]["attempts"] == attempts
    listed = await got(native, f"attempts?notice={due['id']}")
    assert listed == {"attempts": attempts[::-1], "next": None}
    for each in attempts:
        assert each["notice"] == due["id"]
        assert each["endpoint"] == to
        assert each["duration_ms"] >= 0
        assert await got(native, f"attempts/{each['id']}") == each
        request = each["request"]
        assert (request["url"], request["headers"]["webhook-id"]) == ("https://shop.example/hook", event["id"])
        assert not any("signature" in name for name in request["headers"])
        assert json.loads(request["body"]) == event
        Envelope.model_validate_json(request["body"])
    assert attempts[0]["request"]["headers"]["webhook-timestamp"] == str(int(began.timestamp()))


async def test_an_attempt_shows_no_link_to_answer(native: Native) -> None:
    to = await endpoint(native.world, native.world.supplier)
    line = await native.line(2)
    await native.asked({"line": str(line), "units": 1}, asker="retailer")
    await station(native.world).worker.once()
    attempts = (await got(native, f"attempts?endpoint={show('ept', to)}", native.world.supplier))["attempts"]
    sent = [json.loads(each["request"]["body"]) for each in attempts]
    (asked,) = [each for each in sent if each["type"] == "countermand.cancellation.asked.v1"]
    assert set(asked["data"]["links"]) == {"accept", "decline"}


async def test_of_an_e_mail_only_the_address_is_shown(native: Native) -> None:
    to = await endpoint(native.world, native.retailer, "mailto:desk@shop.example", event_kinds=["line.placed"])
    await native.line()
    post = station(native.world)
    await post.worker.once()
    (attempt,) = (await got(native, f"attempts?endpoint={show('ept', to)}"))["attempts"]
    assert attempt["request"] == {"url": "mailto:desk@shop.example", "headers": {}, "body": ""}


async def test_lists_have_filters_and_pages(native: Native) -> None:
    clock = native.world.clock
    post, to = await told(native, TAKEN, REFUSED, REFUSED, REFUSED)
    await post.worker.once()
    other = show("ept", await endpoint(native.world, native.retailer))
    clock.advance(days=2)
    line = await native.line(2)
    await native.asked(str(line), asker="retailer")
    day = f"{clock():%Y-%m-%d}"
    await post.worker.once()
    everything = (await got(native, "notices"))["notices"]
    assert [each["created_at"] for each in everything] == sorted(
        (each["created_at"] for each in everything), reverse=True
    )
    (asked, *_) = [each for each in everything if each["type"] == "cancellation.asked"]
    for query, expected in (
        ("", 5),
        ("?state=sent", 3),
        ("?state=due&state=sent", 5),
        ("?state=dead", 0),
        (f"?endpoint={to}", 3),
        (f"?endpoint={other}", 2),
        (f"?endpoint={other}&state=sent", 2),
        ("?type=cancellation.*", 2),
        ("?type=line.placed&type=refund.*", 3),
        (f"?event={asked['event']}", 2),
        (f"?event={asked['event']}&endpoint={to}", 1),
        (f"?event={show('evt', uuid4())}", 0),
        (f"?since={day}", 4),
        (f"?until={clock() - timedelta(days=1):%Y-%m-%d}", 1),
    ):
        assert len((await got(native, f"notices{query}"))["notices"]) == expected, query
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = await got(native, f"notices?limit=2{after}")
        found += page["notices"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == everything
    tries = (await got(native, "attempts"))["attempts"]
    for query, expected in (
        ("?ok=true", sum(each["ok"] for each in tries)),
        ("?ok=false", sum(not each["ok"] for each in tries)),
        (f"?endpoint={other}", 2),
        (f"?since={day}", len(tries) - 1),
        (f"?until={clock() - timedelta(days=1):%Y-%m-%d}", 1),
        (f"?notice={show('ntc', uuid4())}", 0),
    ):
        assert len((await got(native, f"attempts{query}"))["attempts"]) == expected, query
    first = await got(native, "attempts?limit=1")
    assert first["attempts"] == tries[:1]
    rest = await got(native, f"attempts?after={first['next']}")
    assert rest == {"attempts": tries[1:], "next": None}


@pytest.mark.parametrize(
    "query",
    [
        "notices?state=lost",
        "notices?endpoint=x",
        "notices?event=x",
        "notices?after=x",
        "notices?expand=line",
        "notices?type=x.*",
        "notices?since=x",
        "attempts?notice=x",
        "attempts?ok=perhaps",
        "attempts?after=x",
        "attempts?zone=x",
    ],
)
async def test_what_makes_no_sense_is_refused(native: Native, query: str) -> None:
    answer = await native.call("GET", f"/v1/{query}", native.retailer)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("after", [f"{'f' * 32}", f"{'0' * 32}"])
async def test_any_id_may_come_before_a_page(native: Native, after: str) -> None:
    for noun in ("notices", "attempts", "events"):
        assert (await got(native, f"{noun}?after={after}"))[noun] == []


async def test_others_see_nothing_of_it_and_the_platform_all(native: Native) -> None:
    post, to = await told(native, REFUSED)
    await post.worker.once()
    (notice,) = (await got(native, "notices"))["notices"]
    (attempt,) = (await got(native, "attempts"))["attempts"]
    platform = await native.token(PLATFORM)
    for who, seen in ((platform, True), (native.world.other_supplier, False), (native.world.supplier, False)):
        assert [notice] * seen == (await got(native, f"notices?endpoint={to}", who))["notices"]
        assert [attempt] * seen == (await got(native, f"attempts?endpoint={to}", who))["attempts"]
        for path, code in (
            (f"notices/{notice['id']}", "unknown_notice"),
            (f"attempts/{attempt['id']}", "unknown_attempt"),
        ):
            answer = await native.call("GET", f"/v1/{path}", who)
            assert answer.status_code == 200 if seen else answer.json()["code"] == code
    assert (await resent(native, notice, native.world.supplier)).json()["code"] == "unknown_notice"


async def resent(native: Native, notice: dict[str, Any], who: UUID | str | None = None) -> httpx2.Response:
    return await native.call("POST", f"/v1/notices/{notice['id']}/resend", who or native.retailer)


async def test_a_notice_is_sent_again_under_the_id_of_its_event(native: Native) -> None:
    post, _ = await told(native, TAKEN)
    await post.worker.once()
    (sent,) = (await got(native, "notices"))["notices"]
    answer = await resent(native, sent)
    assert answer.status_code == 202
    again = answer.json()
    assert (again["id"], again["event"], again["state"], again["attempts_made"]) == (
        sent["id"],
        sent["event"],
        "due",
        0,
    )
    await post.later(1)
    assert (await got(native, f"notices/{sent['id']}"))["state"] == "sent"
    ids = {each["request"]["headers"]["webhook-id"] for each in (await got(native, "attempts"))["attempts"]}
    assert ids == {sent["event"]}
    assert len((await got(native, "attempts"))["attempts"]) == 2


async def test_nothing_is_sent_again_to_an_endpoint_that_was_removed(native: Native) -> None:
    post, to = await told(native, TAKEN)
    await post.worker.once()
    (notice,) = (await got(native, "notices"))["notices"]
    await change_endpoint(native.world, UUID(to.removeprefix("ept_")), state="removed")
    answer = await resent(native, notice)
    assert (answer.status_code, answer.json()["code"]) == (409, "endpoint_removed")
    absent = await resent(native, {"id": show("ntc", uuid4())})
    assert (absent.status_code, absent.json()["code"]) == (404, "unknown_notice")
    assert (await got(native, "attempts"))["attempts"]


async def test_attempts_are_written_with_what_settles_their_notices(native: Native) -> None:
    """As many attempts as were made, and no statement for each of them."""
    to = await endpoint(native.world, native.retailer)
    await native.order(*[1] * 20)
    post = station(native.world)
    writes = []
    database = native.world.application.database
    write = database.write

    async def counted(work: Any) -> Any:
        writes.append(work)
        return await write(work)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(database, "write", counted)
        await post.worker.once()

    def count(connection: Any) -> int:
        query = select(func.count()).select_from(t.attempts).where(t.attempts.c.endpoint_id == to)
        return int(connection.execute(query).scalar_one())

    assert await database.read(count) == 20
    assert post.postman.otherwise.get(to, OK) == OK
    assert len(writes) < 20
