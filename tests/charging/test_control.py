"""The control plane on a real PostgreSQL, with a shard in this process."""

from __future__ import annotations

from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service
from farwire.charging.model import CommandKind, ResultCode, Unit
from farwire.charging.shard.homes import vshard_of
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import TenantId
from tests.charging.desk import CLERK, GO_5, a_desk, open_one, sell_go_5
from tests.charging.play import EURO, MB


async def test_go_5_is_sold_by_its_price_plan_and_two_short_documents(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    await sell_go_5(db, tenant_id, clock)
    account = await open_one(db, tenant_id, clock)
    async with a_desk(db, tmp_path, clock) as desk:
        await service.make_live(desk.client, db=db, tenant_id=tenant_id, account=account, now=clock.now())
        async with db.transaction(tenant_id) as tx:
            offer = await service.offer_number(tx, offering=GO_5, now=clock.now())
        for kind, amount, subject in ((CommandKind.TOP_UP, 10 * EURO, 0), (CommandKind.PURCHASE, 0, offer)):
            answer = await service.command(
                desk.client, account=account, kind=kind, key=f"{kind}", amount=amount, subject=subject
            )
            assert answer.result == ResultCode.SUCCESS
        seen = (await service.inspect(desk.client, account=account)).seen
    assert seen is not None
    assert {(one.unit, one.amount) for one in seen.balances} == {
        (Unit.MONEY, 5 * EURO),
        (Unit.OCTETS, 2_000 * MB),
    }
    (holding,) = seen.holdings
    assert holding.ends_at - holding.started_at == 7 * 86_400_000_000


async def test_an_account_is_opened_once_and_found_by_who_it_is(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    await sell_go_5(db, tenant_id, clock)
    first, again = await open_one(db, tenant_id, clock), await open_one(db, tenant_id, clock)
    assert first == again
    other = await open_one(db, tenant_id, clock, key="sub-2", circle="sub-1")
    assert vshard_of(other.number) == vshard_of(first.number)
    assert other.number != first.number
    async with db.transaction(tenant_id) as tx:
        assert await service.find_account(tx, name="491511") == first
        assert await service.find_account(tx, name=str(first.number)) == first
        assert await service.erase_identities(tx, number=first.number, now=clock.now(), actor=CLERK) == 1
        with pytest.raises(NotFound) as caught:
            await service.find_account(tx, name="491511")
    assert caught.value.code == "charging.account_unknown"
    with pytest.raises(Conflict) as refused:
        async with db.transaction(tenant_id) as tx:
            await service.open_account(
                tx, offering=GO_5, key="sub-1", now=clock.now(), actor=CLERK, cycle_day=9
            )
    assert refused.value.code == "charging.key_reused"
