"""The journal: what runs did with each cycle of each account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.billing.model import JournalEntry, Outcome
from farwire.kernel.ids import AccountId, BillId, BillRunId

if TYPE_CHECKING:
    from asyncpg import Record


async def done_until(
    tx: Tx, account_ids: Sequence[AccountId]
) -> Mapping[AccountId, tuple[datetime, BillRunId]]:
    """Return the end of the last cycle that is settled for each account, and the run that settled it."""
    rows = await tx.fetch(
        "SELECT a.account_id, j.cycle_end, j.run_id FROM unnest($2::uuid[]) AS a (account_id) CROSS JOIN LATERAL ("
        "SELECT cycle_end, run_id FROM billing.journal WHERE tenant_id = $1 AND account_id = a.account_id "
        "AND outcome IN ('billed', 'empty') ORDER BY cycle_end DESC LIMIT 1) AS j",
        tx.tenant_id,
        list(account_ids),
    )
    return {AccountId(row["account_id"]): (row["cycle_end"], BillRunId(row["run_id"])) for row in rows}


async def add_journal(tx: Tx, run_id: BillRunId, entries: Sequence[JournalEntry], at: datetime) -> None:
    """Write outcomes; one that failed or was discarded is replaced, a settled one never."""
    await tx.execute(
        "INSERT INTO billing.journal (tenant_id, account_id, cycle_end, run_id, outcome, code, message, booked_at) "
        "SELECT $1, j.account_id, j.cycle_end, $2, j.outcome, j.code, j.message, $3 FROM unnest($4::uuid[], "
        "$5::timestamptz[], $6::text[], $7::text[], $8::text[]) AS j (account_id, cycle_end, outcome, code, message) "
        "ON CONFLICT (tenant_id, account_id, cycle_end) DO UPDATE SET run_id = excluded.run_id, "
        "outcome = excluded.outcome, code = excluded.code, message = excluded.message, booked_at = excluded.booked_at "
        "WHERE billing.journal.outcome IN ('failed', 'discarded')",
        tx.tenant_id,
        run_id,
        at,
        [entry.account_id for entry in entries],
        [entry.cycle_end for entry in entries],
        [entry.outcome.value for entry in entries],
        [entry.code for entry in entries],
        [entry.message for entry in entries],
    )


async def journal_counts(tx: Tx, run_id: BillRunId) -> Mapping[Outcome, int]:
    """Return how many cycles of a run have each outcome."""
    rows = await tx.fetch(
        "SELECT outcome, count(*) AS n FROM billing.journal WHERE tenant_id = $1 AND run_id = $2 GROUP BY outcome",
        tx.tenant_id,
        run_id,
    )
    return {Outcome(row["outcome"]): row["n"] for row in rows}


_ENTRY = "account_id, cycle_end, outcome, code, message"


def _entry_from_row(row: Record) -> JournalEntry:
    return JournalEntry(
        AccountId(row["account_id"]),
        row["cycle_end"],
        Outcome(row["outcome"]),
        row["code"],
        row["message"],
    )


async def failures(
    tx: Tx, run_id: BillRunId, *, offset: int, limit: int
) -> tuple[tuple[JournalEntry, ...], int]:
    """Return one page of the cycles that failed in a run, and how many there are."""
    total: int = await tx.fetchval(
        "SELECT count(*) FROM billing.journal WHERE tenant_id = $1 AND run_id = $2 AND outcome = 'failed'",
        tx.tenant_id,
        run_id,
    )
    rows = await tx.fetch(
        f"SELECT {_ENTRY} FROM billing.journal "
        "WHERE tenant_id = $1 AND run_id = $2 AND outcome = 'failed' ORDER BY account_id, cycle_end OFFSET $3 LIMIT $4",
        tx.tenant_id,
        run_id,
        offset,
        limit,
    )
    return tuple(_entry_from_row(row) for row in rows), total


async def account_journal(
    tx: Tx, account_id: AccountId, *, offset: int, limit: int
) -> tuple[tuple[tuple[JournalEntry, BillRunId], ...], int]:
    """Return one page of what runs did with the cycles of an account, newest first, and how many there are."""
    total: int = await tx.fetchval(
        "SELECT count(*) FROM billing.journal WHERE tenant_id = $1 AND account_id = $2",
        tx.tenant_id,
        account_id,
    )
    rows = await tx.fetch(
        f"SELECT {_ENTRY}, run_id FROM billing.journal WHERE tenant_id = $1 AND account_id = $2 "
        "ORDER BY cycle_end DESC OFFSET $3 LIMIT $4",
        tx.tenant_id,
        account_id,
        offset,
        limit,
    )
    return tuple((_entry_from_row(row), BillRunId(row["run_id"])) for row in rows), total


async def settled_by(
    tx: Tx, run_id: BillRunId, *, limit: int, account_ids: Sequence[AccountId] | None = None
) -> Mapping[AccountId, datetime]:
    """Return accounts with cycles that a run settled and that have no number, each with the first of them.

    All of them in the order of their ids, or those of ``account_ids``.
    """
    rows = await tx.fetch(
        "SELECT j.account_id, min(j.cycle_end) AS since FROM billing.journal j "
        "WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.outcome IN ('billed', 'empty') "
        "AND ($4::uuid[] IS NULL OR j.account_id = ANY($4)) AND NOT EXISTS (SELECT FROM billing.bill b "
        "WHERE b.tenant_id = $1 AND b.account_id = j.account_id AND b.cycle_end = j.cycle_end AND b.kind = 'bill' "
        "AND b.state = 'issued') GROUP BY j.account_id ORDER BY j.account_id LIMIT $3",
        tx.tenant_id,
        run_id,
        limit,
        None if account_ids is None else list(account_ids),
    )
    return {AccountId(row["account_id"]): row["since"] for row in rows}


async def discard(
    tx: Tx, run_id: BillRunId, since: Mapping[AccountId, datetime], entry: Mapping[AccountId, JournalEntry]
) -> tuple[BillId, ...]:
    """Say of the settled cycles of a run from ``since`` on what ``entry`` says; return the drafts that they had."""
    rows = await tx.fetch(
        "WITH undone AS (UPDATE billing.journal j SET outcome = u.outcome, code = u.code, message = u.message "
        "FROM unnest($3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::text[]) "
        "AS u (account_id, since, outcome, code, message) "
        "WHERE j.tenant_id = $1 AND j.run_id = $2 AND j.account_id = u.account_id AND j.cycle_end >= u.since "
        "AND j.outcome IN ('billed', 'empty') RETURNING j.account_id, j.cycle_end) "
        "SELECT b.bill_id FROM billing.bill b JOIN undone u USING (account_id, cycle_end) "
        "WHERE b.tenant_id = $1 AND b.kind = 'bill' AND b.state = 'draft'",
        tx.tenant_id,
        run_id,
        list(since),
        list(since.values()),
        [entry[account_id].outcome.value for account_id in since],
        [entry[account_id].code for account_id in since],
        [entry[account_id].message for account_id in since],
    )
    return tuple(BillId(row["bill_id"]) for row in rows)
