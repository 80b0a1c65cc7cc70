"""The pure core of rating: no clock, no input or output. Import its public names from here."""

from farwire.rating.model.charge import rate
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
from farwire.rating.model.compile import compile_tariff
from farwire.rating.model.counters import CounterBook, CounterRow, CounterView, counter_period, granted
from farwire.rating.model.deck import Deck, DeckRow, DeckVersion
from farwire.rating.model.explanation import Explanation, Factor, Line, from_json, to_json, verify
from farwire.rating.model.overrides import UsageOverride
from farwire.rating.model.portability import Portability, PortedNumber, routed
from farwire.rating.model.recurring import (
    PlannedCharge,
    one_off_charges,
    recurring_charged_to,
    recurring_charges,
)
from farwire.rating.model.recurring_explanation import RecurringExplanation, verify_recurring
from farwire.rating.model.spans import ProductSpan
from farwire.rating.model.tariff import CounterSpec, Tariff
from farwire.rating.model.words import explain_in_words

__all__ = [
    "NO_COUNTERS",
    "Charge",
    "Chargeable",
    "CounterBook",
    "CounterKey",
    "CounterRow",
    "CounterSpec",
    "CounterView",
    "Deck",
    "DeckRow",
    "DeckVersion",
    "Direction",
    "Explanation",
    "Factor",
    "Line",
    "PlannedCharge",
    "Portability",
    "PortedNumber",
    "ProductSpan",
    "RecurringExplanation",
    "Refusal",
    "Tariff",
    "Unrated",
    "UsageKind",
    "UsageOverride",
    "compile_tariff",
    "counter_period",
    "explain_in_words",
    "from_json",
    "granted",
    "one_off_charges",
    "rate",
    "recurring_charged_to",
    "recurring_charges",
    "routed",
    "to_json",
    "verify",
    "verify_recurring",
]
