"""Products for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from farwire.base.storage import Database
from farwire.inventory import service
from farwire.inventory.model import PlanChange, Product
from farwire.kernel.ids import AccountId, OfferingId, PlanVersionId, ProductId, TenantId, uuid7

JUNE = datetime(2026, 6, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)
AUGUST = datetime(2026, 8, 1, tzinfo=UTC)


def a_product(start: datetime = JUNE, **other: object) -> Product:
    """Return a product of an account of its own."""
    plain = Product(
        ProductId(uuid7()),
        AccountId(uuid7()),
        OfferingId(uuid7()),
        start,
        (PlanChange(start, PlanVersionId(uuid7())),),
    )
    return replace(plain, **other)  # type: ignore[arg-type]


async def added(db: Database, tenant_id: TenantId, *products: Product) -> None:
    """Put the products into the inventory."""
    async with db.transaction(tenant_id) as tx:
        await service.add_products(tx, products)


async def loaded(db: Database, tenant_id: TenantId, product_id: ProductId) -> Product:
    """Return the product as it is stored."""
    async with db.transaction(tenant_id) as tx:
        return (await service.get_products(tx, [product_id]))[product_id]
