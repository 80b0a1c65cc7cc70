"""What the products of an account would be after an order: the same decisions as its tasks make, without doing them.

A price preview bills the products before and after; the difference is what the order costs. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from farwire.account.model import BillingAccount
from farwire.inventory.model import Product, end, end_overrides, relocate, replan, resume, suspend
from farwire.kernel.ids import ProductId
from farwire.kernel.time import zone
from farwire.ordering.model.agreed import (
    commitment_of,
    ends_for,
    offering_of_item,
    override_of,
    overrides_of,
    plan_of_item,
    product_of_item,
)
from farwire.ordering.model.order import Action, OrderItem


def products_after(
    before: Sequence[Product],
    items: Sequence[OrderItem],
    account: BillingAccount,
    *,
    at: datetime,
    now: datetime,
) -> tuple[Product, ...]:
    """Return the products as they would be if the items counted from ``at`` on.

    Raises ``Conflict`` as the task would, where an item cannot be done.
    """
    found: dict[ProductId, Product] = {one.id: one for one in before}
    for item in items:
        if item.request.action is Action.ADD:
            found[item.product_id] = product_of_item(item, account, at=at, now=now)
        else:
            product = found[item.product_id]
            found[item.product_id] = _changed(product, item, at=at, now=now, tz=zone(account.zone))
    return tuple(found.values())


def _changed(product: Product, item: OrderItem, *, at: datetime, now: datetime, tz: ZoneInfo) -> Product:
    reason, percent = item.request.reason, item.details.get("recurring_percent")
    match item.request.action:
        case Action.CHANGE:
            return _replanned(product, item, at, now, tz)
        case Action.MODIFY:
            added = tuple(override_of(change, at, now) for change in item.request.overrides)
            return replace(product, overrides=product.overrides + added)
        case Action.MOVE:
            moved = relocate(product, item.request.place, at)
            return product if moved is None else replace(product, places=(*product.places, moved))
        case Action.SUSPEND if reason is not None:
            charged = percent if isinstance(percent, int) else 100
            one = suspend(product, reason, at, charged)
            return product if one is None else replace(product, suspensions=(*product.suspensions, one))
        case Action.RESUME if reason is not None:
            return resume(product, reason, at).product
        case Action.CEASE:
            ended = end(product, at, ends_for(item))
            return product if ended is None else ended[0]
    return product


def _replanned(product: Product, item: OrderItem, at: datetime, now: datetime, tz: ZoneInfo) -> Product:
    change = replan(product, plan_of_item(item), at)
    plans = product.plans if change is None else (*product.plans, change)
    term, offering_id = commitment_of(item.details, at, tz), offering_of_item(item)
    if offering_id != product.offering_id:
        product = replace(end_overrides(product, at), offering_id=offering_id)
    return replace(
        product,
        plans=tuple(sorted(plans, key=lambda one: one.valid_from)),
        overrides=product.overrides + overrides_of(item, at, now),
        commitment=product.commitment if term is None else term,
    )


def differing(
    before: Sequence[Product], after: Sequence[Product]
) -> tuple[tuple[Product, ...], tuple[Product, ...]]:
    """Return only the products that the order adds or changes: as they are, and as they would be."""
    known: Mapping[ProductId, Product] = {one.id: one for one in before}
    changed = tuple(one for one in after if known.get(one.id) != one)
    ids = {one.id for one in changed}
    return tuple(one for one in before if one.id in ids), changed
