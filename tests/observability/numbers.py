"""The numbers of a metric, as Prometheus is shown them."""

from countermand.observability.exposition import registry
from countermand.observability.instruments import Instrument


def numbers(instrument: Instrument) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, by its name and its labels."""
    family = instrument.name.removesuffix("_total")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in registry().collect()
        if metric.name == family
        for sample in metric.samples
    }
