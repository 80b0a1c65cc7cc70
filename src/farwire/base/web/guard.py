"""The outermost layer of every request: identity, bounds of time and number, security headers, log line, metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from farwire.base.web.errors import error_body, error_headers
from farwire.base.web.exchange import KEY, Exchange
from farwire.base.web.monitor import Monitor
from farwire.kernel.errors import Defect, FarwireError, Unavailable

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

PAGE_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
"""On every answer. Pages bring their own content security policy."""
API_HEADERS: Final = (
    *PAGE_HEADERS,
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""Answers are data: a browser must run and load nothing from them."""


class Guard:
    """Wraps the API. Counts what runs; beyond the bound a request is refused at once, so that the others stay fast."""

    def __init__(self, app: AsgiApp, monitor: Monitor, *, max_running: int, time_limit_s: float) -> None:
        self._app = app
        self._monitor = monitor
        self._max_running = max_running
        self._time_limit_s = time_limit_s
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Health checks are exempt from the bound: an overloaded worker is still alive."""
        exchange = Exchange(scope["headers"])
        scope[KEY] = exchange
        started = time.perf_counter()
        reply = _Sender(send, exchange)
        if self._running >= self._max_running and not scope["path"].startswith("/health/"):
            await reply.error(
                Unavailable("the API is at its limit of requests", code="web.overloaded", retry_after_s=1)
            )
            self._monitor.done(exchange, scope["method"], time.perf_counter() - started)
            return
        self._running += 1
        self._monitor.running(self._running)
        limit = asyncio.timeout(self._time_limit_s)
        try:
            async with limit:
                await self._app(scope, receive, reply.send)
        except TimeoutError:
            if not limit.expired():
                raise
            await reply.error(
                Unavailable(
                    f"the request took longer than {self._time_limit_s:g} s",
                    code="web.time_limit",
                    retry_after_s=5,
                )
            )
        except Exception as error:  # noqa: BLE001 - the process edge
            self._monitor.failed(exchange, error)
            await reply.error(Defect("unexpected", code="web.defect"))
        finally:
            self._running -= 1
            self._monitor.running(self._running)
            self._monitor.done(exchange, scope["method"], time.perf_counter() - started)


class _Sender:
    """Adds the headers of every answer and notes its status."""

    __slots__ = ("_exchange", "_send", "_started")

    def __init__(self, send: Send, exchange: Exchange) -> None:
        self._send = send
        self._exchange = exchange
        self._started = False

    async def send(self, message: Message) -> None:
        """Pass ``message`` on."""
        if message["type"] == "http.response.start":
            self._started = True
            self._exchange.status = message["status"]
            message["headers"] = [
                *message["headers"],
                *(PAGE_HEADERS if self._exchange.is_page else API_HEADERS),
                (b"x-request-id", self._exchange.request_id.encode("ascii")),
            ]
        await self._send(message)

    async def error(self, error: FarwireError) -> None:
        """Answer ``error``, unless an answer has begun: then the connection just ends."""
        self._exchange.code = error.code
        if self._started:
            return
        status, body = error_body(error, self._exchange.request_id)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(name.encode(), value.encode()) for name, value in error_headers(error).items()]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body, "more_body": False})
