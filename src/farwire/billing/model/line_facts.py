"""Why a line is what it is, as data: offer, price version, interval, units, usage, tax rule, terms. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

from farwire.base.canonical import JSON
from farwire.billing.model.bill import Bill, BillLine, BillTax
from farwire.billing.model.credit import CreditFacts
from farwire.billing.model.note import NoteFacts
from farwire.billing.model.tax import category_of, tax_point
from farwire.catalog.model import PlanVersion
from farwire.country.model import CountryPack, TaxComponent
from farwire.kernel.errors import FarwireError
from farwire.kernel.time import zone
from farwire.rating.model.recurring_explanation import RecurringExplanation

_TERMS: Final = ("override", "factors", "shares", "own_share", "for_account", "trigger")
"""Keys of a line's detail that say on which terms it was charged beside the price of the plan."""


class PriceFacts(msgspec.Struct, frozen=True):
    """Which price: the offering, the version of its plan, and the price in it. ``zone`` is that of the plan's days."""

    offering: str
    name: str
    price_id: str
    version: int
    version_id: str
    digest: str
    valid_from: datetime
    published_at: datetime
    zone: str


class IntervalFacts(msgspec.Struct, frozen=True):
    """What the line is for: the half-open time in UTC, and its local days, both included, in ``zone``."""

    start: datetime
    end: datetime
    first_day: date
    last_day: date
    zone: str


class TaxFacts(msgspec.Struct, frozen=True):
    """One tax that the line bears. The base is the sum of all lines of the category, by which the bill computes it.

    ``source`` is the law that the country pack names, with the first day on which the rate held.
    """

    name: str
    label: str
    code: str
    rate_percent: Decimal
    base_minor: int
    tax_minor: int
    source: str = ""
    valid_from: date | None = None


class LineTaxFacts(msgspec.Struct, frozen=True):
    """How the line is taxed: the country's category, the day whose rates apply, the taxes, or why there are none."""

    category: str
    country: str
    tax_point: date
    taxes: tuple[TaxFacts, ...]
    why_none: str = ""


class LineFacts(msgspec.Struct, frozen=True):
    """Everything behind one line.

    Exact = posted and remainder together, in nano-units. ``usage_ids`` are those of one page, ``records`` all of them.
    ``terms`` is what was negotiated, discounted, suspended or shared; ``more`` is what else the line's detail says.
    """

    line: int
    label: str
    kind: str
    currency: str
    exact_nano: int
    amount_minor: int
    net_minor: int
    remainder_nano: int
    includes_tax: bool
    quantity: int
    unit: str
    records: int
    interval: IntervalFacts
    tax: LineTaxFacts
    price: PriceFacts | None = None
    product_id: str = ""
    usage_ids: tuple[str, ...] = ()
    terms: Mapping[str, JSON] = {}
    more: Mapping[str, JSON] = {}


_USAGE_KEYS: Final = frozenset({"offering", "plan_version", "kind", "used", "label", "first_at", "last_at"})
_KNOWN: Final = _USAGE_KEYS.union(
    *(struct.__struct_fields__ for struct in (RecurringExplanation, CreditFacts, NoteFacts))
)


def line_facts(
    bill: Bill,
    line: BillLine,
    *,
    version: PlanVersion | None,
    pack: CountryPack | None,
    usage_ids: Sequence[str] = (),
) -> LineFacts:
    """Return what is behind ``line``. ``pack`` is of its ``tax_country``, None where it is not known any more."""
    item = line.item
    detail = item.detail
    terms = {key: detail[key] for key in _TERMS if detail.get(key)}
    return LineFacts(
        line=line.number,
        label=item.label,
        kind=item.kind.value,
        currency=item.currency.code,
        exact_nano=item.exact_nano,
        amount_minor=line.amount_minor,
        net_minor=line.net_minor,
        remainder_nano=line.remainder_nano,
        includes_tax=item.includes_tax,
        quantity=item.quantity,
        unit=item.unit,
        records=item.records,
        interval=_interval(bill, line),
        tax=_tax(bill, line, pack),
        price=None if version is None else _price(version, item.price_id),
        product_id="" if item.product_id is None else str(item.product_id),
        usage_ids=tuple(usage_ids),
        terms=terms,
        more={key: value for key, value in detail.items() if key not in _KNOWN and key not in terms},
    )


def _price(version: PlanVersion, price_id: str) -> PriceFacts:
    plan = version.plan
    return PriceFacts(
        plan.offering,
        plan.name,
        price_id,
        version.number,
        str(version.id),
        version.digest,
        plan.valid_from,
        version.published_at,
        plan.zone,
    )


def _interval(bill: Bill, line: BillLine) -> IntervalFacts:
    period = line.item.period
    first, after_last = period.local_days(zone(bill.zone))
    return IntervalFacts(period.start, period.end, first, after_last - timedelta(days=1), bill.zone)


def taxes_of(bill: Bill, line: BillLine) -> tuple[BillTax, ...]:
    """Return the taxes of the bill that ``line`` bears. Bills of before these were noted are matched by category."""
    if line.taxes:
        return tuple(bill.taxes[place - 1] for place in line.taxes)
    own = tuple(tax for tax in bill.taxes if tax.category in (line.item.tax_category, category_of(line.item)))
    return own or (bill.taxes if len({tax.category for tax in bill.taxes}) == 1 else ())


def tax_country(bill: Bill, line: BillLine) -> str:
    """Return the country whose tax rules ``line`` follows."""
    return next((tax.country for tax in taxes_of(bill, line) if tax.country), bill.seller.address.country)


def _tax(bill: Bill, line: BillLine, pack: CountryPack | None) -> LineTaxFacts:
    day = tax_point(line.item, zone(bill.zone))
    category = category_of(line.item)
    borne = taxes_of(bill, line)
    rules = () if pack is None else _rules(bill, pack, category, day)
    taxes = tuple(_component(tax, rules) for tax in borne if tax.name)
    why = next((tax.note or tax.category for tax in borne if not tax.name), "")
    return LineTaxFacts(category, tax_country(bill, line), day, taxes, "" if taxes else why)


def _rules(bill: Bill, pack: CountryPack, category: str, day: date) -> tuple[TaxComponent, ...]:
    """Return the pack's own answer for the day of the line; a pack that says nothing leaves the source blank."""
    buyer, seller = bill.customer.address.region or None, bill.seller.address.region or None
    try:
        return pack.tax_components(category, day, buyer, seller)
    except FarwireError:
        return ()


def _component(tax: BillTax, rules: Sequence[TaxComponent]) -> TaxFacts:
    rule = next(
        (one for one in rules if (one.name, one.effective_percent) == (tax.name, tax.rate_percent)), None
    )
    return TaxFacts(
        tax.name,
        tax.label,
        tax.code,
        tax.rate_percent,
        tax.base_minor,
        tax.tax_minor,
        "" if rule is None else rule.source,
        None if rule is None else rule.valid_from,
    )
