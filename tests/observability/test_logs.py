"""The log: one line for each call and each change, as JSON, with what is needed to find the others."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import httpx2
import pytest
import structlog
from structlog.testing import capture_logs

from countermand.domain.events import EventKind
from countermand.ids import show
from countermand.observability import logs
from countermand.observability.calls import ObservedCall, current_call, request_id_of
from countermand.observability.logs import LineSink, configure_logging
from countermand.service.reporting import WARNED_OF, report_changes
from tests.store.speaking import Sale, new_sale
from tests.support.logs import log_plainly
from tests.support.world import World

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def stream() -> io.BytesIO:
    return io.BytesIO()


@pytest.fixture
def sink(stream: io.BytesIO) -> LineSink:
    return LineSink(stream)


async def test_the_lines_of_one_turn_are_written_together(sink: LineSink, stream: io.BytesIO) -> None:
    sink.later(b"one")
    sink.later(b"two")
    assert stream.getvalue() == b""
    await asyncio.sleep(0)
    assert stream.getvalue() == b"one\ntwo\n"


async def test_a_warning_is_written_at_once_after_what_came_before_it(sink: LineSink, stream: io.BytesIO) -> None:
    sink.later(b"before")
    sink.now(b"now")
    assert stream.getvalue() == b"before\nnow\n"


def test_without_a_loop_a_line_is_written_at_once(sink: LineSink, stream: io.BytesIO) -> None:
    sink.later(b"alone")
    assert stream.getvalue() == b"alone\n"


def test_a_stream_that_is_gone_breaks_nothing(sink: LineSink, stream: io.BytesIO) -> None:
    stream.close()
    sink.now(b"nobody reads this")
    assert stream.closed


class Stderr:
    """What was written to standard error so far."""

    def __init__(self, captured: pytest.CaptureFixture[bytes]) -> None:
        self._captured = captured

    def text(self) -> str:
        return self._captured.readouterr().err.decode()


@pytest.fixture
def stderr(capsysbinary: pytest.CaptureFixture[bytes]) -> Iterator[Stderr]:
    yield Stderr(capsysbinary)
    log_plainly()


def test_a_line_is_a_json_document(stderr: Stderr) -> None:
    configure_logging("info")
    structlog.get_logger().info("happened", line=UUID(int=7), states={"a", "b"} - {"b"}, none=None)
    line = json.loads(stderr.text())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "happened", "level": "info", "line": str(UUID(int=7)), "states": "{'a'}", "none": None}


def test_what_is_below_the_level_is_not_written(stderr: Stderr) -> None:
    configure_logging("warning")
    structlog.get_logger().info("happened")
    structlog.get_logger().warning("broke")
    assert [json.loads(line)["event"] for line in stderr.text().splitlines()] == ["broke"]


def test_people_get_lines_that_they_can_read(stderr: Stderr) -> None:
    configure_logging("info", "console")
    structlog.get_logger().info("happened", line=7)
    line = stderr.text()
    assert "happened" in line
    assert "line=7" in line
    assert "{" not in line


def test_a_long_traceback_is_cut_at_its_beginning(stderr: Stderr) -> None:
    configure_logging("info")

    try:
        raise ValueError("x" * 2 * logs.LINE_MAX + "the reason")
    except ValueError:
        structlog.get_logger().exception("broke")
    trace = json.loads(stderr.text())["exception"]
    assert trace.endswith("xthe reason")
    assert len(trace) <= logs.LINE_MAX + 2


@pytest.mark.parametrize(
    ("given", "traceparent", "expected"),
    [
        ("call-of-a-shop", None, "call-of-a-shop"),
        ("call-of-a-shop", TRACEPARENT, "call-of-a-shop"),
        (None, TRACEPARENT, TRACE),
        ("short", TRACEPARENT, TRACE),
        ("has a space in it", None, ""),
        ("x" * 129, None, ""),
        ("line\nbreak-in-it", None, ""),
        (None, f"00-{'0' * 32}-b7ad6b7169203331-01", ""),
        (None, "nonsense", ""),
        (None, None, ""),
    ],
)
def test_the_id_of_a_call(given: str | None, traceparent: str | None, expected: str) -> None:
    found = request_id_of(given, traceparent)
    assert found == expected if expected else found.startswith("req_")


def of(lines: list[Any], event: str) -> list[Any]:
    return [line for line in lines if line["event"] == event]


async def asked(world: World, sale: Sale, **headers: str) -> httpx2.Response:
    async with world.client() as client:
        path = f"/orders/items/cancel/{sale.line}/"
        return await client.delete(path, headers={**world.token(world.retailer), "content-length": "0", **headers})


async def test_a_call_and_what_it_changed_are_a_line_each(sqlite_world: World) -> None:
    world = sqlite_world
    sale = await new_sale(world, 1)
    with capture_logs() as lines:
        answer = await asked(world, sale, **{"Request-Id": "call-of-a-shop"})
    assert answer.status_code == 204
    [call], [change] = of(lines, "call"), of(lines, "cancellation_asked")
    assert (call["door"], call["operation"], call["status"], call["batch"]) == ("crux", "cancel_item", 204, 1)
    assert (call["party"], call["request_id"]) == (world.retailer, "call-of-a-shop")
    assert call["subjects"] == (change["cancellation"],)
    assert call["duration_ms"] >= 0
    assert (change["line"], change["door"], change["log_level"]) == (sale.line, "crux", "info")


async def test_a_refusal_has_its_code(sqlite_world: World) -> None:
    sale = await new_sale(sqlite_world, 1)
    await asked(sqlite_world, sale)
    with capture_logs() as lines:
        assert (await asked(sqlite_world, sale)).status_code == 204, "a repeat is none"
    assert "code" not in of(lines, "call")[0]
    with capture_logs() as lines:
        async with sqlite_world.client() as client:
            await client.delete(
                f"/orders/items/cancel/{UUID(int=9)}/", headers=sqlite_world.token(sqlite_world.retailer)
            )
    assert of(lines, "call")[0]["code"] == "unknown_line"


DOORS = [
    ("GET", "/v1/me", "native", "me.get", "unauthenticated"),
    ("GET", "/no/such/path", "native", "", "not_found"),
    ("GET", "/orders/nothing/", "crux", "order_detail", "unauthenticated"),
    ("GET", "/services/rest/orders/v2", "bol_plaza", "open_orders", "unauthenticated"),
    ("GET", "/retailer/orders", "bol_retailer", "list_orders", "unauthenticated"),
    ("GET", "/answer/forged", "answer", "look", "not_found"),
    ("GET", "/status/forged", "answer", "status", "not_found"),
    ("GET", "/console/login", "console", "log_in", ""),
    ("GET", "/console/nothing", "console", "", ""),
    ("GET", "/console/static/nothing", "console", "static", "not_found"),
    ("POST", "/v1/providers/nobody/webhook", "payments", "", "not_found"),
]


@pytest.mark.parametrize(("method", "path", "door", "operation", "code"), DOORS, ids=lambda value: str(value))
async def test_each_door_has_one_line_for_a_call(
    sqlite_world: World, method: str, path: str, door: str, operation: str, code: str
) -> None:
    with capture_logs() as lines:
        async with sqlite_world.client() as client:
            await client.request(method, path)
    [call] = of(lines, "call")
    assert (call["door"], call["operation"], call.get("code", "")) == (door, operation, code)
    assert "path" not in call


async def test_probes_are_no_news_while_they_are_well(sqlite_world: World) -> None:
    with capture_logs() as lines:
        async with sqlite_world.client() as client:
            await client.get("/healthz")
            await client.get("/readyz")
    assert [line["log_level"] for line in of(lines, "call")] == ["debug", "debug"]


async def test_a_line_of_the_lane_has_no_id_of_a_single_call(sqlite_world: World) -> None:
    """The lane answers many calls: an error of a batch must not look as if it were of the one that started it."""
    seen: list[ObservedCall | None] = []

    def committed() -> None:
        seen.append(current_call.get())

    sqlite_world.application.lanes.report_to(wake=lambda _: None, committed=committed)
    await asked(sqlite_world, await new_sale(sqlite_world, 1))
    assert set(seen) == {None}


@pytest.mark.parametrize("kind", list(EventKind))
def test_each_change_is_a_line_and_those_for_people_are_warnings(kind: EventKind) -> None:
    ids = {name: UUID(int=place) for place, name in enumerate(("retailer_id", "order_id", "line_id"), start=1)}
    refund = {"refund": {"id": str(UUID(int=5))}} if kind.value.startswith("refund.") else {}
    row = {**ids, "cancellation_id": UUID(int=4), "kind": kind.value, "seq": 1, "door": "test", "facts": refund}
    with capture_logs() as lines:
        report_changes([row], {}, {})
    [line] = lines
    assert line["event"] == kind.value.replace(".", "_")
    assert (line["retailer"], line["order"], line["line"]) == tuple(ids.values())
    assert line["cancellation"] == show("can", UUID(int=4))
    assert ("refund" in line) == bool(refund)
    warned = {"cancellation.lapsed", "cancellation.escalated", "cancellation.case_opened", "refund.failed"}
    assert (line["log_level"], "answer" in line) == (("warning", True) if kind in warned else ("info", False))


def test_what_people_are_warned_of_says_where_to_look() -> None:
    assert all(command.startswith("countermand ") for command in WARNED_OF.values())
    assert logging.getLevelNamesMapping()["WARNING"] > logging.INFO
