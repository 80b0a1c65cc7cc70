"""One log line and three metrics per request, by the route's template."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from farwire.base.telemetry import counter, gauge, get_logger, histogram
from farwire.base.web.access import AccessLog
from farwire.base.web.exchange import Exchange
from farwire.kernel.errors import FarwireError

log = get_logger(__name__)

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS: Final = counter("farwire_http_requests_total", "Requests answered.", ("method", "route", "status"))
LATENCY: Final = histogram("farwire_http_request_seconds", "Seconds until the answer left.", ("route",))
RUNNING: Final = gauge("farwire_http_requests_running", "Requests that run now, in the busiest worker.")


class Monitor:
    """Counts, times and logs requests."""

    def __init__(self, access_log: AccessLog | None) -> None:
        self._access_log = access_log

    def running(self, count: int) -> None:
        """Note how many requests run."""
        RUNNING.set(count)

    @staticmethod
    def failed(exchange: Exchange, error: BaseException) -> None:
        """Log a defect with its traceback; the client gets only the request id."""
        log.error(
            "request failed by a defect",
            request_id=exchange.request_id,
            trace_id=exchange.trace_id,
            route=exchange.route,
            exc_info=error,
        )

    @staticmethod
    def unready(error: FarwireError) -> None:
        """Log that the worker starts without its database."""
        log.warning("worker starts without its database", code=error.code)

    def done(self, exchange: Exchange, method: str, seconds: float) -> None:
        """Count and log one answered request. Methods that HTTP does not know share a label: labels are bounded."""
        known = method if method in METHODS else "OTHER"
        REQUESTS.inc(method=known, route=exchange.route, status=str(exchange.status))
        LATENCY.observe(seconds, route=exchange.route)
        if self._access_log is not None:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._access_log.write(exchange, method=known, duration_us=round(seconds * 1e6), timestamp=now)
