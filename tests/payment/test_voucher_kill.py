"""kill -9 while a batch is made: never a print file of codes that are not kept, and the same command goes on."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from farwire.kernel.errors import Conflict
from farwire.payment.model.voucher import Batch, BatchState, Told
from farwire.payment.service import voucher as vouchers

from .shop import Shop
from .till import ANNA, EVERYTHING, Till

SCRIPT = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from farwire.base.clock import MovableClock
from farwire.base.config import load_settings
from farwire.base.storage import open_database
from farwire.kernel.money import Money
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import instant
from farwire.payment.model.voucher import Alphabet, BatchOrder
from farwire.payment.service import voucher

async def main():
    tenant_id, entity, file = UUID(sys.argv[1]), UUID(sys.argv[2]), Path(sys.argv[3])
    order = BatchOrder("spring", entity, 20000, Money.of("10.00", "EUR"), instant("2026-06-01T00:00Z"),
                       instant("2027-06-01T00:00Z"), Alphabet.DIGITS, 16)
    db = await open_database(load_settings())
    print("ready", flush=True)
    await voucher.generate(db=db, clock=MovableClock(instant("2026-06-01T00:00Z")), tenant_id=tenant_id, order=order,
                           file=file, actor=Actor(ActorKind.OPERATOR, "anna"), report=lambda n: None)
    await db.close()

asyncio.run(main())
"""


@pytest.fixture
def shop(till: Till, tmp_path: Path) -> Shop:
    return Shop(till, tmp_path)


async def batches(shop: Shop) -> tuple[Batch, ...]:
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        return (await vouchers.list_batches(tx, page=EVERYTHING)).items


def run(shop: Shop, env: dict[str, str], kill_after: float | None) -> int:
    assert shop.till.entity is not None
    words = [str(shop.till.tenant_id), str(shop.till.entity.id), str(shop.folder / "spring.csv")]
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *words], env=os.environ | env, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if kill_after is not None:
            time.sleep(kill_after)
            process.send_signal(signal.SIGKILL)
        process.wait()
        return process.returncode


@pytest.mark.crash
async def test_killed_at_any_moment_a_batch_is_whole_or_not_there(
    shop: Shop, database_env: dict[str, str], seed: int
) -> None:
    await shop.till.company()
    chance = random.Random(seed)
    file = shop.folder / "spring.csv"
    for _ in range(4):
        ended = run(shop, database_env, kill_after=chance.uniform(0.05, 1.2))
        kept = await batches(shop)
        if file.exists():
            assert len(kept) == 1
        if ended == 0:
            break
    if not file.exists():
        assert run(shop, database_env, kill_after=None) == 0
    (batch,) = await batches(shop)
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert len(rows) == 20_000
    if (
        batch.state is BatchState.GENERATED
    ):  # killed after the file got its name, before that was written down
        assert run(shop, database_env, kill_after=None) == 0
    await shop.sell()
    for row in (rows[0], rows[-1]):
        answer = await shop.use(row["code"])
        assert answer.told is Told.ACCEPTED
        assert answer.order is not None
        assert answer.order.serial == int(row["serial"])
    await shop.sound()


async def test_stopped_before_the_end_nothing_is_kept_and_the_next_run_starts_anew(shop: Shop) -> None:
    def stop(_: int) -> None:
        raise InterruptedError

    await shop.till.company()
    with pytest.raises(InterruptedError):
        await vouchers.generate(
            db=shop.till.db,
            clock=shop.till.clock,
            tenant_id=shop.till.tenant_id,
            order=await shop.order(),
            file=shop.folder / "spring.csv",
            actor=ANNA,
            report=stop,
        )
    assert await batches(shop) == ()
    stale = (shop.folder / "spring.csv.part").read_text()
    made = await shop.make()
    assert (made.printed_now, made.reason) == (True, "")
    assert not (shop.folder / "spring.csv.part").exists()
    assert not any(code in stale for code in shop.codes.values())


@pytest.mark.parametrize("named", [False, True])
async def test_a_run_that_was_killed_after_the_commit_is_finished(shop: Shop, named: bool) -> None:
    await shop.make()
    file, part = shop.folder / "spring.csv", shop.folder / "spring.csv.part"
    if not named:
        file.rename(part)
    await forget_print(shop)
    with pytest.raises(Conflict) as refused:
        await shop.sell()
    assert refused.value.code == "payment.not_printed"
    made = await shop.make()
    assert (made.printed_now, made.reason) == (True, "it finished a run that was killed")
    assert file.exists()
    assert not part.exists()
    await shop.sell()
    assert (await shop.use(shop.codes[1])).told is Told.ACCEPTED


async def test_codes_that_were_lost_are_never_sold(shop: Shop) -> None:
    await shop.make()
    file = shop.folder / "spring.csv"
    file.with_name("spring.csv.part").write_bytes(file.read_bytes()[:-1])
    file.unlink()
    await forget_print(shop)
    made = await shop.make()
    assert (made.printed_now, made.batch.state) == (False, BatchState.GENERATED)
    assert "killed" in made.reason
    assert not file.exists()
    with pytest.raises(Conflict):
        await shop.sell()


async def forget_print(shop: Shop) -> None:
    """Bring the batch back to where it is between its commit and the end of the run."""
    async with shop.till.db.transaction(shop.till.tenant_id) as tx:
        await tx.execute(
            "UPDATE payment.voucher_batch SET printed_at = NULL WHERE tenant_id = $1", tx.tenant_id
        )
