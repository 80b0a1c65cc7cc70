"""The access log: one JSON line per request, made of fields that cannot hold personal data.

It does not go through the general logger, whose redaction looks at every text: that costs more than the rest of the
request. Here each field is a number, a name from a closed list or an id of ours; the one that a client chooses, the
request id, is masked like every logged text.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

import msgspec

from farwire.base.telemetry import mask
from farwire.base.web.exchange import Exchange


class AccessRecord(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="event", tag="request"
):
    """One request in the log. ``route`` is the template; ids in the path and the query are never logged."""

    timestamp: str
    level: str
    method: str
    route: str
    status: int
    duration_us: int
    request_id: str
    trace_id: str
    code: str = ""
    tenant_id: str = ""
    key_id: str = ""


class AccessLog:
    """Writes records to a stream, one line in one write, so that the lines of several workers do not mix."""

    def __init__(self, stream: BinaryIO | None = None) -> None:
        self._stream = stream
        self._encode = msgspec.json.Encoder().encode

    def write(self, exchange: Exchange, *, method: str, duration_us: int, timestamp: str) -> None:
        """Write the line of one answered request."""
        own = exchange.request_id == exchange.trace_id
        record = AccessRecord(
            timestamp=timestamp,
            level="info" if exchange.status < 500 else "error",
            method=method,
            route=exchange.route,
            status=exchange.status,
            duration_us=duration_us,
            request_id=exchange.request_id if own else mask(exchange.request_id),
            trace_id=exchange.trace_id,
            code=exchange.code,
            tenant_id=exchange.tenant_id,
            key_id=exchange.key_id,
        )
        stream = self._stream or sys.stderr.buffer
        stream.write(self._encode(record) + b"\n")
        stream.flush()
