"""Publishing plans in a real database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.catalog import service
from farwire.catalog.model import read_plan
from farwire.catalog.service import Published
from farwire.kernel.errors import Conflict, FarwireError, NotFound
from farwire.kernel.ids import PlanVersionId, TenantId, uuid7

PLAN = """
offering = "flex-m"
name = "Flex M"
valid_from = 2026-06-01T00:00:00Z
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
[[recurring]]
id = "monthly"
price = "20.00"
"""


class Shop:
    """A tenant's catalogue."""

    def __init__(self, db: Database, tenant_id: TenantId, clock: MovableClock) -> None:
        self.db, self.tenant_id, self.clock = db, tenant_id, clock

    async def publish(self, valid_from: str = "2026-06-01", price: str = "20.00", end: str = "") -> Published:
        text = PLAN.replace("2026-06-01", valid_from).replace("20.00", price)
        if end:
            text = text.replace("currency", f"valid_to = {end}T00:00:00Z\ncurrency")
        async with self.db.transaction(self.tenant_id) as tx:
            return await service.publish_plan(tx=tx, clock=self.clock, plan=read_plan(text))

    async def sold(self, day: str) -> int:
        at = datetime.fromisoformat(day).replace(tzinfo=UTC)
        async with self.db.transaction(self.tenant_id) as tx:
            return (await service.version_in_force(tx, code="flex-m", at=at)).number


@pytest.fixture
def shop(db: Database, tenant_id: TenantId, clock: MovableClock) -> Shop:
    return Shop(db, tenant_id, clock)


async def test_the_same_plan_again_is_the_same_version(shop: Shop) -> None:
    first, again = await shop.publish(), await shop.publish()
    assert (first.new, again.new) == (True, False)
    assert again.version.id == first.version.id
    async with shop.db.transaction(shop.tenant_id) as tx:
        found = await service.plan_versions(tx, [first.version.id])
    assert found[first.version.id].plan == first.version.plan


async def test_version_two_of_next_month_leaves_today_alone(shop: Shop) -> None:
    first = await shop.publish()
    second = await shop.publish("2026-07-01", "25.00")
    assert (second.version.number, await shop.sold("2026-06-30"), await shop.sold("2026-07-01")) == (2, 1, 2)
    async with shop.db.transaction(shop.tenant_id) as tx:
        kept = (await service.plan_versions(tx, [first.version.id]))[first.version.id]
    assert str(kept.plan.recurring[0].price) == "20"


async def test_overlapping_versions_are_refused(shop: Shop) -> None:
    await shop.publish(end="2026-08-01")
    for start, end in (("2026-06-01", ""), ("2026-07-31", ""), ("2026-05-01", "2026-06-02")):
        with pytest.raises(Conflict) as caught:
            await shop.publish(start, "21.00", end)
        assert caught.value.code == "catalog.version_overlap"
    await shop.publish("2026-09-01", "21.00")
    await shop.publish("2026-05-01", "21.00", "2026-06-01")
    with pytest.raises(NotFound):
        await shop.sold("2026-08-15")


async def test_two_publishers_at_once_make_one_version(shop: Shop) -> None:
    outcomes = await asyncio.gather(*(shop.publish() for _ in range(4)))
    assert sorted(outcome.new for outcome in outcomes) == [False, False, False, True]


async def test_a_published_plan_cannot_be_changed_in_the_database(shop: Shop) -> None:
    await shop.publish()
    for statement in ("UPDATE catalog.price_plan SET number = 9", "DELETE FROM catalog.price_plan"):
        with pytest.raises(FarwireError, match="permission denied"):
            async with shop.db.transaction(shop.tenant_id) as tx:
                await tx.execute(f"{statement} WHERE tenant_id = $1", shop.tenant_id)


async def test_another_tenant_sees_nothing(shop: Shop, other_tenant_id: TenantId) -> None:
    version = (await shop.publish()).version
    page = await service.list_offerings(db=shop.db, tenant_id=other_tenant_id)
    assert page.total == 0
    async with shop.db.transaction(other_tenant_id) as tx:
        assert await service.versions_by_code(tx, ["flex-m"]) == {}
        with pytest.raises(NotFound):
            await service.plan_versions(tx, [version.id])
        for table in ("offering", "price_plan"):
            seen = await tx.fetchval(
                f"SELECT count(*) FROM catalog.{table} WHERE tenant_id = $1", shop.tenant_id
            )
            assert seen == 0


async def test_publishing_is_a_fact_and_an_audited_act(shop: Shop) -> None:
    version = (await shop.publish()).version
    async with shop.db.transaction(shop.tenant_id) as tx:
        rows = await tx.fetch(
            "SELECT type FROM base.outbox WHERE tenant_id = $1 ORDER BY position", tx.tenant_id
        )
        offering = await service.offering(tx=tx, code="flex-m")
        assert await service.offering_by_id(tx=tx, offering_id=version.offering_id) == offering
    facts = ["farwire.catalog.product_offering_created.v1", "farwire.catalog.plan_published.v1"]
    assert [row["type"] for row in rows] == facts


async def test_an_unknown_plan_is_not_found(shop: Shop) -> None:
    async with shop.db.transaction(shop.tenant_id) as tx:
        with pytest.raises(NotFound):
            await service.plan_versions(tx, [PlanVersionId(uuid7())])
        with pytest.raises(NotFound):
            await service.offering(tx=tx, code="none")
