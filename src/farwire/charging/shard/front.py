"""The binary front of a shard process: frames in, frames out, on TCP or a Unix socket (``frames.py``).

It is meant for gateways of the same operator on a private network; it knows no passwords. Frames that arrive together
are decided together, and answers that leave together are written together.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

import msgspec

from farwire.charging.model import Answer
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.frames import (
    LENGTH,
    MOST,
    decode_envelope,
    decode_request,
    encode_answer,
)
from farwire.charging.shard.handover import Desk
from farwire.charging.shard.move_frames import (
    SETTLE,
    Asked,
    answer_to,
    decode_asked,
    encode_handed,
    is_hand_over,
)
from farwire.charging.shard.runner import Runner
from farwire.kernel.errors import FarwireError, Invalid

_HIGH_WATER: Final = 4 << 20
"""Bytes of answers that a client has not read, after which nothing more is read from it."""


class _Way(msgspec.Struct, gc=False):
    """The way of an answer back to its client. Not a closure: there is one for each request that waits."""

    connection: Connection
    operation: int
    correlation: int
    tenant: int

    def __call__(self, answer: Answer | Moved | None) -> None:
        if answer is None:
            self.connection.close()  # nobody knows what became of it: the client asks again
        else:
            self.connection.send(encode_answer(self.operation, self.correlation, self.tenant, answer))


class Connection(asyncio.Protocol):
    """One client."""

    __slots__ = ("_acts", "_buffer", "_desk", "_moving", "_open", "_out", "_runner", "_transport", "_writing")

    def __init__(self, runner: Runner, connections: set[Connection], desk: Desk | None) -> None:
        self._runner = runner
        self._open = connections
        self._desk = desk
        self._acts: set[asyncio.Task[None]] = set()
        self._moving: dict[int, int] = {}
        self._buffer = b""
        self._out: list[bytes] = []
        self._writing = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's name
        """Forget the client; what it asked is decided all the same, and a repeat has the same answer."""
        self._transport = None
        self._open.discard(self)
        if self._desk is not None:
            self._desk.leave(self._moving)

    def data_received(self, data: bytes) -> None:
        """Take every whole frame."""
        buffer = self._buffer + data if self._buffer else data
        at, end = 0, len(buffer)
        while end - at >= LENGTH.size:
            size = LENGTH.unpack_from(buffer, at)[0]
            if size > MOST:
                self.close()
                return
            if end - at < LENGTH.size + size:
                break
            at += LENGTH.size
            self._take(buffer[at : at + size])
            at += size
        self._buffer = buffer[at:]

    def _take(self, body: bytes) -> None:
        try:
            operation, correlation, tenant = decode_envelope(body)
        except Invalid:
            self.close()  # whose answer would it be?
            return
        try:
            if self._desk is not None and is_hand_over(operation):
                self._begin(self._desk, decode_asked(operation, body), correlation)
                return
            request = decode_request(operation, tenant, body)
        except Invalid:
            self.send(encode_answer(operation, correlation, tenant, None))
            return
        self._runner.submit(tenant, request, _Way(self, operation, correlation, tenant))

    def _begin(self, desk: Desk, asked: Asked, correlation: int) -> None:
        """Let an act of a hand-over go on beside the requests."""
        if asked.operation != SETTLE:
            self._moving[asked.vshard] = asked.epoch
        act = asyncio.get_running_loop().create_task(self._hand_over(desk, asked, correlation))
        self._acts.add(act)
        act.add_done_callback(self._acts.discard)

    async def _hand_over(self, desk: Desk, asked: Asked, correlation: int) -> None:
        try:
            self.send(encode_handed(asked.operation, correlation, await answer_to(desk, asked)))
        except FarwireError as error:
            self.send(encode_handed(asked.operation, correlation, error))
        except OSError:
            self.close()  # the database is away: the mover asks again

    def send(self, frame: bytes) -> None:
        """Write a frame, together with what else is sent before the loop turns."""
        self._out.append(frame)
        if not self._writing:
            self._writing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._writing = False
        if self._transport is not None:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def pause_writing(self) -> None:
        """Read nothing more from a client that does not read."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Write what is there and hang up."""
        if self._transport is not None:
            self._flush()
            self._transport.close()
            self._transport = None


class Front:
    """Listens for clients."""

    def __init__(self, runner: Runner, server: asyncio.Server, connections: set[Connection]) -> None:
        self.server = server
        self._runner = runner
        self._connections = connections

    async def serve(self) -> None:
        """Serve until the shard has ended; then hang up on everybody."""
        await self._runner.ended.wait()
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.server.close()
        for connection in tuple(self._connections):
            connection.close()


async def listen(
    runner: Runner, *, host: str = "127.0.0.1", port: int = 0, path: str = "", desk: Desk | None = None
) -> Front:
    """Listen on ``path``, a Unix socket, or on TCP; port 0 takes a free one. ``desk`` hands virtual shards over."""
    connections: set[Connection] = set()
    loop = asyncio.get_running_loop()

    def made() -> Connection:
        return Connection(runner, connections, desk)

    if path:
        server = await loop.create_unix_server(made, path)
    else:
        server = await loop.create_server(made, host, port)
    return Front(runner, server, connections)
