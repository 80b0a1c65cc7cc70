"""What is charged is remembered: rows of before terms were kept mean what they meant, and payers keep apart."""

from __future__ import annotations

from uuid import UUID

from farwire.billing.model import ChargedStretch, ProductCharges
from farwire.billing.store import charged as store
from farwire.inventory import service as inventory
from farwire.kernel.ids import AccountId, PlanVersionId, TenantId
from farwire.kernel.time import instant

from .variants import amounts, override, sound
from .world import World

JULY, AUGUST = "2026-07-01T00:00+02:00", "2026-08-01T00:00+02:00"


async def test_rows_of_before_terms_were_kept_mean_the_plan_as_it_was(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await world.run(JULY)
    async with world.db.transaction(world.tenant_id) as tx:
        # As the version before wrote them: no payer, no day, no plan version, no terms.
        await tx.execute(
            "UPDATE billing.charged SET plan_version_id = NULL WHERE tenant_id = $1", world.tenant_id
        )
    await world.run(AUGUST)
    assert amounts((await world.bills())[1]) == [("monthly", 2000)]
    async with world.db.transaction(world.tenant_id) as tx:
        rows = (await store.charged(tx, [(product.id, None)]))[product.id, None]
        await tx.execute(
            "UPDATE billing.charged SET plan_version_id = NULL WHERE tenant_id = $1", world.tenant_id
        )
    assert {row.plan_version_id for row in rows} == {product.plans[0].plan_version_id}
    await override(world, product, "monthly", "2026-07-01T00:00+02:00", price="10")
    await world.run("2026-09-01T00:00+02:00")
    # July and August 20.00 back and 10.00 asked, September 10.00
    assert amounts((await world.bills())[2]) == [("monthly", n) for n in (-2000, -2000, 1000, 1000, 1000)]
    await sound(world)


async def test_new_rows_have_the_defaults_of_old_ones(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    async with world.db.transaction(world.tenant_id) as tx:
        await tx.execute(
            "INSERT INTO billing.charged (tenant_id, product_id, plan_from, price_id, charged_to) "
            "VALUES ($1, $2, $3, 'monthly', $4)",
            world.tenant_id,
            product.id,
            product.started_at,
            instant(AUGUST),
        )
        (row,) = (await store.charged(tx, [(product.id, None)]))[product.id, None]
    assert row == ChargedStretch(product.started_at, "monthly", instant(AUGUST))
    await world.run(JULY)
    assert amounts(await world.only_bill()) == [("activation", 990)]


async def test_each_payer_has_rows_of_its_own_and_each_operator(
    world: World, other_tenant_id: TenantId
) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    payer = AccountId(UUID(int=5))
    row = ChargedStretch(
        product.started_at, "monthly", instant(JULY), 3, PlanVersionId(UUID(int=6)), "percent=80"
    )
    later = ChargedStretch(product.started_at, "monthly", instant(AUGUST))
    async with world.db.transaction(world.tenant_id) as tx:
        keys = [(product.id, None), (product.id, payer)]
        await store.save_charged(tx, dict.fromkeys(keys, ProductCharges((), (row,))))
        await store.save_charged(tx, {(product.id, payer): ProductCharges((), (later,), replaced=True)})
        assert await store.charged(tx, keys) == {keys[0]: (row,), keys[1]: (later,)}
    async with world.db.transaction(other_tenant_id) as tx:
        assert await store.charged(tx, keys) == {}
        assert await inventory.get_products(tx, [product.id]) == {}
