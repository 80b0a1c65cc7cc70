"""A process that imports a network in small batches: it says how far it is, at the end also its KiB of memory."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path
from uuid import UUID

from farwire.base.clock import SystemClock
from farwire.base.storage.database import open_pool
from farwire.inventory.service.network_import import import_network
from farwire.kernel.ids import TenantId


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def peak_kib() -> int:
    """Return the highest resident memory of this process so far."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) if found else 0


async def main() -> None:
    url, tenant, resources, links, batch = sys.argv[1:]
    db = await open_pool(url)
    before = peak_kib()
    await import_network(
        db=db,
        tenant_id=TenantId(UUID(tenant)),
        clock=SystemClock(),
        resources=Path(resources),
        links=Path(links),
        progress=say,
        batch=int(batch),
    )
    say(peak_kib() - before)


asyncio.run(main())
