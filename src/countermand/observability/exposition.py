"""Shows the metrics to Prometheus, on a port of their own.

They say how much a service sells and what fails in it, so they are not for everybody: the port has no log-in, and is
to be reached by the monitoring alone.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, make_asgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from countermand.observability.instruments import Counter, Gauge, Histogram, Instrument
from countermand.observability.metrics import METRICS

PATH: Final = "/metrics"


class Instruments(Collector):
    """The instruments as Prometheus' own library knows them."""

    def collect(self) -> Iterator[Metric]:
        """Each with its values at this moment."""
        for each in METRICS:
            yield _family(each)


def _family(instrument: Instrument) -> Metric:
    names = [each.name for each in instrument.labels]
    match instrument:
        case Counter():
            counter = CounterMetricFamily(instrument.name, instrument.meaning, labels=names)
            for labels, value in list(instrument.values.items()) or _zero(instrument):
                counter.add_metric(labels, value)
            return counter
        case Gauge():
            gauge = GaugeMetricFamily(instrument.name, instrument.meaning, labels=names)
            for labels, value in _readings(instrument).items():
                gauge.add_metric(labels, value)
            return gauge
        case Histogram():
            histogram = HistogramMetricFamily(instrument.name, instrument.meaning, labels=names)
            for labels, kept in list(instrument.values.items()):
                histogram.add_metric(labels, list(instrument.buckets(kept)), kept.total)
            return histogram
    raise AssertionError(instrument)


def _readings(gauge: Gauge) -> Mapping[tuple[str, ...], float]:
    """One that cannot be read now is left out: the others are still worth to be seen."""
    try:
        return gauge.read()
    except OSError:
        return {}


def _zero(instrument: Instrument) -> list[tuple[tuple[str, ...], float]]:
    """A counter without labels is there before anything was counted, so that a rate of it can be told from nothing."""
    return [] if instrument.labels else [((), 0.0)]


def registry() -> CollectorRegistry:
    """The metrics of the service, and those of the process: memory, descriptors, CPU and the garbage collector."""
    made = CollectorRegistry()
    made.register(Instruments())
    ProcessCollector(registry=made)
    PlatformCollector(registry=made)
    GCCollector(registry=made)
    return made


def exposed() -> Any:
    """The metrics as an ASGI application: ``/metrics``, and nothing else."""
    shown = make_asgi_app(registry())

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == PATH and scope["method"] == "GET":
            await shown(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return answer
