"""The node: where it listens, and the connections that it has."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

from farwire.base.telemetry.metrics import gauge
from farwire.gateway.addresses import listen_address
from farwire.gateway.diameter.codec import Message
from farwire.gateway.diameter.dialling import Dialling
from farwire.gateway.diameter.peer import Connection
from farwire.gateway.diameter.profiles import Node
from farwire.gateway.diameter.wire import Wire

Application: TypeAlias = Callable[[Connection, Message], Awaitable[Message]]
"""Answers a request of an open connection. It raises ``Refusal`` for what the peer did wrong."""

TICK_MS: Final = 250
"""How often watchdogs and waits are looked at."""
_BACKLOG: Final = 1_024
_OPEN: Final = gauge("farwire_diameter_connections", "Diameter connections that are there.")
_PENDING: Final = gauge("farwire_diameter_pending", "Diameter requests that wait for their answers.")


class Server:
    """Listens, and has the connections."""

    def __init__(self, node: Node, application: Application) -> None:
        self.node = node
        self.application = application
        self.wires: set[Wire] = set()
        self.hosts: Counter[str] = Counter()
        """How many connections each peer has open."""
        self.tasks: set[asyncio.Task[None]] = set()
        self.addresses: list[tuple[str, int]] = []
        """Where it listens."""
        self._servers: list[asyncio.Server] = []
        self._ticker: asyncio.Task[None] | None = None
        self._gone = asyncio.Event()
        self._dialling: list[asyncio.Task[None]] = []
        self._dialled = {peer.host.lower() for peer in node.peers if peer.connect}

    async def start(self) -> None:
        """Begin to listen. Raises ``OSError``, also ``ssl.SSLError``."""
        for address in self.node.listen:
            await self._listen(address, None)
        if self.node.listen_tls:
            context = _tls(self.node)
            for address in self.node.listen_tls:
                await self._listen(address, context)
        self._ticker = asyncio.create_task(self._tick())
        for peer in self.node.peers:
            if peer.connect:
                self._dialling.append(asyncio.create_task(Dialling(self, peer).run()))

    async def _listen(self, address: str, security: ssl.SSLContext | None) -> None:
        host, port = listen_address(address)
        server = await asyncio.get_running_loop().create_server(
            lambda: Wire(self), host, port, ssl=security, backlog=_BACKLOG,
            ssl_handshake_timeout=self.node.greeting_s if security else None,
        )  # fmt: skip
        self._servers.append(server)
        self.addresses += [one.getsockname()[:2] for one in server.sockets]

    def way_to(self, tenant: str, hosts: Sequence[str]) -> Wire | None:
        """Return an open connection of the tenant's peers: to the first of ``hosts`` that is there, else to a relay.

        One whose watchdog was not answered is taken where there is no other. Source: RFC 3539 §3.4.1 (fail-over).
        """
        found: dict[str, Wire] = {}
        for wire in self.wires:
            peer = wire.connection
            if peer is None or not wire.open or peer.profile is None or peer.profile.tenant != tenant:
                continue
            for host in (peer.host, "") if peer.relay else (peer.host,):
                if host not in found or found[host].suspect:
                    found[host] = wire
        ways = [found[host] for host in (*hosts, "") if host in found]
        return min(ways, key=lambda one: one.suspect, default=None)

    def reaches(self, host: str) -> bool:
        """Tell whether a connection with that peer stands."""
        return any(wire.greeted and wire.goes_to(host.lower()) for wire in self.wires)

    def rivals(self, wire: Wire, host: str) -> list[Wire]:
        """Return the other connections with a peer that we connect to; of another peer each may stay."""
        if host not in self._dialled:
            return []
        return [one for one in self.wires if one is not wire and one.goes_to(host)]

    async def drain(self) -> None:
        """Connect to nobody and listen no more, say goodbye to every peer, answer what is in, and hang up."""
        for dialling in self._dialling:
            dialling.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        for server in self._servers:
            server.close()
        for wire in tuple(self.wires):
            wire.leave()
        if self.wires:
            await self._gone.wait()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self._ticker is not None:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker

    def came(self, wire: Wire) -> None:
        """Count a connection."""
        self.wires.add(wire)
        self._gone.clear()
        _OPEN.set(len(self.wires))

    def went(self, wire: Wire) -> None:
        """Forget a connection."""
        self.wires.discard(wire)
        host = wire.connection.host if wire.connection is not None else ""
        if host:
            self.hosts[host] -= 1
            if not self.hosts[host]:
                del self.hosts[host]
        if not self.wires:
            self._gone.set()
        _OPEN.set(len(self.wires))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_MS / 1_000)
            _PENDING.set(len(self.tasks))
            for wire in tuple(self.wires):
                wire.tick()


def _tls(node: Node) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(node.certificate, node.private_key)
    if node.authorities:
        context.load_verify_locations(node.authorities)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
