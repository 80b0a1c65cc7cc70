"""The run as an operator meets it: again, interrupted, cancelled, with bad accounts, beside other runs."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta

import asyncpg
import pytest

from farwire.base.clock import MovableClock
from farwire.base.eventbus.service import list_events
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.events import BILL_ISSUED
from farwire.billing.model import Run, RunState
from farwire.inventory import service as inventory
from farwire.inventory.model import PlanChange, Product
from farwire.kernel.errors import FarwireError, Invalid, NotFound
from farwire.kernel.ids import PlanVersionId, ProductId, TenantId, uuid7
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant
from farwire.usage import service as usage

from .world import World

UNTIL = "2026-07-01T00:00+02:00"


async def picture(world: World) -> list[tuple[str, str | None, int, int]]:
    """Return account, number and amounts of every bill, by account."""
    page = await billing.list_bills(db=world.db, tenant_id=world.tenant_id, page=PageRequest(limit=1000))
    return sorted((bill.account_number, bill.number, bill.net_minor, bill.total_minor) for bill in page.items)


async def test_running_again_changes_nothing(world: World) -> None:
    await world.many(7, await world.plan())
    first = await world.run(batch=3)
    before = await picture(world)
    again = await world.run(batch=2)
    assert (first.billed, first.issued, again.billed, again.issued) == (7, 7, 0, 0)
    assert await picture(world) == before
    assert [number for _, number, _, _ in before] == [f"NL-2026-{n:07d}" for n in range(1, 8)]
    await world.sound()


async def test_each_bill_is_announced_once_and_its_usage_is_billed(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    used = await world.rated(product, "other", "0.09", at="2026-06-20T10:00Z")
    await world.run()
    await world.run()
    bill = await world.only_bill()
    async with world.db.transaction(world.tenant_id) as tx:
        events = await list_events(tx=tx, type_prefix=BILL_ISSUED)
        record = await usage.usage_record(tx, usage_id=used)
    assert [event.data["total_minor"] for _, event in events] == [bill.total_minor]
    assert (record.state, record.bill_id) == ("billed", bill.id)


async def test_the_future_is_not_billed(world: World) -> None:
    with pytest.raises(Invalid) as raised:
        await billing.run_bills(
            db=world.db,
            tenant_id=world.tenant_id,
            clock=world.clock,
            until=world.clock.now() + timedelta(seconds=1),
        )
    assert raised.value.code == "billing.until_future"


async def test_one_bad_account_is_reported_and_the_others_are_billed(world: World) -> None:
    plan = await world.plan()
    good, bad, poor = await world.many(3, plan)
    start = instant("2026-06-11T14:03+02:00")
    nowhere = (PlanChange(start, PlanVersionId(uuid7())),)
    async with world.db.transaction(world.tenant_id) as tx:
        broken = Product(ProductId(uuid7()), bad.id, plan.offering_id, start, nowhere)
        await inventory.add_products(tx, [broken])
    held = (await products_of(world, poor.id))[0]
    lost = await world.rated(held, "no-such-price", "1", at="2026-06-20T10:00Z")
    report = await world.run()
    assert (report.billed, report.failed, report.ok) == (1, 2, False)
    failures = await billing.run_failures(
        db=world.db, tenant_id=world.tenant_id, run_id=report.run.id, page=PageRequest()
    )
    assert {entry.account_id: entry.code for entry in failures.items} == {
        bad.id: "billing.plan_unknown",
        poor.id: "billing.price_unknown",
    }
    assert [bill.account_id for bill in await world.bills()] == [good.id]
    async with world.db.transaction(world.tenant_id) as tx:
        assert (await usage.usage_record(tx, usage_id=lost)).state == "rated"
        await tx.execute("UPDATE usage.record SET price_id = 'other' WHERE tenant_id = $1", world.tenant_id)
    again = await world.run()
    assert (again.billed, again.failed) == (1, 1)
    assert {bill.account_id for bill in await world.bills()} == {good.id, poor.id}
    await world.sound()


async def products_of(world: World, account_id: object) -> tuple[Product, ...]:
    async with world.db.transaction(world.tenant_id) as tx:
        return (await inventory.products_by_account(tx, [account_id]))[account_id]  # type: ignore[index,list-item]


async def test_a_cancelled_run_stops_and_the_next_one_ends_the_work(world: World) -> None:
    await world.many(9, await world.plan())
    world.clock.set(instant(UNTIL))
    asked: list[asyncio.Task[tuple[Run, ...]]] = []

    def cancel(_phase: str, done: int, _total: int) -> None:
        if done == 3:
            cancelling = billing.cancel_runs(db=world.db, tenant_id=world.tenant_id, now=world.clock.now())
            asked.append(asyncio.ensure_future(cancelling))

    report = await world.run(UNTIL, batch=1, progress=cancel)
    assert len(await asked[0]) == 1
    assert report.run.state is RunState.CANCELLED
    assert not report.ok
    assert report.billed < 9
    final = await world.run(UNTIL)
    assert final.ok
    assert len(await picture(world)) == 9
    await world.sound()


async def test_two_runs_at_once_share_the_work(world: World) -> None:
    await world.many(40, await world.plan())
    world.clock.set(instant(UNTIL))
    await asyncio.gather(*(world.run(UNTIL, batch=3) for _ in range(3)))
    numbers = [number for _, number, _, _ in await picture(world)]
    assert sorted(numbers) == [f"NL-2026-{n:07d}" for n in range(1, 41)]  # type: ignore[type-var]
    await world.sound()


class Interrupted(Exception):
    """The process ends here."""


@pytest.mark.sim
async def test_a_run_that_stops_anywhere_ends_with_the_same_bills(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId, seed: int
) -> None:
    chance = random.Random(seed)
    pictures = []
    for tenant in (tenant_id, other_tenant_id):
        world = World(db, clock, tenant)
        await world.many(20, await world.plan())
        if clock.now() < instant(UNTIL):
            clock.set(instant(UNTIL))
        while tenant == other_tenant_id:
            left = chance.randrange(1, 9)

            def stop(_phase: str, _done: int, _total: int) -> None:
                nonlocal left
                left -= 1
                if not left:
                    raise Interrupted

            try:
                await world.run(UNTIL, batch=3, progress=stop)
            except Interrupted:
                continue
            break
        await world.run(UNTIL, batch=3)
        await world.sound()
        pictures.append(await picture(world))
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 20


RUN = """
import asyncio, sys, time
from uuid import UUID
from farwire.base.clock import MovableClock
from farwire.base.config import load_settings
from farwire.base.storage import open_database
from farwire.billing import service
from farwire.billing.model import Approval
from farwire.kernel.time import instant

lines = int(sys.argv[3])

def tell(phase, done=0, total=0):
    global lines
    if lines == 0:
        time.sleep(600)  # it is about to be killed, however late
    print(phase, done, flush=True)
    lines -= 1

async def main():
    until = instant(sys.argv[2])
    db = await open_database(load_settings())
    tell("begun")
    tenant_id, clock = UUID(sys.argv[1]), MovableClock(until)
    report = await service.run_bills(
        db=db, tenant_id=tenant_id, clock=clock, until=until, batch=5, approval=Approval.NONE,
        progress=tell,
    )
    await db.close()
    sys.exit(0 if report.ok else 1)

asyncio.run(main())
"""


def kill_after(batches: int, delay_s: float, tenant_id: TenantId, env: dict[str, str]) -> int:
    """Start a run in a process of its own, kill it ``delay_s`` after it told of ``batches``; return how it ended."""
    lines = 1 + batches
    command = [sys.executable, "-c", RUN, str(tenant_id), UNTIL, str(lines)]
    with subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline(), "the run ended before it could be killed"
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        return process.wait(timeout=60)


@pytest.mark.crash
async def test_kill_9_in_the_middle_neither_loses_nor_doubles_anything(
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    other_tenant_id: TenantId,
    database_env: dict[str, str],
    seed: int,
) -> None:
    chance = random.Random(seed)
    worlds = [World(db, clock, tenant) for tenant in (tenant_id, other_tenant_id)]
    for world in worlds:
        plan = await world.plan()
        for account in (await world.many(300, plan))[::10]:
            await world.rated(
                (await products_of(world, account.id))[0], "other", "0.09", at="2026-06-20T10:00Z"
            )
    clock.set(instant(UNTIL))
    await worlds[0].run(UNTIL, batch=5)
    for _ in range(4):
        # 60 batches of drafts and 60 of numbers: four times at most 20 leave something to be killed in.
        when = (chance.randint(0, 20), chance.uniform(0, 0.01))
        code = await asyncio.to_thread(kill_after, *when, other_tenant_id, database_env)
        assert code == -signal.SIGKILL
    await worlds[1].run(UNTIL, batch=5)
    first, second = [await picture(world) for world in worlds]
    assert first == second, f"repeat with FARWIRE_TEST_SEED={seed}"
    assert len(second) == 300
    for world in worlds:
        await world.sound()


async def test_an_issued_bill_is_never_changed(world: World) -> None:
    await world.many(1, await world.plan())
    await world.run()
    for statement in (
        "UPDATE billing.bill SET total_minor = 1, net_minor = 1, tax_minor = 0",
        "DELETE FROM billing.bill",
    ):
        with pytest.raises((asyncpg.IntegrityConstraintViolationError, FarwireError)):
            async with world.db.transaction(world.tenant_id) as tx:
                await tx.execute(statement)


async def test_a_difference_is_found_and_named(world: World, clean_database: object) -> None:
    await world.many(2, await world.plan())
    await world.run()
    async with world.db.transaction(world.tenant_id) as tx:
        await tx.execute(
            "UPDATE billing.number_series SET last_number = 3 WHERE tenant_id = $1", world.tenant_id
        )
        await tx.execute(
            "INSERT INTO billing.tax SELECT tenant_id, bill_id, 9, category, code, name, label, rate_percent, 0, 1, '' "
            "FROM billing.tax WHERE tenant_id = $1 LIMIT 1",
            world.tenant_id,
        )
    found = await billing.reconcile(db=world.db, tenant_id=world.tenant_id)
    assert not found.ok
    assert len(found.differences) == 2
    assert "taxes" in found.differences[0]
    assert "2 bills, numbers 1 to 2, 3 given" in found.differences[1]


async def test_a_tenant_neither_sees_nor_bills_another(
    world: World, db: Database, clock: MovableClock, other_tenant_id: TenantId
) -> None:
    await world.many(2, await world.plan())
    await world.run()
    other = World(db, clock, other_tenant_id)
    bill = (await world.bills())[0]
    report = await other.run()
    assert (report.billed, report.empty) == (0, 0)
    assert await other.bills() == []
    for key in (str(bill.id), str(bill.number)):
        with pytest.raises(NotFound):
            await billing.get_bill(db=db, tenant_id=other_tenant_id, key=key)
    failures = await billing.run_failures(
        db=db, tenant_id=other_tenant_id, run_id=bill.run_id, page=PageRequest()
    )
    assert failures.total == 0
    async with db.transaction(other_tenant_id) as tx:
        for table in ("run", "bill", "line", "tax", "journal", "number_series", "charged"):
            rows = await tx.fetch(f"SELECT 1 FROM billing.{table} WHERE tenant_id = $1", world.tenant_id)
            assert rows == [], table
    with pytest.raises((asyncpg.InsufficientPrivilegeError, FarwireError)):
        async with db.transaction(other_tenant_id) as tx:
            await tx.execute(
                "INSERT INTO billing.number_series VALUES ($1, $2, 2026, 9)",
                world.tenant_id,
                bill.legal_entity_id,
            )
    mine = await billing.list_runs(db=db, tenant_id=world.tenant_id, page=PageRequest())
    theirs = await billing.list_runs(db=db, tenant_id=other_tenant_id, page=PageRequest())
    assert {run.id for run in mine.items}.isdisjoint(run.id for run in theirs.items)
