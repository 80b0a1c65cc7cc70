"""Metrics for Prometheus, in one registry, with a bound on the number of label values.

A label takes few, known values: an outcome, a reason code, a subscriber. Beyond ``MAX_SERIES`` combinations of one
metric the further ones are counted under ``other``, so that no input can exhaust the memory of this process or of the
Prometheus server. The tenant is a label only when the operator asks for it (``label_tenants``).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from farwire.kernel.errors import check
from farwire.kernel.ids import TenantId

MAX_SERIES: Final = 200
OTHER: Final = "other"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_NAME: Final = re.compile(r"farwire_[a-z][a-z0-9_]*")
MULTIPROCESS_DIR: Final = "PROMETHEUS_MULTIPROC_DIR"

REGISTRY: Final = CollectorRegistry(auto_describe=True)
"""Every metric of Farwire. Separate from the library's global one, which other packages fill."""


class _Tenants:
    """Whether tenants are a label. Off by default: it multiplies the series by the number of tenants."""

    labelled: bool = False


def label_tenants(on: bool) -> None:  # one switch, set once from the settings
    """Turn the tenant label of all metrics that have one on or off; it is empty, that is absent, while off."""
    _Tenants.labelled = on


class _Series:
    """Maps label values to their series and keeps their number bounded."""

    def __init__(self, name: str, labels: Sequence[str], *, by_tenant: bool) -> None:
        check(_NAME.fullmatch(name) is not None, "telemetry.metric_name", f"metric name {name!r}")
        check("tenant" not in labels, "telemetry.metric_label", "use by_tenant for the tenant label")
        self.labels = (*labels, "tenant") if by_tenant else tuple(labels)
        self._own = frozenset(labels)
        self._by_tenant = by_tenant
        self._known: set[tuple[str, ...]] = set()

    def values(self, given: dict[str, str], tenant_id: TenantId | None) -> tuple[str, ...]:
        """Return the label values in order, or ``other`` for each once the bound is reached."""
        check(
            given.keys() == self._own,
            "telemetry.metric_label",
            f"labels {sorted(given)} of {sorted(self._own)}",
        )
        tenant = str(tenant_id) if self._by_tenant and _Tenants.labelled and tenant_id is not None else ""
        values = tuple(tenant if label == "tenant" else given[label] for label in self.labels)
        if values not in self._known:
            if len(self._known) >= MAX_SERIES:
                return tuple(OTHER for _ in values)
            self._known.add(values)
        return values


class CounterMetric:
    """A number that only grows, e.g. ``farwire_usage_rows_total``."""

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str],
        *,
        by_tenant: bool,
        registry: CollectorRegistry,
    ) -> None:
        self._series = _Series(name, labels, by_tenant=by_tenant)
        self._metric = Counter(name, help_text, self._series.labels, registry=registry)

    def inc(self, amount: float = 1, *, tenant_id: TenantId | None = None, **labels: str) -> None:
        """Add ``amount`` (≥ 0)."""
        values = self._series.values(labels, tenant_id)
        (self._metric.labels(*values) if values else self._metric).inc(amount)


class GaugeMetric:
    """A number that rises and falls, e.g. ``farwire_events_behind``."""

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str],
        *,
        by_tenant: bool,
        registry: CollectorRegistry,
    ) -> None:
        self._series = _Series(name, labels, by_tenant=by_tenant)
        self._metric = Gauge(
            name, help_text, self._series.labels, registry=registry, multiprocess_mode="livemax"
        )

    def set(self, value: float, *, tenant_id: TenantId | None = None, **labels: str) -> None:
        """Set the present value."""
        values = self._series.values(labels, tenant_id)
        (self._metric.labels(*values) if values else self._metric).set(value)


class HistogramMetric:
    """How a measure is spread, e.g. ``farwire_http_request_seconds``."""

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str],
        *,
        by_tenant: bool,
        registry: CollectorRegistry,
        buckets: Sequence[float],
    ) -> None:
        self._series = _Series(name, labels, by_tenant=by_tenant)
        self._metric = Histogram(name, help_text, self._series.labels, registry=registry, buckets=buckets)

    def observe(self, value: float, *, tenant_id: TenantId | None = None, **labels: str) -> None:
        """Count one measurement."""
        values = self._series.values(labels, tenant_id)
        (self._metric.labels(*values) if values else self._metric).observe(value)


def counter(
    name: str,
    help_text: str,
    labels: Sequence[str] = (),
    *,
    by_tenant: bool = False,
    registry: CollectorRegistry = REGISTRY,
) -> CounterMetric:
    """Return a new counter. Make it once, at the top of a module; a second one of the name is refused."""
    return CounterMetric(name, help_text, labels, by_tenant=by_tenant, registry=registry)


def gauge(
    name: str,
    help_text: str,
    labels: Sequence[str] = (),
    *,
    by_tenant: bool = False,
    registry: CollectorRegistry = REGISTRY,
) -> GaugeMetric:
    """Return a new gauge; see ``counter``."""
    return GaugeMetric(name, help_text, labels, by_tenant=by_tenant, registry=registry)


SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Bucket limits for durations, in seconds."""


def histogram(
    name: str,
    help_text: str,
    labels: Sequence[str] = (),
    *,
    by_tenant: bool = False,
    registry: CollectorRegistry = REGISTRY,
    buckets: Sequence[float] = SECONDS,
) -> HistogramMetric:
    """Return a new histogram with upper bucket limits in the measure's unit; see ``counter``."""
    return HistogramMetric(name, help_text, labels, by_tenant=by_tenant, registry=registry, buckets=buckets)


def exposition() -> bytes:
    """Return all metrics in Prometheus' text format, of every worker process if they share a folder
    (``PROMETHEUS_MULTIPROC_DIR``, set before the first import). Serve it as ``CONTENT_TYPE``.
    """
    if os.environ.get(MULTIPROCESS_DIR):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest(REGISTRY)
