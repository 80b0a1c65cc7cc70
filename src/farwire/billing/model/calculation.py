"""From exact items to posted lines, taxes and totals: the one place where a bill is rounded."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from msgspec import structs

from farwire.account.model import FormerContexts, TaxClass, TaxContext, levied
from farwire.billing.model.bill import BillLine, BillTax, Item, LineKind
from farwire.billing.model.tax import (
    category_of,
    context_of,
    rates_of,
    tax_group,
)
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
    return (
        tax.category,
        tax.code,
        tax.name,
        tax.label,
        tax.rate_percent,
        tax.note,
        tax.country,
        tax.seller_vat_id,
    )


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


def _places(merged: Sequence[BillTax], borne: Sequence[Sequence[BillTax]]) -> list[tuple[int, ...]]:
    """Return where the taxes of each group stand among the rows of the bill, from 1."""
    place = {_row_of(tax): number for number, tax in enumerate(merged, 1)}
    return [tuple(dict.fromkeys(place[_row_of(tax)] for tax in taxes)) for taxes in borne]


def _in_currency(item: Item, currency: Currency) -> Item:
    if item.currency != currency:
        raise Conflict(
            f"a price in {item.currency} cannot go on an account in {currency}",
            code="billing.currency_mismatch",
            field="currency",
            value=item.currency.code,
            fix="give the product a plan in the account's currency",
        )
    return item


@dataclass(frozen=True, slots=True)
class _Group:
    """Items, by index, whose tax is computed on their sum."""

    context: TaxContext
    category: str
    components: tuple[TaxComponent, ...]
    includes_tax: bool
    indexes: list[int]


def _grouped(items: Sequence[Item], context: TaxContext, former: FormerContexts) -> Collection[_Group]:
    groups: dict[tuple[object, ...], _Group] = {}
    for index, item in enumerate(items):
        # An untaxed customer needs rates only where they are inside the price; some countries have none to give.
        held = context_of(item, context, former)
        rated = item.includes_tax or held.tax_class is TaxClass.STANDARD
        components = rates_of(item, held) if rated else ()
        # By identity, as hashing is slow; but after a move within a country those of both places may be alike.
        rates = levied(components) if former else id(components)
        category = category_of(item)
        key = (held.pack.code, held.vat_id, held.tax_class, category, rates, item.includes_tax)
        if key not in groups:
            groups[key] = _Group(held, category, components, item.includes_tax, [])
        groups[key].indexes.append(index)
    return groups.values()


def calculate(
    items: Sequence[Item], currency: Currency, context: TaxContext, former: FormerContexts = ()
) -> Calculated:
    """Return the bill of ``items``: half-up once per line, then taxes per category on the sum of its lines.

    An item is taxed in ``context``, or in that of ``former`` which held at its own time (``context_of``).
    Lines are ordered by product, kind and time, so that the same items always give the same bill. Raises ``Conflict``
    (``billing.currency_mismatch``), ``Invalid`` (``money.overflow``) and what the country pack raises.
    """
    ordered = _sorted(items)
    posted = [post(_in_currency(item, currency).exact_nano, currency) for item in ordered]
    nets = [0] * len(ordered)
    borne: list[tuple[BillTax, ...]] = []
    group_of = [0] * len(ordered)
    for group in _grouped(ordered, context, former):
        amounts = [posted[index].money.amount_minor for index in group.indexes]
        taxed = tax_group(
            group.components,
            group.category,
            includes_tax=group.includes_tax,
            amounts=amounts,
            context=group.context,
        )
        for index, net in zip(group.indexes, taxed.nets, strict=True):
            nets[index] = net
            group_of[index] = len(borne)
        borne.append(taxed.taxes)
    merged = _merged([tax for taxes in borne for tax in taxes])
    places = _places(merged, borne)
    lines = tuple(
        BillLine(
            index + 1,
            item if item.taxed_at is None else structs.replace(item, taxed_at=None),
            int64(posted[index].money.amount_minor),
            posted[index].remainder_nano,
            nets[index],
            places[group_of[index]],
        )
        for index, item in enumerate(ordered)
    )
    return Calculated(lines, merged, int64(sum(nets)), int64(sum(tax.tax_minor for tax in merged)))
