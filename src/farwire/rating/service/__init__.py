"""Use cases of rating: import decks, compile tariffs, load and save counters and ported numbers."""

from farwire.rating.service.decks import (
    DeckReport,
    import_deck,
    list_decks,
    missing_decks,
    rows_for_number,
)
from farwire.rating.service.porting import import_ported_numbers
from farwire.rating.service.tariffs import (
    check_compiles,
    draft_tariff,
    holidays_of,
    load_counters,
    load_portability,
    save_counters,
    tariff_for,
)

__all__ = [
    "DeckReport",
    "check_compiles",
    "draft_tariff",
    "holidays_of",
    "import_deck",
    "import_ported_numbers",
    "list_decks",
    "load_counters",
    "load_portability",
    "missing_decks",
    "rows_for_number",
    "save_counters",
    "tariff_for",
]
