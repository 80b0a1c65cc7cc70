"""Longest match by ranges against trying every prefix."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from farwire.rating.model import DeckRow, DeckVersion
from farwire.rating.model.prefixes import PrefixRanges, nested

PREFIX = st.text("0189", min_size=1, max_size=6)


@given(st.sets(PREFIX, max_size=40), st.lists(st.text("0189x+", max_size=9), min_size=5))
def test_the_longest_prefix_wins(prefixes: set[str], numbers: list[str]) -> None:
    ranges = PrefixRanges({prefix: prefix for prefix in prefixes})
    assert len(ranges) == len(prefixes)
    for number in [*numbers, *prefixes]:
        fitting = [prefix for prefix in prefixes if number.startswith(prefix)]
        assert ranges.find(number) == max(fitting, key=len, default=None)


@given(st.sets(PREFIX, max_size=40))
def test_each_prefix_knows_the_shorter_ones_that_it_is_inside_of(prefixes: set[str]) -> None:
    for prefix, shorter in nested(dict.fromkeys(prefixes)):
        expected = sorted(
            (p for p in prefixes if p != prefix and prefix.startswith(p)), key=len, reverse=True
        )
        assert list(shorter) == expected


def test_a_row_out_of_its_time_leaves_the_number_to_the_shorter_prefix() -> None:
    march = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [
        DeckRow("49", "Germany", 10),
        DeckRow("4930", "Berlin, from March", 20, valid_from=march),
        DeckRow("49301", "Berlin, until March", 30, valid_to=march),
    ]
    deck = DeckVersion(name="d", version=1, currency="EUR", valid_from=march, rows=rows)
    before = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)

    def label(number: str, at: datetime) -> str:
        row = deck.find(number, at)
        return row.label if row else "none"

    assert [label("493012", before), label("49302", before)] == ["Berlin, until March", "Germany"]
    assert [label("493012", march), label("49302", march)] == ["Berlin, from March", "Berlin, from March"]
    assert label("48", march) == "none"
