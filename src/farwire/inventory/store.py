"""SQL of products, assignments and the destroyable map of subscribers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.inventory.model import Assignment, PlanChange, Product
from farwire.kernel.ids import AccountId, OfferingId, PlanVersionId, ProductId, SubscriberKey

if TYPE_CHECKING:
    from asyncpg import Record


async def subscriber_keys(tx: Tx, identifiers: Sequence[str]) -> dict[str, SubscriberKey]:
    """Return the keys of those identifiers that are known."""
    rows = await tx.fetch(
        "SELECT identifier, subscriber_key FROM inventory.subscriber "
        "WHERE tenant_id = $1 AND identifier = ANY($2::text[])",
        tx.tenant_id,
        list(identifiers),
    )
    return {row["identifier"]: SubscriberKey(row["subscriber_key"]) for row in rows}


async def add_subscribers(tx: Tx, keys: Mapping[str, SubscriberKey]) -> None:
    """Insert keys for identifiers; those that exist keep theirs. Sorted against deadlocks."""
    identifiers = sorted(keys)
    await tx.execute(
        "INSERT INTO inventory.subscriber (tenant_id, identifier, subscriber_key) "
        "SELECT $1, s.* FROM unnest($2::text[], $3::uuid[]) AS s ON CONFLICT (tenant_id, identifier) DO NOTHING",
        tx.tenant_id,
        identifiers,
        [keys[identifier] for identifier in identifiers],
    )


async def erase_subscribers(tx: Tx, keys: Sequence[SubscriberKey]) -> int:
    """Delete the rows that know whose these keys are; return how many there were."""
    rows = await tx.fetch(
        "DELETE FROM inventory.subscriber WHERE tenant_id = $1 AND subscriber_key = ANY($2::uuid[]) RETURNING 1",
        tx.tenant_id,
        list(keys),
    )
    return len(rows)


async def identifiers_of(tx: Tx, keys: Sequence[SubscriberKey]) -> dict[SubscriberKey, str]:
    """Return the identifiers of those keys that are not erased."""
    rows = await tx.fetch(
        "SELECT identifier, subscriber_key FROM inventory.subscriber "
        "WHERE tenant_id = $1 AND subscriber_key = ANY($2::uuid[])",
        tx.tenant_id,
        list(keys),
    )
    return {SubscriberKey(row["subscriber_key"]): row["identifier"] for row in rows}


async def add_products(tx: Tx, products: Sequence[Product]) -> None:
    """Insert many products with their plans and assignments, one statement per table."""
    await tx.execute(
        "INSERT INTO inventory.product (tenant_id, product_id, account_id, offering_id, started_at, ended_at) "
        "SELECT $1, p.* FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[]) AS p",
        tx.tenant_id,
        [product.id for product in products],
        [product.account_id for product in products],
        [product.offering_id for product in products],
        [product.started_at for product in products],
        [product.ended_at for product in products],
    )
    await add_plans(tx, [(product.id, change) for product in products for change in product.plans])
    await add_assignments(tx, [(product.id, one) for product in products for one in product.assignments])


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


async def end_product(tx: Tx, product_id: ProductId, at: datetime) -> None:
    """End a product and its open assignments at ``at``. An assignment that would be empty is deleted."""
    await tx.execute(
        "UPDATE inventory.product SET ended_at = $3 WHERE tenant_id = $1 AND product_id = $2",
        tx.tenant_id,
        product_id,
        at,
    )
    await tx.execute(
        "DELETE FROM inventory.assignment WHERE tenant_id = $1 AND product_id = $2 AND valid_from >= $3",
        tx.tenant_id,
        product_id,
        at,
    )
    await tx.execute(
        "UPDATE inventory.assignment SET valid_to = $3 "
        "WHERE tenant_id = $1 AND product_id = $2 AND (valid_to IS NULL OR valid_to > $3)",
        tx.tenant_id,
        product_id,
        at,
    )


async def products(tx: Tx, product_ids: Sequence[ProductId]) -> dict[ProductId, Product]:
    """Return those of the products that exist, by id: three statements for any number."""
    rows = await tx.fetch(
        "SELECT product_id, account_id, offering_id, started_at, ended_at FROM inventory.product "
        "WHERE tenant_id = $1 AND product_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(product_ids),
    )
    return await _complete(tx, rows)


async def products_by_account(tx: Tx, account_ids: Sequence[AccountId]) -> dict[ProductId, Product]:
    """Return all products of these accounts, ended ones too, oldest first: three statements for any number."""
    rows = await tx.fetch(
        "SELECT product_id, account_id, offering_id, started_at, ended_at FROM inventory.product "
        "WHERE tenant_id = $1 AND account_id = ANY($2::uuid[]) ORDER BY started_at, product_id",
        tx.tenant_id,
        list(account_ids),
    )
    return await _complete(tx, rows)


async def products_of_subscribers(tx: Tx, keys: Sequence[SubscriberKey]) -> dict[ProductId, Product]:
    """Return the products to which these subscribers are or were assigned."""
    rows = await tx.fetch(
        "SELECT DISTINCT product_id FROM inventory.assignment "
        "WHERE tenant_id = $1 AND subscriber_key = ANY($2::uuid[])",
        tx.tenant_id,
        list(keys),
    )
    return await products(tx, [ProductId(row["product_id"]) for row in rows])


async def _complete(tx: Tx, rows: Iterable[Record]) -> dict[ProductId, Product]:
    rows = list(rows)
    ids = [row["product_id"] for row in rows]
    plans: dict[ProductId, list[PlanChange]] = defaultdict(list)
    for row in await tx.fetch(
        "SELECT product_id, valid_from, plan_version_id FROM inventory.product_plan "
        "WHERE tenant_id = $1 AND product_id = ANY($2::uuid[]) ORDER BY product_id, valid_from",
        tx.tenant_id,
        ids,
    ):
        plans[row["product_id"]].append(PlanChange(row["valid_from"], PlanVersionId(row["plan_version_id"])))
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
    return {
        ProductId(row["product_id"]): Product(
            ProductId(row["product_id"]),
            AccountId(row["account_id"]),
            OfferingId(row["offering_id"]),
            row["started_at"],
            tuple(plans[row["product_id"]]),
            row["ended_at"],
            tuple(assigned[row["product_id"]]),
        )
        for row in rows
    }
