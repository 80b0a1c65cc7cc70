"""What a line of an invoice says besides its price: why its amount is another than price times quantity. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from farwire.billing.model import BillLine, LineKind
from farwire.billing.rendering.locale import Locale
from farwire.catalog.model import PlanVersion, UsagePrice
from farwire.kernel.money import nano
from farwire.kernel.quantity import Quantity
from farwire.rating.model.overrides import OVERRIDE
from farwire.rating.model.recurring import SUSPENSION
from farwire.rating.model.recurring_explanation import RecurringExplanation

_WHOLE = Decimal(100)


def reason_of(line: BillLine, locale: Locale) -> str:
    """Return why a line costs what it does: its credit's reason, what was negotiated, discounts, suspension, share."""
    detail = line.item.detail
    if line.item.kind is LineKind.CREDIT:
        said = [detail.get("reason")]
    elif line.item.kind is LineKind.USAGE:
        said = [detail.get("override")]
    else:
        said = list(_terms(msgspec.convert(detail, RecurringExplanation), locale))
    return "; ".join(text for text in said if isinstance(text, str) and text and text != line.item.label)


def _terms(facts: RecurringExplanation, locale: Locale) -> Iterator[str]:
    words = locale.words
    yield facts.override
    for factor in facts.factors:
        left = _WHOLE * factor.numerator / factor.denominator
        if factor.id == SUSPENSION:
            yield words["suspended"].format(percent=_percent(left, locale))
        elif factor.id != OVERRIDE:
            yield words["discount"].format(name=factor.id, percent=_percent(_WHOLE - left, locale))
    if facts.shares:
        part = _WHOLE * facts.shares[facts.own_share] / sum(facts.shares)
        yield words["share"].format(percent=_percent(part, locale))


def _percent(value: Decimal, locale: Locale) -> str:
    return locale.percent(value.quantize(Decimal("0.01")))


def usage_price(line: BillLine, version: PlanVersion | None) -> UsagePrice | None:
    """Return the price of a usage line where it is one price of a unit and the line is just that times its quantity.

    Tiers, packages and decks have no such price; after an allowance, a discount or a negotiated price it would not
    give the amount. Each record was rounded to a nano-unit by itself.
    """
    price = None if version is None else version.plan.price(line.item.price_id)
    if not isinstance(price, UsagePrice) or price.price is None or price.by_band:
        return None
    per = Quantity.parse(price.per, field="per").amount if price.per else 1
    wanted = nano(price.price) * line.item.quantity
    return price if abs(wanted - abs(line.item.exact_nano) * per) <= line.item.records * per else None
