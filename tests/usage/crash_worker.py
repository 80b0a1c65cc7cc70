"""Runs one import or rate run in a process of its own, which the test kills at a random commit."""

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import open_database
from farwire.kernel.ids import TenantId
from farwire.usage import service


async def main(url: str, tenant: str, what: str, path: str, profile: str, survive: str) -> None:
    db = await open_database(Settings(data_dir=Path(path).parent, database_url=url))
    tenant_id, clock = TenantId(UUID(tenant)), MovableClock(datetime(2026, 6, 1, tzinfo=UTC))

    told = 0

    def tell(done: int) -> None:
        nonlocal told
        if told and told == int(survive):
            time.sleep(600)  # it is about to be killed, however late
        told += 1
        sys.stdout.write(f"{done}\n")
        sys.stdout.flush()

    if what == "import":
        await service.import_usage(
            db=db,
            tenant_id=tenant_id,
            clock=clock,
            path=Path(path),
            profile=service.load_profile(profile),
            progress=tell,
            batch_rows=50,
        )
    else:
        await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock, progress=tell, batch=40)
    await db.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
