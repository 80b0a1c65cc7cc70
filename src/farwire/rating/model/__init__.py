"""The pure core of rating: no clock, no input or output. Import its public names from here."""

from farwire.rating.model.chargeable import (
    NO_COUNTERS,
    Charge,
    Chargeable,
    CounterKey,
    Direction,
    Refusal,
    Unrated,
    UsageKind,
)
from farwire.rating.model.explanation import Explanation, Factor, Line, from_json, to_json, verify

__all__ = [
    "NO_COUNTERS",
    "Charge",
    "Chargeable",
    "CounterKey",
    "Direction",
    "Explanation",
    "Factor",
    "Line",
    "Refusal",
    "Unrated",
    "UsageKind",
    "from_json",
    "to_json",
    "verify",
]
