"""The examples of docs/rating.md: each plan is sound, each figure is what ``rate`` says."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from farwire.catalog.model import read_plan
from farwire.kernel.money import nano
from farwire.kernel.quantity import Quantity
from farwire.kernel.time import instant
from farwire.rating.model import Charge, Chargeable, compile_tariff, explain_in_words, rate, verify
from farwire.rating.service import holidays_of

PAGE = Path(__file__).parents[2] / "docs" / "rating.md"
PLAN = re.compile(r"```toml\n(.*?)```(.*?)(?=```toml|\Z)", re.DOTALL)
ROW = re.compile(r"^\| `(.+)` \| (\d+\.\d+) \|$", re.MULTILINE)


def examples() -> list[tuple[str, str, str]]:
    return [
        (plan, usage, cost)
        for plan, after in PLAN.findall(PAGE.read_text(encoding="utf-8"))
        for usage, cost in ROW.findall(after.split("\n## ")[0])
    ]


def record_of(words: list[str]) -> Chargeable:
    kind, number, rest = words[0], words[1], words[2:]
    unit = rest.pop(0) if rest and rest[0] in ("s", "MB") else kind
    more = dict(zip(rest[::2], rest[1::2], strict=True))
    return Chargeable(
        kind=kind,
        quantity=Quantity.parse(f"{number} {unit}").amount,
        destination=more.get("to", ""),
        visited_network=more.get("in", ""),
        segment=more.get("segment", ""),
        started_at=instant(more.get("at", "2026-06-10T12:00:00Z")),
    )


@pytest.mark.parametrize(("plan", "usage", "cost"), examples(), ids=lambda value: str(value)[:60])
def test_an_example_costs_what_the_page_says(plan: str, usage: str, cost: str) -> None:
    read = read_plan(plan)
    charge = rate(compile_tariff(read, holidays=holidays_of(read)), record_of(usage.split()))
    assert isinstance(charge, Charge)
    assert charge.nano == nano(Decimal(cost)) == verify(charge.explanation)
    assert explain_in_words(charge.explanation)


def test_the_page_has_examples() -> None:
    assert len(examples()) >= 11
