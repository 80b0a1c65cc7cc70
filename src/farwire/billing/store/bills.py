"""Bills, lines and taxes: written in bulk, read one bill or one page at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.billing.model import Bill, BillLine, BillTax
from farwire.billing.store.rows import (
    BILL,
    BILL_COLUMNS,
    LINE_COLUMNS,
    TAX_COLUMNS,
    as_json,
    bill_from_row,
    bill_row,
    line_from_row,
    line_row,
    tax_from_row,
)
from farwire.kernel.ids import AccountId, BillId, BillRunId
from farwire.kernel.money import currency

if TYPE_CHECKING:
    from asyncpg import Record


async def add_bills(
    tx: Tx, bills: Sequence[Bill], *, positions: Mapping[BillId, Sequence[int]] | None = None
) -> None:
    """Insert bills with their lines and taxes: one bulk write per table.

    Taxes are numbered from 1, or by ``positions``: those of a credit note keep the numbers that the bill gave them.
    """
    await tx.copy_records(
        "billing.bill",
        columns=("tenant_id", *BILL_COLUMNS),
        records=[bill_row(bill, tx.tenant_id) for bill in bills],
    )
    await tx.copy_records(
        "billing.line",
        columns=("tenant_id", *LINE_COLUMNS),
        records=[line_row(bill, line, tx.tenant_id) for bill in bills for line in bill.lines],
    )
    await tx.copy_records(
        "billing.tax",
        columns=("tenant_id", *TAX_COLUMNS),
        records=[
            (
                tx.tenant_id,
                bill.id,
                number,
                tax.category,
                tax.code,
                tax.name,
                tax.label,
                tax.rate_percent,
                tax.base_minor,
                tax.tax_minor,
                tax.note,
                tax.country,
                tax.seller_vat_id,
            )
            for bill in bills
            for number, tax in zip(
                (positions or {}).get(bill.id) or range(1, len(bill.taxes) + 1), bill.taxes, strict=True
            )
        ],
    )


async def _complete(tx: Tx, rows: Sequence[Record]) -> tuple[Bill, ...]:
    ids = [row["bill_id"] for row in rows]
    units = {row["bill_id"]: currency(row["currency"]) for row in rows}
    lines: dict[object, list[BillLine]] = defaultdict(list)
    for row in await tx.fetch(
        f"SELECT {', '.join(LINE_COLUMNS)} FROM billing.line "
        "WHERE tenant_id = $1 AND bill_id = ANY($2::uuid[]) ORDER BY bill_id, number",
        tx.tenant_id,
        ids,
    ):
        lines[row["bill_id"]].append(line_from_row(row, units[row["bill_id"]]))
    taxes: dict[object, list[BillTax]] = defaultdict(list)
    for row in await tx.fetch(
        f"SELECT {', '.join(TAX_COLUMNS)} FROM billing.tax "
        "WHERE tenant_id = $1 AND bill_id = ANY($2::uuid[]) ORDER BY bill_id, number",
        tx.tenant_id,
        ids,
    ):
        taxes[row["bill_id"]].append(tax_from_row(row))
    return tuple(bill_from_row(row, lines[row["bill_id"]], taxes[row["bill_id"]]) for row in rows)


async def get_bill(tx: Tx, *, bill_id: BillId | None = None, number: str | None = None) -> Bill | None:
    """Return one bill with its lines, by id or by number."""
    rows = await tx.fetch(
        f"SELECT {BILL} FROM billing.bill WHERE tenant_id = $1 AND (bill_id = $2 OR number = $3)",
        tx.tenant_id,
        bill_id,
        number,
    )
    found = await _complete(tx, rows)
    return found[0] if found else None


async def bills_with_ids(tx: Tx, bill_ids: Sequence[BillId]) -> tuple[Bill, ...]:
    """Return bills with their lines, in no order."""
    rows = await tx.fetch(
        f"SELECT {BILL} FROM billing.bill WHERE tenant_id = $1 AND bill_id = ANY($2::uuid[])",
        tx.tenant_id,
        bill_ids,
    )
    return await _complete(tx, rows)


async def list_bills(
    tx: Tx, *, account_id: AccountId | None, run_id: BillRunId | None, offset: int, limit: int
) -> tuple[tuple[Bill, ...], int]:
    """Return one page of bills without their lines, newest cycle first, and how many there are."""
    where = "tenant_id = $1 AND ($2::uuid IS NULL OR account_id = $2) AND ($3::uuid IS NULL OR run_id = $3)"
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM billing.bill WHERE {where}", tx.tenant_id, account_id, run_id
    )
    rows = await tx.fetch(
        f"SELECT {BILL} FROM billing.bill WHERE {where} "
        "ORDER BY cycle_end DESC, account_number OFFSET $4 LIMIT $5",
        tx.tenant_id,
        account_id,
        run_id,
        offset,
        limit,
    )
    return tuple(bill_from_row(row) for row in rows), total


async def list_lines(tx: Tx, *, offset: int, limit: int) -> tuple[tuple[tuple[BillId, int], ...], int]:
    """Return (bill, number) of lines, and how many there are."""
    rows = await tx.fetch(
        "SELECT bill_id, number FROM billing.line WHERE tenant_id = $1 ORDER BY bill_id, number OFFSET $2 LIMIT $3",
        *(tx.tenant_id, offset, limit),
    )
    total: int = await tx.fetchval("SELECT count(*) FROM billing.line WHERE tenant_id = $1", tx.tenant_id)
    return tuple((BillId(row["bill_id"]), row["number"]) for row in rows), total


async def drafts(tx: Tx, run_id: BillRunId, limit: int) -> tuple[Bill, ...]:
    """Return the next drafts of a run without their lines, in the order of their numbers, and lock them."""
    rows = await tx.fetch(
        f"SELECT {BILL} FROM billing.bill WHERE tenant_id = $1 AND run_id = $2 AND state = 'draft' "
        "ORDER BY cycle_end, account_number LIMIT $3 FOR UPDATE",
        tx.tenant_id,
        run_id,
        limit,
    )
    return tuple(bill_from_row(row) for row in rows)


async def notes_on(tx: Tx, bill_id: BillId) -> tuple[tuple[Bill, ...], tuple[Mapping[int, int], ...]]:
    """Return the credit notes on a bill with their lines, and of each the tax amounts by position on the bill."""
    rows = await tx.fetch(
        f"SELECT {BILL} FROM billing.bill WHERE tenant_id = $1 AND corrects_id = $2 ORDER BY drafted_at, bill_id",
        tx.tenant_id,
        bill_id,
    )
    amounts: dict[object, dict[int, int]] = {row["bill_id"]: {} for row in rows}
    for row in await tx.fetch(
        "SELECT bill_id, number, tax_minor FROM billing.tax WHERE tenant_id = $1 AND bill_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(amounts),
    ):
        amounts[row["bill_id"]][row["number"]] = row["tax_minor"]
    return await _complete(tx, rows), tuple(amounts.values())


async def delete_drafts(tx: Tx, bill_ids: Sequence[BillId]) -> None:
    """Delete drafts with their lines and taxes. PostgreSQL refuses it for an issued bill."""
    for table in ("billing.line", "billing.tax", "billing.bill"):
        await tx.execute(
            f"DELETE FROM {table} WHERE tenant_id = $1 AND bill_id = ANY($2::uuid[])",
            tx.tenant_id,
            list(bill_ids),
        )


async def count_issued(tx: Tx, run_id: BillRunId) -> int:
    """Return how many bills of a run are issued."""
    count: int = await tx.fetchval(
        "SELECT count(*) FROM billing.bill WHERE tenant_id = $1 AND run_id = $2 AND state = 'issued'",
        tx.tenant_id,
        run_id,
    )
    return count


async def issue(tx: Tx, bills: Sequence[Bill], at: datetime) -> None:
    """Write the numbers of ``bills`` and make them final, in one statement."""
    await tx.execute(
        "UPDATE billing.bill b SET state = 'issued', sequence = i.sequence, number = i.number, issued_at = $2 "
        "FROM unnest($3::uuid[], $4::bigint[], $5::text[]) AS i (bill_id, sequence, number) "
        "CROSS JOIN LATERAL (SELECT ctid FROM billing.bill "
        "WHERE tenant_id = $1 AND bill_id = i.bill_id OFFSET 0) AS found "
        "WHERE b.tenant_id = $1 AND b.ctid = found.ctid AND b.state = 'draft'",
        tx.tenant_id,
        at,
        [bill.id for bill in bills],
        [bill.sequence for bill in bills],
        [bill.number for bill in bills],
    )


async def date_note(tx: Tx, note: Bill) -> None:
    """Write the day on which a credit note is issued, and the year of its series."""
    await tx.execute(
        "UPDATE billing.bill SET issue_on = $3, due_on = $4, fiscal_year = $5, seller = $6 "
        "WHERE tenant_id = $1 AND bill_id = $2 AND state = 'draft'",
        tx.tenant_id,
        note.id,
        note.issue_on,
        note.due_on,
        note.fiscal_year,
        as_json(note.seller),
    )
