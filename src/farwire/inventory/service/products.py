"""Product instances over time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg

from farwire.base import eventbus
from farwire.base.storage import Tx
from farwire.inventory import events
from farwire.inventory.model import (
    Assignment,
    EndReason,
    Product,
    ProductState,
    end,
    end_overrides,
    replan,
)
from farwire.inventory.store import products as store
from farwire.inventory.store import terms
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import AccountId, OfferingId, PlanVersionId, ProductId, SubscriberKey
from farwire.kernel.page import Page, PageRequest


class Overlap(Conflict):
    """A subscriber would belong to two products at one time."""

    default_code = "inventory.assignment_overlap"


def _overlap() -> Overlap:
    return Overlap(
        "a number would belong to two products at one time",
        field="identifiers",
        fix="end the earlier assignment first, or reassign the number from a later time on",
    )


async def add_products(tx: Tx, products: Sequence[Product], *, now: datetime | None = None) -> None:
    """Add many products with all their records, one statement per table, and publish ``product_added`` of each.

    ``now`` is when it is written down; without it, each product's start. Raises ``Overlap``; the transaction is then
    of no use.
    """
    if not products:
        return
    try:
        await store.add_products(tx, products)
    except (asyncpg.ExclusionViolationError, asyncpg.UniqueViolationError):
        raise _overlap() from None
    await eventbus.publish_many(tx, (events.product_added(tx.tenant_id, one, now) for one in products))


async def get_products(tx: Tx, product_ids: Sequence[ProductId]) -> Mapping[ProductId, Product]:
    """Return those of the products that exist, by id: one statement per table for any number."""
    return await store.products(tx, product_ids)


async def products_by_account(
    tx: Tx, account_ids: Sequence[AccountId]
) -> Mapping[AccountId, tuple[Product, ...]]:
    """Return all products of each account, ended ones too, oldest first: one statement per table for any number."""
    by_account: dict[AccountId, list[Product]] = defaultdict(list)
    for product in (await store.products_by_account(tx, account_ids)).values():
        by_account[product.account_id].append(product)
    return {account_id: tuple(products) for account_id, products in by_account.items()}


async def list_products(
    tx: Tx,
    *,
    page: PageRequest,
    at: datetime,
    account_id: AccountId | None = None,
    state: ProductState | None = None,
) -> Page[Product]:
    """Return a page of products by their start; ``state`` is what they are at ``at``."""
    items, total = await store.list_products(
        tx, at, account_id=account_id, state=state, limit=page.limit, offset=page.offset
    )
    return Page(tuple(items), total, page.offset, page.limit)


async def products_by_subscriber(
    tx: Tx, subscriber_keys: Sequence[SubscriberKey]
) -> Mapping[SubscriberKey, tuple[Product, ...]]:
    """Return the products to which each subscriber is or was ever assigned; ``Product.serves`` tells which at a time.

    Subscribers without any product are absent. One statement more than ``get_products``.
    """
    found: dict[SubscriberKey, list[Product]] = defaultdict(list)
    for product in (await store.products_of_subscribers(tx, subscriber_keys)).values():
        for key in {assigned.subscriber_key for assigned in product.assignments}:
            found[key].append(product)
    return {key: tuple(found[key]) for key in subscriber_keys if key in found}


async def find_product(tx: Tx, product_id: ProductId) -> Product:
    """Return the product. Raises ``NotFound`` (``inventory.unknown``)."""
    found = (await store.products(tx, [product_id])).get(product_id)
    if found is None:
        raise NotFound(
            "there is no such product", code="inventory.unknown", field="product", value=product_id
        )
    return found


async def locked_product(tx: Tx, product_id: ProductId) -> Product:
    """Return the product as no other command can change it before this transaction ends. Raises ``NotFound``."""
    await store.lock_product(tx, product_id)
    return await find_product(tx, product_id)


async def change_plan(
    tx: Tx,
    *,
    product_id: ProductId,
    plan_version_id: PlanVersionId,
    at: datetime,
    offering_id: OfferingId | None = None,
    now: datetime | None = None,
) -> None:
    """Price the product by another plan version from ``at`` on, until the next change if there is a later one.

    ``offering_id`` is given where the plan is of another offering: then the product is that one, and prices that were
    agreed for what it was end at ``at``. Idempotent. ``now`` is when it is written down; without it, ``at``. Publishes
    ``plan_changed``. Raises ``Conflict`` (``inventory.not_active``, ``inventory.plan_changed_then``).
    """
    product = await locked_product(tx, product_id)
    change = replan(product, plan_version_id, at)
    if change is None:
        return
    await store.add_plans(tx, [(product_id, change)])
    if offering_id is not None and offering_id != product.offering_id:
        if all(one.valid_from < at for one in product.plans):
            await store.set_offering(tx, product_id, offering_id)
        await _end_overrides(tx, product, at)
    await eventbus.publish(tx, events.plan_changed(tx.tenant_id, product, plan_version_id, at, now))


async def _end_overrides(tx: Tx, product: Product, at: datetime) -> None:
    after = end_overrides(product, at).overrides
    for number, (before, one) in enumerate(zip(product.overrides, after, strict=True)):
        if one.valid_to is not None and one != before:
            await terms.close_override(tx, product.id, number, one.valid_to)


async def end_product(
    tx: Tx,
    *,
    product_id: ProductId,
    at: datetime,
    reason: EndReason = EndReason.CEASE,
    now: datetime | None = None,
) -> None:
    """End the product, its assignments and its suspensions at ``at`` (exclusive). Idempotent for the same ``at``.

    Its resources stay with it until ``take_back``. Publishes ``product_ended``. Raises ``Conflict``
    (``inventory.ended``) where it ended at another time or ``at`` is before its start.
    """
    product = await locked_product(tx, product_id)
    ended = end(product, at, reason)
    if ended is None:
        return
    await terms.close_suspensions(tx, product_id, ended[1])
    await store.end_product(tx, product_id, at, reason)
    await eventbus.publish(tx, events.product_ended(tx.tenant_id, product, reason, at, now))


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
    await find_product(tx, product_id)
    await reassign_each(tx, [(product_id, Assignment(subscriber_key, kind, at, until))], at=at)


async def reassign_each(tx: Tx, assignments: Sequence[tuple[ProductId, Assignment]], *, at: datetime) -> None:
    """Give many subscribers to products from ``at`` on, as ``reassign`` does. Raises ``Overlap``."""
    await store.end_assignments(tx, [one.subscriber_key for _, one in assignments], at)
    try:
        await store.add_assignments(tx, assignments)
    except (asyncpg.ExclusionViolationError, asyncpg.UniqueViolationError):
        raise _overlap() from None
