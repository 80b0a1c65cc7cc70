"""Traces in OpenTelemetry's API. Off by default, and then a span costs one comparison.

The standard variables choose the exporter: ``OTEL_TRACES_EXPORTER=console``, or ``otlp`` where the package
``opentelemetry-exporter-otlp-proto-http`` is installed (``OTEL_EXPORTER_OTLP_ENDPOINT`` says where to).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, ContextDecorator
from types import TracebackType
from typing import TYPE_CHECKING, Final

from farwire.base.telemetry.redaction import redact
from farwire.kernel.errors import Invalid

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, Tracer

_EXPORTER: Final = "OTEL_TRACES_EXPORTER"


class _State:
    """The tracer of the process, or None while tracing is off."""

    tracer: Tracer | None = None
    provider: TracerProvider | None = None


def configure_tracing(
    *,
    env: Mapping[str, str] | None = None,
    endpoint: str | None = None,
    exporter: SpanExporter | None = None,
) -> bool:
    """Turn tracing on as the ``OTEL_*`` variables say; return whether it is on.

    ``endpoint`` (the setting ``trace_endpoint``) sends to an OTLP collector where the variables name no exporter.
    ``exporter`` replaces the one of the environment. Raises ``Invalid`` (``telemetry.exporter``) for an exporter that
    is unknown or whose package is missing. Loads the OpenTelemetry SDK only when it is needed.
    """
    env = os.environ if env is None else env
    name = env.get(_EXPORTER, "otlp" if endpoint else "none").strip().lower()
    stop_tracing()
    if exporter is None:
        if name in ("", "none") or env.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return False
        exporter = _exporter(name, endpoint)
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    resource = Resource.create({SERVICE_NAME: env.get("OTEL_SERVICE_NAME", "farwire")})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    simple = name != "otlp"
    provider.add_span_processor(SimpleSpanProcessor(exporter) if simple else BatchSpanProcessor(exporter))
    _State.provider = provider
    _State.tracer = provider.get_tracer("farwire")
    return True


def _exporter(name: str, endpoint: str | None) -> SpanExporter:
    if name == "console":
        from opentelemetry.sdk.trace.export import ConsoleSpanExporter

        return ConsoleSpanExporter(out=sys.stderr)
    fix = "use console, otlp or none"
    if name == "otlp":
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # type: ignore[import-not-found]
                OTLPSpanExporter,
            )
        except ImportError:
            fix = "install opentelemetry-exporter-otlp-proto-http"
        else:
            otlp: SpanExporter = OTLPSpanExporter(endpoint=endpoint)
            return otlp
    raise Invalid(
        f"no trace exporter {name}", code="telemetry.exporter", field=_EXPORTER, value=name, fix=fix
    )


def stop_tracing() -> None:
    """Send what is waiting and turn tracing off."""
    provider, _State.provider, _State.tracer = _State.provider, None, None
    if provider is not None:
        provider.shutdown()


class span(ContextDecorator):  # noqa: N801  # reads as a word at its use: with span("usage.import")
    """Measure a block (``with span("usage.import", rows=3):``) or every call of a function (``@span("rate")``).

    Attributes are redacted as logs are. As a decorator of an ``async def`` it would end before the work does: use it
    as a block inside. One object measures nested and repeated blocks; it is not shared between threads or tasks.
    """

    __slots__ = ("_attributes", "_name", "_open")

    def __init__(self, name: str, **attributes: object) -> None:
        self._name = name
        self._attributes = attributes
        self._open: list[AbstractContextManager[Span]] = []

    def _recreate_cm(self) -> span:
        return span(self._name, **self._attributes)

    def __enter__(self) -> Span | None:
        tracer = _State.tracer
        if tracer is None:
            return None
        clean = {key: _attribute(redact(value, name=key)) for key, value in self._attributes.items()}
        block = tracer.start_as_current_span(
            self._name, attributes=clean, record_exception=False, set_status_on_exception=False
        )
        self._open.append(block)
        return block.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._open:
            return
        if kind is not None:
            # The library would write the exception's text, which may be personal; its type finds the log record.
            from opentelemetry.trace import StatusCode, get_current_span

            get_current_span().set_status(StatusCode.ERROR, kind.__name__)
        self._open.pop().__exit__(kind, error, trace)


def _attribute(value: object) -> str | bool | int | float:
    return value if isinstance(value, (str, bool, int, float)) else str(value)


def current_ids() -> tuple[str, str] | None:
    """Return (trace id, span id) of the running span in lower-case hexadecimal, or None."""
    if _State.tracer is None:
        return None
    from opentelemetry.trace import get_current_span

    context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"
