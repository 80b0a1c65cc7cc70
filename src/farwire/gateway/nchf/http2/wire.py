"""One HTTP/2 connection of a client: its transport, its waits, and the tasks that make its answers."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Final, cast

import structlog

from farwire.base.telemetry.metrics import counter
from farwire.gateway.nchf.http2.connection import Connection
from farwire.gateway.nchf.http2.frames import Broken, Error
from farwire.gateway.nchf.http2.messages import Request, Response

if TYPE_CHECKING:
    from farwire.gateway.nchf.http2.server import Server

_HIGH_WATER: Final = 1 << 20
"""Octets that a client has not read, after which nothing more is read from it."""
_IDLE_FRAMES_MOST: Final = 2_000
"""Frames between two requests that are served, and requests given up between two answers: more are a flood."""
FAREWELL_MS: Final = 5_000
"""How long an ending connection may take to let go."""
_log = structlog.get_logger(__name__)
_ENDS: Final = counter("farwire_nchf_disconnects_total", "Ends of HTTP/2 connections by reason.", ("reason",))


class Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._bounds = bounds = server.bounds
        self._heard_at = _now()
        self.http = Connection(
            streams=bounds.streams, header_octets=bounds.header_octets, body_octets=bounds.body_octets,
            now=self._heard_at,
        )  # fmt: skip
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._tls = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing = False
        """Whether what is to be sent goes before the loop turns."""
        self._choked = False
        """Whether the client reads its answers too slowly."""
        self._deaf = False
        """Whether nothing that still comes can be understood."""
        self._greeted = False
        self._pinged = False
        self._ending = ""
        self._ends_at = 0

    # ---- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        address = transport.get_extra_info("peername")
        self._address = address[0] if address else ""
        security = transport.get_extra_info("ssl_object")
        self._tls = security is not None
        room = self._server.came(self)
        known = self._server.known
        if known is not None and not known(self._address, self._tls):
            self._abort("a stranger")
        elif not room:
            self._abort("too many connections")
        elif security is not None and cast("ssl.SSLObject", security).selected_alpn_protocol() != "h2":
            self._abort("no HTTP/2")
        else:
            self._write()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client. What it has asked is decided all the same."""
        self._transport = None
        self.http.streams.clear()
        self._server.went(self)
        reason = self._ending or ("the connection broke" if exc else "the client hung up")
        _ENDS.inc(reason=reason)
        _log.info("nchf connection ended", address=self._address, reason=reason)

    def pause_writing(self) -> None:
        """Read nothing more from a client that does not read."""
        self._choked = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._choked = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Take every frame."""
        if self._transport is None or self._transport.is_closing() or self._deaf:
            return
        http, before = self.http, self.http.idle_frames
        try:
            http.receive(data, _now())
        except Broken as error:
            self._deaf = True
            self._start()
            self._goaway(error.code)
            self._hang_up(error.reason)
            return
        if http.idle_frames != before:
            self._heard_at, self._greeted, self._pinged = _now(), True, False
            self._start()
            if max(http.idle_frames, http.resets) > _IDLE_FRAMES_MOST and not self._ending:
                self._goaway(Error.ENHANCE_YOUR_CALM)
                self._hang_up("a flood of frames")
                return
        self._write()
        self._close_if_done()

    # ---- what the server calls

    def tick(self) -> None:
        """Let time pass."""
        if self._transport is None:
            return
        now = _now()
        if self._ending:
            if now > self._ends_at:
                self._transport.abort()
            return
        http = self.http
        if self._choked:
            if http.waiting_since is not None:
                http.waiting_since = now  # nothing is read: it is not the client who lets us wait
        elif http.waiting_since is not None and now - http.waiting_since > self._bounds.greeting_ms:
            self._abort("nothing came in time")
            return
        quiet = now - self._heard_at
        if quiet > (self._bounds.idle_ms if self._greeted and not self._pinged else self._bounds.greeting_ms):
            if self._pinged or not self._greeted:
                self._abort("nothing came in time")
                return
            http.ping()
            self._pinged, self._heard_at = True, now
        for number, stream in tuple(http.streams.items()):
            if not stream.late and now - stream.began_at > self._bounds.greeting_ms:
                http.reset(number, Error.CANCEL)
        self._write()

    def leave(self) -> None:
        """Take no more requests, answer those that are in, and hang up."""
        self._goaway(Error.NO_ERROR)
        self._hang_up("we stop")

    # ---- requests and answers

    def _start(self) -> None:
        """Have every request answered that is whole."""
        http = self.http
        for number in http.whole:
            stream = http.streams.get(number)
            if stream is None:  # given up since
                continue
            if len(self._tasks) >= self._bounds.streams:  # also those that were given up: the work goes on
                http.reset(number, Error.REFUSED_STREAM)
                continue
            http.idle_frames = 0
            headers = stream.headers
            request = Request(
                headers[":method"], headers[":path"].partition("?")[0], headers, bytes(stream.body),
                headers[":scheme"], headers.get(":authority") or headers["host"], self._address, self._tls,
            )  # fmt: skip
            task = self._loop.create_task(self._serve(number, request))
            self._tasks.add(task)
            task.add_done_callback(self._served)
        http.whole.clear()

    async def _serve(self, number: int, request: Request) -> None:
        try:
            found = await self._server.handler(request)
        except Exception:  # noqa: BLE001
            # The edge of the process: one request that we cannot answer must not end the connection of all others.
            _log.exception("nchf request failed", address=self._address)
            found = Response(500)
        if self._transport is not None and number in self.http.streams:
            self.http.answer(number, found, now=_now())
            if not self._writing:  # answers that are ready together are written together
                self._writing = True
                self._loop.call_soon(self._write)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._close_if_done()

    # ---- the end

    def _goaway(self, error: Error) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self.http.go_away(error)

    def _write(self) -> None:
        self._writing = False
        out = self.http.out
        if out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(out))
        out.clear()

    def _hang_up(self, reason: str) -> None:
        """End the connection once what is in is answered; ``tick`` does not wait for ever."""
        if not self._ending:
            self._ending, self._ends_at = reason, _now() + FAREWELL_MS
        self.http.closing = True
        for number, stream in tuple(self.http.streams.items()):
            if not stream.late and not stream.left:
                self.http.reset(number, Error.REFUSED_STREAM)
        self._write()
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._ending and not self._tasks and not self.http.streams and self._transport is not None:
            self._write()
            self._transport.close()

    def _abort(self, reason: str) -> None:
        self._ending = self._ending or reason
        if self._transport is not None:
            self._transport.abort()


def _now() -> int:
    """Return milliseconds of the event loop's clock."""
    return int(asyncio.get_running_loop().time() * 1_000)
