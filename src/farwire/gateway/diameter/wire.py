"""The transport: one TCP or TLS connection of a peer, whose messages go to the state machine and to the application.

Everything has a bound: connections, the octets of a message and the time it takes to arrive, the requests of one
connection that wait for their answers, the answers that a peer does not read. What is over a bound is no longer read
(back-pressure), or hung up on. A request whose connection is lost is decided all the same; its repeat, over whatever
connection, is answered from the state of charging.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Final, cast

import structlog

from farwire.base.telemetry.metrics import counter
from farwire.gateway.diameter.answering import answer, refusal, result_in
from farwire.gateway.diameter.certificates import names_of
from farwire.gateway.diameter.codec import HEADER, Message, Refusal, decode, decode_header, encode
from farwire.gateway.diameter.dictionary import COMMANDS, Result
from farwire.gateway.diameter.peer import (
    ANOTHER,
    FAREWELL_MS,
    Close,
    Connection,
    Hand,
    Heard,
    Question,
    Send,
    State,
    Step,
    accepted,
    ask,
    dialled,
    leave,
    lose,
    receive,
    tick,
    us,
    wins,
)
from farwire.gateway.diameter.profiles import Peer, may_connect

if TYPE_CHECKING:
    from farwire.gateway.diameter.node import Server

_HIGH_WATER: Final = 1 << 20
"""Octets that a peer has not read, after which nothing more is read from it."""
_OPEN_STATES: Final = frozenset({State.OPEN, State.SUSPECT})
_log = structlog.get_logger(__name__)
_MESSAGES: Final = counter(
    "farwire_diameter_requests_total", "Diameter requests by command and Result-Code.", ("command", "result")
)
_ENDS: Final = counter(
    "farwire_diameter_disconnects_total", "Ends of Diameter connections by reason.", ("reason",)
)


class Wire(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: Server, wanted: Peer | None = None) -> None:
        """``wanted``: whom we connect to; None: somebody connects to us."""
        self.connection: Connection | None = None
        self._wanted = wanted
        self._server = server
        self._node = server.node
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._out: list[bytes] = []
        """What is written together before the loop turns."""
        self._began_at = 0
        """Since when the message is waited for whose first octets are in the buffer."""
        self._pending = 0
        self._asked: dict[int, asyncio.Future[Message | None]] = {}
        """Requests of ours that wait for their answers, by their hop-by-hop ids."""
        self._most = 1
        self._choked = False
        """Whether the peer reads its answers too slowly."""
        self._choked_at = 0
        self._ending = ""
        self._ends_at = 0

    # ---- what the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the CER, or say ours."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._server.came(self)
        ends = [transport.get_extra_info(end) for end in ("peername", "sockname")]
        address, local = (str(end[0]) if end else "" for end in ends)
        security = transport.get_extra_info("ssl_object")
        tls = security is not None
        now, first_id = _now(), secrets.randbits(32)
        if self._wanted is None:
            self.connection = accepted(
                self._node, address=address, local=local, tls=tls, now=now, first_id=first_id,
                names=names_of(security.getpeercert()) if security else None,
            )  # fmt: skip
            if not may_connect(self._node, address=address, tls=tls):
                self.hang_up("a stranger")
        elif self._server.reaches(self._wanted.host):
            self.hang_up(ANOTHER)
        else:
            self._do(
                dialled(
                    self._node,
                    self._wanted,
                    address=address,
                    local=local,
                    tls=tls,
                    now=now,
                    first_id=first_id,
                )
            )
        if not self._ending and len(self._server.wires) > self._node.connections:
            self.hang_up("too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the peer."""
        self._transport = None
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_result(None)
        self._server.went(self)
        reason = self._ending or ("the connection broke" if exc else "the peer hung up")
        _ENDS.inc(reason=reason)
        host = self.connection.host if self.connection is not None else ""
        _log.info("diameter connection ended", peer=host, reason=reason)

    def pause_writing(self) -> None:
        """Read nothing more from a peer that does not read."""
        self._choked, self._choked_at = True, _now()
        self._flow()

    def resume_writing(self) -> None:
        """Go on."""
        self._choked = False
        self._flow()

    def data_received(self, data: bytes) -> None:
        """Take every whole message."""
        if self._buffer:
            self._buffer += data
        else:
            self._buffer, self._began_at = data, _now()
        self._take()

    # ---- what the server calls

    def tick(self) -> None:
        """Let time pass."""
        if self.connection is None or self._transport is None:
            return
        now = _now()
        if self._ending:
            if now > self._ends_at:
                self._transport.abort()
        elif self._choked and now - self._choked_at > 2 * self._node.watchdog_s * 1_000:
            self.hang_up(
                "it does not read its answers"
            )  # no watchdog would tell: nothing is read from it either
        elif self._full():
            self._began_at = now  # nothing is read: it is not the peer who lets us wait
        elif self._buffer and now - self._began_at > self._node.greeting_s * 1_000:
            self.hang_up("a message did not arrive whole in time")
        else:
            self._do(tick(self._node, self.connection, now))

    def leave(self) -> None:
        """Say goodbye."""
        if self.connection is not None:
            self._do(leave(self._node, self.connection, _now()))

    @property
    def open(self) -> bool:
        """Tell whether it can take a request of ours."""
        going = self._transport is None or self._transport.is_closing() or self._choked or bool(self._ending)
        return self.connection is not None and self.connection.state in _OPEN_STATES and not going

    def goes_to(self, host: str) -> bool:
        """Tell whether it stands with that peer, or we are opening it; ``host`` in small letters."""
        if self.connection is None or self._ending:
            return False
        if self.connection.state == State.GREETING:
            return self._wanted is not None and self._wanted.host.lower() == host
        return self.connection.state in _OPEN_STATES and self.connection.host.lower() == host

    @property
    def suspect(self) -> bool:
        """Tell whether it is open, but its last watchdog was not answered."""
        return self.connection is not None and self.connection.state == State.SUSPECT

    @property
    def greeted(self) -> bool:
        """Tell whether both ends have said who they are."""
        return self.connection is not None and self.connection.profile is not None

    async def ask(self, wanted: Question, timeout_ms: int) -> Message | None:
        """Send a request of ours and return its answer, or None where none comes in time, or can come any more."""
        if self.connection is None or not self.open:
            return None
        self.connection, message = ask(self._node, self.connection, wanted)
        number = message.header.hop_by_hop
        found = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            self._send(message)
            async with asyncio.timeout(timeout_ms / 1_000):
                answer: Message | None = await found
                return answer
        except TimeoutError:
            return None
        finally:
            del self._asked[number]

    # ---- messages

    def _full(self) -> bool:
        return self._choked or self._pending >= self._most

    def _take(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 4 and not self._full() and not self._ending:
            size = int.from_bytes(buffer[at + 1 : at + 4], "big")
            if buffer[at] != 1 or size < HEADER or size & 3 or size > self._node.message_octets:
                self.hang_up("what came is no Diameter, or too long")
                return
            if len(buffer) - at < size:
                break
            octets = buffer[at : at + size]
            at += size
            self._receive(octets)
        if at:
            self._began_at = _now()
        self._buffer = b"" if self._ending else buffer[at:]
        self._flow()

    def _receive(self, octets: bytes) -> None:
        if self.connection is None:
            return
        try:
            message = decode(octets)
        except Refusal as refused:
            header = decode_header(octets)
            _log.info("diameter message refused", peer=self.connection.host, reason=refused.message)
            if header.is_request:
                self._send(refusal(us(self._node), header, refused))
            if self.connection.profile is None:
                self.hang_up("its first message made no sense")
            return
        step = receive(self._node, self.connection, message, _now())
        if self.connection.profile is None and step[0].profile is not None:
            step = self._elect(self.connection, message, step)
        self._do(step)

    def _elect(self, before: Connection, greeting: Message, step: Step) -> Step:
        """Let one connection stay with a peer that we connect to: the one that stands, else the elected one."""
        host = step[0].host.lower()
        for rival in self._server.rivals(self, host):
            if rival.greeted or not wins(self._node, host):
                return lose(self._node, before, greeting)
            rival.hang_up("the peer's own connection was elected")
        return step

    def _do(self, step: Step) -> None:
        before, (self.connection, actions) = self.connection, step
        for action in actions:
            if isinstance(action, Send):
                self._send(action.message)
            elif isinstance(action, Hand):
                self._hand(self.connection, action.message)
            elif isinstance(action, Heard):
                self._hear(action.message)
            elif isinstance(action, Close):
                self.hang_up(action.reason)
        if before is not None and before.profile is None and self.connection.profile is not None:
            self._welcome(self.connection)

    def _welcome(self, connection: Connection) -> None:
        profile = connection.profile
        if profile is None:
            return
        self._most = profile.pending
        _log.info(
            "diameter peer connected", peer=connection.host, address=connection.address, tls=connection.tls
        )
        self._server.hosts[connection.host] += 1
        if self._server.hosts[connection.host] > profile.connections:
            self.hang_up("too many connections of this peer")

    def _hand(self, connection: Connection, message: Message) -> None:
        self._pending += 1
        task = asyncio.create_task(self._answer(connection, message))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def _hear(self, message: Message) -> None:
        """Give an answer to who asked; who no longer waits has asked again."""
        waiting = self._asked.get(message.header.hop_by_hop)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    async def _answer(self, connection: Connection, message: Message) -> None:
        try:
            found = await self._server.application(connection, message)
        except Refusal as refused:
            found = refusal(us(self._node), message.header, refused, message.avps)
        except Exception:  # noqa: BLE001
            # The edge of the process: one request that we cannot answer must not end the connection of all others.
            _log.exception("diameter request failed", peer=connection.host)
            found = answer(us(self._node), message, Result.UNABLE_TO_COMPLY)
        self._send(found)
        self._pending -= 1
        if self._ending and not self._pending:
            self._close()
        elif self._buffer:
            self._take()
        else:
            self._flow()

    def _send(self, message: Message) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append(encode(message))
        if not message.header.is_request:
            command = message.header.command
            known = str(command) if command in COMMANDS else "other"
            _MESSAGES.inc(command=known, result=str(result_in(message)))

    def _flush(self) -> None:
        if self._transport is not None and self._out:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _close(self) -> None:
        """Hang up when what is to be sent is written."""
        if self._transport is not None:
            self._flush()
            self._transport.close()

    def _flow(self) -> None:
        """Read while there is room for what is read."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._full() or self._ending:
            transport.pause_reading()
        else:
            transport.resume_reading()

    def hang_up(self, reason: str) -> None:
        """End the connection once what is in is answered; ``tick`` does not wait for ever."""
        if not self._ending:
            self._ending, self._ends_at = reason, _now() + FAREWELL_MS
        self._buffer = b""
        if not self._pending:
            self._close()


def _now() -> int:
    """Return milliseconds of the event loop's clock."""
    return int(asyncio.get_running_loop().time() * 1_000)
