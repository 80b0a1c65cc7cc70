"""Suspense: lists, what is taken out to be tried again, and erasure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from farwire.base.storage import Tx
from farwire.kernel.ids import ImportId, SubscriberKey, UsageId
from farwire.kernel.page import Page, PageRequest
from farwire.usage.model import SuspendedRow, SuspendedUsage


class WaitingRow(msgspec.Struct, frozen=True):
    """A suspended row with what is needed to map it again."""

    identity: bytes
    import_id: ImportId
    row_number: int
    reason: str
    raw: bytes
    attempts: int
    header: str
    profile_name: str


async def page_rows(
    tx: Tx, page: PageRequest, *, reason: str | None, import_id: ImportId | None
) -> Page[SuspendedRow]:
    """Return suspended rows in the order of their files. Rows that only wait for their other half have no ``raw``."""
    where = """FROM usage.row AS r LEFT JOIN usage.suspended_row AS s USING (tenant_id, identity)
        WHERE r.tenant_id = $1 AND r.outcome = 'suspended'
          AND ($2::text IS NULL OR r.reason = $2) AND ($3::uuid IS NULL OR r.import_id = $3)"""
    total = await tx.fetchval(f"SELECT count(*) {where}", tx.tenant_id, reason, import_id)
    rows = await tx.fetch(
        f"""SELECT r.identity, r.import_id, r.row_number, r.reason, coalesce(s.field, '') AS field,
            coalesce(s.value, '') AS value, coalesce(s.raw, ''::bytea) AS raw, coalesce(s.attempts, 1) AS attempts,
            coalesce(s.suspended_at, (SELECT started_at FROM usage.import AS i
                WHERE i.tenant_id = r.tenant_id AND i.import_id = r.import_id)) AS suspended_at
        {where} ORDER BY r.import_id, r.row_number OFFSET {page.offset:d} LIMIT {page.limit:d}""",
        tx.tenant_id,
        reason,
        import_id,
    )
    items = tuple(SuspendedRow(**{**dict(row), "import_id": ImportId(row["import_id"])}) for row in rows)
    return Page(items, total, page.offset, page.limit)


async def page_usages(
    tx: Tx, page: PageRequest, *, reason: str | None, import_id: ImportId | None
) -> Page[SuspendedUsage]:
    """Return usages that could not be rated, by reason and start."""
    where = """FROM usage.record WHERE tenant_id = $1 AND state = 'suspended'
        AND ($2::text IS NULL OR reason = $2) AND ($3::uuid IS NULL OR import_id = $3)"""
    total = await tx.fetchval(f"SELECT count(*) {where}", tx.tenant_id, reason, import_id)
    rows = await tx.fetch(
        f"""SELECT usage_id, import_id, reason, detail, destination, started_at, quantity, attempts,
            changed_at AS suspended_at {where} ORDER BY reason, started_at, usage_id
        OFFSET {page.offset:d} LIMIT {page.limit:d}""",
        tx.tenant_id,
        reason,
        import_id,
    )
    items = tuple(
        SuspendedUsage(
            **{**dict(row), "usage_id": UsageId(row["usage_id"]), "import_id": ImportId(row["import_id"])}
        )
        for row in rows
    )
    return Page(items, total, page.offset, page.limit)


async def subscribers_of(tx: Tx, usages: Sequence[UsageId]) -> dict[UsageId, SubscriberKey]:
    """Return whose usages these are."""
    rows = await tx.fetch(
        "SELECT usage_id, subscriber_key FROM usage.record WHERE tenant_id = $1 AND usage_id = ANY($2::uuid[])",
        tx.tenant_id,
        usages,
    )
    return {UsageId(row["usage_id"]): SubscriberKey(row["subscriber_key"]) for row in rows}


async def rows_to_retry(
    tx: Tx, *, after: bytes, limit: int, reason: str | None, import_id: ImportId | None
) -> list[WaitingRow]:
    """Return up to ``limit`` suspended rows whose bytes are kept, in the order of their keys after ``after``."""
    rows = await tx.fetch(
        """SELECT r.identity, r.import_id, r.row_number, r.reason, s.raw, s.attempts, i.header, i.profile_name
        FROM usage.suspended_row AS s JOIN usage.row AS r USING (tenant_id, identity)
        JOIN usage.import AS i USING (tenant_id, import_id)
        WHERE s.tenant_id = $1 AND s.identity > $2 AND ($3::text IS NULL OR r.reason = $3)
          AND ($4::uuid IS NULL OR r.import_id = $4)
        ORDER BY s.identity LIMIT $5""",
        tx.tenant_id,
        after,
        reason,
        import_id,
        limit,
    )
    return [WaitingRow(**{**dict(row), "import_id": ImportId(row["import_id"])}) for row in rows]


async def take_rows(tx: Tx, identities: Sequence[bytes]) -> None:
    """Take suspended rows out, so that they can be placed anew."""
    for table in ("suspended_row", "row"):
        await tx.execute(
            f"DELETE FROM usage.{table} WHERE tenant_id = $1 AND identity = ANY($2::bytea[])",
            tx.tenant_id,
            identities,
        )


async def rows_holding(tx: Tx, text: bytes) -> list[tuple[bytes, ImportId, str]]:
    """Return the suspended rows whose bytes hold ``text``, however it is spaced. Reads all of them: erasure is rare."""
    rows = await tx.fetch(
        """SELECT r.identity, r.import_id, r.reason FROM usage.suspended_row AS s JOIN usage.row AS r
            USING (tenant_id, identity)
        WHERE s.tenant_id = $1 AND position(translate(encode($2::bytea, 'escape'), ' -/().', '')
            IN translate(encode(s.raw, 'escape'), ' -/().', '')) > 0""",
        tx.tenant_id,
        text,
    )
    return [(row["identity"], ImportId(row["import_id"]), row["reason"]) for row in rows]


async def rows_older_than(tx: Tx, at: datetime, limit: int) -> list[tuple[bytes, ImportId, str]]:
    """Return suspended rows that were kept since before ``at``."""
    rows = await tx.fetch(
        """SELECT r.identity, r.import_id, r.reason FROM usage.suspended_row AS s JOIN usage.row AS r
            USING (tenant_id, identity)
        WHERE s.tenant_id = $1 AND s.suspended_at < $2 ORDER BY s.suspended_at LIMIT $3""",
        tx.tenant_id,
        at,
        limit,
    )
    return [(row["identity"], ImportId(row["import_id"]), row["reason"]) for row in rows]


async def erase_rows(tx: Tx, identities: Sequence[bytes], reason: str) -> None:
    """Destroy what suspended rows held and leave them out for ``reason``."""
    await tx.execute(
        "DELETE FROM usage.suspended_row WHERE tenant_id = $1 AND identity = ANY($2::bytea[])",
        tx.tenant_id,
        identities,
    )
    await tx.execute(
        """UPDATE usage.row SET outcome = 'filtered', reason = $3
        WHERE tenant_id = $1 AND identity = ANY($2::bytea[])""",
        tx.tenant_id,
        identities,
        reason,
    )


async def recycle_usages(
    tx: Tx, *, limit: int, reason: str | None, import_id: ImportId | None, before: datetime
) -> list[tuple[ImportId, str]]:
    """Put up to ``limit`` suspended usages into the queue of the rate run; return import and former reason of each."""
    rows = await tx.fetch(
        """WITH chosen AS (
            SELECT usage_id, reason FROM usage.record WHERE tenant_id = $1 AND state = 'suspended'
              AND ($2::text IS NULL OR reason = $2) AND ($3::uuid IS NULL OR import_id = $3)
            ORDER BY reason, started_at, usage_id LIMIT $4),
        recycled AS (
            UPDATE usage.record AS r SET state = 'recycled', reason = '', detail = '', attempts = attempts + 1,
            changed_at = $5 FROM chosen WHERE r.tenant_id = $1 AND r.usage_id = chosen.usage_id
            RETURNING r.subscriber_key, r.started_at, r.usage_id, r.import_id, r.quantity, chosen.reason),
        queued AS (
            INSERT INTO usage.waiting (tenant_id, subscriber_key, started_at, usage_id, import_id, quantity)
            SELECT $1, subscriber_key, started_at, usage_id, import_id, quantity FROM recycled)
        SELECT import_id, reason FROM recycled""",
        tx.tenant_id,
        reason,
        import_id,
        limit,
        before,
    )
    return [(ImportId(row["import_id"]), row["reason"]) for row in rows]
