"""The deck of the benchmarks: the shared real one where it is, else one of the same size from a seed."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp

from farwire.rating.model import DeckRow
from farwire.rating.model.deck_file import DeckFormat
from farwire.rating.service.decks import read_deck_file

PREFIXES = 36_205
START = datetime(2026, 1, 1, tzinfo=UTC)
FORMAT = DeckFormat(
    columns={
        "name": "destination",
        "price": "cost_per_minute",
        "connect_fee": "connect_cost",
        "increment": "increment_seconds",
        "included": "included_seconds",
    }
)
HEADER = "prefix,destination,connect_cost,included_seconds,cost_per_minute,increment_seconds"


def deck_file() -> tuple[Path, str]:
    """Return a price list and where it comes from."""
    folder = Path(os.environ.get("FARWIRE_SHARED") or Path(__file__).resolve().parents[2] / "shared" / "data")
    shared = folder / "rates" / "astpp_outbound_routes.csv"
    if shared.is_file():
        return shared, "shared"
    dice, prefixes = random.Random(36_205), set[str]()
    while len(prefixes) < PREFIXES:
        prefixes.add(str(dice.randrange(1, 10 ** dice.choice((2, 4, 5, 6, 7, 7, 7, 8, 8, 9)))))
    lines = [
        f"{prefix},Destination {int(prefix) % 1294},0.00000,0,{dice.randrange(1, 90_000) / 100_000:.5f},6"
        for prefix in sorted(prefixes)
    ]
    path = Path(mkdtemp(prefix="farwire-bench-")) / "deck.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path, "generated"


def deck_rows() -> tuple[list[DeckRow], str]:
    """Return the rows of the deck and where it comes from."""
    path, source = deck_file()
    return read_deck_file(path, FORMAT, START).rows, source
