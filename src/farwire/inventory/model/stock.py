"""Stocks of goods as TMF687 keeps them: how much is there, taken from it and given back. Pure.

A stock's level is what can still be had. It is never below zero. What is reserved is no longer in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from farwire.kernel.errors import Conflict, Invalid

Stock: TypeAlias = dict[str, Any]
"""A ``ProductStock`` in its stored shape."""
AVAILABLE: Final = "available"
UNAVAILABLE: Final = "unavailable"
MOST: Final = Decimal(10) ** 12
PLACES: Final = 6


class OutOfStock(Conflict):
    """There is not as much as is asked for."""

    default_code = "inventory.out_of_stock"


def quantity_of(quantity: object, *, default: Decimal | None = None, signed: bool = False) -> Decimal:
    """Return the amount of a quantity. Raises ``Invalid`` (``inventory.quantity``)."""
    amount = quantity.get("amount") if isinstance(quantity, Mapping) else None
    if amount is None and default is not None:
        return default
    found = Decimal(amount) if isinstance(amount, (int, Decimal)) and not isinstance(amount, bool) else None
    fine = found is not None and abs(found) <= MOST and found == round(found, PLACES)
    if found is None or not fine or found == 0 or (found < 0 and not signed):
        raise Invalid(
            "this is no quantity",
            code="inventory.quantity",
            field="amount",
            value=amount,
            fix=f"give an amount above zero, at most {MOST}, with at most {PLACES} places",
        )
    return found


def level_of(stock: Stock) -> Decimal:
    """Return how much can still be had."""
    level = stock.get("productStockLevel") or {}
    return Decimal(level.get("amount") or 0)


def holds(stock: Stock, amount: Decimal) -> bool:
    """Return whether ``amount`` can be had from the stock."""
    return stock.get("productStockStatusType") == AVAILABLE and level_of(stock) >= amount


def moved(stock: Stock, amount: Decimal, units: object = None) -> Stock:
    """Return the stock with ``amount`` more in it, or less; an empty one is unavailable until something comes in.

    Raises ``OutOfStock`` where less than nothing would be left, ``Invalid`` (``inventory.stock_units``).
    """
    level = stock.get("productStockLevel") or {}
    known = level.get("units")
    if units is not None and known is not None and units != known:
        raise Invalid(
            f"the stock is counted in {known}", code="inventory.stock_units", field="units", value=units
        )
    before = level_of(stock)
    after = before + amount
    if after < 0:
        raise OutOfStock(f"the stock has {before}", field="amount", value=str(-amount))
    status = stock.get("productStockStatusType")
    if after == 0 and status == AVAILABLE:
        status = UNAVAILABLE
    elif before == 0 < after and status == UNAVAILABLE:
        status = AVAILABLE
    return {**stock, "productStockLevel": {**level, "amount": plain(after)}, "productStockStatusType": status}


def plain(amount: Decimal) -> int | Decimal:
    """Return a whole number as such."""
    return int(amount) if amount == amount.to_integral_value() else amount.normalize()
