"""What is earned later, and what is earned and not billed yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farwire.base.storage import Tx
from farwire.billing.model import Bill, LineKind
from farwire.billing.model.revenue import Deferral, TimedLine
from farwire.kernel.ids import BillId
from farwire.kernel.time import Period


async def timed_lines(tx: Tx, bill_ids: Sequence[BillId]) -> tuple[TimedLine, ...]:
    """Return the recurring lines of these bills."""
    rows = await tx.fetch(
        "SELECT bill_id, number, kind, period_start, period_end, net_minor, remainder_nano FROM billing.line "
        "WHERE tenant_id = $1 AND bill_id = ANY($2::uuid[]) AND kind = 'recurring' ORDER BY bill_id, number",
        tx.tenant_id,
        list(bill_ids),
    )
    return tuple(
        TimedLine(
            BillId(row["bill_id"]),
            row["number"],
            LineKind(row["kind"]),
            Period(row["period_start"], row["period_end"]),
            row["net_minor"],
            row["remainder_nano"],
        )
        for row in rows
    )


async def add_deferrals(tx: Tx, bills: Mapping[BillId, Bill], deferrals: Sequence[Deferral]) -> None:
    """Write what later months earn, in one statement."""
    if not deferrals:
        return
    await tx.execute(
        "INSERT INTO billing.deferral (tenant_id, bill_id, line, month, legal_entity_id, code, currency, amount_minor, "
        "remainder_nano) SELECT $1, d.* FROM unnest($2::uuid[], $3::integer[], $4::date[], $5::uuid[], $6::text[], "
        "$7::text[], $8::bigint[], $9::bigint[]) AS d",
        tx.tenant_id,
        [one.bill_id for one in deferrals],
        [one.line for one in deferrals],
        [one.share.month for one in deferrals],
        [bills[one.bill_id].legal_entity_id for one in deferrals],
        [one.book.value for one in deferrals],
        [one.currency.code for one in deferrals],
        [one.share.amount_minor for one in deferrals],
        [one.share.remainder_nano for one in deferrals],
    )
