"""A control plane at work for tests: Go 5 published with its terms, a shard in this process, a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.catalog.model import read_document
from farwire.catalog.model.plan import PricePlan
from farwire.catalog.service import publish_plan
from farwire.charging import service
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog
from farwire.charging.model.terms import OfferDocument, PlanDocument
from farwire.charging.shard.runner import Runner
from farwire.charging.shard.shard import recover
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.tenant import service as tenants
from tests.payment.till import Till

CLERK = Actor(ActorKind.OPERATOR, "clerk-1")
GO_5 = "go-5"


def go_5() -> PricePlan:
    path = resources.files("farwire.demo") / "data" / "catalogue" / "plans" / "go-5.toml"
    plan = read_document(path.read_text(encoding="utf-8"))
    assert isinstance(plan, PricePlan)
    return plan


async def sell_go_5(db: Database, tenant_id: TenantId, clock: MovableClock) -> None:
    """Publish Go 5 and how it is charged online."""
    async with db.transaction(tenant_id) as tx:
        await publish_plan(tx=tx, clock=clock, plan=go_5())
        now = clock.now()
        await service.set_plan_terms(tx, document=PlanDocument(offering=GO_5), now=now, actor=CLERK)
        await service.set_offer_terms(tx, document=OfferDocument(offering=GO_5), now=now, actor=CLERK)


async def open_one(
    db: Database, tenant_id: TenantId, clock: MovableClock, *, key: str = "sub-1", circle: str = ""
) -> service.ChargingAccount:
    async with db.transaction(tenant_id) as tx:
        company = await tenants.legal_entities(tx)
    if not company:
        await Till(db, clock, tenant_id).company()
    async with db.transaction(tenant_id) as tx:
        return await service.open_account(
            tx, offering=GO_5, key=key, now=clock.now(), actor=CLERK, circle=circle,
            identities=(service.Identity(service.IdentityKind.MSISDN, f"49151{key.removeprefix('sub-')}"),),
        )  # fmt: skip


@dataclass
class Desk:
    runner: Runner
    client: service.InProcessClient
    tariffs: service.LiveTariffs


@asynccontextmanager
async def a_desk(db: Database, folder: Path, clock: MovableClock, *, epoch: int = 1) -> AsyncIterator[Desk]:
    """A shard in this process, with the tariffs that are published now; ``epoch`` rises each time it begins anew."""
    tariffs = service.LiveTariffs()
    await tariffs.reload(db, clock=clock)
    log = FileLog(RealDisk(folder), shard=0, epoch=epoch, segment_bytes=1 << 16)
    shard = await recover(log=log, records=10_000, tariffs=tariffs, clock=clock)
    runner = Runner(shard)
    try:
        yield Desk(runner, service.InProcessClient(runner), tariffs)
    finally:
        await runner.drain()
