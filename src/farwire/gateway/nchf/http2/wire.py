"""One HTTP/2 connection of a client."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

import structlog
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from hyperframe.frame import GoAwayFrame

from farwire.base.telemetry.metrics import counter
from farwire.gateway.nchf.http2.frames import LONGEST, Frames
from farwire.gateway.nchf.http2.messages import Request, Response

if TYPE_CHECKING:
    from farwire.gateway.nchf.http2.server import Server

_HIGH_WATER: Final = 1 << 20
"""Octets that a client has not read, after which nothing more is read from it."""
_IDLE_FRAMES_MOST: Final = 2_000
"""Events between two answers that lead to none: more are a flood (pings, settings, resets)."""
FAREWELL_MS: Final = 5_000
"""How long an ending connection may take to let go."""
_log = structlog.get_logger(__name__)
_ENDS: Final = counter("farwire_nchf_disconnects_total", "Ends of HTTP/2 connections by reason.", ("reason",))
_BEYOND: Final = LONGEST
"""Room beyond the longest body, so that a longer one is seen and answered, not waited for."""
_BODIES: Final = 4
"""How many of the longest bodies of one connection may be on their way at once. Thousands of usual ones may."""
_WINDOW: Final = 65_535
"""Of a connection, before it is enlarged."""
_TOO_LONG: Final = Response(
    413,
    (("content-type", "application/problem+json"),),
    b'{"status":413,"cause":"INCORRECT_LENGTH","detail":"the body is too long"}',
)


class _Stream:
    """A request that is arriving, or an answer that is leaving."""

    __slots__ = ("began_at", "body", "headers", "late", "left", "taken")

    def __init__(self, headers: dict[str, str], now: int) -> None:
        self.headers = headers
        self.body = bytearray()
        self.taken = 0
        """Octets of the connection's window that the body has taken."""
        self.left = b""
        """What of the answer the client's window has no room for yet."""
        self.began_at = now
        """Since when the client is waited for."""
        self.late = False
        """Whether the answer is being made: it is not the client who lets us wait."""


class Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._bounds = server.bounds
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self._tls = False
        self._streams: dict[int, _Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._heard_at = _now()
        self._frames = Frames(self._heard_at)
        self._choked = False
        """Whether the client reads its answers too slowly."""
        self._deaf = False
        """Whether nothing that still comes can be understood."""
        self._greeted = False
        self._pinged = False
        self._idle_frames = 0
        self._unread = 0
        """Octets of bodies that the connection's window has not got back."""
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
            bounds = self._bounds
            self._http.local_settings = Settings(
                client=False,
                initial_values={
                    SettingCodes.MAX_CONCURRENT_STREAMS: bounds.streams,
                    SettingCodes.MAX_HEADER_LIST_SIZE: bounds.header_octets,
                    SettingCodes.INITIAL_WINDOW_SIZE: bounds.body_octets + _BEYOND,
                },
            )
            self._http.decoder.max_header_list_size = bounds.header_octets
            self._http.initiate_connection()
            self._http.increment_flow_control_window(max(_BODIES * bounds.body_octets - _WINDOW, 0) + _BEYOND)
            self._write()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client. What it has asked is decided all the same."""
        self._transport = None
        self._streams.clear()
        vars(self._http).clear()  # it refers to itself, and the collector looks seldom
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
        try:
            events = self._http.receive_data(data)
            for event in events:
                self._on(event)
        except (H2Error, UnicodeDecodeError):
            self._write()
            self._deaf = True
            self._hang_up("what came is no HTTP/2")
            return
        if not self._frames.take(data, _now()):
            self._goaway(ErrorCodes.FRAME_SIZE_ERROR)
            self._deaf = True
            self._hang_up("a frame is too long")
            return
        if events:
            self._heard_at, self._greeted, self._pinged = _now(), True, False
            self._idle_frames += len(events)
            if self._idle_frames > _IDLE_FRAMES_MOST and not self._ending:
                self._goaway(ErrorCodes.ENHANCE_YOUR_CALM)
                self._hang_up("a flood of frames")
                return
        self._write()

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
        if self._choked:
            if self._frames.began_at is not None:
                self._frames.began_at = now  # nothing is read: it is not the client who lets us wait
        elif self._frames.began_at is not None and now - self._frames.began_at > self._bounds.greeting_ms:
            self._abort("nothing came in time")
            return
        quiet = now - self._heard_at
        if quiet > (self._bounds.idle_ms if self._greeted and not self._pinged else self._bounds.greeting_ms):
            if self._pinged or not self._greeted:
                self._abort("nothing came in time")
                return
            self._http.ping(b"farwire?")
            self._pinged, self._heard_at = True, now
        for number, stream in tuple(self._streams.items()):
            if not stream.late and now - stream.began_at > self._bounds.greeting_ms:
                self._reset(number, ErrorCodes.CANCEL)
        self._write()

    def leave(self) -> None:
        """Take no more requests, answer those that are in, and hang up."""
        self._goaway(ErrorCodes.NO_ERROR)
        self._hang_up("we stop")

    # ---- frames

    def _on(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._begin(event)
        elif isinstance(event, DataReceived):
            self._take(event)
        elif isinstance(event, StreamEnded):
            self._end(event.stream_id)
        elif isinstance(event, StreamReset):
            self._forget(event.stream_id)
        elif isinstance(event, WindowUpdated | RemoteSettingsChanged):
            one = event.stream_id if isinstance(event, WindowUpdated) else 0
            for number in (one,) if one else tuple(self._streams):
                self._flush(number)

    def _begin(self, event: RequestReceived) -> None:
        number = event.stream_id
        if self._ending or len(self._tasks) >= self._bounds.streams:
            self._reset(number, ErrorCodes.REFUSED_STREAM)  # it may be asked elsewhere: nothing was done
            return
        found: dict[str, str] = {}
        for name, value in event.headers:
            found.setdefault(str(name), str(value))
        self._streams[number] = _Stream(found, _now())

    def _take(self, event: DataReceived) -> None:
        size = event.flow_controlled_length
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.late:
            self._give_back(size)
            return
        stream.taken += size
        if len(stream.body) + len(event.data) > self._bounds.body_octets:
            self._answer(event.stream_id, _TOO_LONG)
            self._reset(event.stream_id, ErrorCodes.NO_ERROR)
            return
        stream.body += event.data

    def _give_back(self, size: int) -> None:
        """Let the client send as much as it did; a body that is not whole yet keeps what it has taken."""
        self._unread += size
        if self._unread * 2 > self._bounds.body_octets:
            with suppress(H2Error):
                self._http.increment_flow_control_window(self._unread)
            self._unread = 0

    def _forget(self, number: int) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            self._give_back(stream.taken)

    def _end(self, number: int) -> None:
        stream = self._streams.get(number)
        if stream is None or stream.late:
            return
        stream.late = True
        self._give_back(stream.taken)
        stream.taken = 0
        self._idle_frames = 0
        headers = stream.headers
        request = Request(
            headers.get(":method", ""), headers.get(":path", "").partition("?")[0], headers, bytes(stream.body),
            headers.get(":scheme", "http"), headers.get(":authority") or headers.get("host", ""), self._address,
            self._tls,
        )  # fmt: skip
        task = asyncio.create_task(self._serve(number, request))
        self._tasks.add(task)
        task.add_done_callback(self._served)

    async def _serve(self, number: int, request: Request) -> None:
        try:
            found = await self._server.handler(request)
        except Exception:  # noqa: BLE001
            # The edge of the process: one request that we cannot answer must not end the connection of all others.
            _log.exception("nchf request failed", address=self._address)
            found = Response(500)
        if self._transport is not None and number in self._streams:
            self._answer(number, found)
            self._write()

    def _served(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._close_if_done()

    # ---- answers

    def _answer(self, number: int, found: Response) -> None:
        stream = self._streams[number]
        headers = [(":status", str(found.status)), *found.headers]
        if found.body:
            headers.append(("content-length", str(len(found.body))))
        try:
            self._http.send_headers(number, headers, end_stream=not found.body)
        except H2Error:  # the client has given up the stream in the meantime, or the headers are none
            self._reset(number, ErrorCodes.INTERNAL_ERROR)
            return
        stream.left, stream.late, stream.began_at = found.body, False, _now()
        if found.body:
            self._flush(number)
        else:
            self._forget(number)

    def _flush(self, number: int) -> None:
        """Send as much of an answer as the client's window has room for."""
        stream = self._streams.get(number)
        if stream is None or not stream.left:
            return
        with suppress(H2Error):
            while stream.left:
                room = min(self._http.local_flow_control_window(number), self._http.max_outbound_frame_size)
                if room <= 0:
                    return
                part, stream.left = stream.left[:room], stream.left[room:]
                self._http.send_data(number, part, end_stream=not stream.left)
        self._forget(number)
        self._close_if_done()

    def _reset(self, number: int, error: ErrorCodes) -> None:
        self._forget(number)
        with suppress(H2Error):
            self._http.reset_stream(number, error)

    # ---- the end

    def _goaway(self, error: ErrorCodes) -> None:
        """Tell which request was the last that is answered. ``close_connection`` of h2 would let none be answered."""
        if self._transport is not None and not self._transport.is_closing():
            last = self._http.highest_inbound_stream_id
            self._write()
            self._transport.write(GoAwayFrame(0, last_stream_id=last, error_code=int(error)).serialize())

    def _write(self) -> None:
        data = self._http.data_to_send()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _hang_up(self, reason: str) -> None:
        """End the connection once what is in is answered; ``tick`` does not wait for ever."""
        if not self._ending:
            self._ending, self._ends_at = reason, _now() + FAREWELL_MS
        for number, stream in tuple(self._streams.items()):
            if not stream.late and not stream.left:
                self._reset(number, ErrorCodes.REFUSED_STREAM)
        self._write()
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._ending and not self._tasks and not self._streams and self._transport is not None:
            self._transport.close()

    def _abort(self, reason: str) -> None:
        self._ending = self._ending or reason
        if self._transport is not None:
            self._transport.abort()


def _now() -> int:
    """Return milliseconds of the event loop's clock."""
    return int(asyncio.get_running_loop().time() * 1_000)
