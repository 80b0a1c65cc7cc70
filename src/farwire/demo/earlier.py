"""What an earlier run of the demo left."""

from __future__ import annotations

from collections.abc import Callable

from farwire.base.storage import Database
from farwire.demo.day_a.story import TWINS
from farwire.demo.fixed import TENANT as FIXED
from farwire.demo.play import TENANT
from farwire.kernel.page import PageRequest
from farwire.tenant import service as tenants


async def tell_what_is_there(*, db: Database, say: Callable[[str], None]) -> None:
    """Say which of the demo's operators an earlier run left, and what that means; nothing where there are none."""
    there = {
        tenant.name for tenant in (await tenants.list_tenants(db=db, page=PageRequest(limit=1000))).items
    }
    found = [name for name in (TENANT, *(twin.tenant for twin in TWINS), FIXED) if name in there]
    if found:
        say(
            f"Found from an earlier run: {', '.join(found)}. Nothing is done twice; what is there is checked again. "
            "Left out is what shows only once, such as the preview before the order."
        )
