"""kill -9 at each step of a run with two people: the same bills, totals and numbers as without it."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.model import Approval, RunState
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant
from farwire.rating.model import UsageKind
from farwire.usage.service.recording import ReportedUsage, record_usage

from .test_approval import ANNA, BERT
from .test_run import picture
from .world import World

UNTIL = "2026-07-01T00:00+02:00"
ACCOUNTS = 24

SCRIPT = """
import asyncio, sys, time
from uuid import UUID
from farwire.base.clock import MovableClock
from farwire.base.config import load_settings
from farwire.base.storage import open_database
from farwire.billing import service
from farwire.billing.model import Approval, RunState
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import instant

step, lines = sys.argv[3], int(sys.argv[4])

def tell(phase, done, total):
    global lines
    if lines == 0:
        time.sleep(600)  # it is about to be killed, however late
    print(phase, done, flush=True)
    lines -= phase == step

async def main():
    tenant_id, until, reject = UUID(sys.argv[1]), instant(sys.argv[2]), step == "discard"
    clock = MovableClock(until)
    db = await open_database(load_settings())
    who = lambda name: Actor(ActorKind.OPERATOR, name)
    tell("rate", 0, 0)
    report = await service.run_bills(
        db=db, tenant_id=tenant_id, clock=clock, until=until, batch=2, approval=Approval.FOUR_EYES,
        actor=who("anna"), progress=tell,
    )
    if report.run.state is RunState.AWAITING_APPROVAL:
        async with db.transaction(tenant_id) as tx:
            decide = service.reject_run if reject else service.approve_run
            why = {"reason": "no"} if reject else {}
            await decide(tx, run_id=report.run.id, actor=who("bert"), now=until, **why)
        tell("approve", 1, 1)
    await service.advance_run(
        db=db, tenant_id=tenant_id, clock=clock, run_id=report.run.id, batch=2, progress=tell
    )
    await db.close()

asyncio.run(main())
"""


def kill_in(step: str, lines: int, delay_s: float, tenant_id: TenantId, env: dict[str, str]) -> int:
    """Start a run in a process of its own; kill it between two lines about ``step``; return how it ended."""
    command = [sys.executable, "-c", SCRIPT, str(tenant_id), UNTIL, step, str(lines)]
    with subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while lines:
            line = process.stdout.readline()
            assert line, f"the run ended before it could be killed in {step}"
            lines -= line.startswith(step)
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        return process.wait(timeout=60)


async def build(world: World) -> None:
    """Add accounts, each with a product, a rated usage and one that waits to be rated."""
    plan = await world.plan()
    for n in range(ACCOUNTS):
        account = await world.account(f"{300_000 + n}")
        number = f"4915100{n:05}"
        product = await world.product(account, plan, identifier=number)
        await world.rated(product, "other", "0.09", at="2026-06-20T10:00Z")
        async with world.db.transaction(world.tenant_id) as tx:
            reported = ReportedUsage(
                kind=UsageKind.VOICE,
                started_at=instant("2026-06-21T10:00Z"),
                subscriber=number,
                quantity=61,
                destination="4319999",
            )
            await record_usage(tx=tx, reported=reported, now=world.clock.now())


async def finish(world: World) -> None:
    """Take what is left to its end, in this process."""
    while True:
        report = await world.run(UNTIL, approval=Approval.FOUR_EYES, actor=ANNA)
        if report.run.state is RunState.AWAITING_APPROVAL:
            async with world.db.transaction(world.tenant_id) as tx:
                await billing.approve_run(tx, run_id=report.run.id, actor=BERT, now=world.clock.now())
        elif report.run.state is RunState.COMPLETED:
            return


@pytest.mark.crash
@pytest.mark.parametrize("step", ["rate", "draft", "check", "approve", "issue", "discard"])
async def test_kill_9_in_each_step_neither_loses_nor_doubles_anything(
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    other_tenant_id: TenantId,
    database_env: dict[str, str],
    step: str,
    seed: int,
) -> None:
    chance = random.Random(f"{step} {seed}")
    worlds = [World(db, clock, tenant) for tenant in (tenant_id, other_tenant_id)]
    for world in worlds:
        await build(world)
    clock.set(instant(UNTIL))
    await finish(worlds[0])
    first = 1 if step in ("rate", "approve") else chance.randint(1, 8)
    code = await asyncio.to_thread(
        kill_in, step, first, chance.uniform(0, 0.02), other_tenant_id, database_env
    )
    assert code == -signal.SIGKILL
    await finish(worlds[1])
    pictures = [await picture(world) for world in worlds]
    assert pictures[0] == pictures[1], f"repeat with FARWIRE_TEST_SEED={seed}"
    assert len(pictures[1]) == ACCOUNTS
    for world in worlds:
        await world.sound()
        page = await usage_states(world)
        assert page == {"billed": 2 * ACCOUNTS}
        runs = await billing.list_runs(db=db, tenant_id=world.tenant_id, page=PageRequest())
        assert all(run.state.ended for run in runs.items)
        async with db.transaction(world.tenant_id) as tx:
            kept = await tx.fetchval(
                "SELECT count(*) FROM billing.charged_before WHERE tenant_id = $1", world.tenant_id
            )
        assert kept == 0


async def usage_states(world: World) -> dict[str, int]:
    async with world.db.transaction(world.tenant_id) as tx:
        found = await tx.fetch(
            "SELECT state, count(*) AS n FROM usage.record WHERE tenant_id = $1 GROUP BY state",
            world.tenant_id,
        )
    return {row["state"]: row["n"] for row in found}
