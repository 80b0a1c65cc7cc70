"""SQL of charge routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from farwire.account.model import ChargeKind, ChargeRoute
from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS = "account_id, kinds, payer_account_id, percent, valid_from, valid_to"


def _from_row(row: Record) -> ChargeRoute:
    return ChargeRoute(
        AccountId(row["account_id"]),
        frozenset(ChargeKind(kind) for kind in row["kinds"]),
        AccountId(row["payer_account_id"]),
        row["percent"],
        row["valid_from"],
        row["valid_to"],
    )


async def routes_of(tx: Tx, account_ids: Sequence[AccountId]) -> tuple[ChargeRoute, ...]:
    """Return the routes of the accounts, oldest first, those that have ended included."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM account.charge_route WHERE tenant_id = $1 AND account_id = ANY($2::uuid[]) "
        "ORDER BY valid_from, account_id, payer_account_id, kinds",
        tx.tenant_id,
        list(account_ids),
    )
    return tuple(_from_row(row) for row in rows)


async def routes_to(tx: Tx, payer_ids: Sequence[AccountId]) -> tuple[ChargeRoute, ...]:
    """Return the routes by which the accounts pay for others, oldest first, those that have ended included."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM account.charge_route WHERE tenant_id = $1 AND payer_account_id = ANY($2::uuid[]) "
        "ORDER BY valid_from, account_id, payer_account_id, kinds",
        tx.tenant_id,
        list(payer_ids),
    )
    return tuple(_from_row(row) for row in rows)


async def save_route(tx: Tx, route: ChargeRoute) -> bool:
    """Insert a route, or give the one that is there its end. Return False where it is there with other terms."""
    row = await tx.fetchrow(
        f"INSERT INTO account.charge_route AS r (tenant_id, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) "
        "ON CONFLICT (tenant_id, account_id, payer_account_id, valid_from, kinds) "
        "DO UPDATE SET valid_to = excluded.valid_to WHERE r.percent = excluded.percent RETURNING r.account_id",
        tx.tenant_id,
        route.account_id,
        sorted(kind.value for kind in route.kinds),
        route.payer_account_id,
        route.percent,
        route.valid_from,
        route.valid_to,
    )
    return row is not None
