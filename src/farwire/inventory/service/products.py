"""Product instances over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from farwire.base.storage import Tx
from farwire.inventory import store
from farwire.inventory.model import Assignment, PlanChange, Product
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import AccountId, PlanVersionId, ProductId, SubscriberKey


class Overlap(Conflict):
    """A subscriber would belong to two products at one time."""

    default_code = "inventory.assignment_overlap"


def _overlap() -> Overlap:
    return Overlap(
        "a number would belong to two products at one time",
        field="identifiers",
        fix="end the earlier assignment first, or reassign the number from a later time on",
    )


async def add_products(tx: Tx, products: Sequence[Product]) -> None:
    """Add many products in three statements. Raises ``Overlap``; the transaction is then of no use."""
    if not products:
        return
    try:
        await store.add_products(tx, products)
    except (asyncpg.ExclusionViolationError, asyncpg.UniqueViolationError):
        raise _overlap() from None


async def get_products(tx: Tx, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Product]:
    """Return those of the products that exist, by id, in three statements."""
    return await store.products(tx, product_ids)


async def products_by_account(
    tx: Tx, account_ids: Sequence[AccountId]
) -> Mapping[AccountId, tuple[Product, ...]]:
    """Return all products of each account, ended ones too, oldest first, in three statements."""
    by_account: dict[AccountId, list[Product]] = defaultdict(list)
    for product in (await store.products_by_account(tx, account_ids)).values():
        by_account[product.account_id].append(product)
    return {account_id: tuple(products) for account_id, products in by_account.items()}


async def products_by_subscriber(
    tx: Tx, subscriber_keys: Sequence[SubscriberKey]
) -> Mapping[SubscriberKey, tuple[Product, ...]]:
    """Return the products to which each subscriber is or was ever assigned; ``Product.serves`` tells which at a time.

    Subscribers without any product are absent. Four statements for any number of keys.
    """
    found: dict[SubscriberKey, list[Product]] = defaultdict(list)
    for product in (await store.products_of_subscribers(tx, subscriber_keys)).values():
        for key in {assigned.subscriber_key for assigned in product.assignments}:
            found[key].append(product)
    return {key: tuple(found[key]) for key in subscriber_keys if key in found}


async def _one(tx: Tx, product_id: ProductId) -> Product:
    found = (await store.products(tx, [product_id])).get(product_id)
    if found is None:
        raise NotFound(
            "there is no such product", code="inventory.unknown", field="product", value=product_id
        )
    return found


async def change_plan(tx: Tx, *, product_id: ProductId, plan_version_id: PlanVersionId, at: datetime) -> None:
    """Price the product by another plan version from ``at`` on.

    Raises ``Conflict`` (``inventory.not_active``, ``inventory.plan_changed_later``).
    """
    product = await _one(tx, product_id)
    if not product.active_at(at):
        raise Conflict("the product is not active then", code="inventory.not_active", field="at", value=at)
    if product.plans[-1].valid_from >= at:
        raise Conflict(
            "a later plan change exists", code="inventory.plan_changed_later", field="at", value=at
        )
    await store.add_plans(tx, [(product_id, PlanChange(at, plan_version_id))])


async def end_product(tx: Tx, *, product_id: ProductId, at: datetime) -> None:
    """End the product and its assignments at ``at`` (exclusive). Idempotent for the same ``at``.

    Raises ``Conflict`` (``inventory.ended``) where it ended at another time or ``at`` is before its start.
    """
    product = await _one(tx, product_id)
    if product.ended_at == at:
        return
    if product.ended_at is not None or at < product.started_at:
        raise Conflict("the product cannot end then", code="inventory.ended", field="at", value=at)
    await store.end_product(tx, product_id, at)


async def reassign(
    tx: Tx,
    *,
    subscriber_key: SubscriberKey,
    product_id: ProductId,
    kind: str,
    at: datetime,
    until: datetime | None = None,
) -> None:
    """Give the subscriber to the product in ``[at, until)``; an open assignment ends at ``at``. Raises ``Overlap``."""
    await _one(tx, product_id)
    await store.end_assignments(tx, [subscriber_key], at)
    try:
        await store.add_assignments(tx, [(product_id, Assignment(subscriber_key, kind, at, until))])
    except (asyncpg.ExclusionViolationError, asyncpg.UniqueViolationError):
        raise _overlap() from None
