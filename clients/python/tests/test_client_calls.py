"""How calls are sent, repeated and read, with both clients, against a service that answers as it is told."""

import asyncio
import inspect
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest

from countermand_client import (
    ApiError,
    AsyncClient,
    Client,
    Conflict,
    ConnectionFailed,
    Forbidden,
    Invalid,
    NotConfigured,
    NotFound,
    RateLimited,
    RuleRefused,
    ServerError,
    TimedOut,
    Unauthenticated,
)
from countermand_client.errors import RULES

Answering = Callable[[httpx2.Request], httpx2.Response]


class Script:
    """A service that gives these answers in turn, and keeps what it was sent."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[httpx2.Request] = []
        self.waited: list[float] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        # An answer can be read once.
        return httpx2.Response(answer.status_code, headers=answer.headers, content=answer.content)

    def do(self, what: Callable[[Any], Any], *, waits: bool, **more: Any) -> Any:
        """Call it with the one client or the other; ``what`` gets the client."""
        if not waits:
            http = httpx2.Client(transport=httpx2.MockTransport(self))
            with Client("http://test/", "cmt_x", http_client=http, sleep=self.waited.append, **more) as client:
                found = what(client)
                return list(found) if isinstance(found, Iterator) or hasattr(found, "page") else found
        return asyncio.run(self._do(what, **more))

    async def _do(self, what: Callable[[Any], Any], **more: Any) -> Any:
        async def sleep(seconds: float) -> None:
            self.waited.append(seconds)

        http = httpx2.AsyncClient(transport=httpx2.MockTransport(self))
        async with AsyncClient("http://test/", "cmt_x", http_client=http, sleep=sleep, **more) as client:
            found = what(client)
            return await found if inspect.isawaitable(found) else [each async for each in found]


@pytest.fixture(params=[False, True], ids=["Client", "AsyncClient"])
def waits(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


PARTY = {
    "id": "p",
    "number": 1,
    "kind": "retailer",
    "name": "P",
    "status": "active",
    "created_at": "2026-11-02T09:00:00Z",
}


def fine(document: Any = PARTY, status: int = 200, headers: Mapping[str, str] | None = None) -> httpx2.Response:
    return httpx2.Response(status, json=document, headers=headers)


def problem(status: int, code: str, **more: Any) -> httpx2.Response:
    headers = more.pop("headers", {})
    document = {"type": f"http://test/problems/{code}", "status": status, "code": code, "detail": "It is so.", **more}
    return httpx2.Response(status, json=document, headers={"request-id": "req_1", **headers})


def test_a_call_is_sent_as_the_description_says(waits: bool) -> None:
    script = Script(fine({"cancellations": []}, 202))
    script.do(
        lambda client: client.cancellations.create(
            lines=[{"line": UUID(int=1), "units": 2}],
            asker="retailer",
            note="é",
            idempotency_key="k1",
            request_id="r" * 8,
        ),
        waits=waits,
    )
    (sent,) = script.sent
    assert (sent.method, str(sent.url)) == ("POST", "http://test/v1/cancellations")
    assert json.loads(sent.content) == {
        "lines": [{"line": str(UUID(int=1)), "units": 2}],
        "asker": "retailer",
        "note": "é",
    }
    assert sent.headers["authorization"] == "Bearer cmt_x"
    assert sent.headers["content-type"] == "application/json"
    assert sent.headers["idempotency-key"] == "k1"
    assert sent.headers["request-id"] == "r" * 8
    assert sent.headers["user-agent"].startswith("countermand-client/")


def test_values_are_written_as_the_service_reads_them(waits: bool) -> None:
    script = Script(fine({"cancellations": [], "next": None}))
    at = datetime(2026, 11, 2, 9, tzinfo=UTC)
    script.do(
        lambda client: client.cancellations.list(
            state=["asked", "escalated"], late=True, awaiting_me=False, due_before=at, since="2026-11-01", number=7
        ),
        waits=waits,
    )
    assert script.sent[0].url.params.multi_items() == [
        ("state", "asked"),
        ("state", "escalated"),
        ("awaiting_me", "false"),
        ("late", "true"),
        ("due_before", "2026-11-02T09:00:00+00:00"),
        ("number", "7"),
        ("since", "2026-11-01"),
    ]
    script = Script(fine())
    script.do(lambda client: client.payments.capture("o/1", "card?", captured=Decimal("10.00")), waits=waits)
    assert script.sent[0].url.raw_path == b"/v1/orders/o%2F1/payments/card%3F/capture"
    assert json.loads(script.sent[0].content) == {"captured": "10.00"}
    script = Script(fine())
    script.do(lambda client: client.lines.allocate("l", accepted=0, backorder_on=date(2026, 12, 1)), waits=waits)
    assert json.loads(script.sent[0].content) == {"accepted": 0, "backorder_on": "2026-12-01"}


def test_a_body_that_needs_nothing_is_left_out(waits: bool) -> None:
    script = Script(fine())
    script.do(lambda client: client.parties.activate("p"), waits=waits)
    assert script.sent[0].content == b""
    assert "content-type" not in script.sent[0].headers


@pytest.mark.parametrize(
    "first",
    [
        problem(503, "unavailable", retryable=True),
        problem(500, "internal", retryable=True),
        problem(409, "key_in_use", retryable=True),
        problem(429, "rate_limited", retryable=True),
        problem(408, "too_slow", retryable=True),
        httpx2.Response(502, text="<html>bad gateway</html>"),
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
        httpx2.RemoteProtocolError("closed"),
    ],
    ids=lambda each: getattr(each, "status_code", type(each).__name__),
)
def test_what_passes_is_repeated_under_one_key(first: httpx2.Response | Exception, waits: bool) -> None:
    script = Script(first, first, fine())
    script.do(lambda client: client.parties.create(kind="retailer", name="P"), waits=waits)
    keys = [each.headers["idempotency-key"] for each in script.sent]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert 0.25 <= script.waited[0] <= 0.5
    assert 0.5 <= script.waited[1] <= 1


def test_each_call_has_a_key_of_its_own(waits: bool) -> None:
    script = Script(fine())
    for _ in range(2):
        script.do(lambda client: client.parties.activate("p"), waits=waits)
    first, second = (each.headers["idempotency-key"] for each in script.sent)
    assert first != second


@pytest.mark.parametrize(
    ("told", "waited"), [("7", [7.0]), ("60", [60.0]), ("61", []), ("0", None), ("Sun, 06 Nov 1994 08:49:37 GMT", None)]
)
def test_the_service_says_when_to_come_back(told: str, waited: list[float] | None, waits: bool) -> None:
    busy = problem(429, "rate_limited", retryable=True, headers={"retry-after": told})
    script = Script(busy, fine())
    if waited == []:
        with pytest.raises(RateLimited) as caught:
            script.do(lambda client: client.me.get(), waits=waits)
        assert caught.value.retry_after == 61
    else:
        script.do(lambda client: client.parties.get("p"), waits=waits)
    assert script.waited == waited or (waited is None and 0.25 <= script.waited[0] <= 0.5)


def test_repeating_ends(waits: bool) -> None:
    script = Script(problem(503, "unavailable", retryable=True))
    with pytest.raises(ServerError, match="unavailable: It is so"):
        script.do(lambda client: client.me.get(), waits=waits)
    assert len(script.sent) == 3
    script = Script(httpx2.ConnectError("refused"))
    with pytest.raises(ConnectionFailed, match="refused"):
        script.do(lambda client: client.me.get(), waits=waits, max_retries=0)
    assert len(script.sent) == 1
    script = Script(httpx2.PoolTimeout("none is free"))
    with pytest.raises(TimedOut):
        script.do(lambda client: client.me.get(), waits=waits)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(401, "unauthenticated"), Unauthenticated),
        (problem(403, "forbidden"), Forbidden),
        (problem(403, "wrong_party"), Forbidden),
        (problem(404, "unknown_refund"), NotFound),
        (problem(400, "malformed"), Invalid),
        (problem(413, "too_large"), Invalid),
        (problem(415, "unsupported_media_type"), Invalid),
        (problem(422, "invalid"), Invalid),
        (problem(422, "key_reused"), Invalid),
        (problem(409, "name_taken"), Conflict),
        (problem(412, "etag_mismatch"), Conflict),
        (problem(428, "step_needed"), Conflict),
        (problem(405, "method_not_allowed"), ApiError),
        *((problem(409, code), RuleRefused) for code in sorted(RULES)),
        (problem(422, "reason_required"), RuleRefused),
        (httpx2.Response(403, text="<html>no</html>"), Forbidden),
        (httpx2.Response(302, headers={"location": "/login"}), ApiError),
        (httpx2.Response(200, text="<html>a portal</html>"), ApiError),
        (httpx2.Response(409, json=["no object"]), Conflict),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_problems_are_errors_of_their_class_and_not_repeated(
    answer: httpx2.Response, kind: type[ApiError], waits: bool
) -> None:
    script = Script(answer)
    with pytest.raises(ApiError) as caught:
        script.do(lambda client: client.refunds.get("r"), waits=waits)
    assert type(caught.value) is kind
    assert caught.value.status == answer.status_code
    assert len(script.sent) == 1
    if answer.headers.get("request-id"):
        assert caught.value.request_id == "req_1"
        assert caught.value.docs_url == f"http://test/problems/{caught.value.code}"


def test_a_problem_has_its_places_and_its_other_members(waits: bool) -> None:
    places = [
        {"in": "body", "pointer": "/lines/0/units", "code": "integer", "detail": "no number"},
        {"in": "query", "name": "sort", "code": "not_listed", "detail": "no order"},
    ]
    script = Script(problem(422, "invalid", errors=places, differs=["/note"], request_id="req_2"))
    with pytest.raises(Invalid) as caught:
        script.do(lambda client: client.refunds.get("r"), waits=waits)
    error = caught.value
    assert [(each.where, each.pointer, each.name, each.code) for each in error.errors] == [
        ("body", "/lines/0/units", "", "integer"),
        ("query", "", "sort", "not_listed"),
    ]
    assert error.problem["differs"] == ["/note"]
    assert (error.request_id, error.retryable, str(error)) == ("req_2", False, "invalid: It is so. (req_2)")


def pages(name: str, *counts: int, endless: bool = False) -> list[httpx2.Response]:
    found = []
    for place, count in enumerate(counts):
        last = place == len(counts) - 1 and not endless
        items = [{**PARTY, "id": f"{place}.{number}"} for number in range(count)]
        found.append(fine({name: items, "next": None if last else f"cursor{place}"}))
    return found


def test_a_list_is_all_of_it_and_a_page_is_one(waits: bool) -> None:
    script = Script(*pages("parties", 2, 2, 1))
    found = script.do(lambda client: client.parties.list(kind="retailer", limit=2), waits=waits)
    assert [each.id for each in found] == ["0.0", "0.1", "1.0", "1.1", "2.0"]
    assert [dict(each.url.params) for each in script.sent] == [
        {"kind": "retailer", "limit": "2"},
        {"kind": "retailer", "after": "cursor0", "limit": "2"},
        {"kind": "retailer", "after": "cursor1", "limit": "2"},
    ]
    script = Script(*pages("parties", 2, 1))
    page = script.do(lambda client: client.parties.list(limit=2).page(), waits=waits)
    assert (len(page), page.next, len(script.sent)) == (2, "cursor0", 1)


def test_a_feed_that_always_names_a_next_page_ends_where_nothing_is_new(waits: bool) -> None:
    script = Script(*pages("parties", 1, 1, 0, endless=True))
    assert len(script.do(lambda client: client.parties.list(), waits=waits)) == 2
    assert len(script.sent) == 3


def test_what_is_unknown_is_kept_and_what_is_missing_spoils_nothing(waits: bool) -> None:
    newer = {**PARTY, "kind": "marketplace", "rating": {"stars": 5}}
    found = Script(fine(newer)).do(lambda client: client.parties.get("p"), waits=waits)
    assert (found.kind, found.rating) == ("marketplace", {"stars": 5})
    assert found.created_at == datetime(2026, 11, 2, 9, tzinfo=UTC)
    older = {"id": "c", "units": "many", "retailer": {"id": "r"}, "asked_at": "2026-11-02T09:00:00Z"}
    found = Script(fine(older)).do(lambda client: client.cancellations.get("c"), waits=waits)
    assert (found.id, found.units, found.retailer.id) == ("c", "many", "r")
    assert found.asked_at == datetime(2026, 11, 2, 9, tzinfo=UTC)


def test_an_answer_says_its_etag_and_whether_it_is_a_replay(waits: bool) -> None:
    script = Script(fine(headers={"etag": '"9f2c"', "idempotent-replayed": "true"}))
    found = script.do(lambda client: client.parties.update("p", name="Q", if_match='"1"'), waits=waits)
    assert (found.etag, found.replayed) == ('"9f2c"', True)
    assert script.sent[0].headers["if-match"] == '"1"'


def test_the_answer_itself_can_be_had(waits: bool) -> None:
    script = Script(fine(headers={"request-id": "req_3", "ratelimit": '"calls";r=1;t=2'}))
    raw = script.do(lambda client: client.with_raw_response(client.parties.get, "p"), waits=waits)
    assert (raw.status, raw.request_id, raw.parsed.name) == (200, "req_3", "P")
    assert raw.headers["ratelimit"] == '"calls";r=1;t=2'
    assert json.loads(raw.content) == PARTY
    script = Script(*pages("parties", 2, 1))
    raw = script.do(lambda client: client.with_raw_response(client.parties.list(limit=2).page), waits=waits)
    assert (raw.status, len(raw.parsed)) == (200, 2)


def test_readiness_is_an_answer_also_when_the_service_is_not_ready(waits: bool) -> None:
    document = {"status": "unavailable", "checks": [{"name": "database", "ok": False, "detail": "away"}]}
    script = Script(fine(document, 503))
    assert script.do(lambda client: client.health.ready(), waits=waits).checks[0].ok is False
    assert len(script.sent) == 1


def test_a_removal_gives_nothing(waits: bool) -> None:
    script = Script(httpx2.Response(204))
    assert script.do(lambda client: client.endpoints.delete("e"), waits=waits) is None
    assert script.sent[0].method == "DELETE"


JOB = {
    "id": "job_1",
    "kind": "ask",
    "format": "csv",
    "dry_run": False,
    "label": "",
    "parts": 1,
    "party": "p",
    "rows": {"total": 2, "done": 0, "ok": 0, "refused": 0, "invalid": 0, "cancelled": 0},
    "created_at": "2026-11-02T09:00:00Z",
    "started_at": None,
    "finished_at": None,
}


def test_a_job_is_run_to_its_end(waits: bool) -> None:
    draft, running, done = ({**JOB, "state": state} for state in ("draft", "running", "done"))
    script = Script(fine(draft, 201), fine(draft), fine(running, 202), fine(running), fine(done))
    seen: list[str] = []
    content = b"line,units\r\na,1\r\nb,2\r\n"
    job = script.do(
        lambda client: client.jobs.run("ask", content, label="x", progress=lambda at: seen.append(at.state)),
        waits=waits,
    )
    assert (job.state, job.ended) == ("done", True)
    assert seen == ["running", "running", "done"]
    assert [(each.method, each.url.path) for each in script.sent] == [
        ("POST", "/v1/jobs"),
        ("PUT", "/v1/jobs/job_1/input"),
        ("POST", "/v1/jobs/job_1/start"),
        ("GET", "/v1/jobs/job_1"),
        ("GET", "/v1/jobs/job_1"),
    ]
    assert script.sent[1].content == content
    assert script.sent[1].headers["content-type"] == "text/csv"
    assert json.loads(script.sent[2].content) == {"parts": 1}
    assert script.waited == [1.0, 1.0]


def test_a_large_file_is_cut_after_lines(waits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countermand_client.flows.PART_BYTES", 10)
    done = {**JOB, "state": "done"}
    script = Script(fine(done))
    script.do(lambda client: client.jobs.run("ask", b"aaaa\nbbbb\ncccc\ndd\n" + b"e" * 15), waits=waits)
    parts = [each.content for each in script.sent if each.method == "PUT"]
    assert parts == [b"aaaa\nbbbb\n", b"cccc\ndd\n", b"e" * 10, b"e" * 5]
    assert [each.url.params["part"] for each in script.sent if each.method == "PUT"] == ["1", "2", "3", "4"]


def event_text(id: str, kind: str = "cancellation.asked") -> str:  # noqa: A002
    return f'id: {id}\nevent: {kind}\ndata: {{"type": "countermand.{kind}.v1",\ndata: "id": "evt_{id}"}}\n\n'


def streamed(text: str) -> httpx2.Response:
    return httpx2.Response(200, text=text, headers={"content-type": "text/event-stream"})


def taken(client: Any, count: int, **more: Any) -> Any:
    """The first so many events of a stream, and where it is then."""
    if isinstance(client, AsyncClient):

        async def collect() -> Any:
            stream, found = client.events.stream(**more), []
            async for each in stream:
                found.append(each.id)
                if len(found) == count:
                    return found, stream.cursor
            return found, stream.cursor

        return collect()
    stream, found = client.events.stream(**more), []
    for each in stream:
        found.append(each.id)
        if len(found) == count:
            break
    return found, stream.cursor


def test_a_stream_goes_on_after_its_last_event(waits: bool) -> None:
    script = Script(
        streamed(": hello\nretry: 250\n\n" + event_text("1-a") + event_text("2-b") + "id: 3-c\ndata: {"),
        httpx2.ReadError("cut"),
        problem(503, "unavailable", retryable=True),
        streamed(event_text("3-c") + event_text("4-d")),
    )
    found, cursor = script.do(lambda client: taken(client, 4, type="cancellation.*", after="0-z"), waits=waits)
    assert found == ["evt_1-a", "evt_2-b", "evt_3-c", "evt_4-d"]
    assert cursor == "4-d"
    assert [each.headers["last-event-id"] for each in script.sent] == ["0-z", "2-b", "2-b", "2-b"]
    assert all(each.headers["accept"] == "text/event-stream" for each in script.sent)
    assert script.waited[0] == 0.25


def test_a_stream_that_may_not_be_read_ends_with_its_problem(waits: bool) -> None:
    script = Script(streamed(event_text("1-a")), problem(401, "unauthenticated"))
    with pytest.raises(Unauthenticated):
        script.do(lambda client: taken(client, 4), waits=waits)
    script = Script(httpx2.ConnectError("refused"))
    with pytest.raises(ConnectionFailed):
        script.do(lambda client: taken(client, 1), waits=waits)
    assert len(script.sent) == 3


def test_where_and_who_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("COUNTERMAND_URL", "COUNTERMAND_TOKEN", "COUNTERMAND_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NotConfigured, match="COUNTERMAND_URL"):
        Client()
    monkeypatch.setenv("COUNTERMAND_URL", "http://test/below/")
    with pytest.raises(NotConfigured, match="COUNTERMAND_TOKEN"):
        Client()
    monkeypatch.setenv("COUNTERMAND_TOKEN_FILE", str(tmp_path / "absent"))
    with pytest.raises(NotConfigured, match="absent"):
        Client()
    (tmp_path / "token").write_text("cmt_file\n")
    monkeypatch.setenv("COUNTERMAND_TOKEN_FILE", str(tmp_path / "token"))
    script = Script(fine())
    with Client(http_client=httpx2.Client(transport=httpx2.MockTransport(script))) as client:
        client.parties.get("p")
        monkeypatch.setenv("COUNTERMAND_TOKEN", "cmt_environment")
    with Client(http_client=httpx2.Client(transport=httpx2.MockTransport(script))) as client:
        client.parties.get("p")
    assert [each.headers["authorization"] for each in script.sent] == ["Bearer cmt_file", "Bearer cmt_environment"]
    assert str(script.sent[0].url) == "http://test/below/v1/parties/p"
    for url, token in (("ftp://test", "t"), ("test:8000", "t"), ("http://test", "two words"), ("http://test", "a\nb")):
        with pytest.raises(NotConfigured):
            Client(url, token)


def test_importing_it_loads_nothing_slow() -> None:
    """What takes long is loaded with the first client or the first answer."""
    program = """
import sys
from countermand_client import ApiError, AsyncClient, Client
slow = {"asyncio", "email", "http.client", "httpx2", "pydantic", "socket", "ssl"} & sys.modules.keys()
assert not slow, slow
"""
    environment = {"PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
