"""SQL of the calendar."""

from __future__ import annotations

from farwire.base.storage import Tx


async def lock_calendar(tx: Tx, technician: str) -> None:
    """Let one transaction of the tenant at a time book time of a technician."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 7004))", f"workforce {tx.tenant_id} {technician}"
    )
