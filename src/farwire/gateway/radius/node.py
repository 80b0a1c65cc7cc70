"""The transport: UDP sockets, from which proved requests of known clients go to the application.

What is malformed, of a stranger, or not proved is dropped and counted, never answered. Everything has a bound: requests
that wait, answers that are kept for a repeat. A repeat has the same source, Identifier and authenticator, and gets the
same octets. Source: RFC 2865 §3, RFC 5080 §2.2.2.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeAlias, cast

import structlog

from farwire.base.telemetry.metrics import counter, gauge
from farwire.gateway.addresses import listen_address
from farwire.gateway.radius.codec import Malformed, Packet, Pair, decode
from farwire.gateway.radius.dictionary import Code, key_of
from farwire.gateway.radius.profiles import Client, Node, client_of
from farwire.gateway.radius.proofs import AUTHENTICATOR, answer_octets, is_genuine

Application: TypeAlias = Callable[[Client, Packet, str], Awaitable["tuple[Code, list[Pair]] | None"]]
"""Answers a proved request of a client at an address; None: silence."""

REPEATED_MS: Final = 5_000
"""How long an answer is kept for a repeat."""
KEPT_MOST: Final = 20_000
_CLIENTS_MOST: Final = 10_000
_FAREWELL_S: Final = 10
_PROXY_STATE: Final = key_of("Proxy-State")
_EAP: Final = key_of("EAP-Message")
_ANSWERS: Final = {Code.ACCESS_REQUEST: Code.ACCESS_ACCEPT, Code.ACCOUNTING_REQUEST: Code.ACCOUNTING_RESPONSE}
"""What a port takes, and what it answers to a Status-Server."""
_Source: TypeAlias = "tuple[str, int]"
_log = structlog.get_logger(__name__)
_REQUESTS: Final = counter(
    "farwire_radius_requests_total", "RADIUS requests by code and answer.", ("code", "answer")
)
_DROPPED: Final = counter("farwire_radius_dropped_total", "RADIUS packets dropped, by reason.", ("reason",))
_PENDING: Final = gauge("farwire_radius_pending", "RADIUS requests that wait for their answers.")


class Server:
    """Listens, and answers."""

    def __init__(self, node: Node, application: Application) -> None:
        self.node = node
        self.application = application
        self.addresses: dict[Code, list[tuple[str, int]]] = {code: [] for code in _ANSWERS}
        """Where it listens."""
        self.tasks: set[asyncio.Task[None]] = set()
        self._waiting: Counter[Code] = Counter()
        """Requests that wait, by what their ports take: a crowd that logs in leaves room for what is used."""
        self._wires: list[asyncio.DatagramTransport] = []
        self._clients: dict[str, Client | None] = {}
        self._answers: OrderedDict[tuple[object, ...], tuple[int, bytes]] = OrderedDict()
        """By source, port, Identifier and authenticator: until when, and the octets; empty while it is waited for."""
        self._closing = False

    async def start(self) -> None:
        """Begin to listen. Raises ``OSError``."""
        for code, texts in (
            (Code.ACCESS_REQUEST, self.node.listen),
            (Code.ACCOUNTING_REQUEST, self.node.listen_accounting),
        ):
            for text in texts:
                transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                    lambda code=code: _Wire(self, code),  # type: ignore[misc]
                    local_addr=listen_address(text),
                )
                self._wires.append(transport)
                self.addresses[code].append(transport.get_extra_info("sockname")[:2])

    async def drain(self) -> None:
        """Take nothing more, answer what is in, and stop."""
        self._closing = True
        if self.tasks:
            await asyncio.wait(self.tasks, timeout=_FAREWELL_S)
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for wire in self._wires:
            wire.close()

    def take(self, wire: asyncio.DatagramTransport, takes: Code, data: bytes, source: _Source) -> None:
        """Take a datagram."""
        client = self._client(source[0])
        if client is None:
            _drop("stranger")
            return
        try:
            packet = decode(data)
        except Malformed as error:
            _log.debug("radius packet malformed", client=client.name, reason=error.message)
            _drop("malformed")
            return
        why = _refusal(packet, client, takes)
        if why:
            _log.info("radius packet dropped", client=client.name, code=packet.code, reason=why)
            _drop(why)
            return
        key = (wire, *source, packet.identifier, packet.authenticator)
        now = _now()
        kept = self._answers.get(key)
        if kept is not None and kept[0] > now:
            _drop("repeated")
            if kept[1]:
                wire.sendto(kept[1], source)
            return
        if packet.code == Code.STATUS_SERVER:
            wire.sendto(_octets(packet, _ANSWERS[takes], [], client), source)
            _REQUESTS.inc(code="status_server", answer="alive")
            return
        if self._closing or self._waiting[takes] >= self.node.pending:
            _drop("busy")
            return
        self._keep(key, b"", now)
        self._waiting[takes] += 1
        task = asyncio.create_task(self._answer(wire, client, packet, source, key))
        self.tasks.add(task)
        task.add_done_callback(partial(self._done, takes))

    def _client(self, address: str) -> Client | None:
        if address not in self._clients:
            if len(self._clients) >= _CLIENTS_MOST:
                self._clients.clear()
            self._clients[address] = client_of(self.node, address)
        return self._clients[address]

    def _keep(self, key: tuple[object, ...], octets: bytes, now: int) -> None:
        answers = self._answers
        answers.pop(key, None)
        while answers and (len(answers) >= KEPT_MOST or next(iter(answers.values()))[0] <= now):
            answers.popitem(last=False)
        answers[key] = (now + REPEATED_MS, octets)

    def _done(self, takes: Code, task: asyncio.Task[None]) -> None:
        self._waiting[takes] -= 1
        self.tasks.discard(task)
        _PENDING.set(len(self.tasks))

    async def _answer(
        self,
        wire: asyncio.DatagramTransport,
        client: Client,
        packet: Packet,
        source: _Source,
        key: tuple[object, ...],
    ) -> None:
        _PENDING.set(len(self.tasks))
        name, octets = "silence", b""
        try:
            found = await self.application(client, packet, source[0])
            if found is not None:
                name, octets = found[0].name.lower(), _octets(packet, *found, client)
        except Exception:  # noqa: BLE001
            # The edge of the process: one request that we cannot answer must not end the gateway for all others.
            _log.exception("radius request failed", client=client.name)
        _REQUESTS.inc(code=Code(packet.code).name.lower(), answer=name)
        if octets:
            self._keep(key, octets, _now())
            wire.sendto(octets, source)
        else:
            self._answers.pop(key, None)  # its repeat is tried anew


class _Wire(asyncio.DatagramProtocol):
    """One socket."""

    def __init__(self, server: Server, takes: Code) -> None:
        self._server = server
        self._takes = takes
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take a datagram."""
        if self._transport is not None:
            self._server.take(self._transport, self._takes, data, addr)


def _refusal(packet: Packet, client: Client, takes: Code) -> str:
    """Return why a packet is dropped, or "". EAP and Status-Server always need a Message-Authenticator."""
    if packet.code not in (takes, Code.STATUS_SERVER):
        return "code"
    needs = packet.code == Code.STATUS_SERVER or (
        packet.code == Code.ACCESS_REQUEST
        and (client.message_authenticator == "required" or packet.first(_EAP) is not None)
    )
    if needs and packet.first(AUTHENTICATOR) is None:
        return "unproved"
    return "" if is_genuine(packet, client.key) else "secret"


def _octets(packet: Packet, code: Code, pairs: list[Pair], client: Client) -> bytes:
    """Return an answer, with the Proxy-States of its request at the end, in their order."""
    states = [(_PROXY_STATE, value) for value in packet.all(_PROXY_STATE)]
    return answer_octets(packet, code, [*pairs, *states], client.key)


def _drop(reason: str) -> None:
    _DROPPED.inc(reason=reason)


def _now() -> int:
    """Return milliseconds of the event loop's clock."""
    return int(asyncio.get_running_loop().time() * 1_000)
