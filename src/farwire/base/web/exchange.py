"""What is known about a request while it runs: its identity for logs, and its outcome for metrics."""

from __future__ import annotations

import os
import re
from typing import Final

KEY: Final = "farwire.exchange"
"""Where the exchange stands in the ASGI scope."""

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_TRACEPARENT: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_NO_TRACE: Final = b"0" * 32
UNROUTED: Final = "(unrouted)"


class Exchange:
    """The mutable note that the layers of one request write on."""

    __slots__ = ("code", "is_page", "key_id", "request_id", "route", "status", "tenant_id", "trace_id")

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        request_id = trace_id = ""
        for name, value in headers:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                request_id = value.decode("ascii")
            elif (
                name == b"traceparent" and (match := _TRACEPARENT.fullmatch(value)) and match[1] != _NO_TRACE
            ):
                trace_id = match[1].decode("ascii")
        self.trace_id = trace_id or os.urandom(16).hex()
        self.request_id = request_id or self.trace_id
        self.route = UNROUTED
        self.status = 0
        self.code = ""
        self.tenant_id = ""
        self.key_id = ""
        self.is_page = False
