"""The facts behind a line as JSON: offer, price version, interval, units, usage ids, tax rule, terms."""

from __future__ import annotations

from typing import Any

import msgspec

from farwire.base.web import Amount, MoneyDocument, timestamp
from farwire.billing.model import Bill
from farwire.billing.model.credit import CreditFacts
from farwire.billing.model.line_facts import IntervalFacts, LineFacts, LineTaxFacts, PriceFacts, TaxFacts
from farwire.billing.model.note import NoteFacts
from farwire.kernel.money import Currency


class PriceVersionDocument(
    msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="PriceVersionFacts"
):
    """Which price: the offering, the version of its plan with its digest, and the price in it."""

    offering: str
    name: str
    price_id: str
    version: int
    version_id: str
    digest: str
    valid_from: str
    published_at: str


class IntervalDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="ChargedInterval"):
    """What the line is for: a half-open time, and its local days, both included."""

    start_date_time: str
    end_date_time: str
    first_day: str
    last_day: str
    time_zone: str


class TaxComponentDocument(
    msgspec.Struct,
    frozen=True,
    rename="camel",
    omit_defaults=True,
    tag_field="@type",
    tag="TaxComponentFacts",
):
    """One tax that the line bears, computed on the sum of all lines of its category. ``source`` is the law."""

    name: str
    label: str
    code: str
    tax_rate: Amount
    taxable_amount: MoneyDocument
    tax_amount: MoneyDocument
    source: str = ""
    valid_from: str | None = None


class LineTaxDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="LineTaxFacts"
):
    """How the line is taxed: category, the day whose rates apply, the taxes, or ``whyNone``."""

    category: str
    country: str
    tax_point: str
    components: list[TaxComponentDocument]
    why_none: str = ""


class CreditFactsDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="CreditFacts"):
    """A credit: what was given before tax, what bills before and this one applied of it, what is left."""

    credit_id: str
    reason: str
    given: MoneyDocument
    before: MoneyDocument
    applied: MoneyDocument
    left: MoneyDocument


class NoteFactsDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="NoteFacts"):
    """The line of the bill that a credit note's line corrects."""

    line: int
    of: MoneyDocument
    before: MoneyDocument


class LineFactsDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="LineFacts"
):
    """Everything behind a line. ``terms`` is what was negotiated, discounted, suspended or shared."""

    kind: str
    quantity: int
    unit: str
    includes_tax: bool
    interval: IntervalDocument
    tax: LineTaxDocument
    price: PriceVersionDocument | None = None
    usage_ids: list[str] = []
    terms: dict[str, Any] = {}
    more: dict[str, Any] = {}
    credit: CreditFactsDocument | None = None
    corrects: NoteFactsDocument | None = None


def to_line_facts(
    facts: LineFacts, bill: Bill, credit: CreditFacts | None, note: NoteFacts | None
) -> LineFactsDocument:
    """Return the facts of a line as JSON objects."""
    unit = bill.currency
    return LineFactsDocument(
        kind=facts.kind,
        quantity=facts.quantity,
        unit=facts.unit,
        includes_tax=facts.includes_tax,
        interval=_interval(facts.interval),
        tax=_tax(facts.tax, unit),
        price=None if facts.price is None else _price(facts.price),
        usage_ids=list(facts.usage_ids),
        terms=dict(facts.terms),
        more=dict(facts.more),
        credit=None if credit is None else _credit(credit, unit),
        corrects=None
        if note is None
        else NoteFactsDocument(
            note.corrects_line,
            MoneyDocument.of(note.of_minor, unit),
            MoneyDocument.of(note.before_minor, unit),
        ),
    )


def _interval(interval: IntervalFacts) -> IntervalDocument:
    return IntervalDocument(
        timestamp(interval.start),
        timestamp(interval.end),
        interval.first_day.isoformat(),
        interval.last_day.isoformat(),
        interval.zone,
    )


def _price(price: PriceFacts) -> PriceVersionDocument:
    return PriceVersionDocument(
        offering=price.offering,
        name=price.name,
        price_id=price.price_id,
        version=price.version,
        version_id=price.version_id,
        digest=price.digest,
        valid_from=timestamp(price.valid_from),
        published_at=timestamp(price.published_at),
    )


def _tax(tax: LineTaxFacts, unit: Currency) -> LineTaxDocument:
    return LineTaxDocument(
        tax.category,
        tax.country,
        tax.tax_point.isoformat(),
        [_component(component, unit) for component in tax.taxes],
        tax.why_none,
    )


def _component(tax: TaxFacts, unit: Currency) -> TaxComponentDocument:
    return TaxComponentDocument(
        name=tax.name,
        label=tax.label,
        code=tax.code,
        tax_rate=tax.rate_percent,
        taxable_amount=MoneyDocument.of(tax.base_minor, unit),
        tax_amount=MoneyDocument.of(tax.tax_minor, unit),
        source=tax.source,
        valid_from=None if tax.valid_from is None else tax.valid_from.isoformat(),
    )


def _credit(credit: CreditFacts, unit: Currency) -> CreditFactsDocument:
    amounts = (credit.given_minor, credit.before_minor, credit.applied_minor, credit.open_minor)
    return CreditFactsDocument(
        credit.credit_id, credit.reason, *(MoneyDocument.of(minor, unit) for minor in amounts)
    )
