"""Personal data in suspense: erased on request and after the retention time. The counts stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.kernel.ids import ImportId, TenantId
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.usage.model import Deltas, RowOutcome
from farwire.usage.store import imports as imports_store
from farwire.usage.store import suspense as store

RETENTION_DAYS = 90
"""How long what a suspended row held is kept, unless the caller says otherwise."""
BATCH = 5_000


async def erase_subscriber_rows(
    tx: Tx, *, clock: Clock, identifiers: Sequence[str], actor: Actor = SYSTEM
) -> int:
    """Destroy all suspended rows that hold one of ``identifiers``; return how many. They count as filtered
    (``erased``).

    Usage itself holds only the pseudonymous key: erasing the key's mapping is ``inventory``'s.
    """
    await imports_store.lock_tenant(tx)
    erased: dict[bytes, tuple[bytes, ImportId, str]] = {}
    for identifier in identifiers:
        if identifier:
            erased |= {row[0]: row for row in await store.rows_holding(tx, _certain(identifier).encode())}
    await _erase(tx, list(erased.values()), "erased")
    if erased:
        await audit.record(
            tx,
            actor=actor,
            action="usage.erase_rows",
            subject="usage",
            at=clock.now(),
            detail={"rows": len(erased)},
        )
    return len(erased)


def _certain(identifier: str) -> str:
    """Return what a row surely holds of ``identifier``: a national number lacks the up to 3 digits of the country."""
    return identifier[3:] if len(identifier) >= 10 and identifier.isdigit() else identifier


async def expire_suspended_rows(
    *, db: Database, tenant_id: TenantId, clock: Clock, retention_days: int = RETENTION_DAYS
) -> int:
    """Destroy what suspended rows held for longer than ``retention_days``; return how many.

    They count as ``expired``.
    """
    expired = 0
    while True:
        async with db.transaction(tenant_id) as tx:
            await imports_store.lock_tenant(tx)
            limit = clock.now() - timedelta(days=retention_days)
            rows = await store.rows_older_than(tx, limit, BATCH)
            if not rows:
                return expired
            await _erase(tx, rows, "expired")
        expired += len(rows)


async def _erase(tx: Tx, rows: Sequence[tuple[bytes, ImportId, str]], reason: str) -> None:
    deltas = Deltas()
    for _, import_id, former in rows:
        deltas.row(import_id, RowOutcome.SUSPENDED, former, by=-1)
        deltas.row(import_id, RowOutcome.FILTERED, reason)
    if rows:
        await store.erase_rows(tx, [identity for identity, _, _ in rows], reason)
        await imports_store.apply_deltas(tx, deltas)
