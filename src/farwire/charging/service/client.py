"""Ask a shard: over its binary front, or within the same process. Both keep the same promise.

An answer is durable. Without one nobody knows what became of the request; asking again with the same key is safe, and
is done here until the time is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, cast

from farwire.charging.model import Answer, ResultCode
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.asks import Ask
from farwire.charging.shard.frames import LENGTH, decode_answer, encode_request
from farwire.charging.shard.homes import vshard_of
from farwire.kernel.errors import Defect, FarwireError, Invalid, Unavailable

if TYPE_CHECKING:
    from farwire.charging.shard.runner import Runner

TIMEOUT_MS: Final = 5_000
"""How long is asked at most, repeats included."""
_PAUSE_MS: Final = 50
_SOCKET_PATH_MAX: Final = 107
_MOVES_MAX: Final = 4
_BUSY_MAX: Final = 10
"""How often a request that a shard is too busy for is asked again: an account that moves is back sooner."""
ANSWER_MOST: Final = 1 << 20
"""Bytes of the longest answer that is read."""


class Client(Protocol):
    """Whoever asks a shard."""

    async def ask(self, tenant: int, request: Ask) -> Answer:
        """Return the durable answer to a request of the tenant with that number; to ``Inspect`` a ``Seen``.

        Raises ``Unavailable`` (``charging.no_answer``): what became of it is unknown; ask again with the same key.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class InProcessClient:
    """Asks a shard that runs on this event loop."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    async def ask(self, tenant: int, request: Ask) -> Answer:
        """Return the answer; see ``Client``."""
        answer = await self._runner.ask(tenant, request)
        if isinstance(answer, Moved):
            raise _no_answer(f"the account lives in shard {answer.shard}, which is not in this process")
        return answer

    async def close(self) -> None:
        """Do nothing: the shard is somebody else's."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a shard listens: a Unix socket, or a TCP port."""

    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> Address:
        """Return the address that ``text`` spells: a path, or "host:port". Raises ``Invalid``, ``charging.address``."""
        host, colon, port = text.rpartition(":")
        if colon and host and "/" not in text:
            if port.isascii() and port.isdigit() and 0 < int(port) < 65_536:
                return cls(host=host, port=int(port))
            raise _bad_address(text, "the port is no number from 1 to 65535")
        if not text or len(text.encode()) > _SOCKET_PATH_MAX:
            raise _bad_address(text, f"the path of a socket has 1 to {_SOCKET_PATH_MAX} bytes")
        return cls(path=text)

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


def _bad_address(text: str, why: str) -> Invalid:
    return Invalid(
        f"{text!r} is no address: {why}",
        code="charging.address",
        field="socket",
        value=text,
        fix="name a short path, such as /run/farwire/shard-0.sock, or host:port",
    )


def shard_address(data_dir: Path, shard: int) -> Address:
    """Return where a shard listens unless it is told otherwise. Raises ``Invalid`` (``charging.address``)."""
    return Address.parse(str(data_dir / "charging" / f"shard-{shard}.sock"))


class _Connection(asyncio.Protocol):
    """One connection to a shard: many requests at once, answers in any order."""

    def __init__(self) -> None:
        self.lost = False
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._out: list[bytes] = []
        """What is written together before the loop turns."""
        self._waiting: dict[int, asyncio.Future[Answer | Moved | None]] = {}
        self._last = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are of a class of their own

    def data_received(self, data: bytes) -> None:
        """Take every whole answer."""
        buffer = self._buffer + data
        at = 0
        while len(buffer) - at >= LENGTH.size:
            size = LENGTH.unpack_from(buffer, at)[0]
            if size > ANSWER_MOST:
                self.close()
                return
            if len(buffer) - at < LENGTH.size + size:
                break
            at += LENGTH.size
            correlation, answer = decode_answer(buffer[at : at + size])
            at += size
            future = self._waiting.pop(correlation, None)
            if future is not None and not future.done():
                future.set_result(answer)
        self._buffer = buffer[at:]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's name
        """Tell everybody that nobody knows."""
        self.lost = True
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionResetError())
        self._waiting.clear()

    async def ask(self, tenant: int, request: Ask) -> Answer | Moved | None:
        """Return the answer. Raises ``ConnectionResetError``."""
        if self._transport is None or self.lost:
            raise ConnectionResetError
        self._last += 1
        correlation = self._last
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer | Moved | None] = loop.create_future()
        self._waiting[correlation] = future
        if not self._out:
            loop.call_soon(self._flush)
        self._out.append(encode_request(tenant, correlation, request))
        try:
            return await future
        finally:
            self._waiting.pop(correlation, None)

    def _flush(self) -> None:
        if self._transport is not None and not self.lost:
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def close(self) -> None:
        """Hang up."""
        self.lost = True
        if self._transport is not None:
            self._transport.close()


class SocketClient:
    """Asks shards over their fronts. It connects when it is needed, and again when a shard has gone."""

    def __init__(
        self, address_of: Callable[[int], Address], *, shard: int = 0, timeout_ms: int = TIMEOUT_MS
    ) -> None:
        """``shard`` is asked first; it tells where an account is that has moved."""
        self._address_of = address_of
        self._first = shard
        self._timeout_ms = timeout_ms
        self._homes: dict[int, int] = {}
        self._connections: dict[int, _Connection] = {}
        self._connecting: dict[int, asyncio.Lock] = {}

    async def ask(self, tenant: int, request: Ask) -> Answer:
        """Return the answer; see ``Client``."""
        vshard = vshard_of(request.account)
        shard = self._homes.get(vshard, self._first)
        why = "it did not answer in time"
        with suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_ms / 1_000):
                while True:
                    try:
                        return await self._once(tenant, request, shard)
                    except OSError as error:
                        why = f"nobody listens at {self._address_of(shard)}: {error.strerror}"
                    await asyncio.sleep(_PAUSE_MS / 1_000)
                    shard = self._another(vshard, shard)
        raise _no_answer(why)

    def _another(self, vshard: int, shard: int) -> int:
        """Return whom to ask after ``shard``: a home may be gone for good, and every shard knows the new one."""
        all_ = list(dict.fromkeys((self._homes.get(vshard, self._first), self._first, *self._connections)))
        return all_[(all_.index(shard) + 1) % len(all_)] if shard in all_ else all_[0]

    async def _once(self, tenant: int, request: Ask, shard: int) -> Answer:
        vshard = vshard_of(request.account)
        moves = busy = 0
        while moves < _MOVES_MAX:
            connection = await self._connection(shard)
            answer = await connection.ask(tenant, request)
            if answer is None:
                raise Defect("the shard could not read a request", code="charging.frame")
            if isinstance(answer, Moved):
                shard = self._homes[vshard] = answer.shard
                moves += 1
            elif answer.result == ResultCode.TOO_BUSY and busy < _BUSY_MAX:
                busy += 1
                await asyncio.sleep(_PAUSE_MS / 1_000)
            else:
                self._homes[vshard] = shard
                return answer
        self._homes.pop(vshard, None)
        raise ConnectionResetError("the account is being moved")

    async def _connection(self, shard: int) -> _Connection:
        found = self._connections.get(shard)
        if found is not None and not found.lost:
            return found
        async with self._connecting.setdefault(shard, asyncio.Lock()):
            found = self._connections.get(shard)
            if found is None or found.lost:
                address = self._address_of(shard)
                loop = asyncio.get_running_loop()
                if address.path:
                    _, found = await loop.create_unix_connection(_Connection, address.path)
                else:
                    _, found = await loop.create_connection(_Connection, address.host, address.port)
                self._connections[shard] = found
        return found

    async def close(self) -> None:
        """Hang up everywhere."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()


def _no_answer(why: str) -> FarwireError:
    return Unavailable(
        f"charging has not answered: {why}",
        code="charging.no_answer",
        fix="is it running? farwire charging serve. Asking again with the same key is charged once",
        retry_after_s=1,
    )
