"""Bills, their lines and taxes, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from farwire.base.canonical import JSON
from farwire.kernel.errors import check
from farwire.kernel.ids import AccountId, BillId, BillRunId, LegalEntityId, PlanVersionId, ProductId
from farwire.kernel.money import Currency
from farwire.kernel.time import Period
from farwire.tenant.model import Address


class LineKind(StrEnum):
    """What a line charges for."""

    RECURRING = "recurring"
    ONE_OFF = "one_off"
    USAGE = "usage"


class BillState(StrEnum):
    """The states of a bill."""

    DRAFT = "draft"
    """Calculated, its usage taken; it has no number yet."""
    ISSUED = "issued"
    """Numbered, booked and final."""


@dataclass(frozen=True, slots=True)
class Item:
    """One exact charge before posting. ``exact_nano`` is an unbounded sum in nano-units of ``currency``.

    ``quantity`` is in base units of ``unit``, ``records`` the number of usage records behind it, ``detail`` the facts
    from which the line is explained.
    """

    kind: LineKind
    product_id: ProductId
    plan_version_id: PlanVersionId
    price_id: str
    label: str
    tax_category: str
    includes_tax: bool
    currency: Currency
    period: Period
    exact_nano: int
    quantity: int
    unit: str
    records: int
    detail: Mapping[str, JSON]


@dataclass(frozen=True, slots=True)
class BillLine:
    """An item as posted: ``amount_minor`` as priced, ``net_minor`` without tax, ``remainder_nano`` = exact − posted."""

    number: int
    item: Item
    amount_minor: int
    remainder_nano: int
    net_minor: int


@dataclass(frozen=True, slots=True)
class BillTax:
    """One tax on the sum of the lines of one category.

    ``code`` is that of EN 16931 BT-118, ``note`` says why there is no tax.
    """

    category: str
    code: str
    name: str
    label: str
    rate_percent: Decimal
    base_minor: int
    tax_minor: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Seller:
    """The legal entity as it was when the bill was drafted (EN 16931 BG-4)."""

    name: str
    vat_id: str
    address: Address
    bank_account: str
    number_prefix: str
    payment_days: int


@dataclass(frozen=True, slots=True)
class Customer:
    """The party as it was when the bill was drafted (EN 16931 BG-7); an issued bill keeps it by law."""

    name: str
    vat_id: str
    address: Address


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill for one cycle of one account. All amounts in minor units of ``currency``."""

    id: BillId
    account_id: AccountId
    account_number: str
    legal_entity_id: LegalEntityId
    run_id: BillRunId
    state: BillState
    fiscal_year: int
    sequence: int | None
    number: str | None
    cycle: Period
    issue_on: date
    due_on: date
    currency: Currency
    net_minor: int
    tax_minor: int
    total_minor: int
    zone: str
    language: str
    seller: Seller
    customer: Customer
    drafted_at: datetime
    issued_at: datetime | None = None
    lines: tuple[BillLine, ...] = ()
    taxes: tuple[BillTax, ...] = ()


def check_sums(bill: Bill) -> None:
    """Raise ``Defect`` (``billing.sums``) unless lines, taxes and totals of ``bill`` agree."""
    net = sum(line.net_minor for line in bill.lines)
    tax = sum(tax.tax_minor for tax in bill.taxes)
    check(
        net == bill.net_minor and tax == bill.tax_minor and net + tax == bill.total_minor,
        "billing.sums",
        "the lines and taxes of a bill do not add up to its totals",
    )


def legal_number(prefix: str, fiscal_year: int, sequence: int) -> str:
    """Return the number that the law asks for: one series per legal entity and fiscal year, without gaps."""
    return f"{prefix}-{fiscal_year}-{sequence:07d}"
