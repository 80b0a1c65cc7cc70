"""Calls over a real deck of 36,205 prefixes, each rated as a naive oracle rates it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from farwire.catalog.model import read_plan
from farwire.demo.deck_calls import Call, deck_calls, write_calls
from farwire.rating.model import Charge, Chargeable, Deck, DeckVersion, Tariff, compile_tariff, rate, verify
from farwire.rating.model.deck_file import DeckFormat
from farwire.rating.service.decks import read_deck_file

START = datetime(2026, 6, 1, tzinfo=UTC)
COLUMNS = {
    "name": "destination",
    "price": "cost_per_minute",
    "connect_fee": "connect_cost",
    "increment": "increment_seconds",
    "included": "included_seconds",
}
PLAN = """
offering = "wholesale"
name = "Wholesale voice"
valid_from = 2026-01-01T00:00:00Z
currency = "USD"
zone = "UTC"
prices_include_tax = false
[[usage]]
id = "voice"
kind = "voice"
deck = "wholesale"
"""


def naive_oracle(path: Path) -> Callable[[Call], tuple[int, str]]:
    """Price and prefix of a call from the file itself: prefixes are tried from the longest, in fractions."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["prefix"]: row for row in csv.DictReader(file)}

    def price(call: Call) -> tuple[int, str]:
        prefix = call.destination
        while prefix not in rows:
            prefix = prefix[:-1]
        row = rows[prefix]
        billed = 0
        while billed < call.duration_s - int(row["included_seconds"]):
            billed += int(row["increment_seconds"])
        cost = Fraction(row["cost_per_minute"]) * billed / 60
        if call.duration_s:
            cost += Fraction(row["connect_cost"])
        nano = cost * 10**9
        return int(nano + Fraction(1, 2)), prefix

    return price


@pytest.fixture(scope="module")
def deck_path(request: pytest.FixtureRequest) -> Path:
    shared: Path = request.getfixturevalue("shared_data")
    return shared / "rates" / "astpp_outbound_routes.csv"


@pytest.fixture(scope="module")
def real_deck(deck_path: Path) -> tuple[Tariff, list[str]]:
    reading = read_deck_file(deck_path, DeckFormat(columns=COLUMNS), START)
    assert (reading.read, reading.bad, reading.repeated, len(reading.rows)) == (36_205, 0, 0, 36_205)
    version = DeckVersion(name="wholesale", version=1, currency="USD", valid_from=START, rows=reading.rows)
    tariff = compile_tariff(read_plan(PLAN), decks={"wholesale": Deck.of("wholesale", [version])})
    return tariff, [row.prefix for row in reading.rows]


def differences(path: Path, deck: tuple[Tariff, list[str]], count: int, seed: int) -> tuple[int, int]:
    """Rate calls both ways; return how many there were and their sum. Fails at the first difference."""
    tariff, prefixes = deck
    oracle, total, done = naive_oracle(path), 0, 0
    for call in deck_calls(prefixes, count=count, seed=seed, start=START):
        record = Chargeable(
            kind="voice", started_at=call.started_at, quantity=call.duration_s, destination=call.destination
        )
        charge = rate(tariff, record)
        assert isinstance(charge, Charge), (call, charge)
        nano, prefix = oracle(call)
        assert (charge.nano, charge.explanation.matched) == (nano, prefix), call
        if done % 50 == 0:
            assert verify(charge.explanation) == nano
        total += nano
        done += 1
    return done, total


@pytest.mark.shared
def test_twenty_thousand_calls_over_the_real_deck_cost_what_the_oracle_says(
    deck_path: Path, real_deck: tuple[Tariff, list[str]]
) -> None:
    done, total = differences(deck_path, real_deck, 20_000, 7)
    assert done == 20_000
    assert total > 0


@pytest.mark.full
@pytest.mark.shared
@pytest.mark.timeout(1200)
def test_a_million_calls_over_the_real_deck_cost_what_the_oracle_says(
    deck_path: Path, real_deck: tuple[Tariff, list[str]]
) -> None:
    done, _ = differences(deck_path, real_deck, 1_000_000, 11)
    assert done == 1_000_000


def test_the_generator_gives_the_same_calls_from_the_same_seed(tmp_path: Path) -> None:
    calls = list(deck_calls(["49", "4930", "1"], count=300, seed=3, start=START))
    assert calls == list(deck_calls(["49", "4930", "1"], count=300, seed=3, start=START))
    assert calls != list(deck_calls(["49", "4930", "1"], count=300, seed=4, start=START))
    assert all(call.destination.startswith(("49", "1")) and len(call.destination) <= 15 for call in calls)
    assert write_calls(calls, tmp_path / "calls.csv") == 300
    with (tmp_path / "calls.csv").open(encoding="utf-8", newline="") as file:
        back = [
            Call(datetime.fromisoformat(r["started_at"]), r["caller"], r["destination"], int(r["duration_s"]))
            for r in csv.DictReader(file)
        ]
    assert back == calls
