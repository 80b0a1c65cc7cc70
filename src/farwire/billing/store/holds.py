"""Holds on accounts, and who must approve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from farwire.base.storage import Tx
from farwire.billing.model import Approval, Hold
from farwire.billing.store.runs import actor_from_text, actor_text
from farwire.kernel.ids import AccountId
from farwire.kernel.tenancy import Actor

if TYPE_CHECKING:
    from asyncpg import Record

_HOLD = "account_id, held_at, until, reason, held_by, released_at, released_by"


def _from_row(row: Record) -> Hold:
    return Hold(
        AccountId(row["account_id"]),
        row["reason"],
        actor_from_text(row["held_by"]),
        row["held_at"],
        row["until"],
        row["released_at"],
        None if row["released_by"] is None else actor_from_text(row["released_by"]),
    )


async def standing(tx: Tx, account_ids: Sequence[AccountId], at: datetime) -> Mapping[AccountId, Hold]:
    """Return the holds that stand at ``at`` on these accounts."""
    rows = await tx.fetch(
        f"SELECT {_HOLD} FROM billing.hold WHERE tenant_id = $1 AND account_id = ANY($2::uuid[]) "
        "AND released_at IS NULL AND (until IS NULL OR until > $3)",
        tx.tenant_id,
        list(account_ids),
        at,
    )
    return {AccountId(row["account_id"]): _from_row(row) for row in rows}


async def list_standing(tx: Tx, at: datetime, *, offset: int, limit: int) -> tuple[tuple[Hold, ...], int]:
    """Return one page of the holds that stand at ``at``, oldest first, and how many there are."""
    where = "tenant_id = $1 AND released_at IS NULL AND (until IS NULL OR until > $2)"
    total: int = await tx.fetchval(f"SELECT count(*) FROM billing.hold WHERE {where}", tx.tenant_id, at)
    rows = await tx.fetch(
        f"SELECT {_HOLD} FROM billing.hold WHERE {where} ORDER BY held_at, account_id OFFSET $3 LIMIT $4",
        tx.tenant_id,
        at,
        offset,
        limit,
    )
    return tuple(_from_row(row) for row in rows), total


async def add_hold(tx: Tx, hold: Hold) -> None:
    """Insert a hold, ending one that stands or ran out."""
    await release(tx, hold.account_id, hold.held_by, hold.held_at)
    await tx.execute(
        "INSERT INTO billing.hold (tenant_id, account_id, held_at, until, reason, held_by) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, account_id, held_at) DO UPDATE "
        "SET until = excluded.until, reason = excluded.reason, released_at = NULL, released_by = NULL",
        tx.tenant_id,
        hold.account_id,
        hold.held_at,
        hold.until,
        hold.reason,
        actor_text(hold.held_by),
    )


async def release(tx: Tx, account_id: AccountId, actor: Actor, at: datetime) -> bool:
    """End the hold on an account; return whether there was one."""
    tag = await tx.execute(
        "UPDATE billing.hold SET released_at = $3, released_by = $4 "
        "WHERE tenant_id = $1 AND account_id = $2 AND released_at IS NULL",
        tx.tenant_id,
        account_id,
        at,
        actor_text(actor),
    )
    return tag != "UPDATE 0"


async def policies(tx: Tx) -> Mapping[UUID, Approval]:
    """Return who must approve, by legal entity; the nil id is the operator's own rule."""
    rows = await tx.fetch(
        "SELECT legal_entity_id, approval FROM billing.policy WHERE tenant_id = $1", tx.tenant_id
    )
    return {row["legal_entity_id"]: Approval(row["approval"]) for row in rows}


async def set_policy(tx: Tx, legal_entity_id: UUID, approval: Approval, actor: Actor, at: datetime) -> None:
    """Write who must approve for a legal entity, or with the nil id for the operator."""
    await tx.execute(
        "INSERT INTO billing.policy (tenant_id, legal_entity_id, approval, set_by, set_at) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (tenant_id, legal_entity_id) DO UPDATE "
        "SET approval = excluded.approval, set_by = excluded.set_by, set_at = excluded.set_at",
        tx.tenant_id,
        legal_entity_id,
        approval.value,
        actor_text(actor),
        at,
    )
