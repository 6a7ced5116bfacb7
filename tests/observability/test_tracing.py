"""Traces: a span for each step, each in the trace of its caller, and nothing at all where nobody wants them."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from countermand.observability import UnobservableError, tracing
from countermand.observed import observed
from countermand.outlets.webhook import WebhookOutlet
from tests.money.test_settling import desk
from tests.store.speaking import new_sale
from tests.support.world import World
from tests.worker.station import endpoint, station

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Spans:
    """What was traced so far, by the name of the span."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def __getitem__(self, name: str) -> ReadableSpan:
        """The last one of this name."""
        return [each for each in self._exporter.get_finished_spans() if each.name == name][-1]

    @property
    def names(self) -> set[str]:
        return {each.name for each in self._exporter.get_finished_spans()}


@pytest.fixture
def spans() -> Iterator[Spans]:
    exporter = InMemorySpanExporter()
    tracing.start(exporter)
    yield Spans(exporter)
    tracing.stop()


def trace_of(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}"


def links_of(span: ReadableSpan) -> set[int]:
    return {link.context.span_id for link in span.links}


async def cancel(world: World) -> None:
    sale = await new_sale(world, 1)
    headers = {**world.token(world.retailer), "traceparent": TRACEPARENT}
    async with world.client() as client:
        assert (await client.delete(f"/orders/items/cancel/{sale.line}/", headers=headers)).status_code == 204


async def test_a_call_goes_on_with_the_trace_of_its_caller(world: World, spans: Spans) -> None:
    await cancel(world)
    call = spans["call crux"]
    assert (trace_of(call), call.kind) == (TRACE, SpanKind.SERVER)
    attributes = call.attributes or {}
    assert attributes["http.response.status_code"] == 204
    assert attributes["countermand.operation"] == "cancel_item"
    assert attributes["countermand.request_id"] == TRACE
    assert trace_of(spans["database.read"]) == TRACE, "its token was looked up"


async def test_a_batch_is_linked_to_the_calls_in_it_and_holds_the_transaction(world: World, spans: Spans) -> None:
    await cancel(world)
    batch, write = spans["batch"], spans["database.write"]
    assert links_of(batch) == {spans["call crux"].context.span_id}
    assert (batch.attributes or {})["calls"] == 1
    assert write.parent is not None
    assert write.parent.span_id == batch.context.span_id


async def test_a_notice_is_linked_to_the_batch_that_stored_its_event(sqlite_world: World, spans: Spans) -> None:
    working = station(sqlite_world)
    await endpoint(sqlite_world, sqlite_world.supplier)
    await cancel(sqlite_world)
    batch = spans["batch"].context.span_id
    await working.worker.once()
    notice = spans["notice"]
    assert (links_of(notice), notice.kind) == ({batch}, SpanKind.PRODUCER)


async def test_a_refund_is_a_span(sqlite_world: World, spans: Spans) -> None:
    here = await desk(sqlite_world)
    await here.owed()
    await here.work()
    assert (spans["refund"].attributes or {})["provider"] == "stripe"


class Sent:
    """Webhooks that keep the headers of what is sent."""

    headers: dict[str, str]

    async def post(self, _: str, headers: dict[str, str], __: bytes) -> None:
        self.headers = headers


async def test_a_webhook_carries_the_trace_only_where_there_is_one(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: Any = Sent()
    application = sqlite_world.application
    outlet = WebhookOutlet(sent, keyring=application.keyring, links=application.links, source="http://test")
    monkeypatch.setattr(outlet, "_secrets", lambda *_: ("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",))
    there: Any = type("There", (), {"url": "https://shop.example/hook"})
    await outlet._post(there, "evt_1", {}, sqlite_world.clock())
    assert "traceparent" not in sent.headers
    tracing.start(InMemorySpanExporter())
    try:
        with tracing.span("notice", parent=TRACEPARENT):
            await outlet._post(there, "evt_1", {}, sqlite_world.clock())
    finally:
        tracing.stop()
    assert sent.headers["traceparent"].startswith(f"00-{TRACE}-")


def test_what_is_remembered_of_events_is_bounded(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "EVENTS_MAX", 3)
    with tracing.span("batch"):
        tracing.stored(UUID(int=number) for number in range(5))
    assert [tracing.of_event(UUID(int=number)) is not None for number in range(5)] == [False, False, True, True, True]


def test_nothing_is_imported_where_nobody_wants_traces() -> None:
    ours = "('opentelemetry.sdk', 'opentelemetry.exporter')"
    asked = f"import sys, countermand.serving; print([name for name in sys.modules if name.startswith({ours})])"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


async def test_traces_without_opentelemetry_are_refused(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    wanted = sqlite_world.application.settings.model_copy(update={"traces": True})
    with pytest.raises(UnobservableError, match=r"countermand\[otel\]"):
        async with observed(wanted, sqlite_world.application):
            raise AssertionError("it began")
