"""The pure core of billing: no clock, no input or output. Import its public names from here."""

from farwire.billing.model.bill import (
    Bill,
    BillLine,
    BillState,
    BillTax,
    Customer,
    Item,
    LineKind,
    Seller,
    check_sums,
    legal_number,
)
from farwire.billing.model.calculation import Calculated, calculate
from farwire.billing.model.charges import Charged, ProductCharges, charges_of, usage_item
from farwire.billing.model.run import JournalEntry, Outcome, Run, RunReport, RunState, due_cycle
from farwire.billing.model.tax import TaxContext

__all__ = [
    "Bill",
    "BillLine",
    "BillState",
    "BillTax",
    "Calculated",
    "Charged",
    "Customer",
    "Item",
    "JournalEntry",
    "LineKind",
    "Outcome",
    "ProductCharges",
    "Run",
    "RunReport",
    "RunState",
    "Seller",
    "TaxContext",
    "calculate",
    "charges_of",
    "check_sums",
    "due_cycle",
    "legal_number",
    "usage_item",
]
