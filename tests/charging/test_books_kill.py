"""Real processes that bring facts to the books are killed, wherever they are: each fact still counts once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging.model import CommandKind, EventKind
from farwire.kernel.ids import TenantId
from farwire.ledger.model import Book
from tests.charging.books_world import books_world
from tests.charging.children import end, kill
from tests.charging.play import EURO

READER = """
import asyncio
from farwire.base.clock import SystemClock
from farwire.base.config import load_settings
from farwire.base.storage import open_database
from farwire.charging.log.postgres import PostgresLog
from farwire.charging.service import books


async def main():
    db = await open_database(load_settings())
    log = PostgresLog(db, shard=0, epoch=1)
    print("ready", flush=True)
    while (await books.take(db=db, log=log, clock=SystemClock(), most=640)).more:
        print("round", flush=True)
    print("done", flush=True)


asyncio.run(main())
"""
CHARGES = 40
CHARGE = 1_234_567


async def read_until_killed(env: dict[str, str], dice: random.Random) -> bool:
    """Let a process read for some rounds and a little more, then kill it; return whether it came to its end."""
    reader = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READER, env={**os.environ, **env}, stdout=asyncio.subprocess.PIPE
    )
    assert reader.stdout is not None
    try:
        said = b""
        for _ in range(dice.randint(2, 9)):
            said = await reader.stdout.readline()
            if said in (b"done\n", b""):
                break
        await asyncio.sleep(dice.random() * 0.03)
        if said != b"done\n":
            kill(reader)
        code = await reader.wait()
    finally:
        await end(reader)
    assert code in (0, -signal.SIGKILL)
    return code == 0


@pytest.mark.crash
async def test_books_that_are_killed_anywhere_count_everything_once(
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    tmp_path: Path,
    database_env: dict[str, str],
    seed: int,
) -> None:
    dice = random.Random(seed)
    async with books_world(db, tenant_id, clock, tmp_path, "postgres") as world:
        (account,) = world.accounts
        await world.command(account, CommandKind.VOUCHER, 100 * EURO)
        for _ in range(CHARGES):
            await world.event(account, EventKind.DIRECT_DEBIT, CHARGE)
        kills = 0
        while not await read_until_killed(database_env, dice):
            kills += 1
            assert kills < 40
        await world.take()
        assert kills
        assert await world.count("charging.movement") == CHARGES + 1
        assert await world.charged() == CHARGES * CHARGE
        assert await world.gross() == {
            Book.PREPAID: CHARGES * CHARGE,
            Book.REVENUE_USAGE: -CHARGES * CHARGE,
        }
        done, stray = await world.reconciled()
        assert (done.differences, stray) == ((), ())
