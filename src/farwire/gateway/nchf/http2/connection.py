"""The server's end of HTTP/2: octets in, whole requests and octets out. It does no I/O.

What the other end does wrong ends its stream or the connection, by the code that RFC 9113 names. Streams that we have
ended are remembered for a while: frames of theirs may be on their way. Priorities are read past, as RFC 9113 §5.3 says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from farwire.gateway.nchf.http2 import frames, hpack
from farwire.gateway.nchf.http2.fields import read_fields
from farwire.gateway.nchf.http2.frames import Broken, Error, Flag, Kind, Setting, frame
from farwire.gateway.nchf.http2.messages import Response
from farwire.gateway.nchf.http2.streams import Stream

_BEYOND: Final = frames.LONGEST
"""Room beyond the longest body, so that a longer one is seen and answered, not waited for."""
_BODIES: Final = 4
"""How many of the longest bodies of one connection may be on their way at once. Thousands of usual ones may."""
_REMEMBERED_MOST: Final = 1_000
_TOO_LONG: Final = Response(
    413,
    (("content-type", "application/problem+json"),),
    b'{"status":413,"cause":"INCORRECT_LENGTH","detail":"the body is too long"}',
)
_END_HEADERS, _END_STREAM, _PADDED = int(Flag.END_HEADERS), int(Flag.END_STREAM), int(Flag.PADDED)
_LONGER: Final = Flag.PADDED | Flag.PRIORITY


class Connection:
    """One connection, as its server sees it."""

    def __init__(self, *, streams: int, header_octets: int, body_octets: int, now: int) -> None:
        self.streams: dict[int, Stream] = {}
        self.whole: list[int] = []
        """Streams whose request is whole, for whoever serves them to take."""
        self.out: list[bytes] = []
        """What is to be sent."""
        self.last = 0
        """The highest number of a stream that was begun."""
        self.closing = False
        """Whether new requests are refused: they may be asked elsewhere."""
        self.idle_frames = 0
        """Frames since the last request that was served."""
        self.resets = 0
        """Requests that the client has given up since the last answer."""
        self.waiting_since: int | None = now
        """Since when the rest of a frame, or of a header block, is waited for; None: for none."""
        self._rest = b""
        self._greeted = self._settled = self._agreed = False
        self._headers: tuple[int, int, bytes] | None = None
        """A header block that goes on in CONTINUATION: stream, flags, what has come."""
        self._now = now
        self._ended: dict[int, bool] = {}
        """Streams that ended lately; True: by us, so that frames of theirs may be on their way."""
        self._streams_most, self._headers_most, self._body_most = streams, header_octets, body_octets
        self._decoder = hpack.Decoder(header_octets)
        self._room = max(_BODIES * body_octets, frames.WINDOW) + _BEYOND
        """Octets of bodies that the client may send."""
        self._unread = 0
        """Octets of bodies that the connection's window has not got back."""
        self._window, self._first_window, self._frame_most = frames.WINDOW, frames.WINDOW, frames.LONGEST
        """What the client takes: on the connection, on a new stream, in a frame."""
        self._resized = False
        """Whether the client has set the size of our dynamic table."""
        told = {
            Setting.MAX_CONCURRENT_STREAMS: streams,
            Setting.INITIAL_WINDOW_SIZE: body_octets + _BEYOND,
            Setting.MAX_HEADER_LIST_SIZE: header_octets,
        }
        self.out += (frames.settings(told), frames.window_update(0, self._room - frames.WINDOW))

    # ---- what comes

    def receive(self, data: bytes, now: int) -> None:
        """Take octets. Raises ``Broken``: nothing that still comes can be understood."""
        self._now = now
        if self._rest:
            data = self._rest + data
        at, size = 0, len(data)
        if not self._greeted:
            if not data.startswith(frames.PREFACE[:size]):
                raise Broken(Error.PROTOCOL_ERROR, "what came is no HTTP/2")
            at = len(frames.PREFACE)
            if size < at:
                self._rest = data
                return
            self._greeted = True
        head = frames.HEAD.unpack_from
        while size - at >= frames.HEAD.size:
            high, low, kind, flags, number = head(data, at)
            length = high << 16 | low
            if length > frames.LONGEST:
                raise Broken(Error.FRAME_SIZE_ERROR, "a frame is too long")
            end = at + frames.HEAD.size + length
            if end > size:
                break
            self._take(kind, flags, number & frames.NUMBER, data[at + frames.HEAD.size : end])
            at = end
        self._rest = data[at:]
        if not self._rest and self._headers is None:
            self.waiting_since = None
        elif (at and self._headers is None) or self.waiting_since is None:
            self.waiting_since = now

    def _take(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        self.idle_frames += 1
        if self._headers is not None and (kind != Kind.CONTINUATION or number != self._headers[0]):
            raise Broken(Error.PROTOCOL_ERROR, "a header block is interrupted")
        if not self._settled and (kind != Kind.SETTINGS or flags & Flag.ACK):
            raise Broken(Error.PROTOCOL_ERROR, "the first frame is no SETTINGS")
        take = self._KINDS.get(kind)
        if take is not None:  # of other kinds nothing is known, and they are passed over
            take(self, flags, number, payload)

    def _on_headers(self, flags: int, number: int, payload: bytes) -> None:
        if not number & 1:
            raise Broken(Error.PROTOCOL_ERROR, "no stream of a client has that number")
        if flags & _LONGER:
            payload = frames.unpadded(flags, payload)
            if flags & Flag.PRIORITY:
                if len(payload) < 5:
                    raise Broken(Error.FRAME_SIZE_ERROR, "there is no priority")
                payload = payload[5:]
        if flags & _END_HEADERS:
            self._block(number, flags, payload)
        else:
            self._begun(number, flags, payload)

    def _on_continuation(self, flags: int, number: int, payload: bytes) -> None:
        if self._headers is None:
            raise Broken(Error.PROTOCOL_ERROR, "there is no header block that goes on")
        _, before, block = self._headers
        if flags & _END_HEADERS:
            self._headers = None
            self._block(number, before, block + payload)
        else:
            self._begun(number, before, block + payload)

    def _begun(self, number: int, flags: int, block: bytes) -> None:
        if len(block) > self._headers_most:
            raise Broken(Error.ENHANCE_YOUR_CALM, "the header fields are too long")
        if self._headers is None:
            self.waiting_since = self._now
        self._headers = (number, flags, block)

    def _block(self, number: int, flags: int, block: bytes) -> None:
        """Take a whole header block: every one is read, also one that nobody needs, or the next could not be."""
        try:
            found = self._decoder.decode(block)
        except hpack.TooLong as error:
            raise Broken(Error.ENHANCE_YOUR_CALM, str(error)) from None
        except hpack.BadBlock as error:
            raise Broken(Error.COMPRESSION_ERROR, str(error)) from None
        if number <= self.last:
            self._trailers(number, flags, found)
            return
        self.last = number
        if self.closing or len(self.streams) >= self._streams_most:
            self.reset(number, Error.REFUSED_STREAM)
            return
        fields = read_fields(found)
        if fields is None:
            self.reset(number, Error.PROTOCOL_ERROR)
            return
        self.streams[number] = Stream(fields, self._now, self._first_window)
        if flags & _END_STREAM:
            self._complete(number)

    def _trailers(self, number: int, flags: int, found: list[hpack.Field]) -> None:
        stream = self.streams.get(number)
        if stream is None:
            self._closed(number)
        elif stream.late or stream.left:
            self.reset(number, Error.STREAM_CLOSED)
        elif not flags & _END_STREAM or read_fields(found, trailers=True) is None:
            self.reset(number, Error.PROTOCOL_ERROR)
        else:
            self._complete(number)

    def _on_data(self, flags: int, number: int, payload: bytes) -> None:
        size = len(payload)
        self._room -= size
        if self._room < 0:
            raise Broken(Error.FLOW_CONTROL_ERROR, "more came than the window has room for")
        stream = self.streams.get(number)
        if stream is None:
            self._closed(number)
            self._give_back(size)
            return
        if flags & _PADDED:
            payload = frames.unpadded(flags, payload)
        stream.taken += size
        if stream.late or stream.left:
            self.reset(number, Error.STREAM_CLOSED)
        elif len(stream.body) + len(payload) > self._body_most:
            self.answer(number, _TOO_LONG, now=self._now, whole=False)
        elif stream.taken > self._body_most + _BEYOND and self._agreed:
            self.reset(number, Error.FLOW_CONTROL_ERROR)
        else:
            stream.body += payload
            if flags & _END_STREAM:
                self._complete(number)

    def _complete(self, number: int) -> None:
        stream = self.streams[number]
        length = stream.headers.get("content-length")
        if length is not None and int(length) != len(stream.body):
            self.reset(number, Error.PROTOCOL_ERROR)
            return
        stream.late = True
        self._give_back(stream.taken)
        stream.taken = 0
        self.whole.append(number)

    def _closed(self, number: int) -> None:
        """Pass over what was on its way to a stream that we have ended. Raises ``Broken`` for any other one."""
        if number > self.last or not number & 1:
            raise Broken(Error.PROTOCOL_ERROR, "there is no such stream yet")
        ours = self._ended.get(number)
        if not ours:
            code = Error.PROTOCOL_ERROR if ours is None else Error.STREAM_CLOSED
            raise Broken(code, "the stream has ended, or was passed over")

    def _on_rst_stream(self, _: int, number: int, payload: bytes) -> None:
        if len(payload) != frames.U32.size:
            raise Broken(Error.FRAME_SIZE_ERROR, "RST_STREAM is of another length")
        if not number & 1 or number > self.last:
            raise Broken(Error.PROTOCOL_ERROR, "there is no such stream yet")
        self.resets += number in self.streams
        self.forget(number)

    def _on_settings(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise Broken(Error.PROTOCOL_ERROR, "SETTINGS are of no stream")
        if len(payload) % frames.SETTING.size or (flags & Flag.ACK and payload):
            raise Broken(Error.FRAME_SIZE_ERROR, "SETTINGS are of another length")
        if flags & Flag.ACK:
            self._agreed = True
            return
        self._settled = True
        for name, value in frames.SETTING.iter_unpack(payload):
            self._set(name, value)
        self.out.append(frame(Kind.SETTINGS, Flag.ACK, 0))
        self._flush_all()

    def _set(self, name: int, value: int) -> None:
        if name == Setting.INITIAL_WINDOW_SIZE:
            if value > frames.NUMBER:
                raise Broken(Error.FLOW_CONTROL_ERROR, "the window is beyond its bound")
            more, self._first_window = value - self._first_window, value
            for stream in self.streams.values():
                stream.window += more
                if stream.window > frames.NUMBER:
                    raise Broken(Error.FLOW_CONTROL_ERROR, "the window is beyond its bound")
        elif name == Setting.MAX_FRAME_SIZE:
            if not frames.LONGEST <= value < 1 << 24:
                raise Broken(Error.PROTOCOL_ERROR, "the size of frames is beyond its bounds")
            self._frame_most = value
        elif name == Setting.ENABLE_PUSH:
            if value > 1:
                raise Broken(Error.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
        elif name == Setting.HEADER_TABLE_SIZE:
            self._resized = True

    def _on_ping(self, flags: int, number: int, payload: bytes) -> None:
        if number:
            raise Broken(Error.PROTOCOL_ERROR, "PING is of no stream")
        if len(payload) != 8:
            raise Broken(Error.FRAME_SIZE_ERROR, "PING is of another length")
        if not flags & Flag.ACK:
            self.out.append(frame(Kind.PING, Flag.ACK, 0, payload))

    def _on_window_update(self, _: int, number: int, payload: bytes) -> None:
        if len(payload) != frames.U32.size:
            raise Broken(Error.FRAME_SIZE_ERROR, "WINDOW_UPDATE is of another length")
        more, stream = frames.U32.unpack(payload)[0] & frames.NUMBER, self.streams.get(number)
        if number > self.last or (number and not number & 1):
            raise Broken(Error.PROTOCOL_ERROR, "there is no such stream yet")
        if not number:
            self._window += more
            if not more or self._window > frames.NUMBER:
                code = Error.FLOW_CONTROL_ERROR if more else Error.PROTOCOL_ERROR
                raise Broken(code, "the window is opened by nothing, or too far")
            self._flush_all()
        elif stream is not None:
            stream.window += more
            if not more or stream.window > frames.NUMBER:
                self.reset(number, Error.FLOW_CONTROL_ERROR if more else Error.PROTOCOL_ERROR)
            else:
                self._flush(number, stream)

    def _on_priority(self, _: int, number: int, payload: bytes) -> None:
        if not number:
            raise Broken(Error.PROTOCOL_ERROR, "PRIORITY is of a stream")
        if len(payload) != 5:
            raise Broken(Error.FRAME_SIZE_ERROR, "PRIORITY is of another length")

    def _on_push_promise(self, *_: object) -> None:
        raise Broken(Error.PROTOCOL_ERROR, "a client cannot push")

    def _on_goaway(self, _: int, number: int, payload: bytes) -> None:
        if number or len(payload) < 8:
            raise Broken(Error.PROTOCOL_ERROR if number else Error.FRAME_SIZE_ERROR, "GOAWAY is none")

    _KINDS: ClassVar[Mapping[int, Callable[[Connection, int, int, bytes], None]]] = {
        int(Kind.DATA): _on_data, int(Kind.HEADERS): _on_headers, int(Kind.PRIORITY): _on_priority,
        int(Kind.RST_STREAM): _on_rst_stream, int(Kind.SETTINGS): _on_settings,
        int(Kind.PUSH_PROMISE): _on_push_promise, int(Kind.PING): _on_ping, int(Kind.GOAWAY): _on_goaway,
        int(Kind.WINDOW_UPDATE): _on_window_update, int(Kind.CONTINUATION): _on_continuation,
    }  # fmt: skip

    # ---- what goes

    def answer(self, number: int, found: Response, *, now: int, whole: bool = True) -> None:
        """Send an answer, as much of it as there is room for; unless the request is ``whole`` its rest is refused."""
        stream, self.resets = self.streams[number], 0
        try:
            block = hpack.encode(found.status, found.headers, len(found.body))
        except ValueError:
            self.reset(number, Error.INTERNAL_ERROR)
            return
        if self._resized:
            self._resized, block = False, hpack.SHRUNK + block
        body, most = found.body, self._frame_most
        flags = _END_HEADERS if body else _END_HEADERS | _END_STREAM
        if len(block) > most:
            self.out.append(frame(Kind.HEADERS, flags & ~_END_HEADERS, number, block[:most]))
            for at in range(most, len(block), most):
                last = _END_HEADERS if at + most >= len(block) else 0
                self.out.append(frame(Kind.CONTINUATION, last, number, block[at : at + most]))
        else:
            self.out.append(frame(Kind.HEADERS, flags, number, block))
        stream.left, stream.late, stream.began_at = body, False, now
        if not whole:
            self._flush(number, stream)
            self.reset(number, Error.NO_ERROR)
        elif body:
            self._flush(number, stream)
        else:
            self.forget(number)

    def _flush(self, number: int, stream: Stream) -> None:
        """Send as much of an answer as the client's windows have room for."""
        while stream.left:
            room = min(stream.window, self._window, self._frame_most)
            if room <= 0:
                return
            part, stream.left = stream.left[:room], stream.left[room:]
            stream.window -= len(part)
            self._window -= len(part)
            self.out.append(frame(Kind.DATA, 0 if stream.left else _END_STREAM, number, part))
            if not stream.left:
                self.forget(number)

    def _flush_all(self) -> None:
        for number, stream in tuple(self.streams.items()):
            if stream.left:
                self._flush(number, stream)

    def _give_back(self, size: int) -> None:
        """Let the client send as much as it did; a body that is not whole yet keeps what it has taken."""
        self._unread += size
        if self._unread * 2 > self._body_most:
            self._room += self._unread
            self.out.append(frames.window_update(0, self._unread))
            self._unread = 0

    def forget(self, number: int) -> None:
        """Let go of a stream, and of what its body has taken."""
        stream = self.streams.pop(number, None)
        if stream is not None:
            self._remember(number, ours=False)
            if stream.taken:
                self._give_back(stream.taken)

    def reset(self, number: int, error: Error) -> None:
        """End a stream."""
        self.forget(number)
        self._remember(number, ours=True)
        self.out.append(frames.rst_stream(number, error))

    def _remember(self, number: int, *, ours: bool) -> None:
        if len(self._ended) >= _REMEMBERED_MOST:
            del self._ended[next(iter(self._ended))]
        self._ended[number] = ours

    def ping(self) -> None:
        """Ask whether the client is there."""
        self.out.append(frame(Kind.PING, 0, 0, b"farwire?"))

    def go_away(self, error: Error) -> None:
        """Tell which request was the last that is answered."""
        self.out.append(frames.goaway(self.last, error))
