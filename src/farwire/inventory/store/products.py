"""SQL of products, their plans and their assignments."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.inventory.model import Assignment, EndReason, PlanChange, Product, ProductState
from farwire.inventory.store import terms
from farwire.kernel.ids import AccountId, OfferingId, OrderId, PlanVersionId, ProductId, SubscriberKey

if TYPE_CHECKING:
    from asyncpg import Record

_PRODUCT = (
    "SELECT product_id, account_id, offering_id, started_at, ended_at, end_reason, parent_id, order_id, has_terms "
    "FROM inventory.product WHERE tenant_id = $1"
)


async def add_products(tx: Tx, products: Sequence[Product]) -> None:
    """Insert many products with all their records, one statement per table that gets rows."""
    await tx.execute(
        "INSERT INTO inventory.product (tenant_id, product_id, account_id, offering_id, started_at, ended_at, "
        "end_reason, parent_id, order_id) "
        "SELECT $1, p.* FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[], "
        "$7::text[], $8::uuid[], $9::uuid[]) AS p",
        tx.tenant_id,
        [product.id for product in products],
        [product.account_id for product in products],
        [product.offering_id for product in products],
        [product.started_at for product in products],
        [product.ended_at for product in products],
        [product.end_reason for product in products],
        [product.parent_id for product in products],
        [product.order_id for product in products],
    )
    await add_plans(tx, [(product.id, change) for product in products for change in product.plans])
    await add_assignments(tx, [(product.id, one) for product in products for one in product.assignments])
    await terms.add_terms(tx, products)


async def add_plans(tx: Tx, plans: Sequence[tuple[ProductId, PlanChange]]) -> None:
    """Insert plan versions of products."""
    await tx.execute(
        "INSERT INTO inventory.product_plan (tenant_id, product_id, valid_from, plan_version_id) "
        "SELECT $1, p.* FROM unnest($2::uuid[], $3::timestamptz[], $4::uuid[]) AS p",
        tx.tenant_id,
        [product_id for product_id, _ in plans],
        [change.valid_from for _, change in plans],
        [change.plan_version_id for _, change in plans],
    )


async def add_assignments(tx: Tx, assignments: Sequence[tuple[ProductId, Assignment]]) -> None:
    """Insert assignments. The trigger raises the driver's exclusion violation for an overlap."""
    await tx.execute(
        "INSERT INTO inventory.assignment (tenant_id, subscriber_key, valid_from, valid_to, product_id, kind) "
        "SELECT $1, a.* FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::uuid[], $6::text[]) AS a",
        tx.tenant_id,
        [one.subscriber_key for _, one in assignments],
        [one.valid_from for _, one in assignments],
        [one.valid_to for _, one in assignments],
        [product_id for product_id, _ in assignments],
        [one.kind for _, one in assignments],
    )


async def end_assignments(tx: Tx, keys: Sequence[SubscriberKey], at: datetime) -> None:
    """End the open assignments of these subscribers at ``at``."""
    await tx.execute(
        "UPDATE inventory.assignment SET valid_to = $3 "
        "WHERE tenant_id = $1 AND subscriber_key = ANY($2::uuid[]) AND valid_to IS NULL AND valid_from < $3",
        tx.tenant_id,
        list(keys),
        at,
    )


async def end_product(tx: Tx, product_id: ProductId, at: datetime, reason: EndReason) -> None:
    """End a product and its assignments at ``at``."""
    await tx.execute(
        "UPDATE inventory.product SET ended_at = $3, end_reason = $4 WHERE tenant_id = $1 AND product_id = $2",
        *(tx.tenant_id, product_id, at, reason),
    )
    await close_assignments(tx, product_id, None, at)


async def set_offering(tx: Tx, product_id: ProductId, offering_id: OfferingId) -> None:
    """Let the product be one of another offering."""
    await tx.execute(
        "UPDATE inventory.product SET offering_id = $3 WHERE tenant_id = $1 AND product_id = $2",
        *(tx.tenant_id, product_id, offering_id),
    )


async def close_assignments(
    tx: Tx, product_id: ProductId, keys: Sequence[SubscriberKey] | None, at: datetime
) -> None:
    """End the product's assignments (of these subscribers, or all) at ``at``. One that would be empty is deleted."""
    those = list(keys) if keys is not None else None
    await tx.execute(
        "DELETE FROM inventory.assignment WHERE tenant_id = $1 AND product_id = $2 AND valid_from >= $3 "
        "AND ($4::uuid[] IS NULL OR subscriber_key = ANY($4))",
        *(tx.tenant_id, product_id, at, those),
    )
    await tx.execute(
        "UPDATE inventory.assignment SET valid_to = $3 WHERE tenant_id = $1 AND product_id = $2 "
        "AND (valid_to IS NULL OR valid_to > $3) AND ($4::uuid[] IS NULL OR subscriber_key = ANY($4))",
        *(tx.tenant_id, product_id, at, those),
    )


async def lock_product(tx: Tx, product_id: ProductId) -> None:
    """Wait for other commands on the product and keep them waiting until the transaction ends."""
    await tx.execute(
        "SELECT 1 FROM inventory.product WHERE tenant_id = $1 AND product_id = $2 FOR NO KEY UPDATE",
        *(tx.tenant_id, product_id),
    )


async def products(tx: Tx, product_ids: Sequence[ProductId]) -> dict[ProductId, Product]:
    """Return those of the products that exist, by id: one statement per table for any number."""
    rows = await tx.fetch(f"{_PRODUCT} AND product_id = ANY($2::uuid[])", tx.tenant_id, list(product_ids))
    return await _complete(tx, rows)


async def products_by_account(tx: Tx, account_ids: Sequence[AccountId]) -> dict[ProductId, Product]:
    """Return all products of these accounts, ended ones too, oldest first: one statement per table for any number."""
    rows = await tx.fetch(
        f"{_PRODUCT} AND account_id = ANY($2::uuid[]) ORDER BY started_at, product_id",
        tx.tenant_id,
        list(account_ids),
    )
    return await _complete(tx, rows)


_IN_STATE = {
    ProductState.PENDING_ACTIVE: "started_at > $2",
    ProductState.TERMINATED: "started_at <= $2 AND ended_at <= $2",
    ProductState.ACTIVE: "started_at <= $2 AND (ended_at IS NULL OR ended_at > $2) AND NOT {suspended}",
    ProductState.SUSPENDED: "started_at <= $2 AND (ended_at IS NULL OR ended_at > $2) AND {suspended}",
}
_SUSPENDED = (
    "EXISTS (SELECT FROM inventory.suspension s WHERE s.tenant_id = $1 AND s.product_id = product.product_id "
    "AND s.valid_from <= $2 AND (s.valid_to IS NULL OR s.valid_to > $2))"
)


async def list_products(
    tx: Tx,
    at: datetime,
    *,
    account_id: AccountId | None,
    state: ProductState | None,
    limit: int,
    offset: int,
) -> tuple[list[Product], int]:
    """Return products by start, and how many there are; ``state`` is that of ``at``."""
    wanted = "true" if state is None else _IN_STATE[state].format(suspended=_SUSPENDED)
    where = f"($2::timestamptz IS NOT NULL) AND ($3::uuid IS NULL OR account_id = $3) AND {wanted}"
    rows = await tx.fetch(
        f"{_PRODUCT} AND {where} ORDER BY started_at, product_id LIMIT $4 OFFSET $5",
        *(tx.tenant_id, at, account_id, limit, offset),
    )
    total = await tx.fetchval(
        f"SELECT count(*) FROM inventory.product WHERE tenant_id = $1 AND {where}",
        *(tx.tenant_id, at, account_id),
    )
    return list((await _complete(tx, rows)).values()), total


async def product_ids_of_subscribers(tx: Tx, keys: Sequence[SubscriberKey]) -> list[ProductId]:
    """Return the ids of the products to which these subscribers are or were assigned."""
    rows = await tx.fetch(
        "SELECT DISTINCT product_id FROM inventory.assignment "
        "WHERE tenant_id = $1 AND subscriber_key = ANY($2::uuid[])",
        tx.tenant_id,
        list(keys),
    )
    return [ProductId(row["product_id"]) for row in rows]


async def products_of_subscribers(tx: Tx, keys: Sequence[SubscriberKey]) -> dict[ProductId, Product]:
    """Return the products to which these subscribers are or were assigned."""
    return await products(tx, await product_ids_of_subscribers(tx, keys))


async def _complete(tx: Tx, rows: Iterable[Record]) -> dict[ProductId, Product]:
    rows = list(rows)
    ids = [row["product_id"] for row in rows]
    plans = await _plans(tx, ids)
    assigned = await _assignments(tx, ids)
    with_terms = [row["product_id"] for row in rows if row["has_terms"]]
    suspended = await terms.suspensions(tx, with_terms)
    overridden = await terms.overrides(tx, with_terms)
    committed = await terms.commitments(tx, with_terms)
    placed = await terms.places(tx, with_terms)
    return {
        ProductId(row["product_id"]): Product(
            ProductId(row["product_id"]),
            AccountId(row["account_id"]),
            OfferingId(row["offering_id"]),
            row["started_at"],
            tuple(plans[row["product_id"]]),
            row["ended_at"],
            tuple(assigned[row["product_id"]]),
            tuple(suspended.get(row["product_id"], ())),
            tuple(overridden.get(row["product_id"], ())),
            committed.get(row["product_id"]),
            EndReason(row["end_reason"]) if row["end_reason"] else None,
            ProductId(row["parent_id"]) if row["parent_id"] else None,
            OrderId(row["order_id"]) if row["order_id"] else None,
            tuple(placed.get(row["product_id"], ())),
        )
        for row in rows
    }


async def _plans(tx: Tx, ids: Sequence[ProductId]) -> dict[ProductId, list[PlanChange]]:
    plans: dict[ProductId, list[PlanChange]] = defaultdict(list)
    for row in await tx.fetch(
        "SELECT product_id, valid_from, plan_version_id FROM inventory.product_plan "
        "WHERE tenant_id = $1 AND product_id = ANY($2::uuid[]) ORDER BY product_id, valid_from",
        tx.tenant_id,
        ids,
    ):
        plans[row["product_id"]].append(PlanChange(row["valid_from"], PlanVersionId(row["plan_version_id"])))
    return plans


async def _assignments(tx: Tx, ids: Sequence[ProductId]) -> dict[ProductId, list[Assignment]]:
    assigned: dict[ProductId, list[Assignment]] = defaultdict(list)
    for row in await tx.fetch(
        # Key by key (storage.lookups): without statistics, ANY compares each row of the tenant with each of the ids.
        "SELECT a.* FROM unnest($2::uuid[]) AS wanted (product_id) CROSS JOIN LATERAL ("
        "SELECT product_id, subscriber_key, kind, valid_from, valid_to FROM inventory.assignment "
        "WHERE tenant_id = $1 AND product_id = wanted.product_id OFFSET 0) AS a "
        "ORDER BY product_id, valid_from, subscriber_key",
        tx.tenant_id,
        ids,
    ):
        assigned[row["product_id"]].append(
            Assignment(SubscriberKey(row["subscriber_key"]), row["kind"], row["valid_from"], row["valid_to"])
        )
    return assigned
