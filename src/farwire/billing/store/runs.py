"""Runs and the number series; their journal and what is charged already are in modules of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from farwire.base.storage import Tx
from farwire.billing.model import Approval, BillKind, Run, RunState, Scope, Thresholds
from farwire.kernel.ids import AccountId, BillId, BillRunId, LegalEntityId
from farwire.kernel.tenancy import Actor, ActorKind

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS = (
    "run_id",
    "until",
    "issue_on",
    "state",
    "cancel_requested",
    "started_at",
    "finished_at",
    "approval",
    "account_id",
    "cycle_day",
    "thresholds",
    "started_by",
    "decided_by",
    "decided_at",
    "reason",
    "ends_as",
)
_RUN = ", ".join(_COLUMNS)
_LOCK_CLASS = 0x0B111
_OF_EARLIER_VERSIONS = "running"


def actor_text(actor: Actor) -> str:
    """Return an actor as a column holds it."""
    return f"{actor.kind.value}:{actor.id}"


def actor_from_text(text: str) -> Actor:
    """Return the actor that a column holds."""
    kind, _, name = text.partition(":")
    return Actor(ActorKind(kind), name)


def _run_row(run: Run) -> tuple[object, ...]:
    return (
        run.id,
        run.until,
        run.issue_on,
        run.state.value,
        run.cancel_requested,
        run.started_at,
        run.finished_at,
        run.approval.value,
        run.scope.account_id,
        run.scope.cycle_day,
        msgspec.json.encode(run.thresholds).decode(),
        actor_text(run.started_by),
        None if run.decided_by is None else actor_text(run.decided_by),
        run.decided_at,
        run.reason,
        None if run.ends_as is None else run.ends_as.value,
    )


def _run_from_row(row: Record) -> Run:
    state = RunState.DRAFTING if row["state"] == _OF_EARLIER_VERSIONS else RunState(row["state"])
    account = row["account_id"]
    return Run(
        id=BillRunId(row["run_id"]),
        until=row["until"],
        issue_on=row["issue_on"],
        state=state,
        cancel_requested=row["cancel_requested"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        approval=Approval(row["approval"]),
        scope=Scope(None if account is None else AccountId(account), row["cycle_day"]),
        thresholds=msgspec.json.decode(row["thresholds"], type=Thresholds),
        started_by=actor_from_text(row["started_by"]),
        decided_by=None if row["decided_by"] is None else actor_from_text(row["decided_by"]),
        decided_at=row["decided_at"],
        reason=row["reason"],
        ends_as=None if row["ends_as"] is None else RunState(row["ends_as"]),
    )


async def lock_billing(tx: Tx) -> None:
    """Wait until no other transaction bills this tenant: two runs at once take turns, batch by batch."""
    await tx.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK_CLASS, str(tx.tenant_id))


async def start_run(tx: Tx, run: Run) -> Run:
    """Insert ``run``, or return the unfinished one with the same ``until`` and scope. Call it under the lock."""
    row = await tx.fetchrow(
        f"SELECT {_RUN} FROM billing.run WHERE tenant_id = $1 AND until = $2 AND finished_at IS NULL "
        "AND account_id IS NOT DISTINCT FROM $3 AND cycle_day IS NOT DISTINCT FROM $4",
        tx.tenant_id,
        run.until,
        run.scope.account_id,
        run.scope.cycle_day,
    )
    if row is not None:
        return _run_from_row(row)
    await tx.execute(
        f"INSERT INTO billing.run (tenant_id, {_RUN}) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        tx.tenant_id,
        *_run_row(run),
    )
    return run


async def get_run(tx: Tx, run_id: BillRunId) -> Run | None:
    """Return one run."""
    row = await tx.fetchrow(
        f"SELECT {_RUN} FROM billing.run WHERE tenant_id = $1 AND run_id = $2", tx.tenant_id, run_id
    )
    return _run_from_row(row) if row else None


async def run_outcomes(
    tx: Tx, run_ids: Sequence[BillRunId]
) -> Mapping[BillRunId, tuple[RunState, BillId | None]]:
    """Return the state of each run, and the first of its bills."""
    rows = await tx.fetch(
        "SELECT run_id, state, (SELECT bill_id FROM billing.bill AS b WHERE b.tenant_id = $1 "
        "AND b.run_id = r.run_id ORDER BY cycle_end DESC, account_number LIMIT 1) AS bill_id "
        "FROM billing.run AS r WHERE tenant_id = $1 AND run_id = ANY($2::uuid[])",
        tx.tenant_id,
        run_ids,
    )
    return {BillRunId(row["run_id"]): (RunState(row["state"]), row["bill_id"]) for row in rows}


async def save_run(tx: Tx, run: Run) -> None:
    """Write where a run is and who decided what. Call it under the lock, after reading the run."""
    await tx.execute(
        "UPDATE billing.run SET state = $3, cancel_requested = $4, finished_at = $5, decided_by = $6, "
        "decided_at = $7, reason = $8, ends_as = $9 WHERE tenant_id = $1 AND run_id = $2",
        tx.tenant_id,
        run.id,
        run.state.value,
        run.cancel_requested,
        run.finished_at,
        None if run.decided_by is None else actor_text(run.decided_by),
        run.decided_at,
        run.reason,
        None if run.ends_as is None else run.ends_as.value,
    )


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


async def unfinished_runs(tx: Tx) -> tuple[Run, ...]:
    """Return the runs that are not over, oldest first."""
    rows = await tx.fetch(
        f"SELECT {_RUN} FROM billing.run WHERE tenant_id = $1 AND finished_at IS NULL ORDER BY started_at, run_id",
        tx.tenant_id,
    )
    return tuple(_run_from_row(row) for row in rows)


async def take_numbers(
    tx: Tx, legal_entity_id: LegalEntityId, fiscal_year: int, kind: BillKind, count: int
) -> int:
    """Advance the series by ``count`` and return the first number taken. The row stays locked until the commit."""
    last: int = await tx.fetchval(
        "INSERT INTO billing.number_series (tenant_id, legal_entity_id, fiscal_year, kind, last_number) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant_id, legal_entity_id, fiscal_year, kind) "
        "DO UPDATE SET last_number = billing.number_series.last_number + $5 RETURNING last_number",
        tx.tenant_id,
        legal_entity_id,
        fiscal_year,
        kind.value,
        count,
    )
    return last - count + 1
