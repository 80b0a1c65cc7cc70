"""The facts behind a charge as JSON objects, enough to add the sum up again. Stored explanations are compact arrays."""

from __future__ import annotations

import msgspec

from farwire.rating.model.explanation import Explanation, Factor, Line
from farwire.rating.model.recurring_explanation import RecurringExplanation


class FactorDocument(msgspec.Struct, frozen=True, tag_field="@type", tag="ChargeFactor"):
    """A discount that multiplies the sum of the lines by ``numerator / denominator``."""

    id: str
    numerator: int
    denominator: int


class ChargeStepDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="ChargeStep"
):
    """``units`` base units at ``priceNano`` (10⁻⁹ of the major unit) for each ``per`` units."""

    what: str
    units: int
    price_nano: int
    per: int
    band: str = ""
    allowance: str = ""
    tier: str = ""


class UsageFactsDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="UsageChargeFacts"
):
    """Why a usage costs what it costs.

    ``totalNano`` is the sum of the steps times the factors, held between minimum and maximum, rounded half-up once. The
    charge is ``totalNano`` less ``chargedBeforeNano``.
    """

    offering: str
    plan_version: str
    price_id: str
    kind: str
    currency: str
    unit: str
    quantity: int
    billed: int
    total_nano: int
    steps: list[ChargeStepDocument]
    factors: list[FactorDocument]
    matched: str = ""
    zone: str = ""
    network: str = ""
    deck: str = ""
    markup: str = ""
    ported: bool = False
    minimum_nano: int | None = None
    maximum_nano: int | None = None
    charged_before_nano: int = 0
    override: str = ""


class RecurringFactsDocument(
    msgspec.Struct,
    frozen=True,
    rename="camel",
    omit_defaults=True,
    tag_field="@type",
    tag="RecurringChargeFacts",
):
    """Why a recurring or one-off price costs what it costs: ``priceNano`` × ``days`` / ``ofDays`` × factors.

    Of several payers it is the own one of ``shares``; ``override`` says why the price is not the plan's.
    """

    offering: str
    price_id: str
    currency: str
    price_nano: int
    first_day: str
    last_day: str
    total_nano: int
    factors: list[FactorDocument]
    days: int = 0
    of_days: int = 0
    sign: int = 1
    trigger: str = ""
    shares: list[int] = []
    own_share: int = 0
    override: str = ""
    for_account: str = ""


def to_usage_facts(facts: Explanation) -> UsageFactsDocument:
    """Return the facts of a usage charge as objects."""
    return UsageFactsDocument(
        offering=facts.offering,
        plan_version=facts.plan_version,
        price_id=facts.price_id,
        kind=facts.kind,
        currency=facts.currency,
        unit=facts.unit,
        quantity=facts.quantity,
        billed=facts.billed,
        total_nano=facts.total_nano,
        steps=[_step(line) for line in facts.lines],
        factors=[_factor(factor) for factor in facts.factors],
        matched=facts.matched,
        zone=facts.zone,
        network=facts.network,
        deck=facts.deck,
        markup=facts.markup,
        ported=facts.ported,
        minimum_nano=facts.minimum_nano,
        maximum_nano=facts.maximum_nano,
        charged_before_nano=facts.charged_before_nano,
        override=facts.override,
    )


def to_recurring_facts(facts: RecurringExplanation) -> RecurringFactsDocument:
    """Return the facts of a recurring or one-off charge as objects."""
    return RecurringFactsDocument(
        offering=facts.offering,
        price_id=facts.price_id,
        currency=facts.currency,
        price_nano=facts.price_nano,
        first_day=facts.first_day,
        last_day=facts.last_day,
        total_nano=facts.total_nano,
        factors=[_factor(factor) for factor in facts.factors],
        days=facts.days,
        of_days=facts.of_days,
        sign=facts.sign,
        trigger=facts.trigger,
        shares=list(facts.shares),
        own_share=facts.own_share,
        override=facts.override,
        for_account=facts.for_account,
    )


def _step(line: Line) -> ChargeStepDocument:
    return ChargeStepDocument(
        what=line.what,
        units=line.units,
        price_nano=line.price_nano,
        per=line.per,
        band=line.band,
        allowance=line.allowance,
        tier=line.tier,
    )


def _factor(factor: Factor) -> FactorDocument:
    return FactorDocument(id=factor.id, numerator=factor.numerator, denominator=factor.denominator)
