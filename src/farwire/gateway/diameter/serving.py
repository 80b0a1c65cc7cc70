"""The Diameter gateway as a process: it knows its operators, listens, and leaves in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Final

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging.service import Address, Client, SocketClient, tenant_number
from farwire.charging.service.scrape import serve_metrics
from farwire.gateway.diameter.application import CreditControlServer, Operator
from farwire.gateway.diameter.node import Server
from farwire.gateway.diameter.profiles import Node, read_profiles
from farwire.gateway.diameter.subscribers import Subscribers
from farwire.kernel.errors import Unavailable
from farwire.tenant import service as tenants

ASKED_MS: Final = 4_000
"""How long a shard is asked, repeats included: less than the Tx of clients (10 s), which then turn elsewhere."""


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
    """Serve credit control until ``stop`` is set, then say goodbye to every peer and answer what is in.

    ``profiles`` is the document of ``profiles.py``; ``address_of`` says where shards listen, of which the first knows
    where accounts of others are; ``ready`` is told where the gateway listens. Raises ``Invalid``
    (``diameter.profiles``), ``NotFound`` (a tenant of a profile), ``Unavailable`` (``diameter.cannot_listen``).
    """
    node = read_profiles(profiles)
    operators = await _operators(db, node)
    client: Client = SocketClient(address_of, timeout_ms=ASKED_MS)
    application = CreditControlServer(
        node, operators=operators, subscribers=Subscribers(db, _now_ms), client=client, clock=clock
    )
    server = Server(node, application)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        await _listen(server, node)
        stack.push_async_callback(server.drain)
        if metrics is not None:
            watched = await serve_metrics(
                host=metrics.host, port=metrics.port, ready=lambda: not stop.is_set()
            )
            stack.callback(watched.close)
        ready(
            ", ".join(
                f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in server.addresses
            )
        )
        await stop.wait()


def check(profiles: str) -> tuple[Mapping[str, object], ...]:
    """Return what a document says of each peer. Raises ``Invalid`` (``diameter.profiles``)."""
    return tuple(
        {
            "host": peer.host,
            "realm": peer.realm or "any",
            "from": ", ".join(peer.addresses) or "anywhere",
            "tls": peer.tls,
            "tenant": peer.tenant,
            "without_us": peer.failure_handling,
        }
        for peer in read_profiles(profiles).peers
    )


async def _operators(db: Database, node: Node) -> dict[str, Operator]:
    found = {}
    for name in {peer.tenant for peer in node.peers}:
        tenant_id = (await tenants.tenant_by_name(db=db, name=name)).id
        async with db.transaction(tenant_id) as tx:
            found[name] = Operator(tenant_id, await tenant_number(tx))
    return found


async def _listen(server: Server, node: Node) -> None:
    try:
        await server.start()
    except OSError as error:
        raise Unavailable(
            f"the gateway cannot listen: {error.strerror or error}",
            code="diameter.cannot_listen",
            field="listen",
            value=", ".join((*node.listen, *node.listen_tls)),
            fix="is another process there? are certificate and private_key readable?",
        ) from error


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1_000)
