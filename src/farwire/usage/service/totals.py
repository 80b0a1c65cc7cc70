"""Control totals: as kept, and counted anew."""

from __future__ import annotations

import msgspec

from farwire.base.storage import Database
from farwire.kernel.ids import ImportId, TenantId
from farwire.kernel.page import Page, PageRequest
from farwire.usage.model import ImportRecord, Totals, totals_of
from farwire.usage.store import imports as store


class Verification(msgspec.Struct, frozen=True):
    """Kept totals beside the ones counted anew from rows and usages."""

    kept: Totals
    counted: Totals
    ok: bool
    """The two are the same, each stage adds up, and the sums beside each import agree."""


async def totals(*, db: Database, tenant_id: TenantId, import_id: ImportId | None = None) -> Totals:
    """Return the control totals of one import, or of all of the tenant's."""
    async with db.transaction(tenant_id) as tx:
        return totals_of(await store.load_totals(tx, import_id))


async def verify_totals(
    *, db: Database, tenant_id: TenantId, import_id: ImportId | None = None
) -> Verification:
    """Count all rows and usages anew and compare with the kept totals. Reads every row: minutes for millions."""
    async with db.transaction(tenant_id, statement_timeout_s=600) as tx:
        # Under the writers' lock, so that both countings see the same moment.
        await store.lock_tenant(tx)
        kept = totals_of(await store.load_totals(tx, import_id))
        counted = totals_of(await store.recount_totals(tx, import_id))
        agree = await store.balanced_imports(tx, import_id)
    return Verification(kept, counted, ok=kept == counted and kept.balanced() and agree)


async def imports(*, db: Database, tenant_id: TenantId, page: PageRequest) -> Page[ImportRecord]:
    """Return the tenant's imports, the latest first."""
    async with db.transaction(tenant_id) as tx:
        return await store.page_imports(tx, page)
