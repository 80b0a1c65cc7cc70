"""SQL of the cycles that were billed."""

from __future__ import annotations

from farwire.base.storage import Tx
from farwire.billing.model.cycles import BilledCycle
from farwire.kernel.time import Period


async def billed_cycles(tx: Tx) -> tuple[BilledCycle, ...]:
    """Return every cycle of issued bills, the newest first: some hundred a year, however many accounts there are."""
    rows = await tx.fetch(
        "SELECT cycle_start, cycle_end, min(zone) AS zone, min(issue_on) AS issued_on, max(due_on) AS due_on "
        "FROM billing.bill WHERE tenant_id = $1 AND state = 'issued' AND kind = 'bill' "
        "GROUP BY cycle_end, cycle_start ORDER BY cycle_end DESC, cycle_start DESC",
        tx.tenant_id,
    )
    return tuple(
        BilledCycle(
            Period(row["cycle_start"], row["cycle_end"]), row["zone"], row["issued_on"], row["due_on"]
        )
        for row in rows
    )
