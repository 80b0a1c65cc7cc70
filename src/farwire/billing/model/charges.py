"""The exact charges of a product for one bill: recurring and one-off prices of its plans, and sums of its usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Final, cast

import msgspec

from farwire.base.canonical import JSON
from farwire.billing.model.bill import Item, LineKind
from farwire.catalog.model import PlanVersion, PricePlan, Trigger, UsagePrice
from farwire.catalog.model.usage_check import price_unit
from farwire.inventory.model import PlanChange, Product
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import PlanVersionId
from farwire.kernel.money import currency
from farwire.kernel.quantity import Unit
from farwire.kernel.time import BillCycle, Period
from farwire.rating.model.recurring import (
    PlannedCharge,
    ProductSpan,
    one_off_charges,
    recurring_charged_to,
    recurring_charges,
)
from farwire.usage.model import RatedTotal

Charged = Mapping[tuple[datetime, str], datetime]
"""(Start of the plan, price id) → up to when it is charged."""

DAY: Final = "day"


@dataclass(frozen=True, slots=True)
class ProductCharges:
    """What a product owes on one bill besides usage, and up to when its prices are charged after it."""

    items: tuple[Item, ...]
    charged: Charged


def charges_of(
    product: Product,
    plans: Mapping[PlanVersionId, PricePlan],
    *,
    cycle: BillCycle,
    bill_period: Period,
    charged: Charged,
    region: str = "",
    segment: str = "",
) -> ProductCharges:
    """Return what ``product`` of a customer of ``region`` and ``segment`` owes besides usage for ``bill_period``.

    A plan change cuts its life into spans; each is charged by itself, so that days paid in advance on the old plan come
    back and the days on the new one are asked. A one-off price is charged once, whenever it becomes known.
    """
    items: list[Item] = []
    after: dict[tuple[datetime, str], datetime] = {}
    spans = _spans(product, region, segment)
    for change, span in spans:
        start = span.start
        if start >= bill_period.end:
            continue
        plan = plans[change.plan_version_id]
        done = {price_id: to for (plan_from, price_id), to in charged.items() if plan_from == start}
        found = recurring_charges(plan, span, cycle=cycle, bill_period=bill_period, charged_to=done)
        items.extend(
            _item(LineKind.RECURRING, charge, plan, product, change.plan_version_id) for charge in found
        )
        to = recurring_charged_to(plan, span, cycle=cycle, bill_period=bill_period)
        after.update({(start, price_id): at for price_id, at in to.items()})
        for trigger, at in _triggers(product, start, _last_start(product, spans), bill_period):
            for charge in one_off_charges(plan, span, trigger=trigger, at=at, cycle=cycle):
                after[start, charge.price_id] = at
                if charge.price_id not in done:
                    items.append(_item(LineKind.ONE_OFF, charge, plan, product, change.plan_version_id))
    return ProductCharges(tuple(items), after)


def _spans(product: Product, region: str, segment: str) -> tuple[tuple[PlanChange, ProductSpan], ...]:
    """Return the plans that the product has or had with their times, without those replaced before they began.

    The span of a plan that was to begin after the product's end is empty: what was paid for it comes back.
    """
    found = []
    for change, following in zip_longest(product.plans, product.plans[1:]):
        start = max(change.valid_from, product.started_at)
        replaced = None if following is None else following.valid_from
        if replaced is None or replaced > start:
            ends = [at for at in (replaced, product.ended_at) if at is not None]
            earlier = None if start == product.started_at else product.started_at
            span = ProductSpan(start, min(ends, default=None), region, segment, earlier)
            found.append((change, span))
    return tuple(found)


def _last_start(product: Product, spans: Sequence[tuple[PlanChange, ProductSpan]]) -> datetime | None:
    """Return the start of the plan that the product had when it ended, None while it runs."""
    if product.ended_at is None:
        return None
    return max((span.start for _, span in spans if span.start < product.ended_at), default=product.started_at)


def _triggers(
    product: Product, start: datetime, last_start: datetime | None, bill_period: Period
) -> tuple[tuple[Trigger, datetime], ...]:
    found: list[tuple[Trigger, datetime]] = []
    if start == product.started_at:
        found.append((Trigger.ACTIVATION, product.started_at))
    if start == last_start and product.ended_at is not None and product.ended_at < bill_period.end:
        found.append((Trigger.CEASE, product.ended_at))
    return tuple(found)


def _item(
    kind: LineKind, charge: PlannedCharge, plan: PricePlan, product: Product, version_id: PlanVersionId
) -> Item:
    explanation = charge.explanation
    recurring = kind is LineKind.RECURRING
    return Item(
        kind=kind,
        product_id=product.id,
        plan_version_id=version_id,
        price_id=charge.price_id,
        label=charge.label,
        tax_category=charge.tax,
        includes_tax=plan.prices_include_tax,
        currency=currency(charge.currency),
        period=charge.period,
        exact_nano=charge.nano,
        quantity=explanation.sign * explanation.days if recurring else 1,
        unit=DAY if recurring else Unit.PIECE.value,
        records=0,
        detail=cast("Mapping[str, JSON]", msgspec.to_builtins(explanation)),
    )


def usage_item(total: RatedTotal, period: Period, versions: Mapping[PlanVersionId, PlanVersion]) -> Item:
    """Return the item of a sum of usage. Raises ``NotFound`` (``billing.price_unknown``)."""
    version = versions.get(total.plan_version_id)
    price = None if version is None else version.plan.price(total.price_id)
    if version is None or not isinstance(price, UsagePrice):
        raise NotFound(
            f"the plan has no price {total.price_id}",
            code="billing.price_unknown",
            field="price",
            value=total.price_id,
        )
    return Item(
        kind=LineKind.USAGE,
        product_id=total.product_id,
        plan_version_id=total.plan_version_id,
        price_id=total.price_id,
        label=total.label or price.label or price.id,
        tax_category=price.tax,
        includes_tax=version.plan.prices_include_tax,
        currency=currency(total.currency),
        period=period,
        exact_nano=total.nano,
        quantity=total.billed_quantity,
        unit=price_unit(price).value,
        records=total.count,
        detail={
            "offering": version.plan.offering,
            "plan_version": version.number,
            "kind": total.kind.value,
            "used": total.quantity,
            "label": total.label,
            "first_at": total.first_at.isoformat(),
            "last_at": total.last_at.isoformat(),
        },
    )
