"""``python -m benchmarks.bench_rating``: µs per record of ``rate`` beside a bare loop over the same records."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from benchmarks.decks import deck_rows
from farwire.catalog.model import read_plan
from farwire.demo.deck_calls import deck_calls
from farwire.kernel.errors import check
from farwire.rating.model import Charge, Chargeable, Deck, DeckVersion, Tariff, compile_tariff, rate

RECORDS = 100_000
START = datetime(2026, 6, 1, tzinfo=UTC)
PLAN = """
offering = "bench"
name = "Bench"
valid_from = 2026-01-01T00:00:00Z
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
[networks]
eu = ["FR"]
[[bands]]
name = "peak"
days = ["mon", "tue", "wed", "thu", "fri"]
hours = ["08:00-18:00"]
[[usage]]
id = "deck"
kind = "voice"
deck = "bench"
[[usage]]
id = "banded"
kind = "voice"
networks = ["eu"]
price = "0.09"
per = "1 min"
increments = ["60 s", "6 s"]
connect_fee = "0.02"
by_band = { peak = { price = "0.18" } }
[[usage]]
id = "data"
kind = "data"
price = "0.02"
per = "1 MB"
[[allowances]]
id = "free"
amount = "10 GB"
prices = ["data"]
"""


def best_of(records: Sequence[Chargeable], tariff: Tariff | None, counters: Mapping[str, int]) -> float:
    """Seconds of the best of three passes; without a tariff, of the bare loop."""
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        if tariff is None:
            for _record in records:
                pass
        else:
            for record in records:
                rate(tariff, record, counters)
        best = min(best, time.perf_counter() - started)
    return best


def main() -> None:
    """Print one line per kind of record."""
    rows, source = deck_rows()
    version = DeckVersion(name="bench", version=1, currency="EUR", valid_from=START, rows=rows)
    tariff = compile_tariff(read_plan(PLAN), decks={"bench": Deck.of("bench", [version])})
    calls = list(deck_calls([row.prefix for row in rows], count=RECORDS, seed=1, start=START))
    kinds = {
        "call over a deck": [
            Chargeable(
                kind="voice", started_at=c.started_at, quantity=c.duration_s, destination=c.destination
            )
            for c in calls
        ],
        "call over bands of the day": [
            Chargeable(kind="voice", started_at=c.started_at, quantity=c.duration_s, visited_network="FR")
            for c in calls
        ],
        "data over an allowance": [
            Chargeable(kind="data", started_at=c.started_at, quantity=c.duration_s * 10_000) for c in calls
        ],
    }
    print(f"rate(): {RECORDS:,} records each, deck of {len(rows):,} prefixes ({source}), one core")
    print(f"{'record':<28}{'µs':>8}{'bare loop µs':>14}{'ratio':>8}")
    for name, records in kinds.items():
        check(all(isinstance(rate(tariff, record), Charge) for record in records[:1000]), "bench.refused")
        rated = best_of(records, tariff, {"allowance:free": 5 * 10**9}) / RECORDS * 1e6
        bare = best_of(records, None, {}) / RECORDS * 1e6
        print(f"{name:<28}{rated:>8.2f}{bare:>14.3f}{rated / bare:>8.0f}")


if __name__ == "__main__":
    main()
