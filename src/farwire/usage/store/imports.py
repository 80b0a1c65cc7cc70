"""Imports, their progress and control totals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import asyncpg

from farwire.base.storage import Tx
from farwire.kernel.ids import ImportId
from farwire.kernel.page import Page, PageRequest
from farwire.usage.model import Deltas, ImportRecord, totals_of

_COLUMNS = """import_id, file_name, file_digest, file_octets, profile_name, profile_version, profile_digest,
generation,
 header, batch_rows, started_at, finished_at, damage, rows_in"""


async def lock_tenant(tx: Tx) -> None:
    """Wait until no other transaction of this tenant changes usage. Released at the end of the transaction.

    One writer at a time: rows of one session in two files, counters of one product in two rate runs, and control
    totals can then neither race nor deadlock. Batches are short; reading and mapping of files go on beside it.
    """
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('farwire.usage/' || $1::text, 0))", str(tx.tenant_id)
    )


def _from_row(row: asyncpg.Record) -> ImportRecord:
    return ImportRecord(**{**dict(row), "import_id": ImportId(row["import_id"])})


async def latest_import(tx: Tx, file_digest: bytes, profile_digest: bytes) -> ImportRecord | None:
    """Return the last import of this file by this profile, or None."""
    row = await tx.fetchrow(
        f"""SELECT {_COLUMNS} FROM usage.import WHERE tenant_id = $1 AND file_digest = $2 AND profile_digest = $3
        ORDER BY generation DESC LIMIT 1""",
        tx.tenant_id,
        file_digest,
        profile_digest,
    )
    return None if row is None else _from_row(row)


async def add_import(tx: Tx, record: ImportRecord) -> None:
    """Add an import that starts."""
    await tx.execute(
        """INSERT INTO usage.import (tenant_id, import_id, file_name, file_digest, file_octets, profile_name,
            profile_version, profile_digest, generation, header, batch_rows, started_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)""",
        tx.tenant_id,
        record.import_id,
        record.file_name,
        record.file_digest,
        record.file_octets,
        record.profile_name,
        record.profile_version,
        record.profile_digest,
        record.generation,
        record.header,
        record.batch_rows,
        record.started_at,
    )


async def get_import(tx: Tx, import_id: ImportId) -> ImportRecord | None:
    """Return one import, or None."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM usage.import WHERE tenant_id = $1 AND import_id = $2",
        tx.tenant_id,
        import_id,
    )
    return None if row is None else _from_row(row)


async def page_imports(tx: Tx, page: PageRequest) -> Page[ImportRecord]:
    """Return imports, the latest first."""
    total = await tx.fetchval("SELECT count(*) FROM usage.import WHERE tenant_id = $1", tx.tenant_id)
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM usage.import WHERE tenant_id = $1 ORDER BY import_id DESC
        OFFSET {page.offset:d} LIMIT {page.limit:d}""",
        tx.tenant_id,
    )
    return Page(tuple(_from_row(row) for row in rows), total, page.offset, page.limit)


async def finish_import(tx: Tx, import_id: ImportId, at: datetime, damage: str) -> bool:
    """Mark the import as finished; return whether this call did it."""
    tag = await tx.execute(
        """UPDATE usage.import SET finished_at = $3, damage = $4
        WHERE tenant_id = $1 AND import_id = $2 AND finished_at IS NULL""",
        tx.tenant_id,
        import_id,
        at,
        damage,
    )
    return tag == "UPDATE 1"


async def apply_deltas(tx: Tx, deltas: Deltas) -> None:
    """Add the changes to the totals by reason and to the sums that the database keeps in balance."""
    moved = deltas.moved()
    if not moved:
        return
    places = sorted(moved)
    arrays = (
        [place[0] for place in places],
        [place[1] for place in places],
        [place[2] for place in places],
        [place[3] for place in places],
        [moved[place] for place in places],
    )
    # A negative count can only be an update: the CHECK refuses it as a new row, so the two are separate statements.
    await tx.execute(
        """UPDATE usage.total AS t SET count = t.count + d.count
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[]) AS d (import_id, stage, outcome,
        reason, count) WHERE t.tenant_id = $1 AND t.import_id = d.import_id AND t.stage = d.stage AND t.outcome =
        d.outcome
          AND t.reason = d.reason""",
        tx.tenant_id,
        *arrays,
    )
    await tx.execute(
        """INSERT INTO usage.total (tenant_id, import_id, stage, outcome, reason, count)
        SELECT $1, d.* FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[])
            AS d (import_id, stage, outcome, reason, count)
        WHERE NOT EXISTS (SELECT FROM usage.total AS t WHERE t.tenant_id = $1 AND t.import_id = d.import_id
            AND t.stage = d.stage AND t.outcome = d.outcome AND t.reason = d.reason)""",
        tx.tenant_id,
        *arrays,
    )
    await tx.execute(
        """UPDATE usage.import AS i SET
            rows_in = i.rows_in + d.rows_in, rows_assembled = i.rows_assembled + d.rows_assembled,
            rows_filtered = i.rows_filtered + d.rows_filtered, rows_duplicate = i.rows_duplicate + d.rows_duplicate,
            rows_suspended = i.rows_suspended + d.rows_suspended, usages = i.usages + d.usages,
            usages_received = i.usages_received + d.usages_received, usages_rated = i.usages_rated + d.usages_rated,
            usages_unrated = i.usages_unrated + d.usages_unrated, usages_duplicate = i.usages_duplicate +
            d.usages_duplicate, usages_suspended = i.usages_suspended + d.usages_suspended
        FROM (SELECT import_id,
            coalesce(sum(count) FILTER (WHERE stage = 'row'), 0) AS rows_in,
            coalesce(sum(count) FILTER (WHERE stage = 'row' AND outcome = 'assembled'), 0) AS rows_assembled,
            coalesce(sum(count) FILTER (WHERE stage = 'row' AND outcome = 'filtered'), 0) AS rows_filtered,
            coalesce(sum(count) FILTER (WHERE stage = 'row' AND outcome = 'duplicate'), 0) AS rows_duplicate,
            coalesce(sum(count) FILTER (WHERE stage = 'row' AND outcome = 'suspended'), 0) AS rows_suspended,
            coalesce(sum(count) FILTER (WHERE stage = 'usage'), 0) AS usages,
            coalesce(sum(count) FILTER (WHERE stage = 'usage' AND outcome = 'received'), 0) AS usages_received,
            coalesce(sum(count) FILTER (WHERE stage = 'usage' AND outcome = 'rated'), 0) AS usages_rated,
            coalesce(sum(count) FILTER (WHERE stage = 'usage' AND outcome = 'unrated'), 0) AS usages_unrated,
            coalesce(sum(count) FILTER (WHERE stage = 'usage' AND outcome = 'duplicate'), 0) AS usages_duplicate,
            coalesce(sum(count) FILTER (WHERE stage = 'usage' AND outcome = 'suspended'), 0) AS usages_suspended
            FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[])
                AS d (import_id, stage, outcome, reason, count) GROUP BY import_id) AS d
        WHERE i.tenant_id = $1 AND i.import_id = d.import_id""",
        tx.tenant_id,
        *arrays,
    )


async def load_totals(tx: Tx, import_id: ImportId | None) -> Mapping[tuple[str, str, str], int]:
    """Return the kept control totals of one import or of the tenant."""
    rows = await tx.fetch(
        """SELECT stage, outcome, reason, sum(count)::bigint AS count FROM usage.total
        WHERE tenant_id = $1 AND ($2::uuid IS NULL OR import_id = $2) GROUP BY stage, outcome, reason""",
        tx.tenant_id,
        import_id,
    )
    return {(row["stage"], row["outcome"], row["reason"]): row["count"] for row in rows}


async def recount_totals(tx: Tx, import_id: ImportId | None) -> Mapping[tuple[str, str, str], int]:
    """Return the control totals counted anew from the rows and the usages themselves. Reads all of them.

    Where the usages that wait for their rating are not as many as the queues hold, they are counted too low: one that
    no run would find, or find twice, breaks the proof.
    """
    rows = await tx.fetch(
        """SELECT 'row' AS stage, outcome, reason, count(*) AS count FROM usage.row
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR import_id = $2) GROUP BY outcome, reason
        UNION ALL SELECT 'row', 'duplicate', '', count(*) FROM usage.duplicate_row
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR import_id = $2)
        UNION ALL SELECT 'usage', o.outcome, reason, count(*) FROM usage.record
            JOIN (VALUES ('rated', 'rated'), ('rerated', 'rated'), ('billed', 'rated'), ('rejected', 'unrated'),
                ('suspended', 'suspended')) AS o (state, outcome) USING (state)
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR import_id = $2) GROUP BY o.outcome, reason
        UNION ALL SELECT 'usage', 'received', '', greatest(0, r.count - abs(r.count - w.count - g.count)) FROM
            (SELECT count(*) FROM usage.record WHERE tenant_id = $1 AND state IN ('received', 'recycled')
                AND ($2::uuid IS NULL OR import_id = $2)) AS r,
            (SELECT count(*) FROM usage.waiting
                WHERE tenant_id = $1 AND ($2::uuid IS NULL OR import_id = $2)) AS w,
            (SELECT count(*) FROM usage.guided
                WHERE tenant_id = $1 AND ($2::uuid IS NULL OR import_id = $2)) AS g
        UNION ALL SELECT 'usage', 'duplicate', '', count(*) FROM usage.duplicate_usage
            WHERE tenant_id = $1 AND ($2::uuid IS NULL OR import_id = $2)""",
        tx.tenant_id,
        import_id,
    )
    return {(row["stage"], row["outcome"], row["reason"]): row["count"] for row in rows if row["count"]}


async def balanced_imports(tx: Tx, import_id: ImportId | None) -> bool:
    """Return whether the sums kept beside each import are those of its totals by reason."""
    rows = await tx.fetch(
        """SELECT i.*, t.stage, t.outcome, t.reason, t.count FROM usage.import AS i
        JOIN usage.total AS t USING (tenant_id, import_id)
        WHERE i.tenant_id = $1 AND ($2::uuid IS NULL OR i.import_id = $2)""",
        tx.tenant_id,
        import_id,
    )
    kept: dict[ImportId, dict[tuple[str, str, str], int]] = {}
    for row in rows:
        counts = kept.setdefault(ImportId(row["import_id"]), {})
        counts[row["stage"], row["outcome"], row["reason"]] = row["count"]
    sums = {ImportId(row["import_id"]): row for row in rows}
    for key, counts in kept.items():
        found = totals_of(counts)
        if any(sums[key][name] != getattr(found, name) for name in _SUMS):
            return False
    return True


_SUMS = (
    "rows_in",
    "rows_assembled",
    "rows_filtered",
    "rows_duplicate",
    "rows_suspended",
    "usages",
    "usages_received",
    "usages_rated",
    "usages_unrated",
    "usages_duplicate",
    "usages_suspended",
)
