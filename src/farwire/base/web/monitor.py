"""One log line and three metrics per request, by the route's template."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from prometheus_client import Counter, Histogram

from farwire.base.telemetry import gauge, get_logger
from farwire.base.telemetry.metrics import REGISTRY, SECONDS
from farwire.base.web.access import AccessLog
from farwire.base.web.exchange import Exchange
from farwire.kernel.errors import FarwireError

log = get_logger(__name__)

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUESTS: Final = Counter(
    "farwire_http_requests_total", "Requests answered.", ("method", "route", "status"), registry=REGISTRY
)
LATENCY: Final = Histogram(
    "farwire_http_request_seconds",
    "Seconds until the answer left.",
    ("route",),
    registry=REGISTRY,
    buckets=SECONDS,
)
RUNNING: Final = gauge("farwire_http_requests_running", "Requests that run now, in the busiest worker.")


# Looking a series up by its labels costs several µs. The labels come from closed lists: methods, templates, statuses.
@lru_cache(maxsize=4096)
def _requests(method: str, route: str, status: int) -> Counter:
    return REQUESTS.labels(method, route, str(status))


@lru_cache(maxsize=1024)
def _latency(route: str) -> Histogram:
    return LATENCY.labels(route)


class Monitor:
    """Counts, times and logs requests."""

    def __init__(self, access_log: AccessLog | None) -> None:
        self._access_log = access_log
        self._shown = 0
        self._shown_at = 0.0

    def running(self, count: int) -> None:
        """Note how many requests run: at once when the last one ends, else at most once a second."""
        if count == self._shown:
            return
        now = time.monotonic()
        if count == 0 or now - self._shown_at >= 1:
            RUNNING.set(count)
            self._shown, self._shown_at = count, now

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
        _requests(known, exchange.route, exchange.status).inc()
        _latency(exchange.route).observe(seconds)
        if self._access_log is not None:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            self._access_log.write(exchange, method=known, duration_us=round(seconds * 1e6), timestamp=now)
