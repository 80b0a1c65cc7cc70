"""kill -9 in each step of the closing of a month: run again, it closes once, with the books of one that was let be."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import pytest

from farwire.base.clock import MovableClock
from farwire.base.eventbus.service import list_events
from farwire.base.storage import Database
from farwire.billing.service import closing
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant
from farwire.ledger import service as ledger
from farwire.ledger.model import PeriodState

from .test_revenue import AUGUST, JULY, JUNE, books, close, report
from .world import World

CLOSING_DAY = "2026-08-03T09:00+02:00"
SCRIPT = """
import asyncio, sys
from datetime import date
from uuid import UUID
from farwire.base.clock import MovableClock
from farwire.base.config import load_settings
from farwire.base.storage import open_database
from farwire.billing.service import closing
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import instant

def stopping_after(step):
    async def act(*args, **given):
        await step(*args, **given)
        print("here", flush=True)
        await asyncio.sleep(600)
    return act

async def main():
    tenant_id, entity_id, month, at, step = sys.argv[1:]
    where = closing if hasattr(closing, step) else closing.ledger
    setattr(where, step, stopping_after(getattr(where, step)))
    db = await open_database(load_settings())
    await closing.close_period(
        db=db, tenant_id=UUID(tenant_id), clock=MovableClock(instant(at)), legal_entity_id=UUID(entity_id),
        month=date.fromisoformat(month), actor=Actor(ActorKind.OPERATOR, "anna"),
    )

asyncio.run(main())
"""


async def billed_and_used(world: World) -> None:
    """Bill June with July in advance, and use 0.63 in July: it is earned and not billed when July closes."""
    account = await world.account()
    product = await world.product(account, await world.plan())
    await world.run(issue_on=JULY)  # the two tenants are in two zones
    await world.rated(product, "other", "0.63", at="2026-07-21T10:00Z")


def kill_after(step: str, world: World, env: dict[str, str]) -> int:
    """Close July in a process of its own; kill it when ``step`` has written, before it commits."""
    assert world.entity is not None
    ids = [str(world.tenant_id), str(world.entity.id), str(JULY), CLOSING_DAY, step]
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *ids], env={**os.environ, **env}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n", f"the closing ended before {step}"
        process.send_signal(signal.SIGKILL)
        return process.wait(timeout=120)


async def closed_once(world: World) -> dict[str, object]:
    """Return what is on the books of a company that has closed July, without ids."""
    assert world.entity is not None
    async with world.db.transaction(world.tenant_id) as tx:
        july = await ledger.get_period(tx=tx, legal_entity_id=world.entity.id, month=JULY)
        assert (july.state, july.revision) == (PeriodState.CLOSED, 1)
        events = await list_events(tx=tx, type_prefix="farwire.ledger.period_closed")
        assert [event.data["month"] for _, event in events] == ["2026-06", "2026-07"]
        counted = await tx.fetch(
            "SELECT source, count(*) AS n FROM ledger.entry WHERE tenant_id = $1 GROUP BY source ORDER BY source",
            world.tenant_id,
        )
        accrued = await tx.fetch(
            "SELECT month, code, sum(amount_minor) AS minor FROM billing.accrual WHERE tenant_id = $1 "
            "GROUP BY month, code ORDER BY month, code",
            world.tenant_id,
        )
    await world.sound()
    return {
        "books": await books(world, AUGUST),
        "report": await report(world),
        "entries": [tuple(row) for row in counted],
        "accrued": [tuple(row) for row in accrued],
    }


@pytest.mark.crash
@pytest.mark.parametrize("step", ["begin_closing", "recognise", "accrue", "end_closing"])
async def test_kill_9_while_a_month_closes_closes_it_once_and_to_the_cent(
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    other_tenant_id: TenantId,
    database_env: dict[str, str],
    step: str,
) -> None:
    worlds = [World(db, clock, tenant) for tenant in (tenant_id, other_tenant_id)]
    for world in worlds:
        await billed_and_used(world)
    clock.set(instant(CLOSING_DAY))
    for world in worlds:
        await close(world, JUNE)
    await close(worlds[0], JULY)
    assert await asyncio.to_thread(kill_after, step, worlds[1], database_env) == -signal.SIGKILL
    await books(worlds[1], AUGUST)
    assert await close(worlds[1], JULY) is PeriodState.CLOSED
    assert await close(worlds[1], JULY) is PeriodState.CLOSED
    found = [await closed_once(world) for world in worlds]
    assert found[0] == found[1]
    assert {source for source, _ in found[1]["entries"]} >= {closing.EARNED, closing.UNBILLED}
