"""SQL of the content of jobs: parts of rows, and why rows were refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from farwire.base.storage import Tx
from farwire.base.tmf import Target


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a file. ``done`` of them have been taken in."""

    number: int
    first_row: int
    done: int
    rows: tuple[bytes, ...]


async def add_part(
    tx: Tx, target: Target, job: str, upload: UUID, *, number: int, first_row: int, rows: Sequence[bytes]
) -> None:
    """Keep some rows."""
    await tx.execute(
        "INSERT INTO base.tmf_bulk_part (tenant_id, api, type, job, upload, number, first_row, content)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(tx.tenant_id, target.api, target.type, job, upload, number, first_row, b"\n".join(rows)),
    )


async def part_after(tx: Tx, target: Target, job: str, upload: UUID | None, number: int) -> Part | None:
    """Return the first part after ``number``, of any upload where none is named; or None."""
    row = await tx.fetchrow(
        "SELECT number, first_row, done, content FROM base.tmf_bulk_part WHERE tenant_id = $1 AND api = $2"
        " AND type = $3 AND job = $4 AND ($5::uuid IS NULL OR upload = $5) AND number > $6 ORDER BY number LIMIT 1",
        *(tx.tenant_id, target.api, target.type, job, upload, number),
    )
    if row is None:
        return None
    return Part(row["number"], row["first_row"], row["done"], tuple(row["content"].split(b"\n")))


async def advance(tx: Tx, target: Target, job: str, upload: UUID, *, number: int, done: int) -> None:
    """Note that ``done`` rows of a part are taken in."""
    await tx.execute(
        "UPDATE base.tmf_bulk_part SET done = $7 WHERE tenant_id = $1 AND api = $2 AND type = $3 AND job = $4"
        " AND upload = $5 AND number = $6",
        *(tx.tenant_id, target.api, target.type, job, upload, number, done),
    )


async def drop_part(tx: Tx, target: Target, job: str, upload: UUID, number: int) -> None:
    """Remove a part whose rows are taken in."""
    await tx.execute(
        "DELETE FROM base.tmf_bulk_part WHERE tenant_id = $1 AND api = $2 AND type = $3 AND job = $4"
        " AND upload = $5 AND number = $6",
        *(tx.tenant_id, target.api, target.type, job, upload, number),
    )


async def drop_parts(
    tx: Tx, target: Target, job: str, *, of: UUID | None = None, but: UUID | None = None
) -> None:
    """Remove the parts of a job: all, those ``of`` one upload, or all ``but`` one."""
    await tx.execute(
        "DELETE FROM base.tmf_bulk_part WHERE tenant_id = $1 AND api = $2 AND type = $3 AND job = $4"
        " AND ($5::uuid IS NULL OR upload = $5) AND ($6::uuid IS NULL OR upload <> $6)",
        *(tx.tenant_id, target.api, target.type, job, of, but),
    )


async def add_error(tx: Tx, target: Target, job: str, row: int, error: str) -> None:
    """Keep why a row was refused."""
    await tx.execute(
        "INSERT INTO base.tmf_bulk_error (tenant_id, api, type, job, row_number, error)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        *(tx.tenant_id, target.api, target.type, job, row, error),
    )


async def count_errors(tx: Tx, target: Target, job: str) -> int:
    """Return how many rows were refused."""
    found: int = await tx.fetchval(
        "SELECT count(*) FROM base.tmf_bulk_error WHERE tenant_id = $1 AND api = $2 AND type = $3 AND job = $4",
        *(tx.tenant_id, target.api, target.type, job),
    )
    return found


async def errors_after(tx: Tx, target: Target, job: str, row: int, limit: int) -> list[tuple[int, str]]:
    """Return why rows after ``row`` were refused, in their order."""
    rows = await tx.fetch(
        "SELECT row_number, error FROM base.tmf_bulk_error WHERE tenant_id = $1 AND api = $2 AND type = $3"
        " AND job = $4 AND row_number > $5 ORDER BY row_number LIMIT $6",
        *(tx.tenant_id, target.api, target.type, job, row, limit),
    )
    return [(one["row_number"], one["error"]) for one in rows]
