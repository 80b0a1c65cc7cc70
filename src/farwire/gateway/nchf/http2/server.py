"""Listens for HTTP/2, with prior knowledge or over TLS, and has the connections.

Everything has a bound: connections, streams of one, octets of headers and bodies, the time that a request takes to
arrive and an answer to be taken, frames that ask for nothing. Source: RFC 9113 §3.3, §5.1.2, §6.8, §10.5.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from farwire.base.telemetry.metrics import gauge
from farwire.gateway.addresses import listen_address
from farwire.gateway.nchf.http2.messages import Handler
from farwire.gateway.nchf.http2.wire import Wire

TICK_MS: Final = 250
"""How often waits are looked at."""
_BACKLOG: Final = 1_024
_OPEN: Final = gauge("farwire_nchf_connections", "HTTP/2 connections of network functions that are there.")


class Bounds(msgspec.Struct, frozen=True):
    """What one connection, and all of them, may take."""

    connections: int = 10_000
    streams: int = 200
    body_octets: int = 262_144
    header_octets: int = 16_384
    greeting_ms: int = 10_000
    idle_ms: int = 60_000


class Server:
    """Listens, and hands requests to ``handler``."""

    def __init__(
        self,
        handler: Handler,
        bounds: Bounds,
        *,
        known: Callable[[str, bool], bool] | None = None,
    ) -> None:
        """``known`` tells whether whoever comes from an address, over TLS or not, may ask at all; None: anybody."""
        self.handler = handler
        self.known = known
        self.bounds = bounds
        self.wires: set[Wire] = set()
        self.addresses: list[tuple[str, int]] = []
        """Where it listens."""
        self._servers: list[asyncio.Server] = []
        self._ticker: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()

    async def start(self, listen: tuple[str, ...], security: ssl.SSLContext | None = None) -> None:
        """Begin to listen there; may be called again. Raises ``OSError``, also ``ssl.SSLError``."""
        for address in listen:
            host, port = listen_address(address)
            server = await asyncio.get_running_loop().create_server(
                lambda: Wire(self), host, port, ssl=security, backlog=_BACKLOG,
                ssl_handshake_timeout=self.bounds.greeting_ms / 1_000 if security else None,
            )  # fmt: skip
            self._servers.append(server)
            self.addresses += [one.getsockname()[:2] for one in server.sockets]
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick())

    @property
    def where(self) -> str:
        """The addresses, to be read."""
        return ", ".join(
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.addresses
        )

    async def drain(self) -> None:
        """Listen no more, tell every client (GOAWAY), answer what is in, and hang up."""
        for server in self._servers:
            server.close()
        for wire in tuple(self.wires):
            wire.leave()
        if self.wires:
            await self._gone.wait()
        if self._ticker is not None:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker

    def came(self, wire: Wire) -> bool:
        """Count a connection; tell whether there is room for it."""
        self.wires.add(wire)
        self._gone.clear()
        _OPEN.set(len(self.wires))
        return len(self.wires) <= self.bounds.connections

    def went(self, wire: Wire) -> None:
        """Forget a connection."""
        self.wires.discard(wire)
        if not self.wires:
            self._gone.set()
        _OPEN.set(len(self.wires))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_MS / 1_000)
            for wire in tuple(self.wires):
                wire.tick()


def tls(*, certificate: str, private_key: str, authorities: str) -> ssl.SSLContext:
    """Return how TLS is spoken: 1.2 or later, ALPN h2. Raises ``OSError``, also ``ssl.SSLError``."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, private_key)
    context.set_alpn_protocols(["h2"])
    if authorities:
        context.load_verify_locations(authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
