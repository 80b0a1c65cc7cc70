"""``farwire charging reconcile`` for real: beside a shard that runs, and with a difference that was planted."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service
from farwire.charging.model import CommandKind, EventKind
from farwire.charging.shard.front import listen
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import TenantId
from tests.charging.books_world import BooksWorld, books_world
from tests.charging.desk import CLERK, GO_5
from tests.charging.play import EURO
from tests.charging.test_transfers import Fickle

MAIN = "from farwire.app import main; main()"


async def reconcile(env: dict[str, str], *words: str, plain: bool = False) -> tuple[int, Any, str]:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", MAIN, "charging", "reconcile", *words, *(() if plain else ("--json",))],
        env={**os.environ, **env, "FARWIRE_TENANT": "nordlicht", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = done.stdout if plain or not done.stdout.strip() else json.loads(done.stdout)
    return done.returncode, found, done.stderr


async def moved(world: BooksWorld) -> None:
    (account,) = world.accounts
    await world.command(account, CommandKind.TOP_UP, 10 * EURO)
    await world.event(account, EventKind.DIRECT_DEBIT, 634_000_000)


async def test_the_books_are_proved_against_the_shard_that_runs(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, database_env: dict[str, str]
) -> None:
    async with books_world(db, tenant_id, clock, tmp_path) as world:
        front = await listen(world.runner, path=str(tmp_path / "front"))
        await moved(world)
        await world.take()
        code, rows, said = await reconcile(database_env, "--socket", str(tmp_path / "front"))
        front.close()
    assert code == 0, said
    assert {row["what"]: row["books"] for row in rows["items"]} == {
        "Credits by payment": "0.00 EUR",
        "Top-ups and transfers to be accounted for (1060)": "10.00 EUR",
        "Prepaid balances (2050)": "-9.366 EUR",
        "Tax payable (2200)": "-0.101226891 EUR",
        "Revenue, usage (4200)": "-0.532773109 EUR",
        "Accounts whose balances are what moved": 1,
    }


async def test_money_of_a_transfer_that_has_not_ended_is_a_line_of_its_own(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, database_env: dict[str, str]
) -> None:
    async with books_world(db, tenant_id, clock, tmp_path) as world:
        (payer,) = world.accounts
        async with db.transaction(tenant_id) as tx:
            payee = await service.open_account(tx, offering=GO_5, key="far", now=clock.now(), actor=CLERK)
        await world.command(payer, CommandKind.TOP_UP, 10 * EURO)
        with pytest.raises(Unavailable):
            await service.person_commands(
                Fickle(world.client, 2, heard=False), db=db, tenant_id=tenant_id, account=payer, key="gift",
                wish=service.Wish(CommandKind.TRANSFER, 3 * EURO, payee.number), actor=CLERK, now=clock.now(),
            )  # fmt: skip
        await world.take()
        code, found, said = await reconcile(database_env, "--books-only")
    (row,) = (one for one in found["items"] if one["what"] == "Transfers under way, inside 1060")
    assert (code, row["charging"], row["books"], row["ok"]) == (0, "-3.00 EUR", "-3.00 EUR", True), said


@pytest.mark.parametrize("books_only", [True, False])
async def test_a_planted_difference_ends_in_1_and_is_named(
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    tmp_path: Path,
    database_env: dict[str, str],
    books_only: bool,
) -> None:
    async with books_world(db, tenant_id, clock, tmp_path) as world:
        front = await listen(world.runner, path=str(tmp_path / "front"))
        await moved(world)
        await world.take()
        async with db.transaction(tenant_id) as tx:
            await tx.execute(
                "INSERT INTO charging.movement SELECT tenant_id, shard, sequence, place + 9, account, balance, unit, "
                "kind, -1, reason, key_hi, key_lo, request, at FROM charging.movement WHERE tenant_id = $1 "
                "AND kind = 1",
                tx.tenant_id,
            )
        words = ("--books-only",) if books_only else ("--socket", str(tmp_path / "front"))
        code, found, said = await reconcile(database_env, *words, plain=True)
        front.close()
    assert code == 1
    assert "0.000000001 EUR" in found
    assert "Prepaid balances (2050) differs from 2026-06-01, shard 0, sequence" in said
    assert ("the shard holds 9366000000, 9365999999 moved" in said) is not books_only
