"""The gateways that the load of a charging benchmark is put on: ``python -m benchmarks.gateway_server PROTOCOL PORT``.

``PORT`` is that of a shard's front (``charging_server.py``). RADIUS also gets the URL of its database, and is all the
product's. The others are the product's, but for the database: who
has a number is worked out from it, and the list of live sessions is kept, not written. In the field that is one look-up
a minute and subscriber, and some rows a session, beside the answers.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID

import uvloop

from benchmarks.charging_world import TENANT
from farwire.base.clock import SystemClock
from farwire.base.config import Settings
from farwire.base.storage import open_database
from farwire.charging.service import Address, Identity, SocketClient
from farwire.charging.service.subscribers import Subscriber
from farwire.charging.shard.runner import spare_the_collector
from farwire.gateway.asking import ASKED_MS, Asking
from farwire.gateway.diameter.application import Application
from farwire.gateway.diameter.credit_control.server import COMMAND, CreditControlServer
from farwire.gateway.diameter.node import Server
from farwire.gateway.diameter.peer import CREDIT_CONTROL
from farwire.gateway.diameter.profiles import Node, Peer
from farwire.gateway.nchf import profiles as nchf_profiles
from farwire.gateway.nchf.converged import ConvergedCharging
from farwire.gateway.nchf.http2 import server as http2
from farwire.gateway.nchf.profiles import Consumer
from farwire.gateway.nchf.routing import Router
from farwire.gateway.nchf.serving import bounds_of
from farwire.gateway.nchf.tokens import Checker
from farwire.gateway.operators import Operator
from farwire.gateway.radius import profiles as radius_profiles
from farwire.gateway.radius.dictionary import Code
from farwire.gateway.radius.serving import Gateway as RadiusGateway
from farwire.gateway.sessions import SessionBook
from farwire.gateway.subscribers import Subscribers
from farwire.kernel.ids import TenantId
from farwire.tenant.service import tenant_by_name

FIRST_NUMBER = 4_915_000_000_000
"""Of the load generator: the number of account 0."""
TENANT_NAME = "bench"
SECRET = "a-secret-of-the-benchmark"  # noqa: S105 - of nobody
OPERATOR = Operator(TenantId(UUID(int=1)), TENANT)


class Numbered(Subscribers):
    """Subscribers whose numbers say their accounts."""

    async def look_up(
        self,
        tenant_id: TenantId,  # noqa: ARG002 - there is one
        identities: tuple[Identity, ...],
    ) -> Subscriber | None:
        return Subscriber(int(identities[0].value) - FIRST_NUMBER, TENANT, "EUR")


def asking(port: int) -> Asking:
    """Return the way to a shard."""
    loop = asyncio.get_running_loop()
    client = SocketClient(lambda _: Address(host="127.0.0.1", port=port), timeout_ms=ASKED_MS)
    known = Numbered(None, lambda: int(loop.time() * 1_000))  # type: ignore[arg-type] # it asks no database
    return Asking(subscribers=known, client=client)


async def diameter(port: int) -> None:
    """Serve credit control until the process is ended."""
    peer = Peer("*", "bench", addresses=("127.0.0.0/8",), home_networks=("26201",))
    node = Node("ocs.load.example", "load.example", (peer,), listen=("127.0.0.1:0",))
    book = SessionBook(db=None)  # type: ignore[arg-type] # what it keeps is not written
    control = CreditControlServer(
        operators={"bench": OPERATOR}, asking=asking(port), clock=SystemClock(), book=book
    )
    server = Server(node, Application(node, {(CREDIT_CONTROL, COMMAND): control}))
    await server.start()
    await serve(server.addresses[0][1])


async def nchf(port: int) -> None:
    """Serve converged charging until the process is ended."""
    consumer = Consumer("smf", "bench", addresses=("127.0.0.0/8",), home_networks=("26201",))
    node = nchf_profiles.Node((consumer,), listen=("127.0.0.1:0",))
    book = SessionBook(db=None)  # type: ignore[arg-type] # what it keeps is not written
    converged = ConvergedCharging(asking=asking(port), book=book, clock=SystemClock())
    checker = Checker(None, instance="", now_s=lambda: int(time.time()))
    router = Router(node, (converged.service(),), operators={"bench": OPERATOR}, checker=checker)
    server = http2.Server(router, bounds_of(node))
    await server.start(node.listen)
    await serve(server.addresses[0][1])


async def radius(port: int, url: str) -> None:
    """Serve accounting until the process is ended."""
    client = radius_profiles.Client(
        "nas", ("127.0.0.0/8",), SECRET, TENANT_NAME, renewal="interim", changes_port=3799
    )
    node = radius_profiles.Node((client,), listen=(), listen_accounting=("127.0.0.1:0",))
    with tempfile.TemporaryDirectory() as folder:
        db = await open_database(Settings(data_dir=Path(folder), database_url=url))
        tenant = await tenant_by_name(db=db, name=TENANT_NAME)
        shard = SocketClient(lambda _: Address(host="127.0.0.1", port=port), timeout_ms=ASKED_MS)
        gateway = RadiusGateway(
            node,
            db=db,
            clock=SystemClock(),
            client=shard,
            operators={TENANT_NAME: Operator(tenant.id, TENANT)},
        )
        running = asyncio.create_task(gateway.run())
        await gateway.server.start()
        await serve(gateway.server.addresses[Code.ACCOUNTING_REQUEST][0][1])
        running.cancel()


async def serve(port: int) -> None:
    """Tell where it listens; go on until the process is ended."""
    spare_the_collector()
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    protocols = {"diameter": diameter, "nchf": nchf, "radius": radius}
    uvloop.run(protocols[sys.argv[1]](int(sys.argv[2]), *sys.argv[3:]))
