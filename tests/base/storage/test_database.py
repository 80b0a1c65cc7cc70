"""Transactions of one tenant."""

from farwire.base.storage import Database
from farwire.kernel.ids import TenantId


async def test_a_transaction_knows_its_tenant(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    async with db.transaction(tenant_id) as tx:
        assert await tx.fetchval("SELECT base.current_tenant()") == tenant_id
    async with db.untenanted() as tx:
        assert await tx.fetchval("SELECT base.current_tenant()") is None
