"""From exact items to posted lines, taxes and totals: the one place where a bill is rounded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from farwire.account.model import TaxClass
from farwire.billing.model.bill import BillLine, BillTax, Item, LineKind
from farwire.billing.model.tax import TaxContext, category_of, rates_of, tax_group
from farwire.country.model import TaxComponent
from farwire.kernel.errors import Conflict
from farwire.kernel.money import Currency, int64, post

_ORDER = {LineKind.ONE_OFF: 0, LineKind.RECURRING: 1, LineKind.USAGE: 2, LineKind.CREDIT: 3}
_NOWHERE = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Calculated:
    """Lines, taxes and totals of a bill, in minor units."""

    lines: tuple[BillLine, ...]
    taxes: tuple[BillTax, ...]
    net_minor: int
    tax_minor: int

    @property
    def total_minor(self) -> int:
        """Return what the customer pays."""
        return self.net_minor + self.tax_minor


def _sorted(items: Sequence[Item]) -> list[Item]:
    return sorted(
        items,
        key=lambda item: (
            item.kind is LineKind.CREDIT,
            item.product_id or _NOWHERE,
            _ORDER[item.kind],
            item.period.start,
            item.price_id,
            item.label,
            item.plan_version_id or _NOWHERE,
        ),
    )


def _row_of(tax: BillTax) -> tuple[object, ...]:
    return (tax.category, tax.code, tax.name, tax.label, tax.rate_percent, tax.note)


def _merged(taxes: Sequence[BillTax]) -> tuple[BillTax, ...]:
    """Return one row per category and rate (EN 16931 BG-23), in the order in which they first appear."""
    rows: dict[tuple[object, ...], BillTax] = {}
    for tax in taxes:
        key = _row_of(tax)
        seen = rows.get(key)
        rows[key] = (
            tax
            if seen is None
            else replace(
                tax, base_minor=seen.base_minor + tax.base_minor, tax_minor=seen.tax_minor + tax.tax_minor
            )
        )
    return tuple(rows.values())


def _other_currency(item: Item, currency: Currency) -> Conflict:
    return Conflict(
        f"a price in {item.currency} cannot go on an account in {currency}",
        code="billing.currency_mismatch",
        field="currency",
        value=item.currency.code,
        fix="give the product a plan in the account's currency",
    )


def calculate(items: Sequence[Item], currency: Currency, context: TaxContext) -> Calculated:
    """Return the bill of ``items``: half-up once per line, then taxes per category on the sum of its lines.

    Lines are ordered by product, kind and time, so that the same items always give the same bill. Raises ``Conflict``
    (``billing.currency_mismatch``), ``Invalid`` (``money.overflow``) and what the country pack raises.
    """
    ordered = _sorted(items)
    posted = []
    groups: dict[tuple[str, tuple[TaxComponent, ...], bool], list[int]] = defaultdict(list)
    for index, item in enumerate(ordered):
        if item.currency != currency:
            raise _other_currency(item, currency)
        posted.append(post(item.exact_nano, currency))
        # An untaxed customer needs rates only where they are inside the price; some countries have none to give.
        rated = item.includes_tax or context.tax_class is TaxClass.STANDARD
        components = rates_of(item, context) if rated else ()
        groups[category_of(item), components, item.includes_tax].append(index)
    nets = [0] * len(ordered)
    taxes: list[BillTax] = []
    borne: list[tuple[BillTax, ...]] = [()] * len(ordered)
    for (category, components, includes_tax), indexes in groups.items():
        amounts = [posted[index].money.amount_minor for index in indexes]
        group = tax_group(components, category, includes_tax=includes_tax, amounts=amounts, context=context)
        for index, net in zip(indexes, group.nets, strict=True):
            nets[index] = net
            borne[index] = group.taxes
        taxes.extend(group.taxes)
    merged = _merged(taxes)
    place = {_row_of(tax): number for number, tax in enumerate(merged, 1)}
    lines = tuple(
        BillLine(
            index + 1,
            item,
            int64(posted[index].money.amount_minor),
            posted[index].remainder_nano,
            nets[index],
            tuple(dict.fromkeys(place[_row_of(tax)] for tax in borne[index])),
        )
        for index, item in enumerate(ordered)
    )
    return Calculated(lines, merged, int64(sum(nets)), int64(sum(tax.tax_minor for tax in merged)))
