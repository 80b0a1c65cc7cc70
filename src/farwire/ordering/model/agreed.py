"""What a product gets with the order that makes or changes it: its term, its own prices. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from farwire.account.model import BillingAccount
from farwire.base.canonical import JSON
from farwire.inventory.model import Commitment, EndReason, PlaceChange, PlanChange, PriceOverride, Product
from farwire.kernel.errors import Defect
from farwire.kernel.ids import (
    AgreementId,
    OfferingId,
    OrderId,
    OverrideId,
    PlanVersionId,
    ProductId,
    parse_id,
    uuid7,
)
from farwire.kernel.time import add_months, local_date, local_midnight, zone
from farwire.ordering.model.order import OrderItem, PriceChange


def product_of_item(
    item: OrderItem, account: BillingAccount, *, at: datetime, now: datetime, order_id: OrderId | None = None
) -> Product:
    """Return the product that an item which adds one makes, starting ``at``."""
    parent = item.details.get("parent_product")
    return Product(
        id=item.product_id,
        account_id=account.id,
        offering_id=offering_of_item(item),
        started_at=at,
        plans=(PlanChange(at, plan_of_item(item)),),
        overrides=overrides_of(item, at, now),
        commitment=commitment_of(item.details, at, zone(account.zone)),
        parent_id=None if parent is None else ProductId(parse_id(str(parent))),
        order_id=order_id,
        places=(PlaceChange(at, item.request.place),) if item.request.place else (),
    )


def ends_for(item: OrderItem) -> EndReason:
    """Return why a product ends, as it was when that was asked for: who withdrew in time has withdrawn."""
    return EndReason(str(item.details.get("end_reason", EndReason.CEASE)))


def offering_of_item(item: OrderItem) -> OfferingId:
    """Return the offering that was sold."""
    return OfferingId(parse_id(str(item.details["offering_id"])))


def plan_of_item(item: OrderItem) -> PlanVersionId:
    """Return the version of the prices that was sold."""
    if item.plan_version_id is None:
        raise Defect("an item that sells has a price version", code="ordering.no_plan")
    return item.plan_version_id


def commitment_of(details: Mapping[str, JSON], at: datetime, tz: ZoneInfo) -> Commitment | None:
    """Return the minimum term that starts ``at``, None where nothing was agreed.

    It ends at the local midnight of the same day of the month, so many months later.
    """
    months, notice, withdrawal = (
        int(str(details.get(name) or 0)) for name in ("minimum_term_months", "notice_days", "withdrawal_days")
    )
    if not (months or notice or withdrawal):
        return None
    fee, percent = details.get("early_termination_fee"), details.get("early_termination_percent")
    day = local_date(at, tz)
    return Commitment(
        starts_at=at,
        ends_at=local_midnight(add_months(day, months, day.day), tz) if months else at,
        notice_days=notice,
        withdrawal_days=withdrawal,
        fee=None if fee is None else Decimal(str(fee)),
        remaining_percent=None if percent is None else Decimal(str(percent)),
    )


def overrides_of(item: OrderItem, at: datetime, now: datetime) -> tuple[PriceOverride, ...]:
    """Return the prices of the agreement, then those of the order, which win: the last added holds."""
    found: list[PriceOverride] = []
    agreed = item.details.get("agreement")
    if isinstance(agreed, Mapping):
        until = agreed.get("until")
        ends = None if until is None else datetime.fromisoformat(str(until))
        prices = agreed.get("prices")
        found = [
            _negotiated(one, str(agreed["id"]), at, ends, now)
            for one in (prices if isinstance(prices, Sequence) else ())
            if isinstance(one, Mapping)
        ]
    return (*found, *(override_of(change, at, now) for change in item.request.overrides))


def _negotiated(
    one: Mapping[str, JSON], agreement: str, at: datetime, ends: datetime | None, now: datetime
) -> PriceOverride:
    price, percent = one.get("price"), one.get("percent")
    return PriceOverride(
        id=OverrideId(uuid7(now)),
        price_id=str(one["price_id"]),
        valid_from=at,
        valid_to=ends,
        price=None if price is None else Decimal(str(price)),
        percent=None if percent is None else Decimal(str(percent)),
        reason="agreement",
        agreement_id=AgreementId(parse_id(agreement)),
    )


def override_of(change: PriceChange, at: datetime, now: datetime) -> PriceOverride:
    """Return the price that an order changes, from ``at`` on."""
    return PriceOverride(
        id=OverrideId(uuid7(now)),
        price_id=change.price_id,
        valid_from=at,
        valid_to=change.until,
        price=change.price,
        percent=change.percent,
        reason=change.reason,
    )
