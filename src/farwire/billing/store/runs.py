"""Runs, their journal, what is charged already, and the number series."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.billing.model import Charged, JournalEntry, Outcome, Run, RunState
from farwire.kernel.ids import AccountId, BillRunId, LegalEntityId, ProductId

if TYPE_CHECKING:
    from asyncpg import Record

_RUN = "run_id, until, issue_on, state, cancel_requested, started_at, finished_at"
_LOCK_CLASS = 0x0B111


def _run_from_row(row: Record) -> Run:
    return Run(
        BillRunId(row["run_id"]),
        row["until"],
        row["issue_on"],
        RunState(row["state"]),
        row["cancel_requested"],
        row["started_at"],
        row["finished_at"],
    )


async def lock_billing(tx: Tx) -> None:
    """Wait until no other transaction bills this tenant: two runs at once take turns, batch by batch."""
    await tx.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK_CLASS, str(tx.tenant_id))


async def start_run(tx: Tx, run: Run) -> Run:
    """Insert ``run``, or return the unfinished one with the same ``until``."""
    await tx.execute(
        f"INSERT INTO billing.run (tenant_id, {_RUN}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
        "ON CONFLICT (tenant_id, until) WHERE state = 'running' DO NOTHING",
        tx.tenant_id,
        run.id,
        run.until,
        run.issue_on,
        run.state.value,
        run.cancel_requested,
        run.started_at,
        run.finished_at,
    )
    row = await tx.fetchrow(
        f"SELECT {_RUN} FROM billing.run WHERE tenant_id = $1 AND until = $2 AND state = 'running'",
        tx.tenant_id,
        run.until,
    )
    return run if row is None else _run_from_row(row)


async def get_run(tx: Tx, run_id: BillRunId) -> Run | None:
    """Return one run."""
    row = await tx.fetchrow(
        f"SELECT {_RUN} FROM billing.run WHERE tenant_id = $1 AND run_id = $2", tx.tenant_id, run_id
    )
    return _run_from_row(row) if row else None


async def list_runs(tx: Tx, *, offset: int, limit: int) -> tuple[tuple[Run, ...], int]:
    """Return one page of runs, newest first, and how many there are."""
    total: int = await tx.fetchval("SELECT count(*) FROM billing.run WHERE tenant_id = $1", tx.tenant_id)
    rows = await tx.fetch(
        f"SELECT {_RUN} FROM billing.run WHERE tenant_id = $1 ORDER BY started_at DESC, run_id DESC OFFSET $2 LIMIT $3",
        tx.tenant_id,
        offset,
        limit,
    )
    return tuple(_run_from_row(row) for row in rows), total


async def request_cancel(tx: Tx) -> int:
    """Ask the tenant's unfinished runs to stop; return how many there are."""
    rows = await tx.fetch(
        "UPDATE billing.run SET cancel_requested = true WHERE tenant_id = $1 AND state = 'running' RETURNING 1",
        tx.tenant_id,
    )
    return len(rows)


async def finish_run(tx: Tx, run_id: BillRunId, state: RunState, at: datetime) -> None:
    """End a run."""
    await tx.execute(
        "UPDATE billing.run SET state = $3, finished_at = $4 WHERE tenant_id = $1 AND run_id = $2",
        tx.tenant_id,
        run_id,
        state.value,
        at,
    )


async def done_until(tx: Tx, account_ids: Sequence[AccountId]) -> Mapping[AccountId, datetime]:
    """Return the end of the last cycle that is settled for each account."""
    rows = await tx.fetch(
        "SELECT a.account_id, j.cycle_end AS done FROM unnest($2::uuid[]) AS a (account_id) CROSS JOIN LATERAL ("
        "SELECT cycle_end FROM billing.journal WHERE tenant_id = $1 AND account_id = a.account_id "
        "AND outcome <> 'failed' ORDER BY cycle_end DESC LIMIT 1) AS j",
        tx.tenant_id,
        list(account_ids),
    )
    return {AccountId(row["account_id"]): row["done"] for row in rows}


async def add_journal(tx: Tx, run_id: BillRunId, entries: Sequence[JournalEntry], at: datetime) -> None:
    """Write outcomes; a failed one of an earlier run is replaced, a settled one never."""
    await tx.execute(
        "INSERT INTO billing.journal (tenant_id, account_id, cycle_end, run_id, outcome, code, message, booked_at) "
        "SELECT $1, j.account_id, j.cycle_end, $2, j.outcome, j.code, j.message, $3 FROM unnest($4::uuid[], "
        "$5::timestamptz[], $6::text[], $7::text[], $8::text[]) AS j (account_id, cycle_end, outcome, code, message) "
        "ON CONFLICT (tenant_id, account_id, cycle_end) DO UPDATE SET run_id = excluded.run_id, "
        "outcome = excluded.outcome, code = excluded.code, message = excluded.message, booked_at = excluded.booked_at "
        "WHERE billing.journal.outcome = 'failed'",
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
        "SELECT account_id, cycle_end, outcome, code, message FROM billing.journal "
        "WHERE tenant_id = $1 AND run_id = $2 AND outcome = 'failed' ORDER BY account_id, cycle_end OFFSET $3 LIMIT $4",
        tx.tenant_id,
        run_id,
        offset,
        limit,
    )
    return tuple(
        JournalEntry(
            AccountId(row["account_id"]),
            row["cycle_end"],
            Outcome(row["outcome"]),
            row["code"],
            row["message"],
        )
        for row in rows
    ), total


async def charged(tx: Tx, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Charged]:
    """Return up to when each price of these products is charged, by the start of the plan and the price."""
    rows = await tx.fetch(
        "SELECT product_id, plan_from, price_id, charged_to FROM billing.charged "
        "WHERE tenant_id = $1 AND product_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(product_ids),
    )
    found: dict[ProductId, dict[tuple[datetime, str], datetime]] = defaultdict(dict)
    for row in rows:
        found[ProductId(row["product_id"])][row["plan_from"], row["price_id"]] = row["charged_to"]
    return found


async def save_charged(tx: Tx, charged_to: Mapping[ProductId, Charged]) -> None:
    """Write up to when prices are charged now, in one statement."""
    rows = [(product_id, *key, to) for product_id, prices in charged_to.items() for key, to in prices.items()]
    await tx.execute(
        "INSERT INTO billing.charged (tenant_id, product_id, plan_from, price_id, charged_to) "
        "SELECT $1, c.* FROM unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::timestamptz[]) AS c "
        "ON CONFLICT (tenant_id, product_id, plan_from, price_id) DO UPDATE SET charged_to = excluded.charged_to",
        tx.tenant_id,
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        [row[3] for row in rows],
    )


async def take_numbers(tx: Tx, legal_entity_id: LegalEntityId, fiscal_year: int, count: int) -> int:
    """Advance the series by ``count`` and return the first number taken. The row stays locked until the commit."""
    last: int = await tx.fetchval(
        "INSERT INTO billing.number_series (tenant_id, legal_entity_id, fiscal_year, last_number) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (tenant_id, legal_entity_id, fiscal_year) "
        "DO UPDATE SET last_number = billing.number_series.last_number + $4 RETURNING last_number",
        tx.tenant_id,
        legal_entity_id,
        fiscal_year,
        count,
    )
    return last - count + 1
