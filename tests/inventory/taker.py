"""A process that takes numbers: ``taker.py URL TENANT NAME REQUESTS [die]``; prints a number or "-" per request."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from uuid import UUID

from farwire.base.storage import Database
from farwire.base.storage.database import open_pool
from farwire.inventory import service
from farwire.kernel.errors import Exhausted
from farwire.kernel.ids import TenantId

JUNE = datetime(2026, 6, 1, tzinfo=UTC)


async def take(db: Database, tenant_id: TenantId, key: str) -> str:
    """Return the number that was reserved, or "-"."""
    try:
        async with db.transaction(tenant_id) as tx:
            (one,) = await service.reserve(tx, pool="mobile", key=key, now=JUNE)
    except Exhausted:
        return "-"
    return one.value


async def main(url: str, tenant: str, name: str, requests: str, how: str = "") -> None:
    """Take numbers, all at once; then perhaps take another and die before it is committed."""
    db = await open_pool(url)
    tenant_id = TenantId(UUID(tenant))
    found = await asyncio.gather(*(take(db, tenant_id, f"{name}-{n}") for n in range(int(requests))))
    sys.stdout.write("\n".join(found) + "\n")
    sys.stdout.flush()
    if how == "die":
        async with db.transaction(tenant_id) as tx:
            await service.reserve(tx, pool="mobile", key=f"{name}-lost", now=JUNE)
            os.kill(os.getpid(), signal.SIGKILL)
    await db.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
