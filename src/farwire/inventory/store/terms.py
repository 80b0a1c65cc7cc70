"""SQL of what was agreed for a product and what befell it: suspensions, price overrides, commitments, places.

Read product by product (``storage.lookups``): few products have any, so most probes of the index find nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from farwire.base.storage import Tx
from farwire.inventory.model import (
    Closing,
    Commitment,
    PlaceChange,
    PriceOverride,
    Product,
    Suspension,
    SuspensionReason,
)
from farwire.kernel.ids import AgreementId, OverrideId, ProductId

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from asyncpg import Record

_SUSPENSIONS: Final = (
    "SELECT t.* FROM unnest($2::uuid[]) AS wanted (product_id) CROSS JOIN LATERAL ("
    "SELECT product_id, number, reason, valid_from, valid_to, recurring_percent FROM inventory.suspension "
    "WHERE tenant_id = $1 AND product_id = wanted.product_id OFFSET 0) AS t ORDER BY product_id, number"
)
_OVERRIDES: Final = (
    "SELECT t.* FROM unnest($2::uuid[]) AS wanted (product_id) CROSS JOIN LATERAL ("
    "SELECT product_id, number, override_id, price_id, valid_from, valid_to, price, percent, reason, agreement_id "
    "FROM inventory.price_override "
    "WHERE tenant_id = $1 AND product_id = wanted.product_id OFFSET 0) AS t ORDER BY product_id, number"
)
_COMMITMENTS: Final = (
    "SELECT t.* FROM unnest($2::uuid[]) AS wanted (product_id) CROSS JOIN LATERAL ("
    "SELECT product_id, starts_at, ends_at, notice_days, withdrawal_days, fee, remaining_percent "
    "FROM inventory.commitment "
    "WHERE tenant_id = $1 AND product_id = wanted.product_id ORDER BY number DESC LIMIT 1 OFFSET 0) AS t"
)

_PLACES: Final = (
    "SELECT t.* FROM unnest($2::uuid[]) AS wanted (product_id) CROSS JOIN LATERAL ("
    "SELECT product_id, number, valid_from, place FROM inventory.product_place "
    "WHERE tenant_id = $1 AND product_id = wanted.product_id OFFSET 0) AS t ORDER BY product_id, number"
)


async def _fetched(tx: Tx, statement: str, ids: Sequence[ProductId]) -> list[Record]:
    return await tx.fetch(statement, tx.tenant_id, ids) if ids else []


async def suspensions(tx: Tx, ids: Sequence[ProductId]) -> dict[ProductId, list[Suspension]]:
    """Return the suspensions of the products in the order in which they were added."""
    found: dict[ProductId, list[Suspension]] = defaultdict(list)
    for row in await _fetched(tx, _SUSPENSIONS, ids):
        found[row["product_id"]].append(
            Suspension(
                SuspensionReason(row["reason"]), row["valid_from"], row["valid_to"], row["recurring_percent"]
            )
        )
    return found


async def overrides(tx: Tx, ids: Sequence[ProductId]) -> dict[ProductId, list[PriceOverride]]:
    """Return the overrides of the products in the order in which they were added."""
    found: dict[ProductId, list[PriceOverride]] = defaultdict(list)
    for row in await _fetched(tx, _OVERRIDES, ids):
        found[row["product_id"]].append(_override(row))
    return found


def _override(row: Record) -> PriceOverride:
    return PriceOverride(
        OverrideId(row["override_id"]),
        row["price_id"],
        row["valid_from"],
        row["valid_to"],
        row["price"],
        row["percent"],
        row["reason"],
        AgreementId(row["agreement_id"]) if row["agreement_id"] else None,
    )


async def products_with_prices_of(
    tx: Tx, agreement_ids: Sequence[AgreementId], *, after: UUID, limit: int
) -> list[ProductId]:
    """Return the next products after ``after`` that have or had a price of one of the agreements, by id."""
    rows = await tx.fetch(
        "SELECT DISTINCT product_id FROM inventory.price_override WHERE tenant_id = $1 "
        "AND agreement_id = ANY($2::uuid[]) AND product_id > $3 ORDER BY product_id LIMIT $4",
        *(tx.tenant_id, list(agreement_ids), after, limit),
    )
    return [ProductId(row["product_id"]) for row in rows]


async def commitments(tx: Tx, ids: Sequence[ProductId]) -> dict[ProductId, Commitment]:
    """Return the commitment that holds for each product that has one: the last."""
    return {
        row["product_id"]: Commitment(
            row["starts_at"],
            row["ends_at"],
            row["notice_days"],
            row["withdrawal_days"],
            row["fee"],
            row["remaining_percent"],
        )
        for row in await _fetched(tx, _COMMITMENTS, ids)
    }


async def places(tx: Tx, ids: Sequence[ProductId]) -> dict[ProductId, list[PlaceChange]]:
    """Return the places of the products in the order in which they were added."""
    found: dict[ProductId, list[PlaceChange]] = defaultdict(list)
    for row in await _fetched(tx, _PLACES, ids):
        found[row["product_id"]].append(PlaceChange(row["valid_from"], row["place"]))
    return found


async def add_places(tx: Tx, rows: Sequence[tuple[ProductId, int, PlaceChange]]) -> None:
    """Insert places with their numbers."""
    if rows:
        await _mark(tx, (row[0] for row in rows))
        await tx.execute(
            "INSERT INTO inventory.product_place (tenant_id, product_id, number, valid_from, place) "
            "SELECT $1, p.* FROM unnest($2::uuid[], $3::int[], $4::timestamptz[], $5::text[]) AS p",
            tx.tenant_id,
            [product_id for product_id, _, _ in rows],
            [number for _, number, _ in rows],
            [one.valid_from for _, _, one in rows],
            [one.place for _, _, one in rows],
        )


async def blank_places(tx: Tx, ids: Sequence[ProductId]) -> int:
    """Forget where the products were; return how many places that is."""
    rows = await tx.fetch(
        "UPDATE inventory.product_place SET place = '' "
        "WHERE tenant_id = $1 AND product_id = ANY($2::uuid[]) AND place <> '' RETURNING 1",
        *(tx.tenant_id, list(ids)),
    )
    return len(rows)


async def add_terms(tx: Tx, products: Sequence[Product]) -> None:
    """Insert the terms of new products; no statement for what none of them has."""
    await add_suspensions(
        tx, [(one.id, number, each) for one in products for number, each in enumerate(one.suspensions)]
    )
    await add_overrides(
        tx, [(one.id, number, each) for one in products for number, each in enumerate(one.overrides)]
    )
    await add_commitments(tx, [(one.id, one.commitment) for one in products if one.commitment is not None])
    await add_places(
        tx, [(one.id, number, each) for one in products for number, each in enumerate(one.places)]
    )


async def _mark(tx: Tx, product_ids: Iterable[ProductId]) -> None:
    """Let the products be known to have terms."""
    await tx.execute(
        "UPDATE inventory.product SET has_terms = true "
        "WHERE tenant_id = $1 AND product_id = ANY($2::uuid[]) AND NOT has_terms",
        *(tx.tenant_id, sorted(set(product_ids))),
    )


async def add_suspensions(tx: Tx, rows: Sequence[tuple[ProductId, int, Suspension]]) -> None:
    """Insert suspensions with their numbers."""
    if rows:
        await _mark(tx, (row[0] for row in rows))
        await tx.executemany(
            "INSERT INTO inventory.suspension "
            "(tenant_id, product_id, number, reason, valid_from, valid_to, recurring_percent) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            [
                (
                    tx.tenant_id,
                    product_id,
                    number,
                    one.reason,
                    one.valid_from,
                    one.valid_to,
                    one.recurring_percent,
                )
                for product_id, number, one in rows
            ],
        )


async def close_suspensions(tx: Tx, product_id: ProductId, closings: Sequence[Closing]) -> None:
    """Let suspensions of the product end."""
    await tx.executemany(
        "UPDATE inventory.suspension SET valid_to = $4 WHERE tenant_id = $1 AND product_id = $2 AND number = $3",
        [(tx.tenant_id, product_id, one.index, one.valid_to) for one in closings],
    )


async def add_overrides(tx: Tx, rows: Sequence[tuple[ProductId, int, PriceOverride]]) -> None:
    """Insert overrides with their numbers. Violates ``price_override_id`` where the id is known."""
    if rows:
        await _mark(tx, (row[0] for row in rows))
        await tx.executemany(
            "INSERT INTO inventory.price_override (tenant_id, product_id, number, override_id, price_id, "
            "valid_from, valid_to, price, percent, reason, agreement_id) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            [
                (
                    *(tx.tenant_id, product_id, number, one.id, one.price_id),
                    *(one.valid_from, one.valid_to, one.price, one.percent, one.reason, one.agreement_id),
                )
                for product_id, number, one in rows
            ],
        )


async def close_override(tx: Tx, product_id: ProductId, number: int, at: datetime) -> None:
    """Let an override of the product end at ``at``."""
    await tx.execute(
        "UPDATE inventory.price_override SET valid_to = $4 "
        "WHERE tenant_id = $1 AND product_id = $2 AND number = $3",
        *(tx.tenant_id, product_id, number, at),
    )


async def add_commitments(tx: Tx, rows: Sequence[tuple[ProductId, Commitment]]) -> None:
    """Insert commitments; each follows those that its product has. The caller holds the product's lock."""
    if rows:
        await _mark(tx, (row[0] for row in rows))
        await tx.executemany(
            "INSERT INTO inventory.commitment (tenant_id, product_id, number, starts_at, ends_at, notice_days, "
            "withdrawal_days, fee, remaining_percent) SELECT $1, $2, count(*), $3, $4, $5, $6, $7, $8 "
            "FROM inventory.commitment WHERE tenant_id = $1 AND product_id = $2",
            [
                (
                    *(tx.tenant_id, product_id, one.starts_at, one.ends_at, one.notice_days),
                    *(one.withdrawal_days, one.fee, one.remaining_percent),
                )
                for product_id, one in rows
            ],
        )
