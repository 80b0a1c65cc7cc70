"""What a product owes once: the prices of its activation and its end, and the fee for ending before its term."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Final

from farwire.account.model import ChargeKind
from farwire.billing.model.charged import ChargedStretch
from farwire.billing.model.routes import Shares
from farwire.billing.model.segments import stretches, terms_on, withdrawn
from farwire.catalog.model import OneOff, PricePlan, Trigger
from farwire.inventory.model import Commitment, EndReason, Product
from farwire.kernel.ids import PlanVersionId
from farwire.kernel.money import nano_to_decimal
from farwire.kernel.time import BillCycle, Period, local_date
from farwire.rating.model.recurring import PlannedCharge, one_off_charge, parts, planned
from farwire.rating.model.spans import ProductSpan, market_discounts, serves
from farwire.rating.model.terms import PLAIN, Stretch, Terms, read_terms, terms_text

EARLY_TERMINATION: Final = "early_termination"
_FEE: Final = OneOff(EARLY_TERMINATION, Decimal(0), "Early-termination fee", on=Trigger.CEASE)

Plans = Mapping[PlanVersionId, PricePlan]


@dataclass(frozen=True, slots=True)
class Once:
    """A price that is, or was, due once at ``at`` under ``terms``, on the plan of ``span``."""

    span: ProductSpan
    plan: PricePlan
    price: OneOff
    at: datetime
    terms: Terms

    @property
    def rate(self) -> tuple[object, ...]:
        """Return all that decides what it costs."""
        return self.plan.offering, self.plan.currency, self.price, self.terms

    @property
    def row(self) -> ChargedStretch:
        """Return what is to be remembered of it."""
        span = self.span
        return ChargedStretch(
            span.start, self.price.id, self.at, 0, span.plan_version_id, terms_text(self.terms)
        )

    def charge(self, cycle: BillCycle, sign: int = 1) -> PlannedCharge:
        """Return what it costs, or gives back where ``sign`` is −1."""
        return one_off_charge(
            self.plan, self.price, self.span, at=self.at, cycle=cycle, terms=self.terms, sign=sign
        )


def due_once(
    product: Product,
    spans: Sequence[ProductSpan],
    plans: Plans,
    cycle: BillCycle,
    bill_period: Period,
    shares: Shares,
) -> Iterator[Once]:
    """Yield all that was ever due once up to the end of ``bill_period``; nothing where the customer withdrew."""
    if withdrawn(product) or not spans:
        return
    for span in spans:
        if span.product_start is None and span.start < bill_period.end:
            yield from _of_plan(product, span, plans, Trigger.ACTIVATION, span.start, cycle, shares)
    ended = product.ended_at
    # What another product replaces was not ceased.
    if ended is None or ended >= bill_period.end or product.end_reason is EndReason.REPLACED:
        return
    last = max((span for span in spans if span.start < ended), key=lambda s: s.start, default=spans[0])
    yield from _of_plan(product, last, plans, Trigger.CEASE, ended, cycle, shares)
    if product.commitment is not None and ended < product.commitment.ends_at:
        yield from _early_termination(product, product.commitment, last, plans, cycle, shares)


def charged_once(row: ChargedStretch, span: ProductSpan, plan: PricePlan) -> Once | None:
    """Return what ``row`` remembers, or None where it is not of a price that is due once."""
    price = _FEE if row.price_id == EARLY_TERMINATION else plan.price(row.price_id)
    if not isinstance(price, OneOff):
        return None
    return Once(span, plan, price, row.charged_to, read_terms(row.terms))


def _of_plan(
    product: Product,
    span: ProductSpan,
    plans: Plans,
    trigger: Trigger,
    at: datetime,
    cycle: BillCycle,
    shares: Shares,
) -> Iterator[Once]:
    plan = plans[_version(span)]
    for price in plan.one_off:
        if price.on is trigger and serves(price, span, at):
            day = local_date(at, cycle.tz)
            held = market_discounts(plan, price.id, span, at)
            terms = terms_on(product, price.id, ChargeKind.ONE_OFF, day, cycle.tz, shares, held)
            if not terms.pays_nothing:
                yield Once(span, plan, price, at, terms)


def _early_termination(
    product: Product,
    commitment: Commitment,
    span: ProductSpan,
    plans: Plans,
    cycle: BillCycle,
    shares: Shares,
) -> Iterator[Once]:
    """Yield the fee, or the part of the recurring prices of the rest of the term."""
    at = product.ended_at or commitment.ends_at
    plan = plans[_version(span)]
    price, percent, because = commitment.fee, None, "minimum term"
    if price is None and commitment.remaining_percent is not None:
        rest = _recurring_until(product, commitment.ends_at, span, plan, cycle)
        price, percent = nano_to_decimal(rest), commitment.remaining_percent
        because = f"minimum term: {percent.normalize():f} % of what recurs until its end"
    weights, own = (
        ((), 0) if shares.whole else shares.on(local_date(at, cycle.tz), ChargeKind.ONE_OFF, cycle.tz)
    )
    terms = Terms(price=price, percent=percent, shares=weights, own=own, because=because)
    if price and not terms.pays_nothing:
        yield Once(span, plan, _FEE, at, terms)


def _recurring_until(
    product: Product, end: datetime, span: ProductSpan, plan: PricePlan, cycle: BillCycle
) -> int:
    """Return in nano-units what recurs from the product's end to ``end``, by days, whether suspended or not."""
    tz = cycle.tz
    since, to = local_date(product.ended_at or end, tz), local_date(end, tz)
    total = 0
    for price in plan.recurring:
        if serves(price, span, product.ended_at):
            days = tuple(
                Stretch(
                    one.first,
                    one.after_last,
                    replace(one.terms, recurring_percent=PLAIN.recurring_percent, by_days=True),
                )
                for one in stretches(product, plan, price, span, to, tz)
            )
            found = parts(plan, price, span, days, cycle, since)
            total += sum(planned(part, 1, cycle).nano for part in found)
    return total


def _version(span: ProductSpan) -> PlanVersionId:
    if span.plan_version_id is None:
        raise LookupError("the span of a product names its plan version")
    return span.plan_version_id
