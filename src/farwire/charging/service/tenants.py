"""The numbers by which shards name tenants."""

from __future__ import annotations

from collections.abc import Mapping

from farwire.base.storage import Database, Tx
from farwire.charging.store import control as store
from farwire.kernel.errors import check
from farwire.kernel.ids import TenantId


async def tenant_number(tx: Tx) -> int:
    """Return the number of the transaction's tenant; it is given at the first time and never changes."""
    found = await store.tenant_number(tx, tx.tenant_id)
    if found is None:
        await store.add_tenant(tx)
        found = await store.tenant_number(tx, tx.tenant_id)
    check(found is not None, "charging.tenant_number")
    return found or 0


async def tenants_by_number(db: Database) -> Mapping[int, TenantId]:
    """Return every tenant that charges online, by the number that shards and their facts name it by."""
    async with db.untenanted(read_only=True) as tx:
        return await store.tenants(tx)
