"""Policy counters: words for how far an account is, for the network's policy control."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.charging.model import CommandKind
from farwire.charging.model.limits import first
from farwire.charging.model.policy import CounterStatus, counters_of
from farwire.charging.model.state import Flag, Lifecycle, Period, Scope, new_account
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import TenantId
from tests.charging.desk import a_desk, open_one
from tests.gateway.world import sell_data_and_calls

EURO = 10**9
SPEND = int(Scope.HOME | Scope.ROAMING)


@pytest.mark.parametrize(
    ("used", "status"),
    [
        (0, "below"),
        (7_999, "below"),
        (8_000, "near"),
        (9_999, "near"),
        (10_000, "reached"),
        (12_000, "reached"),
    ],
)
def test_a_limit_is_below_near_or_reached_and_below_again_when_its_period_is_over(
    used: int, status: str
) -> None:
    limit = replace(first(SPEND, Period.CYCLE, 10_000), used=used, ends_at=100)
    account = new_account(1, tenant=1, plan=1, limits=(limit,))
    (counter,) = counters_of(account, 99)[2:]
    assert (counter.name, counter.status, counter.ends_at) == ("spend-cycle", status, 100)
    assert counters_of(account, 100)[2].status == CounterStatus.BELOW


@pytest.mark.parametrize(
    ("lifecycle", "flags", "status"),
    [
        (Lifecycle.POOL, 0, "pool"),
        (Lifecycle.ACTIVE, 0, "active"),
        (Lifecycle.ACTIVE, Flag.BARRED, "barred"),
        (Lifecycle.GRACE, 0, "grace"),
        (Lifecycle.EXPIRED, 0, "expired"),
    ],
)
def test_the_state_of_the_account_is_a_counter(lifecycle: int, flags: int, status: str) -> None:
    account = replace(new_account(1, tenant=1, plan=1, lifecycle=lifecycle), flags=int(flags))
    assert counters_of(account, 0)[0].status == status


def test_a_balance_that_quotas_hold_whole_is_used_up() -> None:
    account = new_account(1, tenant=1, plan=1)
    assert counters_of(account, 0)[1].status == CounterStatus.USED_UP
    (main,) = account.balances
    funded = replace(account, balances=(replace(main, amount=EURO, reserved=EURO - 1),))
    assert counters_of(funded, 0)[1].status == CounterStatus.AVAILABLE
    held = replace(account, balances=(replace(main, amount=EURO, reserved=EURO),))
    assert counters_of(held, 0)[1].status == CounterStatus.USED_UP


async def test_counters_are_asked_of_the_shard_and_an_account_that_it_lacks_is_unknown(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    await sell_data_and_calls(db, tenant_id, clock)
    account = await open_one(db, tenant_id, clock)
    async with a_desk(db, tmp_path, clock) as desk:
        await charging.make_live(desk.client, db=db, tenant_id=tenant_id, account=account, now=clock.now())
        await charging.command(desk.client, account=account, kind=CommandKind.TOP_UP, key="1", amount=EURO)
        now = datetime(2026, 1, 1, tzinfo=UTC)
        tenant = account.tenant_number
        found = await charging.policy_counters(
            desk.client, tenant_number=tenant, account=account.number, now=now
        )
        assert {one.name: one.status for one in found[:2]} == {"state": "active", "balance": "available"}
        with pytest.raises(NotFound, match="does not have"):
            await charging.policy_counters(
                desk.client, tenant_number=tenant, account=account.number + 1, now=now
            )
