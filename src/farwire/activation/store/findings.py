"""SQL of the look for drift: how far it is, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from datetime import datetime
from typing import TYPE_CHECKING, Final

from farwire.activation.model import (
    DriftKind,
    Finding,
    FindingId,
    FindingState,
    Policy,
    TargetId,
    Watch,
)
from farwire.base.storage import Tx
from farwire.kernel.page import Page, PageRequest

if TYPE_CHECKING:
    from asyncpg import Record

_WATCH: Final = (
    "adapter, policy, round, target_after, shown_after, ended_at, failures, resume_at, problem "
    "FROM activation.watch WHERE tenant_id = $1"
)
_FINDINGS: Final = (
    "SELECT f.finding_id, f.adapter, f.kind, f.target_id, coalesce(t.name, f.name) AS name, f.attributes, f.state, "
    "f.attempts, f.problem, f.found_at, f.ended_at FROM activation.finding AS f "
    "LEFT JOIN activation.target AS t ON t.tenant_id = f.tenant_id AND t.target_id = f.target_id "
    "WHERE f.tenant_id = $1"
)
_SHOWN: Final = (
    "f.state <> 'suspected' AND ($2::text IS NULL OR f.adapter = $2) AND ($3::text IS NULL OR f.state = $3)"
)


def _watch(row: Record) -> Watch:
    return Watch(
        row["adapter"],
        Policy(row["policy"]),
        row["round"],
        TargetId(row["target_after"]),
        row["shown_after"],
        row["ended_at"],
        row["failures"],
        row["resume_at"],
        row["problem"],
    )


def _finding(row: Record) -> Finding:
    return Finding(
        FindingId(row["finding_id"]),
        row["adapter"],
        DriftKind(row["kind"]),
        None if row["target_id"] is None else TargetId(row["target_id"]),
        row["name"],
        tuple(row["attributes"]),
        FindingState(row["state"]),
        row["attempts"],
        row["problem"],
        row["found_at"],
        row["ended_at"],
    )


async def taken_watch(tx: Tx, adapter: str) -> Watch | None:
    """Return how far the look is, as nobody else can go on before the transaction ends; None where somebody does."""
    sql = f"SELECT {_WATCH} AND adapter = $2 FOR UPDATE SKIP LOCKED"
    row = await tx.fetchrow(sql, tx.tenant_id, adapter)
    if row is None and adapter not in await watches(tx):
        await _add_watch(tx, adapter)
        row = await tx.fetchrow(sql, tx.tenant_id, adapter)
    return None if row is None else _watch(row)


async def locked_watch(tx: Tx, adapter: str) -> Watch:
    """Return the same, once whoever goes on has ended."""
    await _add_watch(tx, adapter)
    row = await tx.fetchrow(f"SELECT {_WATCH} AND adapter = $2 FOR UPDATE", tx.tenant_id, adapter)
    return Watch(adapter) if row is None else _watch(row)


async def _add_watch(tx: Tx, adapter: str) -> None:
    await tx.execute(
        "INSERT INTO activation.watch (tenant_id, adapter) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        *(tx.tenant_id, adapter),
    )


async def watches(tx: Tx) -> dict[str, Watch]:
    """Return how far the look is with each adapter that was looked at."""
    return {row["adapter"]: _watch(row) for row in await tx.fetch(f"SELECT {_WATCH}", tx.tenant_id)}


async def save_watch(tx: Tx, watch: Watch) -> None:
    """Keep how far the look is."""
    await tx.execute(
        "INSERT INTO activation.watch (tenant_id, adapter, policy, round, target_after, shown_after, ended_at, "
        "failures, resume_at, problem) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
        "ON CONFLICT (tenant_id, adapter) DO UPDATE SET policy = excluded.policy, round = excluded.round, "
        "target_after = excluded.target_after, shown_after = excluded.shown_after, ended_at = excluded.ended_at, "
        "failures = excluded.failures, resume_at = excluded.resume_at, problem = excluded.problem",
        *(tx.tenant_id, *astuple(watch)),
    )


async def open_findings(
    tx: Tx, adapter: str, targets: Sequence[TargetId] = (), names: Sequence[str] = ()
) -> dict[TargetId | str, Finding]:
    """Return what is known to differ, by target, or by name where nobody applied it."""
    rows = await tx.fetch(
        f"{_FINDINGS} AND f.adapter = $2 AND f.ended_at IS NULL "
        "AND coalesce(f.target_id::text, f.name) = ANY($3::text[])",
        *(tx.tenant_id, adapter, [*(str(one) for one in targets), *names]),
    )
    found = [_finding(row) for row in rows]
    return {one.name if one.target_id is None else one.target_id: one for one in found}


async def save_finding(tx: Tx, one: Finding, round_: int) -> None:
    """Insert or update the finding, seen in the round. A name is kept only of what nobody applied."""
    name = one.name if one.target_id is None and one.ended_at is None else ""
    await tx.execute(
        "INSERT INTO activation.finding (tenant_id, finding_id, adapter, kind, target_id, name, attributes, state, "
        "round, attempts, problem, found_at, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
        "ON CONFLICT (tenant_id, finding_id) DO UPDATE SET kind = excluded.kind, name = excluded.name, "
        "attributes = excluded.attributes, state = excluded.state, round = excluded.round, "
        "attempts = excluded.attempts, problem = excluded.problem, ended_at = excluded.ended_at",
        *(tx.tenant_id, one.id, one.adapter, one.kind, one.target_id, name, list(one.attributes), one.state),
        *(round_, one.attempts, one.problem, one.found_at, one.ended_at),
    )


async def end_unseen(tx: Tx, adapter: str, round_: int, now: datetime) -> None:
    """End what was not seen in the round: it is gone."""
    await tx.execute(
        "DELETE FROM activation.finding WHERE tenant_id = $1 AND adapter = $2 AND state = 'suspected' AND round < $3",
        *(tx.tenant_id, adapter, round_),
    )
    await tx.execute(
        "UPDATE activation.finding SET state = 'gone', ended_at = $4, name = '' "
        "WHERE tenant_id = $1 AND adapter = $2 AND ended_at IS NULL AND round < $3",
        *(tx.tenant_id, adapter, round_, now),
    )


async def count_open(tx: Tx, adapter: str) -> int:
    """Return how many differences of the adapter are known and have not ended."""
    found: int = await tx.fetchval(
        "SELECT count(*) FROM activation.finding WHERE tenant_id = $1 AND adapter = $2 AND ended_at IS NULL",
        *(tx.tenant_id, adapter),
    )
    return found


async def keep_seen(tx: Tx, adapter: str, targets: Sequence[TargetId], round_: int) -> None:
    """Let findings of targets that somebody is changing now stand for another round."""
    await tx.execute(
        "UPDATE activation.finding SET round = $4 "
        "WHERE tenant_id = $1 AND adapter = $2 AND ended_at IS NULL AND target_id = ANY($3::uuid[])",
        *(tx.tenant_id, adapter, list(targets), round_),
    )


async def forget_ended(tx: Tx, before: datetime) -> None:
    """Delete what ended before that time."""
    await tx.execute(
        "DELETE FROM activation.finding WHERE tenant_id = $1 AND ended_at < $2", tx.tenant_id, before
    )


async def try_again(tx: Tx, adapter: str) -> None:
    """Give what is open all its attempts again."""
    await tx.execute(
        "UPDATE activation.finding SET attempts = 0 WHERE tenant_id = $1 AND adapter = $2 AND ended_at IS NULL",
        *(tx.tenant_id, adapter),
    )


async def list_findings(
    tx: Tx, page: PageRequest, adapter: str | None, state: FindingState | None
) -> Page[Finding]:
    """Return a page of findings, the newest first; not what is only suspected."""
    rows = await tx.fetch(
        f"{_FINDINGS} AND {_SHOWN} ORDER BY f.finding_id DESC OFFSET $4 LIMIT $5",
        *(tx.tenant_id, adapter, state, page.offset, page.limit),
    )
    total = await tx.fetchval(
        f"SELECT count(*) FROM activation.finding AS f WHERE f.tenant_id = $1 AND {_SHOWN}",
        *(tx.tenant_id, adapter, state),
    )
    return Page(tuple(_finding(row) for row in rows), total, page.offset, page.limit)
