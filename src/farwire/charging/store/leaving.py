"""SQL of accounts whose product has ended, and of the person behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, ProductId


async def behind(tx: Tx, account_ids: Sequence[AccountId], product_ids: Sequence[ProductId]) -> list[int]:
    """Return the accounts of these products, and those of the billing accounts that are of no product."""
    rows = await tx.fetch(
        "SELECT number FROM charging.account WHERE tenant_id = $1 AND (product_id = ANY($3::uuid[]) "
        "OR (product_id IS NULL AND account_id = ANY($2::uuid[]))) ORDER BY number",
        *(tx.tenant_id, list(account_ids), list(product_ids)),
    )
    return [row["number"] for row in rows]


async def named(tx: Tx, names: Sequence[str]) -> Mapping[str, int]:
    """Return the accounts that have these identities or numbers, by name; an identity comes before a number."""
    rows = await tx.fetch(
        "SELECT 1 AS rank, number::text AS name, number FROM charging.account WHERE tenant_id = $1 "
        "AND number::text = ANY($2::text[]) UNION ALL "
        "SELECT 2, value, max(number) FROM charging.identity WHERE tenant_id = $1 AND value = ANY($2::text[]) "
        "GROUP BY value HAVING count(DISTINCT number) = 1 ORDER BY rank",
        *(tx.tenant_id, list(names)),
    )
    return {row["name"]: row["number"] for row in rows}


async def closed_among(tx: Tx, numbers: Sequence[int]) -> Mapping[int, datetime]:
    """Return when these accounts were closed; one that is not closed is absent."""
    rows = await tx.fetch(
        "SELECT number, closed_at FROM charging.account WHERE tenant_id = $1 AND number = ANY($2::bigint[]) "
        "AND closed_at IS NOT NULL",
        *(tx.tenant_id, list(numbers)),
    )
    return {row["number"]: row["closed_at"] for row in rows}


async def set_closed(tx: Tx, number: int, at: datetime) -> bool:
    """Write that an account is closed; return whether this was the first time."""
    tag = await tx.execute(
        "UPDATE charging.account SET closed_at = $3 WHERE tenant_id = $1 AND number = $2 AND closed_at IS NULL",
        *(tx.tenant_id, number, at),
    )
    return tag == "UPDATE 1"


async def blank_key(tx: Tx, number: int) -> None:
    """Forget the key that a client chose to open an account with: it may be a phone number."""
    await tx.execute(
        "UPDATE charging.account SET key = 'erased:' || number WHERE tenant_id = $1 AND number = $2",
        *(tx.tenant_id, number),
    )


async def release_from_closed(tx: Tx, identities: Sequence[tuple[str, str]]) -> None:
    """Take these identities from accounts that are closed: a number is given out again some day."""
    await tx.execute(
        "DELETE FROM charging.identity i USING unnest($2::text[], $3::text[]) AS wanted (kind, value), "
        "charging.account a WHERE i.tenant_id = $1 AND i.kind = wanted.kind AND i.value = wanted.value "
        "AND a.tenant_id = $1 AND a.number = i.number AND a.closed_at IS NOT NULL",
        *(tx.tenant_id, [kind for kind, _ in identities], [value for _, value in identities]),
    )
