"""Logs: JSON lines with trace and tenant, nothing personal, from our code and from libraries alike."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from farwire.base.telemetry import (
    configure_logging,
    configure_tracing,
    get_logger,
    log_context,
    span,
    stop_tracing,
)
from farwire.kernel.ids import TenantId, uuid7

TENANT = TenantId(uuid7())


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
    stop_tracing()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_json_line_with_time_level_and_module() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    get_logger("farwire.usage").info("usage imported", rows=36_205, took_s=1.5)
    (line,) = lines(stream)
    assert line.pop("timestamp", "").endswith("Z")  # type: ignore[attr-defined]
    assert line == {
        "event": "usage imported",
        "rows": 36_205,
        "took_s": 1.5,
        "level": "info",
        "logger": "farwire.usage",
    }


def test_the_context_adds_the_tenant_to_every_record_of_the_block() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    log = get_logger("farwire.usage")
    with log_context(tenant_id=TENANT):
        log.info("inside")
    log.info("outside")
    inside, outside = lines(stream)
    assert inside["tenant_id"] == str(TENANT)
    assert "tenant_id" not in outside


def test_a_record_inside_a_span_carries_its_ids() -> None:
    stream, exporter = io.StringIO(), InMemorySpanExporter()
    configure_logging(stream=stream)
    configure_tracing(env={}, exporter=exporter)
    with span("usage.import"):
        get_logger("farwire.usage").info("inside")
    (line,) = lines(stream)
    (finished,) = exporter.get_finished_spans()
    assert line["trace_id"] == f"{finished.context.trace_id:032x}"
    assert line["span_id"] == f"{finished.context.span_id:016x}"


def test_personal_data_and_secrets_do_not_reach_the_log() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    log = get_logger("farwire.party")
    log.info(
        "call from 4915112345678",
        api_key="fw_geheim",
        detail={"msisdn": "4915112345678", "n": [4915112345678]},
    )
    try:
        int("erika.mustermann@example.org 4915112345678")
    except ValueError:
        log.exception("failed", **{"4915112345678": 1})
    text = stream.getvalue()
    for hidden in ("4915112345678", "geheim", "erika", "mustermann"):
        assert hidden not in text
    assert "ValueError" in text
    assert "test_personal_data_and_secrets_do_not_reach_the_log" in text


def test_records_of_libraries_go_the_same_way() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    logging.getLogger("asyncio").warning("peer %s sent %s", "alice@example.org", 4915112345678)
    (line,) = lines(stream)
    assert line["event"] == "peer [address] sent [digits]"
    assert line["logger"] == "asyncio"


def test_a_level_hides_what_is_below_it() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream, level="warning")
    get_logger("farwire").info("quiet")
    get_logger("farwire").warning("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_a_terminal_gets_columns_and_the_same_redaction() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream, as_json=False)
    get_logger("farwire").info("usage imported", msisdn="4915112345678", rows=3)
    text = stream.getvalue()
    assert "usage imported" in text
    assert "rows=3" in text
    assert "4915112345678" not in text
    assert not text.startswith("{")


def test_configuring_again_writes_each_record_once() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    configure_logging(stream=stream)
    get_logger("farwire").info("once")
    assert len(lines(stream)) == 1
