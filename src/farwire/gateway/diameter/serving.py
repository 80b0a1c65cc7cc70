"""The Diameter gateway as a process: it knows its operators, listens, and leaves in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging.service import Address, Client, SocketClient
from farwire.charging.service.scrape import serve_metrics
from farwire.gateway.asking import ASKED_MS, Asking
from farwire.gateway.descriptors import make_room
from farwire.gateway.diameter.accounting import server as accounting
from farwire.gateway.diameter.accounting.reconciling import Reconciling
from farwire.gateway.diameter.application import Application, Services
from farwire.gateway.diameter.credit_control import server as credit_control
from farwire.gateway.diameter.node import Server
from farwire.gateway.diameter.peer import ACCOUNTING, CREDIT_CONTROL, SPENDING
from farwire.gateway.diameter.profiles import Node, read_profiles
from farwire.gateway.diameter.spending.server import SLR, STR, Counters, SpendingAsks, SpendingServer
from farwire.gateway.diameter.telling import Asks, CreditControlAsks, Telling
from farwire.gateway.operators import Operator, load_operators
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
    """Serve credit control until ``stop`` is set, then say goodbye to every peer and answer what is in.

    ``profiles`` is the document of ``profiles.py``; ``address_of`` says where shards listen, of which the first knows
    where accounts of others are; ``ready`` is told where the gateway listens. Raises ``Invalid``
    (``diameter.profiles``), ``NotFound`` (a tenant of a profile), ``Unavailable`` (``diameter.cannot_listen``,
    ``gateway.too_few_files``).
    """
    node = read_profiles(profiles)
    make_room(node.connections)
    operators = await load_operators(db=db, names=(peer.tenant for peer in node.peers))
    client: Client = SocketClient(address_of, timeout_ms=ASKED_MS)
    asking = Asking(subscribers=Subscribers(db, _now_ms), client=client)
    parts = put_together(node, db=db, clock=clock, operators=operators, asking=asking, client=client)
    server = parts.server
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        stack.push_async_callback(_end, asyncio.create_task(parts.book.run()))
        await _listen(server, node)
        stack.push_async_callback(server.drain)
        for work in (parts.telling.run(), parts.reconciling.run()):
            stack.push_async_callback(_end, asyncio.create_task(work))
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


@dataclass(frozen=True, slots=True)
class Parts:
    """A gateway that does not listen yet."""

    server: Server
    book: SessionBook
    telling: Telling
    reconciling: Reconciling


def put_together(
    node: Node,
    *,
    db: Database,
    clock: Clock,
    operators: Mapping[str, Operator],
    asking: Asking,
    client: Client,
) -> Parts:
    """Return the gateway of a node: its applications, and how their clients are told of changes."""
    book = SessionBook(db=db)
    counters = Counters(client=client, clock=clock)
    spending = SpendingServer(db=db, operators=operators, asking=asking, counters=counters)
    control = credit_control.CreditControlServer(operators=operators, asking=asking, clock=clock, book=book)
    services: Services = {
        (CREDIT_CONTROL, credit_control.COMMAND): control,
        (ACCOUNTING, accounting.COMMAND): accounting.AccountingServer(
            db=db, clock=clock, operators=operators, asking=asking
        ),
        (SPENDING, SLR): spending,
        (SPENDING, STR): spending,
    }
    asks: Mapping[int, Asks] = {
        CREDIT_CONTROL: CreditControlAsks(),
        SPENDING: SpendingAsks(db=db, operators=operators, counters=counters),
    }
    server = Server(node, Application(node, services))
    return Parts(
        server,
        book,
        Telling(db=db, server=server, book=book, operators=operators, asks=asks),
        Reconciling(db=db, client=client, operators=operators.values()),
    )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


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
