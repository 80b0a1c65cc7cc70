"""Logs, metrics and traces without personal data (see README.md)."""

from farwire.base.telemetry.logs import configure_logging, get_logger, log_context
from farwire.base.telemetry.metrics import counter, exposition, gauge
from farwire.base.telemetry.redaction import error_text, mask, redact
from farwire.base.telemetry.tracing import configure_tracing, span, stop_tracing

__all__ = [
    "configure_logging",
    "configure_tracing",
    "counter",
    "error_text",
    "exposition",
    "gauge",
    "get_logger",
    "log_context",
    "mask",
    "redact",
    "span",
    "stop_tracing",
]
