"""Counters, gauges and histograms that cost next to nothing to move; ``exposition.py`` shows them to Prometheus.

The library of Prometheus takes 0.2 s to import and locks at every step. Commands that write take the write road, and so
these instruments, without anybody who reads them. All are moved from the event loop, or from one thread alone.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final

OTHER: Final = "other"
"""Stands for every value of a label that is not one of those that it can have."""

VALUES_MAX: Final = 400
"""So many values a label can have that no list names. They come from the code, such as the names of operations."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a metric is told apart by: its name, what it means, and the values that it can have.

    Without ``values`` it has those that the code gives it, at most ``VALUES_MAX``. None of them is ever what a caller
    sent: such a metric would grow without bounds.
    """

    name: str
    meaning: str
    values: frozenset[str] | None = None


def label(name: str, meaning: str, values: Collection[str] | None = None) -> Label:
    """A label, with its values from any collection."""
    return Label(name, meaning, None if values is None else frozenset(values))


@dataclass(slots=True, eq=False)
class Instrument:
    """What all kinds of metric have: a name with its unit, a sentence about it, and labels."""

    kind: ClassVar[str] = ""
    name: str
    meaning: str
    labels: tuple[Label, ...] = ()
    _admitted: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    _seen: dict[str, set[str]] = field(default_factory=dict)

    def key(self, values: tuple[str, ...]) -> tuple[str, ...]:
        """These values, each within what its label can have."""
        known = self._admitted.get(values)
        if known is not None:
            return known
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name} has {len(self.labels)} labels")
        bounded = tuple(self._bounded(each, value) for each, value in zip(self.labels, values, strict=True))
        if bounded == values:
            self._admitted[values] = values
        return bounded

    def _bounded(self, of: Label, value: str) -> str:
        if of.values is not None:
            return value if value in of.values else OTHER
        seen = self._seen.setdefault(of.name, set())
        if value in seen or len(seen) < VALUES_MAX:
            seen.add(value)
            return value
        return OTHER


@dataclass(slots=True, eq=False)
class Counter(Instrument):
    """A number that only grows while the process lives."""

    kind: ClassVar[str] = "counter"
    values: dict[tuple[str, ...], float] = field(default_factory=dict)

    def add(self, *labels: str, by: float = 1) -> None:
        """Count one more, or so many."""
        key = self.key(labels)
        self.values[key] = self.values.get(key, 0) + by


@dataclass(slots=True, eq=False)
class Gauge(Instrument):
    """A number that is set, or read from somewhere whenever somebody asks."""

    kind: ClassVar[str] = "gauge"
    values: dict[tuple[str, ...], float] = field(default_factory=dict)
    _source: Callable[[], float | Mapping[str, float]] | None = None

    def set(self, value: float, *labels: str) -> None:
        """It is this from now on."""
        self.values[self.key(labels)] = value

    def read_from(self, source: Callable[[], float | Mapping[str, float]]) -> None:
        """Ask ``source`` from now on: for a number, or for numbers by the value of the only label."""
        self._source = source

    def forget_source(self) -> None:
        """It is what was set, again."""
        self._source = None

    def read(self) -> Mapping[tuple[str, ...], float]:
        """The numbers as they are now."""
        if self._source is None:
            return self.values
        found = self._source()
        if isinstance(found, Mapping):
            return {self.key((name,)): value for name, value in found.items()}
        return {(): found}


@dataclass(slots=True)
class Distribution:
    """How many observations were at most as large as each bound, the last of them infinite; and their sum."""

    counts: list[int]
    total: float = 0.0


@dataclass(slots=True, eq=False)
class Histogram(Instrument):
    """How observations are distributed over bounds."""

    kind: ClassVar[str] = "histogram"
    bounds: tuple[float, ...] = ()
    values: dict[tuple[str, ...], Distribution] = field(default_factory=dict)

    def observe(self, value: float, *labels: str) -> None:
        """One more observation."""
        key = self.key(labels)
        kept = self.values.get(key)
        if kept is None:
            kept = self.values[key] = Distribution([0] * (len(self.bounds) + 1))
        kept.counts[bisect_left(self.bounds, value)] += 1
        kept.total += value

    def buckets(self, kept: Distribution) -> Iterator[tuple[str, float]]:
        """Each bound as Prometheus writes it, with the observations up to it."""
        so_far = 0
        for bound, count in zip((*self.bounds, float("inf")), kept.counts, strict=True):
            so_far += count
            yield "+Inf" if bound == float("inf") else repr(float(bound)), so_far
