"""Three business customers with telephone systems, rated by a price deck; one destination is missing at first.

The deck is the demo's own: real country codes, invented prices. The truth is a linear search and decimal arithmetic.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Final

from farwire.demo.month import BERLIN, CENT, DAYS, MONTH_START, Call, Subscriber, TrueBill

DECK: Final = (
    ("49", "Germany", "0.0101"),
    ("4915", "Germany Mobile", "0.0234"),
    ("4916", "Germany Mobile", "0.0234"),
    ("4917", "Germany Mobile", "0.0234"),
    ("44", "United Kingdom", "0.0083"),
    ("447", "United Kingdom Mobile", "0.0257"),
    ("33", "France", "0.0091"),
    ("336", "France Mobile", "0.0339"),
    ("337", "France Mobile", "0.0339"),
    ("1", "USA and Canada", "0.0065"),
    ("1907", "USA Alaska", "0.0913"),
    ("41", "Switzerland", "0.0187"),
    ("4179", "Switzerland Mobile", "0.2093"),
    ("81", "Japan", "0.0344"),
    ("8190", "Japan Mobile", "0.1277"),
    ("61", "Australia", "0.0216"),
    ("614", "Australia Mobile", "0.0551"),
    ("882", "Satellite", "3.9999"),
)
LATE_ROW: Final = ("234", "Nigeria", "0.0677")
"""The destination that the first deck lacks: its calls wait in suspense until the second deck is there."""
FEE: Final = Decimal("12.00")
_NAMES: Final = ("Hansekontor GmbH", "Elbwerk AG", "Praxis Dr. Sommer")
_SHAPES: Final = (
    "493023125{:03d}", "4917604069{:03d}", "441632960{:03d}", "447700900{:03d}", "33199000{:03d}", "33639980{:03d}",
    "12025550{:03d}", "19075550{:03d}", "41445550{:03d}", "41795550{:03d}", "81355550{:03d}", "81905550{:03d}",
    "61255501{:03d}", "61491570{:03d}", "88216550{:03d}", "23415550{:03d}",
)  # fmt: skip


def carriers() -> list[Subscriber]:
    """Return the business customers; all are active for the whole month."""
    since = MONTH_START.astimezone(UTC)
    return [Subscriber(f"B-{n:05d}", name, f"4930231259{n:02d}", since) for n, name in enumerate(_NAMES)]


def carrier_calls(seed: int, each: int = 400) -> list[Call]:
    """Return ``each`` calls of every business customer in June, one in twenty to the missing destination."""
    rng = random.Random(seed)
    calls = []
    for carrier in carriers():
        for index in range(each):
            at = carrier.activated_at + timedelta(seconds=rng.randrange(DAYS * 86_400 - 8000))
            called = rng.choice(_SHAPES).format(rng.randrange(1000))
            calls.append(
                Call(f"{carrier.account}-{index}", carrier.msisdn, called, at, rng.randrange(1, 3600))
            )
    return calls


def write_deck(path: Path, rows: Sequence[tuple[str, str, str]]) -> None:
    """Write the price list as a supplier would send it."""
    lines = [f"{prefix};{name};{price.replace('.', ',')};6" for prefix, name, price in rows]
    path.write_text("Vorwahl;Ziel;EUR/Minute;Takt\n" + "\n".join(lines) + "\n", encoding="utf-8")


def destination(called: str) -> tuple[str, Decimal]:
    """Return name and price of the longest prefix, found by looking at every row."""
    rows = [row for row in (*DECK, LATE_ROW) if called.startswith(row[0])]
    _, name, price = max(rows, key=lambda row: len(row[0]))
    return name, Decimal(price)


def true_carrier_bill(calls: Sequence[Call], carrier: Subscriber) -> TrueBill:
    """Return the bill of a business customer: two fees and all calls by the deck, 6/6 seconds, rounded once."""
    usage = sum(
        (
            destination(call.called)[1] * -(-call.duration_s // 6) / 10
            for call in calls
            if call.caller == carrier.msisdn
        ),
        Decimal(0),
    )
    return TrueBill((("fee June", FEE), ("fee July", FEE), ("calls", usage.quantize(CENT, ROUND_HALF_UP))))


DECK_FROM: Final = datetime(2026, 6, 1, tzinfo=BERLIN).astimezone(UTC)
MENDED_FROM: Final = DECK_FROM + timedelta(seconds=1)
