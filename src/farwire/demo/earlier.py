"""What an earlier run of the demo left."""

from __future__ import annotations

from farwire.base.storage import Database
from farwire.demo.day_a.story import TWINS
from farwire.demo.play import TENANT
from farwire.kernel.page import PageRequest
from farwire.tenant import service as tenants


async def played_before(db: Database) -> tuple[str, ...]:
    """Return those of the demo's operators that are there already, by their short names."""
    there = {
        tenant.name for tenant in (await tenants.list_tenants(db=db, page=PageRequest(limit=1000))).items
    }
    return tuple(name for name in (TENANT, *(twin.tenant for twin in TWINS)) if name in there)
