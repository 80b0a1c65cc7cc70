"""Allowances that are nearly or wholly used, as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.kernel.ids import ProductId
from farwire.rating.model import Charge, CounterView, Tariff

THRESHOLDS: Final = (80, 100)
"""Per cent of an allowance at which a customer is told (Regulation (EU) 2022/612 art. 14 asks for 80)."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """A usage at ``at`` brought what is used of an allowance to ``percent`` or above. Amounts in base units."""

    product_id: ProductId
    allowance_id: str
    label: str
    period_start: datetime
    percent: int
    used: int
    amount: int
    unit: str
    at: datetime


def crossings(tariff: Tariff, view: CounterView, charge: Charge, at: datetime) -> Iterator[Crossing]:
    """Yield the thresholds that ``charge``, made from ``view``, has reached and what was used before it had not."""
    for spec in tariff.counters:
        used = charge.counters.get(spec.key)
        amount = view.values.get(spec.granted_key, spec.amount)
        if used is None or amount <= 0:
            continue
        before = view.values.get(spec.key, 0)
        for percent in THRESHOLDS:
            if before * 100 < percent * amount <= used * 100:
                yield Crossing(
                    view.product_id,
                    spec.key.partition(":")[2],
                    spec.label,
                    view.starts[spec.key],
                    percent,
                    used,
                    amount,
                    charge.explanation.unit,
                    at,
                )
