"""What a NAS is told of its own sessions: Disconnect- and CoA-Requests, repeated until it answers. Source: RFC 5176.

Each request has a socket of its own, so that only the NAS that was asked can answer it, and Identifiers never meet.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import Final

import structlog

from farwire.base.telemetry.metrics import counter
from farwire.gateway.radius.codec import Malformed, Packet, Pair, decode
from farwire.gateway.radius.dictionary import Code
from farwire.gateway.radius.proofs import is_genuine, request_octets
from farwire.kernel.errors import FarwireError

WAITS_S: Final = (1, 2, 3)
"""How long an answer is waited for, each time: 6 s in all."""
AT_ONCE: Final = 64
_log = structlog.get_logger(__name__)
_SENT: Final = counter(
    "farwire_radius_changes_total", "Disconnect- and CoA-Requests by code and answer.", ("code", "answer")
)


class Changer:
    """Sends requests to NASes."""

    def __init__(self, waits_s: tuple[float, ...] = WAITS_S) -> None:
        self._waits_s = waits_s
        self._few = asyncio.Semaphore(AT_ONCE)

    async def ask(
        self, code: Code, pairs: list[Pair], *, host: str, port: int, secret: bytes
    ) -> Packet | None:
        """Return the answer of a NAS, or None: it has none."""
        async with self._few:
            try:
                found = await self._ask(code, pairs, host, port, secret)
            except (OSError, FarwireError) as error:
                _log.info("radius change not sent", address=host, reason=str(error))
                found = None
        answer = Code(found.code).name.lower() if found is not None else "none"
        _SENT.inc(code=code.name.lower(), answer=answer)
        return found

    async def _ask(self, code: Code, pairs: list[Pair], host: str, port: int, secret: bytes) -> Packet | None:
        octets = request_octets(code, secrets.randbelow(256), pairs, secret)
        loop = asyncio.get_running_loop()
        transport, waiting = await loop.create_datagram_endpoint(
            lambda: _Answer(octets, secret), remote_addr=(host, port)
        )
        try:
            for wait in self._waits_s:
                transport.sendto(octets)
                done, _ = await asyncio.wait((waiting.found,), timeout=wait)
                if done:
                    return waiting.found.result()
        finally:
            transport.close()
        return None


class _Answer(asyncio.DatagramProtocol):
    """Waits for the answer to one request; what else comes is not looked at."""

    def __init__(self, request: bytes, secret: bytes) -> None:
        self._request = decode(request)
        self._secret = secret
        self._codes = {self._request.code + 1, self._request.code + 2}
        self.found: asyncio.Future[Packet] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:  # noqa: ARG002 - the protocol's name
        """Take an ACK or NAK that is proved."""
        try:
            packet = decode(data)
        except Malformed:
            return
        if (
            packet.identifier == self._request.identifier
            and packet.code in self._codes
            and is_genuine(packet, self._secret, self._request.authenticator)
            and not self.found.done()
        ):
            self.found.set_result(packet)
