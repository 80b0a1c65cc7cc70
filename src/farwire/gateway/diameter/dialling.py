"""Connecting to peers: one connection with each, by whichever of its addresses answers, again whenever it is lost."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import ssl
from typing import TYPE_CHECKING, Final

import structlog

from farwire.gateway.addresses import remote_address
from farwire.gateway.diameter.profiles import Node, Peer
from farwire.gateway.diameter.wire import Wire

if TYPE_CHECKING:
    from farwire.gateway.diameter.node import Server

FIRST_MS: Final = 1_000
MOST_MS: Final = 30_000
"""Tc of RFC 6733 §2.1."""
_log = structlog.get_logger(__name__)


class _Dialled(Wire):
    """A connection of ours, whose end is waited for."""

    def __init__(self, server: Server, wanted: Peer) -> None:
        super().__init__(server, wanted)
        self.ended = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the peer, and try again."""
        super().connection_lost(exc)
        self.ended.set()


class Dialling:
    """Connects to one peer as long as no connection with it stands."""

    def __init__(self, server: Server, peer: Peer) -> None:
        """Raises ``OSError``, also ``ssl.SSLError``: our certificate cannot be read."""
        self._server = server
        self._peer = peer
        self._security = _tls(server.node) if peer.tls else None

    async def run(self) -> None:
        """Connect until cancelled: soon after a connection that stood, else later and later."""
        pause = FIRST_MS
        for address in itertools.cycle(self._peer.connect):
            if not self._server.reaches(self._peer.host):
                was_open = await self._connect(address)
                pause = FIRST_MS if was_open else min(2 * pause, MOST_MS)
            # Two nodes that lose one another must not always meet half-way.
            await asyncio.sleep((pause // 2 + secrets.randbelow(pause)) / 1_000)

    async def _connect(self, address: str) -> bool:
        """Have one connection, to its end; return whether it was open."""
        host, port = remote_address(address)
        try:
            async with asyncio.timeout(self._server.node.greeting_s):
                _, wire = await asyncio.get_running_loop().create_connection(
                    lambda: _Dialled(self._server, self._peer), host, port, ssl=self._security,
                    server_hostname=self._peer.host if self._security else None,
                )  # fmt: skip
        except (OSError, TimeoutError, UnicodeError) as error:
            _log.info("diameter peer not reached", peer=self._peer.host, address=address, reason=str(error))
            return False
        await wire.ended.wait()
        return wire.greeted


def _tls(node: Node) -> ssl.SSLContext:
    """Return how we speak TLS to others: their certificate is of our authorities, for their Origin-Host."""
    context = ssl.create_default_context(cafile=node.authorities or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if node.certificate:
        context.load_cert_chain(node.certificate, node.private_key)
    return context
