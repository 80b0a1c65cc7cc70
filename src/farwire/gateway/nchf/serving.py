"""The 5G charging gateway as a process: it knows its operators, listens, tells what changed, and leaves in order."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress

import httpx

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging.service import Address, Client, SocketClient
from farwire.charging.service.scrape import serve_metrics
from farwire.gateway.asking import ASKED_MS, Asking
from farwire.gateway.descriptors import make_room
from farwire.gateway.nchf.converged import NAME as CONVERGED
from farwire.gateway.nchf.converged import ConvergedCharging
from farwire.gateway.nchf.http2.server import Bounds, Server, tls
from farwire.gateway.nchf.nrf import Repository
from farwire.gateway.nchf.offline import OfflineCharging
from farwire.gateway.nchf.profiles import Node, consumer_of, read_profiles
from farwire.gateway.nchf.routing import Router, Service
from farwire.gateway.nchf.spending import NAME as SPENDING
from farwire.gateway.nchf.spending import Counters, SpendingAsks, SpendingLimits
from farwire.gateway.nchf.telling import Bearer, ChargingAsks, NoBearer, Telling
from farwire.gateway.nchf.tokens import Checker
from farwire.gateway.operators import load_operators
from farwire.gateway.sessions import SessionBook
from farwire.gateway.subscribers import Subscribers
from farwire.kernel.errors import Unavailable


async def serve(
    *,
    db: Database,
    clock: Clock,
    profiles: str,
    address_of: Callable[[int], Address],
    metrics: Address | None = None,
    stop: asyncio.Event,
    ready: Callable[[str], None],
) -> None:
    """Serve the Nchf services until ``stop`` is set, then tell every client and answer what is in.

    ``profiles`` is the document of ``profiles.py``; ``address_of`` says where shards listen, of which the first knows
    where accounts of others are; ``ready`` is told where the gateway listens. Raises ``Invalid`` (``nchf.profiles``),
    ``NotFound`` (a tenant of a profile), ``Unavailable`` (``nchf.cannot_listen``,
    ``gateway.too_few_files``).
    """
    node = read_profiles(profiles)
    make_room(node.connections)
    operators = await load_operators(db=db, names=(one.tenant for one in node.consumers))
    async with AsyncExitStack() as stack:
        client: Client = SocketClient(address_of, timeout_ms=ASKED_MS)
        stack.push_async_callback(client.close)
        book = SessionBook(db=db)
        stack.push_async_callback(_ended, asyncio.create_task(book.run()))
        counters = Counters(client=client, clock=clock)
        services = _services(db, clock, client, book, counters)
        checker = Checker(node.tokens, instance=node.instance, now_s=lambda: int(clock.now().timestamp()))
        server = _server(node, Router(node, services, operators=operators, checker=checker))
        stack.push_async_callback(server.drain)
        await _listen(server, node)
        web = await stack.enter_async_context(_web(node))
        spending = SpendingAsks(node, db=db, operators=operators, counters=counters, clock=clock)
        telling = Telling(
            node, db=db, client=web, book=book, operators=operators,
            asks={CONVERGED: ChargingAsks(), SPENDING: spending}, bearer=_registered(node, web, stack),
        )  # fmt: skip
        stack.push_async_callback(_ended, asyncio.create_task(telling.run()))
        if metrics is not None:
            watched = await serve_metrics(
                host=metrics.host, port=metrics.port, ready=lambda: not stop.is_set()
            )
            stack.callback(watched.close)
        ready(server.where)
        await stop.wait()


def _server(node: Node, router: Router) -> Server:
    """Return the server of a node: whom no profile fits has no connection."""
    return Server(
        router,
        bounds_of(node),
        known=lambda address, tls: consumer_of(node, address=address, tls=tls) is not None,
    )


def _services(
    db: Database, clock: Clock, client: Client, book: SessionBook, counters: Counters
) -> tuple[Service, ...]:
    asking = Asking(subscribers=Subscribers(db, _now_ms), client=client)
    return (
        ConvergedCharging(asking=asking, book=book, clock=clock).service(),
        OfflineCharging(db=db, clock=clock).service(),
        SpendingLimits(db=db, asking=asking, counters=counters, clock=clock).service(),
    )


def _registered(node: Node, web: httpx.AsyncClient, stack: AsyncExitStack) -> Bearer:
    """Keep us registered with the NRF until ``stack`` ends, where the profile names one; return who has our tokens."""
    if node.nrf is None:
        return NoBearer()
    repository = Repository(node, node.nrf, client=web, now_ms=_now_ms, security=bool(node.listen_tls))
    stack.push_async_callback(_ended, asyncio.create_task(repository.run()))
    return repository


def bounds_of(node: Node) -> Bounds:
    """Return what a connection may take."""
    return Bounds(
        node.connections,
        node.streams,
        node.body_octets,
        node.header_octets,
        node.greeting_s * 1_000,
        node.idle_s * 1_000,
    )


def check(profiles: str) -> tuple[Mapping[str, object], ...]:
    """Return what a document says of each consumer. Raises ``Invalid`` (``nchf.profiles``)."""
    return tuple(
        {
            "name": one.name,
            "from": ", ".join(one.addresses) or "anywhere",
            "tls": one.tls,
            "tenant": one.tenant,
            "without_us": one.failure_handling,
        }
        for one in read_profiles(profiles).consumers
    )


async def _listen(server: Server, node: Node) -> None:
    try:
        await server.start(node.listen)
        if node.listen_tls:
            security = tls(
                certificate=node.certificate, private_key=node.private_key, authorities=node.authorities
            )
            await server.start(node.listen_tls, security)
    except OSError as error:
        raise Unavailable(
            f"the gateway cannot listen: {error.strerror or error}",
            code="nchf.cannot_listen",
            field="listen",
            value=", ".join((*node.listen, *node.listen_tls)),
            fix="is another process there? are certificate and private_key readable?",
        ) from error


def _web(node: Node) -> httpx.AsyncClient:
    """Return the client of notifications and of the NRF: HTTP/2, over TLS with our certificate."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, which may name subscribers
    security = ssl.create_default_context(cafile=node.authorities or None)
    if node.certificate:
        security.load_cert_chain(node.certificate, node.private_key)
    return httpx.AsyncClient(http1=False, http2=True, verify=security, trust_env=False)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1_000)
