"""Metrics: what Prometheus reads, with a bound on the number of series."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from farwire.base.telemetry import counter, exposition, gauge
from farwire.base.telemetry.metrics import MAX_SERIES
from farwire.kernel.errors import Defect


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_a_counter_counts_by_its_labels(registry: CollectorRegistry) -> None:
    rows = counter("farwire_rows_total", "Rows.", ("outcome",), registry=registry)
    rows.inc(outcome="rated")
    rows.inc(2, outcome="rated")
    rows.inc(outcome="suspended")
    assert value(registry, "farwire_rows_total", outcome="rated") == 3
    assert value(registry, "farwire_rows_total", outcome="suspended") == 1


def test_further_label_values_are_counted_under_other_beyond_the_bound(registry: CollectorRegistry) -> None:
    rows = counter("farwire_rows_total", "Rows.", ("reason",), registry=registry)
    for number in range(MAX_SERIES + 50):
        rows.inc(reason=f"r{number}")
    rows.inc(reason="r0")
    assert value(registry, "farwire_rows_total", reason="other") == 50
    assert value(registry, "farwire_rows_total", reason="r0") == 2
    assert value(registry, "farwire_rows_total", reason=f"r{MAX_SERIES}") is None


def test_a_gauge_shows_its_last_value(registry: CollectorRegistry) -> None:
    behind = gauge("farwire_behind", "Lag.", registry=registry)
    behind.set(5)
    behind.set(3)
    assert value(registry, "farwire_behind") == 3


def test_labels_that_were_not_declared_are_a_defect(registry: CollectorRegistry) -> None:
    rows = counter("farwire_rows_total", "Rows.", ("reason",), registry=registry)
    with pytest.raises(Defect):
        rows.inc(subject="x")
    with pytest.raises(Defect):
        rows.inc()
    with pytest.raises(Defect):
        counter("rows_total", "Rows.", registry=registry)


def test_the_exposition_has_every_metric_of_the_process() -> None:
    import farwire.base.eventbus.relay  # noqa: F401  # declares its metrics

    assert b"# HELP farwire_events_behind" in exposition()
