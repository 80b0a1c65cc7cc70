"""SQL of transfers between accounts of different virtual shards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from farwire.base.storage import Tx
from farwire.charging.model.transfers import Transfer, TransferState

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS: Final = "id, payer, payee, amount, state, result, asked_at, changed_at"
_UNDER_WAY: Final = "state IN ('asked', 'taken', 'returning')"


async def add(
    tx: Tx, *, transfer_id: UUID, payer: int, key: tuple[int, int], payee: int, amount: int, at: datetime
) -> bool:
    """Insert a transfer unless the payer has one with this key; return whether it is new."""
    tag = await tx.execute(
        "INSERT INTO charging.transfer (tenant_id, id, payer, key_hi, key_lo, payee, amount, asked_at, changed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (tenant_id, payer, key_hi, key_lo) DO NOTHING",
        *(tx.tenant_id, transfer_id, payer, *key, payee, amount, at),
    )
    return tag == "INSERT 0 1"


async def with_key(tx: Tx, payer: int, key: tuple[int, int]) -> Transfer | None:
    """Return the transfer that a payer's key names."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM charging.transfer WHERE tenant_id = $1 AND payer = $2 AND key_hi = $3 AND key_lo = $4",
        *(tx.tenant_id, payer, *key),
    )
    return None if row is None else _transfer(row)


async def get(tx: Tx, transfer_id: UUID) -> Transfer | None:
    """Return a transfer."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM charging.transfer WHERE tenant_id = $1 AND id = $2",
        tx.tenant_id,
        transfer_id,
    )
    return None if row is None else _transfer(row)


async def advance(
    tx: Tx, transfer_id: UUID, before: TransferState, now: TransferState, *, result: int, at: datetime
) -> bool:
    """Bring a transfer from one state to the next; return whether it was in that one."""
    tag = await tx.execute(
        "UPDATE charging.transfer SET state = $4, changed_at = $6, result = CASE WHEN $5 = 0 THEN result ELSE $5 END "
        "WHERE tenant_id = $1 AND id = $2 AND state = $3",
        *(tx.tenant_id, transfer_id, before.value, now.value, result, at),
    )
    return tag == "UPDATE 1"


async def under_way(tx: Tx, *, unchanged_since: datetime, limit: int) -> list[Transfer]:
    """Return transfers that have not ended and did not change after a time, the oldest first."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM charging.transfer WHERE tenant_id = $1 AND {_UNDER_WAY} AND changed_at <= $2 "
        "ORDER BY changed_at, id LIMIT $3",
        *(tx.tenant_id, unchanged_since, limit),
    )
    return [_transfer(row) for row in rows]


async def page(
    tx: Tx, *, accounts: Sequence[int] | None, only_under_way: bool, offset: int, limit: int
) -> tuple[list[Transfer], int]:
    """Return a page of transfers, the newest first, of all accounts or of some, and how many there are."""
    where = (
        "WHERE tenant_id = $1 AND ($2::bigint[] IS NULL OR payer = ANY($2) OR payee = ANY($2)) "
        f"AND (NOT $3 OR {_UNDER_WAY})"
    )
    wanted = (tx.tenant_id, None if accounts is None else list(accounts), only_under_way)
    total: int = await tx.fetchval(f"SELECT count(*) FROM charging.transfer {where}", *wanted)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM charging.transfer {where} ORDER BY asked_at DESC, id OFFSET $4 LIMIT $5",
        *(*wanted, offset, limit),
    )
    return [_transfer(row) for row in rows], total


def _transfer(row: Record) -> Transfer:
    return Transfer(
        *(row["id"], row["payer"], row["payee"], row["amount"], TransferState(row["state"]), row["result"]),
        *(row["asked_at"], row["changed_at"]),
    )
