"""The records behind a line are those of its sum, whatever order plans and lines come in."""

from __future__ import annotations

from farwire.billing import service as billing
from farwire.inventory import service as inventory
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant

from .world import FLEX_M, World


async def test_a_change_back_to_an_older_plan_explains_each_line_by_its_own_records(world: World) -> None:
    older = await world.plan()
    newer = await world.plan(FLEX_M.replace("flex-m", "flex-l"))
    account = await world.account(opened="2026-06-01T00:00+02:00")
    product = await world.product(account, newer, start="2026-06-01T00:00+02:00")
    await world.rated(product, "other", "0.27", at="2026-06-02T12:00+02:00", quantity=180)
    await world.rated(product, "other", "0.09", at="2026-06-03T12:00+02:00")
    changed = instant("2026-06-16T00:00+02:00")
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.change_plan(tx, product_id=product.id, plan_version_id=older.id, at=changed)
        product = (await inventory.get_products(tx, [product.id]))[product.id]
    await world.rated(product, "other", "0.18", at="2026-06-20T12:00+02:00", quantity=120)
    await world.run()
    bill = await world.only_bill()
    found = {}
    for line in bill.lines:
        explained = await billing.explain_line(
            db=world.db, tenant_id=world.tenant_id, bill=bill, number=line.number, page=PageRequest()
        )
        if explained.records is not None:
            charges = [record.charge_nano or 0 for record in explained.records.items]
            assert sum(charges) == line.item.exact_nano
            found[line.item.plan_version_id] = sorted(charges)
    assert found == {newer.id: [90_000_000, 270_000_000], older.id: [180_000_000]}
