"""Traces: off they cost nothing, on they are OpenTelemetry's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from farwire.base.telemetry import configure_tracing, span, stop_tracing
from farwire.kernel.errors import Invalid


@pytest.fixture(autouse=True)
def stopped() -> Iterator[None]:
    yield
    stop_tracing()


def test_spans_nest_and_carry_redacted_attributes() -> None:
    exporter = InMemorySpanExporter()
    assert configure_tracing(env={}, exporter=exporter)
    with span("usage.import", rows=3, msisdn="4915112345678", note="from 4915112345678"), span("usage.parse"):
        pass
    inner, outer = exporter.get_finished_spans()
    assert (inner.name, outer.name) == ("usage.parse", "usage.import")
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert dict(outer.attributes or {}) == {"rows": 3, "msisdn": "[redacted]", "note": "from [digits]"}


def test_a_decorated_function_is_measured_at_every_call_even_recursively() -> None:
    exporter = InMemorySpanExporter()
    configure_tracing(env={}, exporter=exporter)

    @span("count")
    def count(n: int) -> int:
        return 0 if n == 0 else 1 + count(n - 1)

    assert count(2) == 2
    assert [s.name for s in exporter.get_finished_spans()] == ["count"] * 3


def test_an_error_marks_its_span_without_its_text() -> None:
    exporter = InMemorySpanExporter()
    configure_tracing(env={}, exporter=exporter)
    with pytest.raises(ValueError, match="49151"), span("rate"):
        raise ValueError("4915112345678")
    (finished,) = exporter.get_finished_spans()
    assert not finished.status.is_ok
    assert "4915112345678" not in finished.to_json()


def test_nothing_is_recorded_while_tracing_is_off() -> None:
    assert not configure_tracing(env={})
    assert not configure_tracing(env={"OTEL_TRACES_EXPORTER": "none"})
    assert not configure_tracing(env={"OTEL_TRACES_EXPORTER": "console", "OTEL_SDK_DISABLED": "true"})
    with span("usage.import") as current:
        assert current is None


def test_the_environment_chooses_the_exporter(capsys: pytest.CaptureFixture[str]) -> None:
    assert configure_tracing(env={"OTEL_TRACES_EXPORTER": "console", "OTEL_SERVICE_NAME": "farwire-test"})
    with span("usage.import"):
        pass
    stop_tracing()
    shown = capsys.readouterr().err
    assert '"name": "usage.import"' in shown
    assert "farwire-test" in shown


@pytest.mark.parametrize("name", ["otlp", "zipkin"])
def test_an_exporter_that_is_not_there_is_refused_with_the_way_out(name: str) -> None:
    with pytest.raises(Invalid) as raised:
        configure_tracing(env={"OTEL_TRACES_EXPORTER": name})
    assert raised.value.code == "telemetry.exporter"
    assert raised.value.fix


def test_the_setting_for_a_collector_asks_for_the_package_that_sends_to_it() -> None:
    with pytest.raises(Invalid) as raised:
        configure_tracing(env={}, endpoint="http://localhost:4318/v1/traces")
    assert raised.value.fix == "install opentelemetry-exporter-otlp-proto-http"
    assert not configure_tracing(
        env={"OTEL_TRACES_EXPORTER": "none"}, endpoint="http://localhost:4318/v1/traces"
    )


def test_tracing_that_is_off_does_not_load_opentelemetry() -> None:
    script = (
        "import sys; from farwire.base.telemetry import span, configure_tracing, configure_logging, get_logger\n"
        "configure_logging(); configure_tracing(env={})\n"
        "with span('x'): get_logger('y').info('z')\n"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, capture_output=True)
