"""Who would pay how much more or less under a draft of a price plan. Nothing is saved.

For each account that has the offering: what the recurring prices cost for the days of a period, and what the usage of
that period was charged, against the same days and usages under the draft, as if it had been the plan all along.
One-off prices are left out: who has the product does not pay them again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base.storage import Database, Tx
from farwire.billing.model.segments import Market, plan_spans, stretches
from farwire.catalog import service as catalog
from farwire.catalog.model import PricePlan, check_plan
from farwire.inventory.model import PlanChange, Product
from farwire.inventory.service.by_offering import products_of_offering
from farwire.kernel.errors import Exhausted, Invalid
from farwire.kernel.ids import AccountId, PlanVersionId, ProductId, TenantId
from farwire.kernel.page import PageRequest
from farwire.kernel.time import Period, add_months, local_date, local_midnight, zone
from farwire.rating import service as rating
from farwire.rating.model import (
    Chargeable,
    CounterBook,
    Portability,
    Refusal,
    Tariff,
    counter_period,
    rate,
    routed,
)
from farwire.rating.model.overrides import UsageOverride
from farwire.rating.model.recurring import parts, planned
from farwire.rating.model.spans import ever_serves
from farwire.usage.model.history import RatedUsage
from farwire.usage.service.history import rated_history

DRAFT: Final = PlanVersionId(UUID(int=0))
"""Stands for the draft, which has no id, where a plan version is asked for."""
ACCOUNTS_AT_ONCE: Final = 500
MAX_PERIOD: Final = timedelta(days=400)
FIRST_PAGE: Final = PageRequest()


@dataclass(frozen=True, slots=True)
class Amounts:
    """Exact amounts at 10⁻⁹ of the major unit, unbounded: recurring and usage, now and then."""

    recurring_now: int = 0
    recurring_then: int = 0
    usage_now: int = 0
    usage_then: int = 0

    @property
    def difference(self) -> int:
        """Return how much more the draft asks; negative where it asks less."""
        return self.recurring_then + self.usage_then - self.recurring_now - self.usage_now

    def __add__(self, other: Amounts) -> Amounts:
        return Amounts(
            self.recurring_now + other.recurring_now,
            self.recurring_then + other.recurring_then,
            self.usage_now + other.usage_now,
            self.usage_then + other.usage_then,
        )


@dataclass(frozen=True, slots=True)
class AccountImpact:
    """What would change for one account. ``unrated`` usages have no price in the draft, by reason."""

    account_id: AccountId
    account_number: str
    products: tuple[ProductId, ...]
    plan_numbers: tuple[int, ...]
    """The versions that its products have now; 0 is a plan of another offering."""
    amounts: Amounts
    records: int
    unrated: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Totals:
    """The sum over all accounts that would be moved."""

    accounts: int = 0
    products: int = 0
    dearer: int = 0
    cheaper: int = 0
    records: int = 0
    amounts: Amounts = Amounts()
    unrated: Counter[str] = field(default_factory=Counter)

    @property
    def unchanged(self) -> int:
        """Return how many accounts would pay the same."""
        return self.accounts - self.dearer - self.cheaper

    def add(self, one: AccountImpact) -> None:
        """Take an account in."""
        self.accounts += 1
        self.products += len(one.products)
        self.records += one.records
        self.dearer += one.amounts.difference > 0
        self.cheaper += one.amounts.difference < 0
        self.amounts += one.amounts
        self.unrated.update(one.unrated)


@dataclass(frozen=True, slots=True)
class Impact:
    """The totals of all accounts and one page of them, by account id."""

    offering: str
    currency: str
    period: Period
    totals: Totals
    accounts: tuple[AccountImpact, ...]
    page: PageRequest


def last_month(plan: PricePlan, now: datetime) -> Period:
    """Return the whole calendar month before ``now`` in the plan's zone."""
    tz = zone(plan.zone)
    first = local_date(now, tz).replace(day=1)
    return Period.of_days(add_months(first, -1, 1), first, tz)


def whole_days(plan: PricePlan, period: Period) -> Period:
    """Return ``period`` where it is whole local days of the plan's zone, as recurring prices are by the day.

    Raises ``Invalid`` (``process.impact_period``).
    """
    tz = zone(plan.zone)
    for name, at in (("from", period.start), ("until", period.end)):
        if local_midnight(local_date(at, tz), tz) != at:
            raise Invalid(
                f"{at.isoformat()} is no midnight in {plan.zone}",
                code="process.impact_period",
                field=name,
                value=at.isoformat(),
                fix="give days, such as 2026-06-01",
            )
    if period.end - period.start > MAX_PERIOD:
        raise Invalid(
            "the period is longer than 400 days",
            code="process.impact_period",
            field="until",
            value=period.end.isoformat(),
        )
    return period


async def price_impact(
    *,
    db: Database,
    tenant_id: TenantId,
    plan: PricePlan,
    period: Period,
    at: datetime,
    page: PageRequest = FIRST_PAGE,
    most: int | None = None,
) -> Impact:
    """Return what the draft ``plan`` would change for who has its offering at ``at``, over the past ``period``.

    Allowances and tiers of the draft begin with the counter period that holds the start of ``period``, and carry
    nothing from before. Time and reading grow with the accounts; memory does not. Raises ``NotFound``
    (``catalog.offering_unknown``), ``Invalid`` (what ``check_plan`` and compiling raise, ``process.impact_currency``,
    ``process.impact_period``), ``Exhausted`` (``process.impact_too_large``) above ``most`` accounts.
    """
    check_plan(plan)
    whole_days(plan, period)
    totals, kept = Totals(), list[AccountImpact]()
    async for one in _impacts(db, tenant_id, plan, period, at):
        if page.offset <= totals.accounts < page.offset + page.limit:
            kept.append(one)
        totals.add(one)
        if most is not None and totals.accounts > most:
            raise Exhausted(
                f"more than {most} accounts have {plan.offering}",
                code="process.impact_too_large",
                field="plan",
                value=plan.offering,
                fix="use the command: farwire catalog impact FILE",
            )
    return Impact(plan.offering, plan.currency, period, totals, tuple(kept), page)


async def _impacts(
    db: Database, tenant_id: TenantId, plan: PricePlan, period: Period, at: datetime
) -> AsyncIterator[AccountImpact]:
    after = AccountId(UUID(int=0))
    async with db.transaction(tenant_id, read_only=True) as tx:
        offering = await catalog.offering(tx=tx, code=plan.offering)
        tariff = await rating.draft_tariff(tx=tx, plan=plan)
    while True:
        async with db.transaction(tenant_id, read_only=True) as tx:
            held = await products_of_offering(
                tx, offering_id=offering.id, at=at, after=after, limit=ACCOUNTS_AT_ONCE
            )
            if not held:
                return
            batch = await _Batch.load(tx, plan, tariff, period, held)
        for account_id, products in held.items():
            yield batch.impact(account_id, products)
        after = max(held)


class _Batch:
    """What the impact on some accounts needs, loaded set-based."""

    def __init__(
        self,
        plan: PricePlan,
        tariff: Tariff,
        period: Period,
        holders: Mapping[AccountId, BillingAccount],
        versions: Mapping[PlanVersionId, tuple[int, PricePlan]],
    ) -> None:
        self._plan, self._tariff, self._period = plan, tariff, period
        self._holders = holders
        self._versions = versions
        self._usages: dict[ProductId, list[RatedUsage]] = {}
        self._tariffs: dict[tuple[UsageOverride, ...], Tariff] = {(): tariff}
        self._usage_prices = frozenset(price.id for price in plan.usage)
        self._portability = Portability.of(())

    @classmethod
    async def load(
        cls,
        tx: Tx,
        plan: PricePlan,
        tariff: Tariff,
        period: Period,
        held: Mapping[AccountId, tuple[Product, ...]],
    ) -> _Batch:
        holders = await accounts.accounts_by_id(tx=tx, account_ids=sorted(held))
        products = [product for some in held.values() for product in some]
        ids = sorted({change.plan_version_id for product in products for change in product.plans})
        found = await catalog.plan_versions(tx, ids)
        versions = {
            key: (version.number if version.plan.offering == plan.offering else 0, version.plan)
            for key, version in found.items()
        }
        batch = cls(plan, tariff, period, holders, versions)
        since = min(
            (batch.counted_from(product, holders[product.account_id]) for product in products),
            default=period.start,
        )
        usages = await rated_history(
            tx, product_ids=[product.id for product in products], since=since, before=period.end
        )
        for usage in usages:
            batch._usages.setdefault(usage.product_id, []).append(usage)
        used = {batch.overrides(product, u.started_at) for product in products for u in batch.usages(product)}
        for key in used - {()}:
            batch._tariffs[key] = await rating.draft_tariff(tx=tx, plan=plan, overrides=key)
        batch._portability = await rating.load_portability(tx, {usage.destination for usage in usages})
        return batch

    def usages(self, product: Product) -> Sequence[RatedUsage]:
        """Return the usages of a product from ``counted_from`` on, in the order of rating."""
        since = self.counted_from(product, self._holders[product.account_id])
        return [usage for usage in self._usages.get(product.id, ()) if usage.started_at >= since]

    def overrides(self, product: Product, at: datetime) -> tuple[UsageOverride, ...]:
        """Return what was negotiated of the draft's usage prices, where it has prices of the same ids."""
        if not product.overrides:
            return ()
        ids = sorted(self._usage_prices & {one.price_id for one in product.overrides})
        held = (product.override_at(price_id, at) for price_id in ids)
        return tuple(UsageOverride(o.price_id, o.price, o.percent, o.name) for o in held if o is not None)

    def counted_from(self, product: Product, account: BillingAccount) -> datetime:
        """Return from when usage must be read, so that the draft's counters are right at the period's start."""
        start = max(self._period.start, product.started_at)
        found = (
            counter_period(
                spec,
                start,
                cycle=account.cycle,
                product_start=product.started_at,
                zone_name=self._plan.zone,
            )
            for spec in self._tariff.counters
        )
        return min((one.start for one in found if one is not None), default=start)

    def impact(self, account_id: AccountId, products: Sequence[Product]) -> AccountImpact:
        """Return what would change for one account."""
        account = self._holders[account_id]
        if account.currency.code != self._plan.currency:
            raise Invalid(
                f"account {account.number} pays in {account.currency.code}",
                code="process.impact_currency",
                field="plan.currency",
                value=self._plan.currency,
                fix="a plan can replace only one of the same currency",
            )
        amounts, unrated, records = Amounts(), Counter[str](), 0
        plans = {key: plan for key, (_, plan) in self._versions.items()}
        for product in products:
            moved = replace(product, plans=(PlanChange(product.started_at, DRAFT),))
            usage = [one for one in self._usages.get(product.id, ()) if one.started_at >= self._period.start]
            amounts += Amounts(
                recurring_now=self._recurring(product, account, plans),
                recurring_then=self._recurring(moved, account, {DRAFT: self._plan}),
                usage_now=sum(one.charge_nano for one in usage),
                usage_then=self._rated(product, account, unrated),
            )
            records += len(usage)
        numbers = {self._versions[p.plan_at(self._last) or p.plans[-1].plan_version_id][0] for p in products}
        return AccountImpact(
            account_id,
            account.number,
            tuple(product.id for product in products),
            tuple(sorted(numbers)),
            amounts,
            records,
            dict(unrated),
        )

    @property
    def _last(self) -> datetime:
        return self._period.end - timedelta.resolution

    def _recurring(
        self, product: Product, account: BillingAccount, plans: Mapping[PlanVersionId, PricePlan]
    ) -> int:
        """Return what the recurring prices cost for the days of the period, whenever they are billed."""
        cycle, days = account.cycle, self._period.local_days(zone(self._plan.zone))
        total = 0
        for span in plan_spans(product, Market.of(account)):
            if span.plan_version_id is None:
                continue
            plan, first = plans[span.plan_version_id], local_date(span.start, cycle.tz)
            to = days[1] if span.end is None else min(days[1], local_date(span.end, cycle.tz))
            since = max(days[0], first)
            if since >= to:
                continue
            for price in plan.recurring:
                if ever_serves(price, span):
                    stretch = stretches(product, plan, price, span, to, cycle.tz)
                    found = parts(plan, price, span, stretch, cycle, since)
                    total += sum(planned(part, 1, cycle).nano for part in found)
        return total

    def _rated(self, product: Product, account: BillingAccount, unrated: Counter[str]) -> int:
        """Return what the product's usage of the period costs under the draft; note what has no price in it."""
        book, total = CounterBook.of(()), 0
        since = self.counted_from(product, account)
        for usage in self.usages(product):
            tariff = self._tariffs[self.overrides(product, usage.started_at)]
            view = book.view(
                tariff,
                product.id,
                usage.started_at,
                cycle=account.cycle,
                product_start=product.started_at,
                plan_start=since,
            )
            chargeable = routed(_chargeable(usage, account), self._portability)
            charge = rate(tariff, chargeable, view.values)
            counted = usage.started_at >= self._period.start
            if isinstance(charge, Refusal):
                unrated[charge.reason.value] += counted
                continue
            book.apply(view, charge)
            total += charge.nano if counted else 0
        return total


def _chargeable(usage: RatedUsage, account: BillingAccount) -> Chargeable:
    held = account.terms_at(usage.started_at)
    return Chargeable(
        kind=usage.kind,
        started_at=usage.started_at,
        quantity=usage.quantity,
        destination=usage.destination,
        direction=usage.direction,
        visited_network=usage.visited_network,
        rating_group=usage.rating_group,
        region=held.region,
        segment=held.segment,
        external_charge_nano=usage.external_charge_nano,
        external_currency=usage.external_currency,
    )
