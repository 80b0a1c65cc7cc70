"""A small world for the 5G gateway: its server, a shard in this process, a client that is not ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.charging.model import CommandKind
from farwire.gateway.asking import Asking
from farwire.gateway.nchf.converged import ConvergedCharging
from farwire.gateway.nchf.http2.messages import Response
from farwire.gateway.nchf.http2.server import Bounds, Server
from farwire.gateway.nchf.offline import OfflineCharging
from farwire.gateway.nchf.profiles import Consumer, Node
from farwire.gateway.nchf.routing import Router
from farwire.gateway.nchf.spending import Counters, SpendingLimits
from farwire.gateway.nchf.tokens import Checker
from farwire.gateway.operators import Operator
from farwire.gateway.sessions import SessionBook
from farwire.gateway.subscribers import Subscribers
from farwire.kernel.ids import TenantId
from tests.charging.desk import Desk, a_desk, open_one
from tests.gateway.nchf.openapi import CONVERGED, Documents
from tests.gateway.world import EURO, sell_data_and_calls

MB = 1_000_000
ROOT = "/nchf-convergedcharging/v3/chargingdata"


def a_consumer(**changes: Any) -> Consumer:
    return Consumer(
        **{
            "name": "smf", "tenant": "nordlicht", "addresses": ("127.0.0.0/8",), "home_networks": ("26201",),
            **changes,
        }
    )  # fmt: skip


def a_node(**changes: Any) -> Node:
    return Node(**{"consumers": (a_consumer(),), "listen": ("127.0.0.1:0",), **changes})


def usage(
    group: int, *, used: int | None = None, requested: int | None = None, **more: Any
) -> dict[str, Any]:
    """Return one MultipleUnitUsage of data."""
    found: dict[str, Any] = {"ratingGroup": group, **more}
    if requested is not None:
        found["requestedUnit"] = {"totalVolume": requested} if requested else {}
    if used is not None:
        found["usedUnitContainer"] = [
            {"localSequenceNumber": 1, "totalVolume": used, "quotaManagementIndicator": "ONLINE_CHARGING"}
        ]
    return found


def document(number: int | None, *groups: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a ChargingDataRequest of a PDU session; ``more``: fields; None takes one away."""
    found: dict[str, Any] = {
        "subscriberIdentifier": "imsi-262011234567890",
        "nfConsumerIdentification": {"nodeFunctionality": "SMF", "nFIPv4Address": "192.0.2.7"},
        "invocationTimeStamp": "2026-06-01T00:00:00Z",
        "invocationSequenceNumber": number,
        "multipleUnitUsage": list(groups),
        "pDUSessionChargingInformation": {
            "chargingId": 7,
            "userInformation": {"servedGPSI": "msisdn-491511"},
            "pduSessionInformation": {
                "pduSessionID": 1, "dnnId": "internet", "servingCNPlmnId": {"mcc": "262", "mnc": "01"},
            },
        },
        **more,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


@dataclass
class World:
    """One gateway with one subscriber."""

    db: Database
    tenant_id: TenantId
    clock: MovableClock
    desk: Desk
    account: charging.ChargingAccount
    node: Node
    router: Router
    book: SessionBook
    server: Server
    documents: Documents
    client: httpx.AsyncClient
    url: str = ""

    async def post(self, path: str, body: Any, **more: Any) -> httpx.Response:
        """Post a document; what goes and what comes is checked by the document of 3GPP."""
        answer = await self.client.post(
            path if path.startswith("http") else self.url + path,
            content=body if isinstance(body, bytes) else json.dumps(body),
            headers={"content-type": "application/json", **more},
        )
        assert answer.http_version == "HTTP/2"
        operation = "/chargingdata"
        for last in ("update", "release"):
            if path.endswith(last):
                operation = f"/chargingdata/{{ChargingDataRef}}/{last}"
        if not isinstance(body, bytes) and answer.status_code < 400:
            self.documents.check(CONVERGED, "ChargingDataRequest", {"invocationSequenceNumber": 0, **body})
        self.documents.check_answer(
            CONVERGED,
            operation,
            "post",
            answer.status_code,
            answer.headers.get("content-type", ""),
            answer.content,
        )
        return answer

    async def create(self, body: Any) -> tuple[str, dict[str, Any]]:
        """Open a session; return its URI and the answer."""
        answer = await self.post(ROOT, body)
        assert answer.status_code == 201, answer.text
        return answer.headers["location"], answer.json()

    async def balance(self) -> int:
        seen = (await charging.inspect(self.desk.client, account=self.account)).seen
        assert seen is not None
        return sum(one.amount for one in seen.balances)

    async def held(self) -> int:
        seen = (await charging.inspect(self.desk.client, account=self.account)).seen
        assert seen is not None
        return sum(one.reserved for one in seen.balances)


@dataclass
class Callback:
    """A network function that is told."""

    server: Server
    answers: list[Response] = field(default_factory=list)
    heard: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    some: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def uri(self) -> str:
        host, port = self.server.addresses[0]
        return f"http://{host}:{port}/smf/notify"


@asynccontextmanager
async def a_world(
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    folder: Path,
    documents: Documents,
    *,
    node: Node | None = None,
    money: int = EURO,
) -> AsyncIterator[World]:
    """One subscriber, msisdn-491511, with money; data costs 0.02 per MB, calls 0.01 per second."""
    await sell_data_and_calls(db, tenant_id, clock)
    account = await open_one(db, tenant_id, clock)
    node = node or a_node()
    async with a_desk(db, folder, clock) as desk:
        await charging.make_live(desk.client, db=db, tenant_id=tenant_id, account=account, now=clock.now())
        if money:
            answer = await charging.command(
                desk.client, account=account, kind=CommandKind.TOP_UP, key="first", amount=money
            )
            assert answer.result == 2001
        subscribers = Subscribers(db, lambda: int(clock.now().timestamp() * 1_000))
        book = SessionBook(db=db)
        asking = Asking(subscribers=subscribers, client=desk.client)
        counters = Counters(client=desk.client, clock=clock)
        router = Router(
            node,
            (
                ConvergedCharging(asking=asking, book=book, clock=clock).service(),
                OfflineCharging(db=db, clock=clock).service(),
                SpendingLimits(db=db, asking=asking, counters=counters, clock=clock).service(),
            ),
            operators={"nordlicht": Operator(tenant_id, account.tenant_number)},
            checker=Checker(node.tokens, instance=node.instance, now_s=lambda: int(clock.now().timestamp())),
        )
        async with (
            serving(router) as server,
            httpx.AsyncClient(http1=False, http2=True, timeout=20) as client,
        ):
            host, port = server.addresses[0]
            yield World(
                db, tenant_id, clock, desk, account, node, router, book, server, documents, client,
                f"http://{host}:{port}",
            )  # fmt: skip


@asynccontextmanager
async def serving(handler: Any, **bounds: Any) -> AsyncIterator[Server]:
    server = Server(handler, msgspec.structs.replace(Bounds(), **bounds))
    await server.start(("127.0.0.1:0",))
    try:
        yield server
    finally:
        for wire in tuple(server.wires):
            wire._abort("the test ends")
        await server.drain()
