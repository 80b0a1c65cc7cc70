"""SQL of charging accounts and the identities that find them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, ProductId

if TYPE_CHECKING:
    from asyncpg import Record

_ACCOUNT: Final = (
    "a.number, a.key, a.plan, a.currency, a.cycle_day, a.credit_limit, a.postpaid, a.account_id, a.product_id, "
    "a.opened_at, a.live_at, a.limits, p.offering, t.number AS tenant_number"
)
_FROM: Final = (
    "FROM charging.account a JOIN charging.plan p ON p.tenant_id = a.tenant_id AND p.number = a.plan "
    "JOIN charging.tenant t ON t.tenant_id = a.tenant_id"
)


async def add_account(
    tx: Tx, *, key: str, vshard: int, plan: int, currency: str, cycle_day: int, credit_limit: int, postpaid: bool,
    account_id: AccountId | None, product_id: ProductId | None, at: datetime, limits: Sequence[int],
) -> bool:  # fmt: skip
    """Insert an account unless the key has one; return whether it is new."""
    tag = await tx.execute(
        "INSERT INTO charging.account (tenant_id, key, vshard, plan, currency, cycle_day, credit_limit, postpaid, "
        "account_id, product_id, opened_at, limits) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) "
        "ON CONFLICT (tenant_id, key) DO NOTHING",
        *(
            tx.tenant_id,
            key,
            vshard,
            plan,
            currency,
            cycle_day,
            credit_limit,
            postpaid,
            account_id,
            product_id,
            at,
            list(limits),
        ),
    )
    return tag == "INSERT 0 1"


async def by_key(tx: Tx, key: str) -> Record | None:
    """Return the account that was opened with ``key``."""
    return await tx.fetchrow(
        f"SELECT {_ACCOUNT} {_FROM} WHERE a.tenant_id = $1 AND a.key = $2", tx.tenant_id, key
    )


async def by_numbers(tx: Tx, numbers: Sequence[int]) -> list[Record]:
    """Return those of the accounts that are there, by number."""
    return await tx.fetch(
        f"SELECT {_ACCOUNT} {_FROM} WHERE a.tenant_id = $1 AND a.number = ANY($2::bigint[]) ORDER BY a.number",
        *(tx.tenant_id, list(numbers)),
    )


async def by_identity(tx: Tx, value: str) -> list[Record]:
    """Return the accounts that have an identity of this value, two at most."""
    return await tx.fetch(
        f"SELECT DISTINCT {_ACCOUNT} {_FROM} JOIN charging.identity i ON i.tenant_id = a.tenant_id "
        "AND i.number = a.number WHERE a.tenant_id = $1 AND i.value = $2 ORDER BY a.number LIMIT 2",
        *(tx.tenant_id, value),
    )


async def list_accounts(tx: Tx, *, offset: int, limit: int) -> tuple[list[Record], int]:
    """Return a page of accounts by number, and how many there are."""
    total: int = await tx.fetchval("SELECT count(*) FROM charging.account WHERE tenant_id = $1", tx.tenant_id)
    rows = await tx.fetch(
        f"SELECT {_ACCOUNT} {_FROM} WHERE a.tenant_id = $1 ORDER BY a.number OFFSET $2 LIMIT $3",
        *(tx.tenant_id, offset, limit),
    )
    return rows, total


async def not_live(tx: Tx, limit: int) -> list[Record]:
    """Return accounts that no shard has confirmed yet."""
    return await tx.fetch(
        f"SELECT {_ACCOUNT} {_FROM} WHERE a.tenant_id = $1 AND a.live_at IS NULL ORDER BY a.number LIMIT $2",
        *(tx.tenant_id, limit),
    )


async def set_live(tx: Tx, numbers: Sequence[int], at: datetime) -> None:
    """Write that a shard has these accounts."""
    await tx.execute(
        "UPDATE charging.account SET live_at = $3 WHERE tenant_id = $1 AND number = ANY($2::bigint[]) "
        "AND live_at IS NULL",
        *(tx.tenant_id, list(numbers), at),
    )


async def add_identities(tx: Tx, number: int, identities: Sequence[tuple[str, str]]) -> None:
    """Insert identities of an account."""
    await tx.executemany(
        "INSERT INTO charging.identity (tenant_id, kind, value, number) VALUES ($1, $2, $3, $4)",
        [(tx.tenant_id, kind, value, number) for kind, value in identities],
    )


async def identities_of(tx: Tx, numbers: Sequence[int]) -> list[Record]:
    """Return the identities of accounts."""
    return await tx.fetch(
        "SELECT number, kind, value FROM charging.identity WHERE tenant_id = $1 AND number = ANY($2::bigint[]) "
        "ORDER BY number, kind, value",
        *(tx.tenant_id, list(numbers)),
    )


async def erase_identities(tx: Tx, number: int) -> int:
    """Delete the identities of an account; return how many there were."""
    tag = await tx.execute(
        "DELETE FROM charging.identity WHERE tenant_id = $1 AND number = $2", *(tx.tenant_id, number)
    )
    return int(tag.rsplit(" ", 1)[-1])
