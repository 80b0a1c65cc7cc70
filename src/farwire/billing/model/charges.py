"""The exact charges of a product for one bill: what is due by today's facts less what earlier bills charged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, cast
from zoneinfo import ZoneInfo

import msgspec

from farwire.base.canonical import JSON
from farwire.billing.model.bill import Item, LineKind
from farwire.billing.model.charged import Charged, ChargedStretch
from farwire.billing.model.once import Once, Plans, charged_once, due_once
from farwire.billing.model.routes import UNSHARED, Shares
from farwire.billing.model.segments import ANYBODY, Market, plan_spans, stretches
from farwire.catalog.model import OneOff, PlanVersion, PricePlan, Recurring, UsagePrice
from farwire.catalog.model.usage_check import price_unit
from farwire.inventory.model import Product
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import PlanVersionId
from farwire.kernel.money import currency
from farwire.kernel.quantity import Unit
from farwire.kernel.time import BillCycle, Period, local_date, local_midnight
from farwire.rating.model.recurring import (
    Part,
    PlannedCharge,
    difference,
    parts,
    planned,
    target_day,
)
from farwire.rating.model.spans import ProductSpan, ever_serves
from farwire.rating.model.terms import Stretch, read_terms, terms_text
from farwire.usage.model import RatedTotal

DAY: Final = "day"


@dataclass(frozen=True, slots=True)
class ProductCharges:
    """What a product owes on one bill besides usage, and the rows of what is charged that are new after it.

    Where ``replaced``, the rows of before are no longer true, and ``charged`` are all that there are.
    """

    items: tuple[Item, ...]
    charged: Charged
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class _Due:
    """The days of a recurring price on one plan that are due, or were charged, by their terms."""

    span: ProductSpan
    plan: PricePlan
    price: Recurring
    stretches: tuple[Stretch, ...]

    def parts(self, cycle: BillCycle, since: date | None = None) -> Iterator[Part]:
        return parts(self.plan, self.price, self.span, self.stretches, cycle, since)

    def rows(self, tz: ZoneInfo) -> Iterator[ChargedStretch]:
        first = local_date(self.span.start, tz)
        for one in self.stretches:
            yield ChargedStretch(
                self.span.start,
                self.price.id,
                local_midnight(one.after_last, tz),
                (one.first - first).days,
                self.span.plan_version_id,
                terms_text(one.terms),
            )


def charges_of(
    product: Product,
    plans: Plans,
    *,
    cycle: BillCycle,
    bill_period: Period,
    charged: Charged = (),
    customer: Market = ANYBODY,
    shares: Shares = UNSHARED,
    for_account: str = "",
) -> ProductCharges:
    """Return what ``product`` of ``customer`` owes besides usage for ``bill_period``.

    Pure: what is due by today's facts less ``charged``, so that whatever is back-dated (a change of plan, an override,
    a suspension, the end) gives back the days charged under terms that are no longer true and asks for them under those
    that are. ``shares`` says whose part of the charges it is, ``for_account`` whose product where another account pays.
    """
    spans = plan_spans(product, customer)
    due = _due(product, spans, plans, cycle, bill_period, shares)
    once = {one.row: one for one in due_once(product, spans, plans, cycle, bill_period, shares)}
    then = _Then(product, spans, plans, cycle.tz, charged)
    up_to = [then.up_to(one) for one in due]
    known = sum(
        at is not None and bool(then.recurring.get(_key(one))) for one, at in zip(due, up_to, strict=True)
    )
    true = None not in up_to and known == len(then.recurring)
    if true:
        new = [part for one, at in zip(due, up_to, strict=True) for part in one.parts(cycle, at)]
        changes: Iterator[tuple[Part, int]] = ((part, 1) for part in new)
    else:
        old = (part for one in then.due() for part in one.parts(cycle))
        changes = difference(old, (part for one in due for part in one.parts(cycle)))
    items = [
        _recurring_item(product, part, planned(part, sign, cycle), for_account, cycle.tz)
        for part, sign in changes
    ]
    owed = _once_difference(then.once, once)
    items += [_once_item(product, one, one.charge(cycle, sign), for_account) for one, sign in owed]
    rows = (*(row for one in due for row in one.rows(cycle.tz)), *once)
    if true and all(row in once for row in then.once):
        return ProductCharges(tuple(items), tuple(row for row in rows if row not in charged))
    return ProductCharges(tuple(items), rows, replaced=True)


def _due(
    product: Product,
    spans: Sequence[ProductSpan],
    plans: Plans,
    cycle: BillCycle,
    bill_period: Period,
    shares: Shares,
) -> list[_Due]:
    found = []
    for span in spans:
        if span.start >= bill_period.end or span.plan_version_id is None:
            continue
        plan = plans[span.plan_version_id]
        for price in plan.recurring:
            if ever_serves(price, span):
                to = target_day(price, span, cycle, bill_period)
                days = stretches(product, plan, price, span, to, cycle.tz, shares)
                if days:
                    found.append(_Due(span, plan, price, days))
    return found


def _key(due: _Due) -> tuple[datetime, str]:
    return due.span.start, due.price.id


class _Then:
    """What earlier bills charged, read back: recurring prices by plan and price, and what was due once."""

    def __init__(
        self, product: Product, spans: Sequence[ProductSpan], plans: Plans, tz: ZoneInfo, charged: Charged
    ) -> None:
        self._tz = tz
        self.recurring: dict[tuple[datetime, str], list[ChargedStretch]] = defaultdict(list)
        self.once: dict[ChargedStretch, Once] = {}
        self._found: dict[tuple[datetime, str], tuple[ProductSpan, PricePlan, Recurring]] = {}
        by_start = {span.start: span for span in spans}
        for row in charged:
            span = _span_of(product, row, by_start)
            plan = plans[cast("PlanVersionId", span.plan_version_id)]
            once = charged_once(row, span, plan)
            price = plan.price(row.price_id)
            if once is not None:
                self.once[once.row] = once
            elif isinstance(price, Recurring) and local_date(row.charged_to, tz) > self._first(row):
                self.recurring[row.plan_from, row.price_id].append(row)
                self._found[row.plan_from, row.price_id] = (span, plan, price)

    def _first(self, row: ChargedStretch) -> date:
        return local_date(row.plan_from, self._tz) + timedelta(days=row.from_day)

    def up_to(self, due: _Due) -> date | None:
        """Return the day up to which ``due`` is charged, or None where it was charged in another way."""
        rows = self.recurring.get(_key(due))
        if not rows:
            return due.stretches[0].first
        rows.sort(key=lambda row: row.from_day)
        if self._found[_key(due)][0].plan_version_id != due.span.plan_version_id or len(rows) > len(
            due.stretches
        ):
            return None
        for row, now in zip(rows, due.stretches, strict=False):
            to = local_date(row.charged_to, self._tz)
            whole = row is not rows[-1]
            if row.terms != terms_text(now.terms) or self._first(row) != now.first:
                return None
            if to > now.after_last or (whole and to != now.after_last):
                return None
        return local_date(rows[-1].charged_to, self._tz)

    def due(self) -> Iterator[_Due]:
        """Yield what was charged as what was due then."""
        for key, rows in self.recurring.items():
            span, plan, price = self._found[key]
            rows.sort(key=lambda row: row.from_day)
            days = tuple(
                Stretch(self._first(row), local_date(row.charged_to, self._tz), read_terms(row.terms))
                for row in rows
            )
            yield _Due(span, plan, price, days)


def _span_of(product: Product, row: ChargedStretch, by_start: Mapping[datetime, ProductSpan]) -> ProductSpan:
    """Return the span that ``row`` was charged for, as it was."""
    span = by_start.get(row.plan_from)
    if span is not None and row.plan_version_id in (None, span.plan_version_id):
        return span
    version = row.plan_version_id
    if version is None:
        before = [change for change in product.plans if change.valid_from <= row.plan_from]
        version = (before or product.plans)[-1].plan_version_id
    like = next(iter(by_start.values()))
    earlier = None if row.plan_from == product.started_at else product.started_at
    return ProductSpan(row.plan_from, None, like.region, like.segment, earlier, version, like.former)


def _once_difference(
    then: Mapping[ChargedStretch, Once], now: Mapping[ChargedStretch, Once]
) -> list[tuple[Once, int]]:
    """Return what to give back and what to charge of what is due once, by the rows that remember it."""
    old = [one for row, one in then.items() if row not in now]
    new = [one for row, one in now.items() if row not in then]
    # What was charged for another day or plan, and costs the same now, is left alone.
    for one in list(old):
        same = next((other for other in new if other.rate == one.rate), None)
        if same is not None:
            old.remove(one)
            new.remove(same)
    return [*((one, -1) for one in old), *((one, 1) for one in new)]


def _recurring_item(
    product: Product, part: Part, charge: PlannedCharge, for_account: str, tz: ZoneInfo
) -> Item:
    version = cast("PlanVersionId", part.plan_version_id)
    explanation = charge.explanation
    days = explanation.sign * explanation.days
    taxed_at = local_midnight(part.since, tz) if part.price.in_advance else None
    return _item(LineKind.RECURRING, product, part.plan, version, charge, (days, DAY), for_account, taxed_at)


def _once_item(product: Product, one: Once, charge: PlannedCharge, for_account: str) -> Item:
    version = cast("PlanVersionId", one.span.plan_version_id)
    pieces = (charge.explanation.sign, Unit.PIECE.value)
    return _item(LineKind.ONE_OFF, product, one.plan, version, charge, pieces, for_account)


def _item(
    kind: LineKind,
    product: Product,
    plan: PricePlan,
    version_id: PlanVersionId,
    charge: PlannedCharge,
    quantity: tuple[int, str],
    for_account: str,
    taxed_at: datetime | None = None,
) -> Item:
    facts, label = charge.explanation, charge.label
    if for_account:
        facts, label = msgspec.structs.replace(facts, for_account=for_account), f"{label} ({for_account})"
    return Item(
        kind=kind,
        product_id=product.id,
        plan_version_id=version_id,
        price_id=charge.price_id,
        label=label,
        tax_category=charge.tax,
        includes_tax=plan.prices_include_tax,
        currency=currency(charge.currency),
        period=charge.period,
        exact_nano=charge.nano,
        quantity=quantity[0],
        unit=quantity[1],
        records=0,
        detail=cast("Mapping[str, JSON]", msgspec.to_builtins(facts)),
        taxed_at=taxed_at,
    )


def _usage_price(
    total: RatedTotal, versions: Mapping[PlanVersionId, PlanVersion]
) -> tuple[PlanVersion, UsagePrice]:
    version = versions.get(total.plan_version_id)
    if version is not None and not total.price_id:
        return version, UsagePrice(
            id="", kind=total.kind.value, label=total.label
        )  # an amount that the network named
    price = None if version is None else version.plan.price(total.price_id)
    if version is not None and isinstance(price, Recurring | OneOff):
        # An offer that was bought online: it lasts from its purchase on, not by the cycles of the bill.
        return version, UsagePrice(id=price.id, kind=total.kind.value, label=price.label, tax=price.tax)
    if version is None or not isinstance(price, UsagePrice):
        raise NotFound(
            f"the plan has no price {total.price_id}",
            code="billing.price_unknown",
            field="price",
            value=total.price_id,
        )
    return version, price


def usage_item(
    total: RatedTotal,
    period: Period,
    versions: Mapping[PlanVersionId, PlanVersion],
    for_account: str = "",
) -> Item:
    """Return the item of a sum of usage; ``for_account`` is whose it is where another account pays.

    Raises ``NotFound`` (``billing.price_unknown``).
    """
    version, price = _usage_price(total, versions)
    label = total.label or price.label or price.id
    return Item(
        kind=LineKind.USAGE,
        product_id=total.product_id,
        plan_version_id=total.plan_version_id,
        price_id=total.price_id,
        label=f"{label} ({for_account})" if for_account else label,
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
            **({"for_account": for_account} if for_account else {}),
        },
    )
