"""The RADIUS gateway as a process: it knows its operators, listens, follows wishes, and leaves in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from typing import Final

import structlog

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging.service import Address, Client, SocketClient
from farwire.charging.service.scrape import serve_metrics
from farwire.gateway.asking import ASKED_MS, Asking
from farwire.gateway.operators import Operator, load_operators
from farwire.gateway.radius.application import RadiusServer
from farwire.gateway.radius.changes import Changer
from farwire.gateway.radius.credentials import Passwords, forget_credential, set_credential
from farwire.gateway.radius.metering import Metering
from farwire.gateway.radius.node import Server
from farwire.gateway.radius.profiles import Node, read_profiles
from farwire.gateway.radius.telling import Telling
from farwire.gateway.sessions import Following, Protocol, SessionBook
from farwire.gateway.subscribers import Subscribers
from farwire.kernel.errors import FarwireError, Unavailable

__all__ = ["Gateway", "check", "forget_credential", "serve", "set_credential"]

FAREWELL_S: Final = 10
"""How long NASes that are being told may take at the end."""
_SETTLE_S: Final = 10
"""How often it is looked for requests of a process that has died."""
_LEASE: Final = timedelta(seconds=30)
"""Of a wish: a NAS may be asked to change a session, and then to end it, each for 6 s."""
_log = structlog.get_logger(__name__)


class Gateway:
    """All parts of one process, put together."""

    def __init__(
        self,
        node: Node,
        *,
        db: Database,
        clock: Clock,
        client: Client,
        operators: Mapping[str, Operator],
        changer: Changer | None = None,
    ) -> None:
        """``operators`` by the short names that profiles have."""
        self._operators = operators
        self._clients = {one.name: one for one in node.clients}
        self.book = SessionBook(db=db)
        asking = Asking(subscribers=Subscribers(db, _now_ms), client=client)
        self.metering = Metering(db=db, asking=asking, clock=clock)
        self._telling = Telling(
            node, operators=operators, metering=self.metering, changer=changer or Changer(), book=self.book,
            clock=clock,
        )  # fmt: skip
        following = Following(
            db=db, protocol=Protocol.RADIUS, tenant_ids={one.tenant_id for one in operators.values()},
            peers=lambda: self._clients, book=self.book, tell=self._telling.fulfil, lease=_LEASE,
        )  # fmt: skip
        self.follow_wishes = following.once
        self._follow = following.run
        self.application = RadiusServer(
            node, operators=operators, asking=asking, passwords=Passwords(db), metering=self.metering,
            telling=self._telling, book=self.book, clock=clock,
        )  # fmt: skip
        self.server = Server(node, self.application)

    async def run(self) -> None:
        """Follow wishes and what was left unsettled, until cancelled."""
        tasks = [asyncio.create_task(one) for one in (self.book.run(), self._follow(), self._settle())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _settle(self) -> None:
        while True:
            try:
                await self.settle_old()
            except FarwireError as error:
                _log.warning("radius sessions wait", reason=error.code)
            except Exception:  # noqa: BLE001
                # The edge of the process: one session that cannot be settled must not stop what all others need.
                _log.exception("radius sessions wait")
            await asyncio.sleep(_SETTLE_S)

    async def settle_old(self) -> int:
        """Ask charging again what processes that have died have asked; return how many requests there were."""
        found = 0
        for name, operator in self._operators.items():
            clients = {key: one for key, one in self._clients.items() if one.tenant == name}
            found += await self.metering.settle_old(operator, clients)
        return found

    async def drain(self) -> None:
        """Answer what is in, and end what is being told: a NAS that does not answer is told by another process."""
        await self.server.drain()
        tasks = tuple(self.application.tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=FAREWELL_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
    """Serve RADIUS until ``stop`` is set, then answer what is in.

    ``profiles`` is the document of ``profiles.py``; ``address_of`` says where shards listen, of which the first knows
    where accounts of others are; ``ready`` is told where the gateway listens. Raises ``Invalid``
    (``radius.profiles``), ``NotFound`` (a tenant of a profile), ``Unavailable`` (``radius.cannot_listen``).
    """
    node = read_profiles(profiles)
    operators = await load_operators(db=db, names=[one.tenant for one in node.clients])
    client: Client = SocketClient(address_of, timeout_ms=ASKED_MS)
    gateway = Gateway(node, db=db, clock=clock, client=client, operators=operators)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(client.close)
        following = asyncio.create_task(gateway.run())
        stack.push_async_callback(_ended, following)
        stack.push_async_callback(gateway.drain)
        await _listen(gateway.server)
        if metrics is not None:
            watched = await serve_metrics(
                host=metrics.host, port=metrics.port, ready=lambda: not stop.is_set()
            )
            stack.callback(watched.close)
        ready(
            ", ".join(
                f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
                for places in gateway.server.addresses.values()
                for host, port in places
            )
        )
        await stop.wait()


def check(profiles: str) -> tuple[Mapping[str, object], ...]:
    """Return what a document says of each client. Raises ``Invalid`` (``radius.profiles``)."""
    return tuple(
        {
            "name": one.name,
            "from": ", ".join(one.addresses),
            "tenant": one.tenant,
            "counts": one.counts,
            "renewal": one.renewal,
            "authenticator": one.message_authenticator,
            "changes": str(one.changes_port or "none"),
        }
        for one in read_profiles(profiles).clients
    )


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _listen(server: Server) -> None:
    try:
        await server.start()
    except OSError as error:
        node = server.node
        raise Unavailable(
            f"the gateway cannot listen: {error.strerror or error}",
            code="radius.cannot_listen",
            field="listen",
            value=", ".join((*node.listen, *node.listen_accounting)),
            fix="is another process there? ports below 1024 need a right",
        ) from error


def _now_ms() -> int:
    return int(asyncio.get_running_loop().time() * 1_000)
