"""Bills, their lines and taxes, as values.

Those that a bill run makes by the thousand are structs: a dataclass takes ten times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

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
    CREDIT = "credit"
    """It gives back: an allowance before tax, without a price of a plan."""


class BillKind(StrEnum):
    """The kinds of documents that bear a legal number, each with a series of its own."""

    BILL = "bill"
    CREDIT_NOTE = "credit_note"
    """It gives back a part or all of one issued bill; its amounts are those of the bill with the other sign."""


class BillState(StrEnum):
    """The states of a bill."""

    DRAFT = "draft"
    """Calculated, its usage taken; it has no number yet."""
    ISSUED = "issued"
    """Numbered, booked and final."""


class Item(msgspec.Struct, frozen=True):
    """One exact charge before posting. ``exact_nano`` is an unbounded sum in nano-units of ``currency``.

    ``quantity`` is in base units of ``unit``, ``records`` the number of usage records behind it, ``detail`` the facts
    from which the line is explained. Only a credit has no plan, and may have no product. ``taxed_at`` is the moment at
    which the customer is taxed, where that is not the end of the period; it is not kept, as the bill's taxes are.
    """

    kind: LineKind
    product_id: ProductId | None
    plan_version_id: PlanVersionId | None
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
    taxed_at: datetime | None = None


class BillLine(msgspec.Struct, frozen=True):
    """An item as posted: ``amount_minor`` as priced, ``net_minor`` without tax, ``remainder_nano`` = exact − posted.

    ``taxes`` names the rows of the bill's taxes that it bears, by their position from 1.
    """

    number: int
    item: Item
    amount_minor: int
    remainder_nano: int
    net_minor: int
    taxes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BillTax:
    """One tax on the sum of the lines of one category.

    ``code`` is that of EN 16931 BT-118, ``note`` says why there is no tax. It is owed in ``country``, to which the
    seller owes it under ``seller_vat_id``; both are empty on bills of before they were kept.
    """

    category: str
    code: str
    name: str
    label: str
    rate_percent: Decimal
    base_minor: int
    tax_minor: int
    note: str = ""
    country: str = ""
    seller_vat_id: str = ""


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
class Corrected:
    """The bill that a credit note corrects, as it was issued, and why (EN 16931 BG-3)."""

    bill_id: BillId
    number: str
    issued_on: date
    reason: str


class Shown(msgspec.Struct, frozen=True):
    """What the customer sees of a product besides its plan: its number when the bill was drafted."""

    product_id: ProductId
    number: str


class Bill(msgspec.Struct, frozen=True):
    """A bill for one cycle of one account, or a credit note on one. All amounts in minor units of ``currency``.

    ``purchase_order`` is the customer's own order number (EN 16931 BT-13), ``delivery`` how the bill travels,
    ``parent_id`` the account above it. ``fiscal_year`` is 0 where the company numbers on from year to year. A credit
    note has no run; ``corrects`` names its bill. ``shown`` keeps what is printed and may be another's tomorrow.
    """

    id: BillId
    account_id: AccountId
    account_number: str
    legal_entity_id: LegalEntityId
    run_id: BillRunId | None
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
    kind: BillKind = BillKind.BILL
    purchase_order: str = ""
    delivery: str = ""
    parent_id: AccountId | None = None
    corrects: Corrected | None = None
    shown: tuple[Shown, ...] = ()

    @property
    def series(self) -> str:
        """Return the name of the number series: one per company, kind and fiscal year."""
        return series_name(self.seller.number_prefix, self.fiscal_year)


def check_sums(bill: Bill) -> None:
    """Raise ``Defect`` (``billing.sums``) unless lines, taxes and totals of ``bill`` agree."""
    net = sum(line.net_minor for line in bill.lines)
    tax = sum(tax.tax_minor for tax in bill.taxes)
    check(
        net == bill.net_minor and tax == bill.tax_minor and net + tax == bill.total_minor,
        "billing.sums",
        "the lines and taxes of a bill do not add up to its totals",
    )


def series_name(prefix: str, fiscal_year: int) -> str:
    """Return what all numbers of one series begin with; a series that does not begin anew each year has the year 0."""
    return f"{prefix}-{fiscal_year}" if fiscal_year else prefix


def legal_number(prefix: str, fiscal_year: int, sequence: int) -> str:
    """Return the number that the law asks for: one series per legal entity, kind and fiscal year, without gaps."""
    return f"{series_name(prefix, fiscal_year)}-{sequence:07d}"
