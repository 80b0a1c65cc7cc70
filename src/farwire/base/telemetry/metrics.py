"""Metrics for Prometheus, in one registry, with a bound on the number of label values.

A label takes few, known values: an outcome, a reason code, a subscriber. Beyond ``MAX_SERIES`` combinations of one
metric the further ones are counted under ``other``, so that no input can exhaust the memory of this process or of the
Prometheus server. A tenant is no label: it would multiply the series.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from farwire.kernel.errors import check

MAX_SERIES: Final = 200
OTHER: Final = "other"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NAME: Final = re.compile(r"farwire_[a-z][a-z0-9_]*")
MULTIPROCESS_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"

REGISTRY: Final = CollectorRegistry(auto_describe=True)
"""Every metric of Farwire. Separate from the library's global one, which other packages fill."""


M = TypeVar("M", Counter, Gauge)


class _Series(Generic[M]):
    """The series of one metric by their label values, bounded in number."""

    def __init__(self, metric: M, labels: Sequence[str]) -> None:
        self._metric: M = metric
        self._labels = tuple(labels)
        self._known: set[tuple[str, ...]] = set()
        self._found: dict[tuple[tuple[str, str], ...], M] = {}

    def of(self, given: dict[str, str]) -> M:
        """Return the series of these label values, or that of ``other`` once the bound is reached."""
        key = tuple(given.items())
        found = self._found.get(key)
        if found is None:
            found = self._look_up(given)
            if len(self._found) < MAX_SERIES:
                self._found[key] = found
        return found

    def _look_up(self, given: dict[str, str]) -> M:
        check(
            given.keys() == set(self._labels),
            "telemetry.metric_label",
            f"labels {sorted(given)} of {sorted(self._labels)}",
        )
        if not given:
            return self._metric
        values = tuple(given[label] for label in self._labels)
        if values not in self._known:
            if len(self._known) < MAX_SERIES:
                self._known.add(values)
            else:
                values = (OTHER,) * len(values)
        return self._metric.labels(*values)


class CounterMetric:
    """A number that only grows, e.g. ``farwire_usage_rows_total``."""

    def __init__(self, series: _Series[Counter]) -> None:
        self._series = series

    def inc(self, amount: float = 1, **labels: str) -> None:
        """Add ``amount`` (≥ 0)."""
        self._series.of(labels).inc(amount)


class GaugeMetric:
    """A number that rises and falls, e.g. ``farwire_events_behind``."""

    def __init__(self, series: _Series[Gauge]) -> None:
        self._series = series

    def set(self, value: float, **labels: str) -> None:
        """Set the present value."""
        self._series.of(labels).set(value)


def counter(
    name: str, help_text: str, labels: Sequence[str] = (), *, registry: CollectorRegistry = REGISTRY
) -> CounterMetric:
    """Return a new counter. Make it once, at the top of a module; a second one of the name is refused."""
    return CounterMetric(_Series(Counter(_checked(name), help_text, labels, registry=registry), labels))


def gauge(
    name: str, help_text: str, labels: Sequence[str] = (), *, registry: CollectorRegistry = REGISTRY
) -> GaugeMetric:
    """Return a new gauge; see ``counter``. Of several worker processes the highest value is shown."""
    metric = Gauge(_checked(name), help_text, labels, registry=registry, multiprocess_mode="livemax")
    return GaugeMetric(_Series(metric, labels))


def _checked(name: str) -> str:
    check(_NAME.fullmatch(name) is not None, "telemetry.metric_name", f"metric name {name!r}")
    return name


SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Bucket limits for durations, in seconds."""


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format, of every worker process if they share a folder
    (``PROMETHEUS_MULTIPROC_DIR``, set before the first import). Serve it as ``CONTENT_TYPE``.
    """
    if os.environ.get(MULTIPROCESS_DIR):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest(REGISTRY)
