"""The rate run: usage → subscriber → product → plan version → tariff → charge, in batches of one transaction each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Final
from uuid import UUID

import msgspec

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base import eventbus
from farwire.base.clock import Clock
from farwire.base.collecting import rarely_collecting
from farwire.base.storage import Database, Tx, plan_as_lookups
from farwire.inventory import service as inventory
from farwire.inventory.model import Assignment, Product
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import ImportId, PlanVersionId, ProductId, SubscriberKey, TenantId
from farwire.kernel.time import BillCycle
from farwire.rating import service as rating
from farwire.rating.model import (
    Chargeable,
    CounterBook,
    Portability,
    Refusal,
    Tariff,
    UsageOverride,
    rate,
    routed,
    to_json,
)
from farwire.usage import events
from farwire.usage.model import Crossing, Deltas, UsageOutcome, UsageState
from farwire.usage.service import notices
from farwire.usage.service.owed import CHARGED_ONLINE, online_since
from farwire.usage.store import imports as imports_store
from farwire.usage.store import queue as store
from farwire.usage.store.queue import Guided, Priced, Refused, Waiting

BATCH = 5_000
ZERO_QUANTITY = "zero_quantity"
SUBSCRIBER_UNKNOWN = "subscriber_unknown"
PRODUCT_INACTIVE = "product_inactive"
TARIFF_MISSING = "tariff_missing"
CURRENCY_MISMATCH = "currency_mismatch"

_FIRST: Final = UUID(int=0)
_Plan = tuple[ProductId, PlanVersionId]
_Priced = tuple[ProductId, PlanVersionId, tuple[UsageOverride, ...]]
"""What a usage is priced by: its product, its plan version, and what was negotiated for its time."""


class RateReport(msgspec.Struct, frozen=True):
    """What one rate run did. ``charged_nano`` is the sum of charges by currency, an unbounded integer at 10⁻⁹."""

    rated: int
    unrated: dict[str, int]
    suspended: dict[str, int]
    charged_nano: dict[str, int]
    cancelled: bool


class _Tally:
    """Counts of a run, taken over from a batch only after its commit."""

    def __init__(self) -> None:
        self.rated = 0
        self.unrated: Counter[str] = Counter()
        self.suspended: Counter[str] = Counter()
        self.charged: Counter[str] = Counter()

    def add(self, other: _Tally) -> None:
        self.rated += other.rated
        self.unrated += other.unrated
        self.suspended += other.suspended
        self.charged.update(other.charged)

    @property
    def done(self) -> int:
        return self.rated + self.unrated.total() + self.suspended.total()

    def report(self, *, cancelled: bool) -> RateReport:
        return RateReport(
            self.rated,
            dict(self.unrated),
            dict(self.suspended),
            dict(sorted(self.charged.items())),
            cancelled,
        )

    def counts(self) -> dict[str, int]:
        named = {f"unrated:{reason}": count for reason, count in self.unrated.items()}
        named |= {f"suspended:{reason}": count for reason, count in self.suspended.items()}
        return {"rated": self.rated, **named}


async def rate_usage(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    progress: Callable[[int], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    batch: int = BATCH,
) -> RateReport:
    """Rate everything that waits, and return what this run did.

    First every usage finds its product, by start; then all are priced in the order of product, start and usage id,
    so that allowances are used in the order of time. Each batch is one transaction with the counters that it moves:
    a run that is killed or ``cancelled`` goes on exactly, and two at once share the work. What cannot be rated goes
    to suspense with a stable reason; a zero quantity is unrated for good.
    """
    total = _Tally()
    with rarely_collecting():
        for step in (_guide_batch, _price_batch):
            after: UUID | None = _FIRST
            while after is not None:
                if cancelled():
                    return total.report(cancelled=True)
                part = _Tally()
                async with db.transaction(tenant_id) as tx:
                    await plan_as_lookups(tx)
                    await imports_store.lock_tenant(tx)
                    last = await step(tx, clock, part, batch, after)
                    if part.done:
                        await eventbus.publish(tx, events.rated(tenant_id, part.counts(), clock.now()))
                if last is None:
                    # Once more from the start, for what came in meanwhile before the place where this run is.
                    after = None if after == _FIRST else _FIRST
                    continue
                after = last
                total.add(part)
                if progress is not None:
                    progress(total.done)
    return total.report(cancelled=False)


async def queued_usages(*, db: Database, tenant_id: TenantId) -> int:
    """Return how many usages wait for the rate run."""
    async with db.transaction(tenant_id) as tx:
        return await store.count_queued(tx)


async def _guide_batch(tx: Tx, clock: Clock, tally: _Tally, batch: int, after: UUID) -> UUID | None:
    """Find the products of the next usages; return where to go on, or None where there were none."""
    waiting = await store.take_waiting(tx, batch, after)
    if not waiting:
        return None
    products = await inventory.products_by_subscriber(tx, sorted({item.subscriber_key for item in waiting}))
    online = await online_since(tx, product_ids=[one.id for held in products.values() for one in held])
    guided: list[tuple[Waiting, ProductId, PlanVersionId]] = []
    refused: list[tuple[Refused, ImportId]] = []
    for key, usages in groupby(waiting, key=attrgetter("subscriber_key")):
        held = _held_by(key, products.get(key, ()))
        for item in usages:
            found = _product_of(item, held, online)
            if isinstance(found, Refused):
                refused.append((found, item.import_id))
            else:
                guided.append((item, *found))
    if guided:
        await store.add_guided(tx, guided)
    await _save_refused(tx, clock, refused, tally)
    return waiting[-1].subscriber_key


def _held_by(key: SubscriberKey, products: Iterable[Product]) -> list[tuple[Assignment, Product]]:
    """Return the assignments of one subscriber, each with its product: a product may have thousands of others."""
    return [
        (one, product) for product in products for one in product.assignments if one.subscriber_key == key
    ]


def _product_of(
    item: Waiting, held: Sequence[tuple[Assignment, Product]], online: Mapping[ProductId, datetime]
) -> tuple[ProductId, PlanVersionId] | Refused:
    """Return product and plan version of a usage, or why there is none."""
    if item.quantity == 0:
        return Refused(item.usage_id, UsageState.REJECTED, ZERO_QUANTITY, "")
    for assigned, product in held:
        if assigned.covers(item.started_at):
            plan_version_id = product.plan_at(item.started_at)
            if product.id in online and online[product.id] <= item.started_at:
                return Refused(item.usage_id, UsageState.REJECTED, CHARGED_ONLINE, "")
            if plan_version_id is not None:
                return product.id, plan_version_id
    return Refused(item.usage_id, UsageState.SUSPENDED, PRODUCT_INACTIVE if held else SUBSCRIBER_UNKNOWN, "")


async def _save_refused(tx: Tx, clock: Clock, refused: list[tuple[Refused, ImportId]], tally: _Tally) -> None:
    if not refused:
        return
    deltas = Deltas()
    for item, import_id in refused:
        gone = item.state is UsageState.REJECTED
        outcome = UsageOutcome.UNRATED if gone else UsageOutcome.SUSPENDED
        deltas.usage(import_id, UsageOutcome.RECEIVED, by=-1)
        deltas.usage(import_id, outcome, item.reason)
        (tally.unrated if gone else tally.suspended)[item.reason] += 1
    await store.save_refused(tx, [item for item, _ in refused], clock.now())
    await imports_store.apply_deltas(tx, deltas)


async def _price_batch(tx: Tx, clock: Clock, tally: _Tally, batch: int, after: UUID) -> UUID | None:
    """Price the next usages; return where to go on, or None where there were none."""
    guided = await store.take_guided(tx, batch, after)
    if not guided:
        return None
    pricing = await _Pricing.load(tx, guided)
    priced: list[Priced] = []
    refused: list[tuple[Refused, ImportId]] = []
    for item in guided:
        answer = pricing.price(item)
        if isinstance(answer, Priced):
            priced.append(answer)
        else:
            refused.append((answer, item.import_id))
    await rating.save_counters(tx, pricing.book)
    await notices.publish_new(tx, pricing.crossed, clock.now())
    if priced:
        await _save_priced(tx, clock, priced, tally)
    await _save_refused(tx, clock, refused, tally)
    return guided[-1].product_id


async def _save_priced(tx: Tx, clock: Clock, priced: list[Priced], tally: _Tally) -> None:
    deltas = Deltas()
    for import_id, count in Counter(item.import_id for item in priced).items():
        deltas.usage(import_id, UsageOutcome.RECEIVED, by=-count)
        deltas.usage(import_id, UsageOutcome.RATED, by=count)
    for item in priced:
        tally.charged[item.currency] += item.charge_nano
    tally.rated += len(priced)
    await store.save_priced(tx, priced, clock.now())
    await imports_store.apply_deltas(tx, deltas)


@dataclass(frozen=True, slots=True)
class _Terms:
    """What all usages of one product on one plan version have in common."""

    tariff: Tariff
    cycle: BillCycle
    product_start: datetime
    plan_starts: tuple[datetime, ...]
    """More than one where the product came back to the plan."""
    account: BillingAccount


class _Pricing:
    """Everything that pricing a batch needs, loaded once."""

    def __init__(
        self,
        terms: Mapping[_Priced, _Terms | tuple[str, str]],
        products: Mapping[ProductId, Product],
        book: CounterBook,
        portability: Portability,
    ) -> None:
        self._terms = terms
        self._products = products
        self.book = book
        self.crossed: list[Crossing] = []
        self._portability = portability

    @classmethod
    async def load(cls, tx: Tx, guided: list[Guided]) -> _Pricing:
        product_ids = sorted({item.product_id for item in guided})
        products = await inventory.get_products(tx, product_ids)
        wanted = sorted({product.account_id for product in products.values()})
        found = await accounts.accounts_by_id(tx=tx, account_ids=wanted)
        wanted_terms = {_priced_by(item, products[item.product_id]) for item in guided}
        tariffs = {key: await _tariff(tx, *key) for key in {(key[1], key[2]) for key in wanted_terms}}
        terms = {
            key: _terms(tariffs[key[1], key[2]], key[1], products[key[0]], found[products[key[0]].account_id])
            for key in wanted_terms
        }
        book = await rating.load_counters(tx, product_ids)
        portability = await rating.load_portability(tx, {item.destination for item in guided})
        return cls(terms, products, book, portability)

    def price(self, item: Guided) -> Priced | Refused:
        """Return the charge of one usage, moving the counters in memory; or why there is none."""
        terms = self._terms[_priced_by(item, self._products[item.product_id])]
        if isinstance(terms, tuple):
            return Refused(item.usage_id, UsageState.SUSPENDED, *terms)
        view = self.book.view(
            terms.tariff,
            item.product_id,
            item.started_at,
            cycle=terms.cycle,
            product_start=terms.product_start,
            plan_start=max(start for start in terms.plan_starts if start <= item.started_at),
        )
        charge = rate(terms.tariff, routed(_chargeable(item, terms), self._portability), view.values)
        if isinstance(charge, Refusal):
            return Refused(item.usage_id, UsageState.SUSPENDED, charge.reason.value, charge.detail)
        self.book.apply(view, charge)
        if charge.counters:
            self.crossed += notices.crossings(terms.tariff, view, charge, item.started_at)
        return Priced(
            usage_id=item.usage_id,
            import_id=item.import_id,
            product_id=item.product_id,
            plan_version_id=item.plan_version_id,
            charge_nano=charge.nano,
            currency=charge.currency,
            price_id=charge.price_id,
            label=charge.label,
            billed_quantity=charge.billed_quantity,
            tariff_version=charge.tariff_version,
            explanation=to_json(charge.explanation).decode(),
        )


def _terms(
    tariff: Tariff | str, version_id: PlanVersionId, product: Product, account: BillingAccount
) -> _Terms | tuple[str, str]:
    """Return on which terms a product is priced, or reason and detail why it cannot be."""
    if isinstance(tariff, str):
        return TARIFF_MISSING, tariff
    if tariff.currency != account.currency:
        return CURRENCY_MISMATCH, f"plan {tariff.currency}, account {account.currency}"
    starts = tuple(change.valid_from for change in product.plans if change.plan_version_id == version_id)
    return _Terms(tariff, account.cycle, product.started_at, starts, account)


def _priced_by(item: Guided, product: Product) -> _Priced:
    """Return what prices a usage; what was negotiated counts at the usage's own time."""
    if not product.overrides:
        return item.product_id, item.plan_version_id, ()
    held = (
        product.override_at(price_id, item.started_at)
        for price_id in sorted({override.price_id for override in product.overrides})
    )
    found = tuple(UsageOverride(o.price_id, o.price, o.percent, o.name) for o in held if o is not None)
    return item.product_id, item.plan_version_id, found


async def _tariff(
    tx: Tx, plan_version_id: PlanVersionId, overrides: tuple[UsageOverride, ...]
) -> Tariff | str:
    """Return the compiled tariff, or in words why there is none."""
    try:
        return await rating.tariff_for(tx=tx, plan_version_id=plan_version_id, overrides=overrides)
    except (NotFound, Invalid) as error:
        return error.message


def _chargeable(item: Guided, terms: _Terms) -> Chargeable:
    # Rated late or not: region and segment are those of the account when it was used.
    held = terms.account.terms_at(item.started_at)
    return Chargeable(
        kind=item.kind,
        started_at=item.started_at,
        quantity=item.quantity,
        destination=item.destination,
        direction=item.direction,
        visited_network=item.visited_network,
        rating_group=item.rating_group,
        region=held.region,
        segment=held.segment,
        external_charge_nano=item.external_charge_nano,
        external_currency=item.external_currency,
    )
