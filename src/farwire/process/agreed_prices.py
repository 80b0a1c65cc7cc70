"""The prices that a product has by an agreement follow it: they end with it, and an amendment brings new ones.

An order copies what was agreed into dated price overrides of the product. What happens to the agreement afterwards is
followed here, by its events; a change that reaches back shows as correcting lines on the next bill.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from farwire.agreement import service as agreements
from farwire.agreement.events import AGREEMENT_APPROVED, AGREEMENT_TERMINATED
from farwire.agreement.model import Agreement
from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.storage import Database, Tx
from farwire.catalog import service as catalog
from farwire.inventory import service as inventory
from farwire.inventory.model import PriceOverride, Product
from farwire.kernel.ids import AgreementId, OrderId, OverrideId, PlanVersionId, ProductId, TenantId, parse_id
from farwire.ordering.events import ORDER_COMPLETED
from farwire.ordering.service.read import orders_by_id

NAME: Final = "agreed-prices"
REASON: Final = "agreement"
BATCH: Final = 500


def subscribers(*, db: Database, clock: Clock) -> tuple[Subscriber, ...]:  # noqa: ARG001  # as all of them
    """Return what lets prices follow their agreements. It begins with what is published from now on."""

    async def handle(event: Event) -> None:
        await follow(db=db, event=event)

    return (Subscriber(NAME, handle, types=(AGREEMENT_APPROVED, AGREEMENT_TERMINATED, ORDER_COMPLETED)),)


async def follow(*, db: Database, event: Event) -> None:
    """Bring the prices of products in line with what ``event`` is about. Idempotent."""
    if event.type == ORDER_COMPLETED:
        await _follow_order(db, event)
        return
    number, after = str(event.data["number"]), ProductId(uuid.UUID(int=0))
    while True:
        async with db.transaction(event.tenant_id) as tx:
            versions = await agreements.agreement_versions(tx, number)
            found = await inventory.products_with_prices_of(
                tx, [one.id for one in versions], after=after, limit=BATCH
            )
            await _settle(tx, versions, list(found.values()))
        if len(found) < BATCH:
            return
        after = list(found)[-1]


async def _follow_order(db: Database, event: Event) -> None:
    """Look again at what an order copied: between its placing and its work the agreement may have changed."""
    order_id = OrderId(parse_id(str(event.data["order_id"]), field="order_id"))
    async with db.transaction(event.tenant_id) as tx:
        order = (await orders_by_id(tx, [order_id])).get(order_id)
        items = () if order is None else order.items
        products = await inventory.get_products(tx, [item.product_id for item in items])
        for product in products.values():
            for agreement_id in {one.agreement_id for one in product.overrides if one.agreement_id}:
                number = (await agreements.get_agreement(tx, agreement_id)).number
                await _settle(tx, await agreements.agreement_versions(tx, number), [product])


async def _settle(tx: Tx, versions: Sequence[Agreement], products: Sequence[Product]) -> None:
    active = [one for one in versions if one.approved_at is not None]
    plans = [change.plan_version_id for product in products for change in product.plans]
    codes = {
        plan_id: version.plan.offering
        for plan_id, version in (await catalog.plan_versions(tx, list(dict.fromkeys(plans)))).items()
    }
    for product in products:
        for override, ends in overdue(product, active):
            await inventory.close_override(tx, product_id=product.id, override_id=override.id, at=ends)
        for override in missing(product, active, codes, tx.tenant_id):
            await inventory.add_override(tx, product_id=product.id, override=override)


def overdue(product: Product, versions: Sequence[Agreement]) -> Iterator[tuple[PriceOverride, datetime]]:
    """Return the prices that outlive the version of the agreement that they come from, and when that ends."""
    ends: Mapping[AgreementId, datetime | None] = {one.id: one.valid_to for one in versions}
    for override in product.overrides:
        end = None if override.agreement_id is None else ends.get(override.agreement_id)
        if end is not None and (
            override.valid_to is None or override.valid_to > max(end, override.valid_from)
        ):
            yield override, end


def missing(
    product: Product,
    versions: Sequence[Agreement],
    codes: Mapping[PlanVersionId, str],
    tenant_id: TenantId,
) -> Iterator[PriceOverride]:
    """Return the prices of amendments that the product does not have yet.

    Only what follows a version that the product has prices of: what was agreed before it was sold came with its order.
    ``codes`` are the offerings of its plans. A price of the product's own goes before the agreement's while it holds.
    """
    known = {one.agreement_id for one in product.overrides}
    first = next((n for n, one in enumerate(versions) if one.id in known), len(versions))
    for version in versions[first + 1 :]:
        if version.id in known:
            continue
        for code, start, end in _spans(product, codes, version):
            item = version.item(code)
            for price in () if item is None else item.overrides:
                since = _after_own(product, price.price_id, start)
                if since is None or (end is not None and since >= end):
                    continue
                name = f"{tenant_id}/{version.id}/{product.id}/{price.price_id}/{start.isoformat()}"
                yield PriceOverride(
                    id=OverrideId(uuid.uuid5(uuid.NAMESPACE_OID, name)),
                    price_id=price.price_id,
                    valid_from=since,
                    valid_to=end,
                    price=price.price,
                    percent=price.percent,
                    reason=REASON,
                    agreement_id=version.id,
                )


def _spans(
    product: Product, codes: Mapping[PlanVersionId, str], version: Agreement
) -> Iterator[tuple[str, datetime, datetime | None]]:
    """Return (offering, start, end) for each plan of the product while ``version`` holds."""
    for plan, following in pairwise((*product.plans, None)):
        if plan is None:
            continue
        start = max(plan.valid_from, version.valid_from)
        limits = [product.ended_at, version.valid_to, None if following is None else following.valid_from]
        end = min((one for one in limits if one is not None), default=None)
        if end is None or start < end:
            yield codes[plan.plan_version_id], start, end


def _after_own(product: Product, price_id: str, start: datetime) -> datetime | None:
    """Return from when on the agreement's price holds: after what the customer alone was promised; None for never."""
    own = [
        one
        for one in product.overrides
        if one.agreement_id is None
        and one.price_id == price_id
        and (one.valid_to is None or one.valid_to > start)
    ]
    ends = [one.valid_to for one in own]
    return None if None in ends else max((start, *(end for end in ends if end is not None)))
