"""Traces by OpenTelemetry, if somebody wants them: ``pip install countermand[otel]`` and the setting ``traces``.

Nothing of OpenTelemetry is imported before ``start``. Until then a span costs a look at a variable.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, Literal
from uuid import UUID

from countermand.observability import UnobservableError

Kind = Literal["internal", "server", "client", "producer"]

EVENTS_MAX: Final = 10_000
"""Of so many of the last events it is known in which span they were stored."""

TRACEPARENT: Final = "traceparent"

_NO_SPAN: Final[AbstractContextManager[Any]] = nullcontext()


class _Tracing:
    """What is there once traces are on."""

    def __init__(self, exporter: Any) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self.provider = TracerProvider(resource=Resource.create({"service.name": "countermand"}))
        if exporter is None:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            self.provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        else:
            self.provider.add_span_processor(SimpleSpanProcessor(exporter))
        self.trace = trace
        self.tracer = self.provider.get_tracer("countermand")
        self.propagator = TraceContextTextMapPropagator()
        self.kinds = {kind.name.lower(): kind for kind in trace.SpanKind}
        self.of_events: OrderedDict[UUID, Any] = OrderedDict()


_tracing: _Tracing | None = None


def start(exporter: Any = None) -> None:
    """Send traces from now on: to the collector that the variables ``OTEL_EXPORTER_OTLP_*`` name, or to ``exporter``.

    Raises:
        UnobservableError: OpenTelemetry is not installed.
    """
    global _tracing
    try:
        _tracing = _Tracing(exporter)
    except ImportError as error:
        raise UnobservableError("Traces need OpenTelemetry: pip install 'countermand[otel]'.") from error


def stop() -> None:
    """Send what waits, and no more."""
    global _tracing
    if _tracing is not None:
        _tracing.provider.shutdown()
    _tracing = None


def span(
    name: str,
    kind: Kind = "internal",
    *,
    parent: str | None = None,
    links: Iterable[Any] = (),
    **attributes: str | int | float,
) -> AbstractContextManager[Any]:
    """A span of the trace that goes on here, while the context lasts; it gives the span, or ``None`` without traces.

    ``parent`` is a caller's ``traceparent``. ``links`` are spans of other traces that it has to do with, as
    ``current`` and ``of_event`` give them.
    """
    on = _tracing
    if on is None:
        return _NO_SPAN
    return on.tracer.start_as_current_span(
        name,
        context=on.propagator.extract({TRACEPARENT: parent}) if parent else None,
        kind=on.kinds[kind],
        links=[on.trace.Link(each) for each in links if each is not None],
        attributes=attributes,
    )


def current() -> Any:
    """The span that goes on here, to be linked to; ``None`` without one."""
    on = _tracing
    if on is None:
        return None
    context = on.trace.get_current_span().get_span_context()
    return context if context.is_valid else None


def headers() -> Mapping[str, str]:
    """What a call to somebody else carries, so that its trace goes on there."""
    on = _tracing
    if on is None:
        return {}
    carried: dict[str, str] = {}
    on.propagator.inject(carried)
    return carried


def stored(events: Iterable[UUID]) -> None:
    """These events were stored in the span that goes on here: notices of them are sent later, from elsewhere."""
    on = _tracing
    if on is None:
        return
    here = current()
    for event in events:
        on.of_events[event] = here
        if len(on.of_events) > EVENTS_MAX:
            on.of_events.popitem(last=False)


def of_event(event: UUID) -> Any:
    """The span in which an event was stored, if it was here and not long ago."""
    return None if _tracing is None else _tracing.of_events.get(event)
