"""Metrics and readiness of a shard process, for Prometheus and whoever starts it again: three paths of HTTP/1.1."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from farwire.base.telemetry.metrics import CONTENT_TYPE, exposition

_LINE_MOST: Final = 4_096
_WAIT_S: Final = 5
_TEXT: Final = "text/plain; charset=utf-8"


async def serve_metrics(*, host: str, port: int, ready: Callable[[], bool]) -> asyncio.Server:
    """Serve ``/metrics``, ``/health/live`` and ``/health/ready``."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_WAIT_S):
                line = await reader.readline()
                status, kind, body = _reply(line, ready=ready())
                head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            pass  # a client that sends no line, or too long a one, or has gone
        finally:
            writer.close()

    return await asyncio.start_server(answer, host, port, limit=_LINE_MOST)


def _reply(line: bytes, *, ready: bool) -> tuple[str, str, bytes]:
    words = line.split()
    path = words[1].split(b"?")[0] if len(words) == 3 and words[0] in (b"GET", b"HEAD") else b""
    if path == b"/metrics":
        return "200 OK", CONTENT_TYPE, exposition()
    if path == b"/health/live" or (path == b"/health/ready" and ready):
        return "200 OK", _TEXT, b"ok\n"
    if path == b"/health/ready":
        return "503 Service Unavailable", _TEXT, b"not ready\n"
    return "404 Not Found", _TEXT, b"see /metrics, /health/live, /health/ready\n"
