"""Metrics: what Prometheus reads, with a bound on the number of series."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from farwire.base.telemetry import counter, exposition, gauge, histogram, label_tenants
from farwire.base.telemetry.metrics import MAX_SERIES
from farwire.kernel.errors import Defect
from farwire.kernel.ids import TenantId, uuid7

TENANT = TenantId(uuid7())


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    yield CollectorRegistry()
    label_tenants(False)


def shown(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


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


def test_the_tenant_is_a_label_only_when_it_is_asked_for(registry: CollectorRegistry) -> None:
    rows = counter("farwire_rows_total", "Rows.", by_tenant=True, registry=registry)
    rows.inc(tenant_id=TENANT)
    assert str(TENANT) not in generate_latest(registry).decode()
    label_tenants(True)
    rows.inc(4, tenant_id=TENANT)
    assert value(registry, "farwire_rows_total", tenant=str(TENANT)) == 4
    assert value(registry, "farwire_rows_total", tenant="") == 1


def test_a_gauge_and_a_histogram_measure(registry: CollectorRegistry) -> None:
    behind = gauge("farwire_behind", "Lag.", registry=registry)
    behind.set(5)
    behind.set(3)
    took = histogram("farwire_took_seconds", "Time.", registry=registry, buckets=(0.1, 1.0))
    took.observe(0.05)
    took.observe(0.5)
    assert value(registry, "farwire_behind") == 3
    assert value(registry, "farwire_took_seconds_bucket", le="0.1") == 1
    assert value(registry, "farwire_took_seconds_bucket", le="1.0") == 2


def test_labels_that_were_not_declared_are_a_defect(registry: CollectorRegistry) -> None:
    rows = counter("farwire_rows_total", "Rows.", ("reason",), registry=registry)
    with pytest.raises(Defect):
        rows.inc(subject="x")
    with pytest.raises(Defect):
        rows.inc()
    with pytest.raises(Defect):
        counter("rows_total", "Rows.", registry=registry)
    with pytest.raises(Defect):
        counter("farwire_other_total", "Rows.", ("tenant",), registry=registry)


def test_the_exposition_has_every_metric_of_the_process() -> None:
    import farwire.base.eventbus.relay  # noqa: F401  # declares its metrics

    assert b"# HELP farwire_events_behind" in exposition()
