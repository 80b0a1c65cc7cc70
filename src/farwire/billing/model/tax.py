"""Taxes of a bill: per category, on the sum of its lines, from the country pack of the seller.

The tax point of a line is the last local day of its period, so that a change of rates between two lines
gives two groups. Whether and where it is taxed is decided by its own time, too: after a move or a change of tax class a
bill may have lines of both. What is charged in advance is taxed as the customer is when its period begins, so that what
comes back of it bears the tax that was paid.
Where prices include tax, each component is taken out of the gross of its group and rounded half-up once; the net is the
rest, so that net and taxes always make the gross. Exempt and reverse-charge customers pay the net.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from farwire.account.model import FormerContexts, TaxClass, TaxContext, context_at, shares_of, sold_as
from farwire.billing.model.bill import BillTax, Item
from farwire.country.model import TaxCategory, TaxComponent, tax_amounts
from farwire.kernel.money import round_half_up
from farwire.kernel.time import local_date

_BY_CLASS: Final = {
    TaxClass.EXEMPT: TaxCategory.EXEMPT.value,
    TaxClass.REVERSE_CHARGE: TaxCategory.REVERSE_CHARGE.value,
}


def context_of(item: Item, context: TaxContext, former: FormerContexts) -> TaxContext:
    """Return the context in which ``item`` is taxed."""
    if not former:
        return context
    return context_at(item.taxed_at or item.period.end - timedelta.resolution, context, former)


@dataclass(frozen=True, slots=True)
class GroupTax:
    """What the lines of one group come to: the net of each line, in order, and the taxes on their sum."""

    nets: tuple[int, ...]
    taxes: tuple[BillTax, ...]


def tax_point(item: Item, tz: ZoneInfo) -> date:
    """Return the day whose rates apply: the last local day of the item's period."""
    return local_date(item.period.end - timedelta(microseconds=1), tz)


def category_of(item: Item) -> str:
    """Return the country pack's category of an item."""
    return sold_as(item.tax_category)


def rates_of(item: Item, context: TaxContext) -> tuple[TaxComponent, ...]:
    """Return the taxes that the price of ``item`` bears for a standard customer. Raises what the pack raises."""
    return context.components(category_of(item), tax_point(item, context.tz))


def _taken_out(gross: int, components: Sequence[TaxComponent]) -> tuple[int, ...]:
    shares = shares_of(components)
    whole = 1 + sum(shares)
    parts = (gross * share / whole for share in shares)
    return tuple(round_half_up(part.numerator, part.denominator) for part in parts)


def _apportioned(net: int, gross_lines: Sequence[int]) -> tuple[int, ...]:
    """Return ``net`` shared over lines in proportion to their gross, of any sign, conserving the sum."""
    gross = sum(gross_lines)
    if gross == 0:
        return tuple(gross_lines)
    nets: list[int] = []
    seen = given = 0
    for line in gross_lines:
        seen += line
        upto = round_half_up(seen * net, gross)
        nets.append(upto - given)
        given = upto
    return tuple(nets)


def tax_group(
    components: tuple[TaxComponent, ...],
    category: str,
    *,
    includes_tax: bool,
    amounts: Sequence[int],
    context: TaxContext,
) -> GroupTax:
    """Return nets and taxes of lines that share a category and its rates; ``amounts`` in minor units, as priced."""
    priced = sum(amounts)
    if includes_tax:
        taxes = _taken_out(priced, components)
        net = priced - sum(taxes)
        nets = _apportioned(net, amounts)
    else:
        nets, net = tuple(amounts), priced
        taxes = tax_amounts(components, net)
    untaxed = _BY_CLASS.get(context.tax_class)
    if untaxed is not None or not components:
        return GroupTax(nets, (_no_tax(untaxed or category, net, context),))
    running = 0
    rows: list[BillTax] = []
    for component, tax in zip(components, taxes, strict=True):
        base = net + running if component.on_top else net
        rows.append(
            BillTax(
                category,
                component.code.value,
                component.name,
                component.label,
                component.effective_percent,
                base,
                tax,
                country=context.pack.code,
                seller_vat_id=context.vat_id,
            )
        )
        running += tax
    return GroupTax(nets, tuple(rows))


def _no_tax(category: str, net: int, context: TaxContext) -> BillTax:
    rule = context.pack.tax_category(category)
    text, country = rule.invoice_text, context.pack.code
    return BillTax(category, rule.code.value, "", "", Decimal(0), net, 0, text, country, context.vat_id)
