"""SQL of transfers between accounts of different virtual shards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from farwire.base.storage import Tx
from farwire.charging.model import Command, MovementKind
from farwire.charging.model.transfers import Transfer, TransferState
from farwire.charging.shard.homes import VSHARDS

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS: Final = "id, payer, payee, amount, state, result, asked_at, changed_at"
_UNDER_WAY: Final = "state IN ('asked', 'taken', 'returning')"

_KINDS: Final = [
    int(MovementKind.TRANSFER_OUT),
    int(MovementKind.TRANSFER_IN),
    int(MovementKind.TRANSFER_BACK),
]


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


async def unsettled(tx: Tx) -> list[tuple[str, Transfer]]:
    """Return transfers with their currency that have not ended, or ended within a day of the last one that changed.

    The books may be behind the shards: what these moved may not be there in part.
    """
    rows = await tx.fetch(
        f"SELECT a.currency, {', '.join(f't.{name}' for name in _COLUMNS.split(', '))} FROM charging.transfer t "
        "JOIN charging.account a ON a.tenant_id = t.tenant_id AND a.number = t.payer WHERE t.tenant_id = $1 "
        f"AND (t.{_UNDER_WAY} OR t.changed_at > (SELECT max(changed_at) FROM charging.transfer "
        "WHERE tenant_id = $1) - interval '1 day')",
        tx.tenant_id,
    )
    return [(row["currency"], _transfer(row)) for row in rows]


async def moved_between(tx: Tx) -> dict[str, int]:
    """Return Σ movements of transfers between virtual shards by currency: below 0 where money is under way."""
    rows = await tx.fetch(
        "SELECT a.currency, sum(m.amount)::numeric AS nano FROM charging.movement m JOIN charging.account a "
        "ON a.tenant_id = m.tenant_id AND a.number = m.account WHERE m.tenant_id = $1 "
        "AND m.kind = ANY($2::smallint[]) AND (m.account # m.reason) & $3 <> 0 GROUP BY a.currency",
        *(tx.tenant_id, _KINDS, VSHARDS - 1),
    )
    return {row["currency"]: int(row["nano"]) for row in rows}


async def moved_by(tx: Tx, commands: Sequence[Command]) -> dict[tuple[int, int], int]:
    """Return what each of some commands moved, by its key; one that moved nothing is absent."""
    rows = await tx.fetch(
        "SELECT m.key_hi, m.key_lo, m.amount FROM charging.movement m JOIN unnest($2::bigint[], $3::bigint[], "
        "$4::bigint[]) AS w (account, hi, lo) ON m.account = w.account AND m.key_hi = w.hi AND m.key_lo = w.lo "
        "WHERE m.tenant_id = $1",
        *(tx.tenant_id, [one.account for one in commands]),
        *([one.key_hi for one in commands], [one.key_lo for one in commands]),
    )
    return {(row["key_hi"], row["key_lo"]): row["amount"] for row in rows}


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
