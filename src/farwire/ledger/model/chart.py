"""The chart of accounts of a legal entity. Debits are positive, credits negative."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from farwire.kernel.errors import Invalid
from farwire.kernel.ids import LegalEntityId

_OWN_CODE: Final = re.compile(r"[A-Z0-9][A-Z0-9.\-/]{0,19}")
_OWN_NAME: Final = re.compile(r"[^\W_][^\x00-\x1f\x7f-\x9f]{0,79}")


class BookKind(StrEnum):
    """The kinds of book accounts. Assets and expenses usually have a debit balance, the others a credit one."""

    ASSET = "asset"
    LIABILITY = "liability"
    REVENUE = "revenue"
    CONTRA_REVENUE = "contra_revenue"
    EXPENSE = "expense"


class Book(StrEnum):
    """The chart of accounts of every legal entity; the values are the codes that Farwire itself uses."""

    BANK = "1000"
    CASH = "1010"
    CARD_CLEARING = "1020"
    MOBILE_MONEY_CLEARING = "1030"
    TOPUPS_TO_ACCOUNT = "1060"
    RECEIVABLE = "1200"
    UNBILLED = "1250"
    PREPAID_OVERRUN = "1260"
    PREPAID_LOANS = "1270"
    REMAINDER = "1290"
    CUSTOMER_CREDIT = "2000"
    PREPAID = "2050"
    VOUCHERS_SOLD = "2060"
    PAYMENT_SUSPENSE = "2090"
    REFUND_PAYABLE = "2100"
    TAX_PAYABLE = "2200"
    DEFERRED_REVENUE = "2300"
    REVENUE_RECURRING = "4000"
    REVENUE_ONE_OFF = "4100"
    REVENUE_USAGE = "4200"
    VOUCHER_BREAKAGE = "4300"
    PREPAID_BREAKAGE = "4310"
    CREDITS_GIVEN = "4800"
    WRITE_OFF = "6000"
    DEALER_COMMISSION = "6100"


CHART: Final = MappingProxyType(
    {
        Book.BANK: ("Bank", BookKind.ASSET),
        Book.CASH: ("Cash", BookKind.ASSET),
        Book.CARD_CLEARING: ("Card clearing", BookKind.ASSET),
        Book.MOBILE_MONEY_CLEARING: ("Mobile money clearing", BookKind.ASSET),
        Book.TOPUPS_TO_ACCOUNT: ("Top-ups and transfers to be accounted for", BookKind.ASSET),
        Book.RECEIVABLE: ("Accounts receivable", BookKind.ASSET),
        Book.UNBILLED: ("Unbilled receivable", BookKind.ASSET),
        Book.PREPAID_OVERRUN: ("Prepaid usage beyond the balance", BookKind.ASSET),
        Book.PREPAID_LOANS: ("Prepaid credit lent", BookKind.ASSET),
        Book.REMAINDER: ("Remainder of posting", BookKind.ASSET),
        Book.CUSTOMER_CREDIT: ("Customer credit on account", BookKind.LIABILITY),
        Book.PREPAID: ("Prepaid balances", BookKind.LIABILITY),
        Book.VOUCHERS_SOLD: ("Vouchers sold, not used", BookKind.LIABILITY),
        Book.PAYMENT_SUSPENSE: ("Payments not matched", BookKind.LIABILITY),
        Book.REFUND_PAYABLE: ("Refunds to be paid", BookKind.LIABILITY),
        Book.TAX_PAYABLE: ("Tax payable", BookKind.LIABILITY),
        Book.DEFERRED_REVENUE: ("Deferred revenue", BookKind.LIABILITY),
        Book.REVENUE_RECURRING: ("Revenue, recurring", BookKind.REVENUE),
        Book.REVENUE_ONE_OFF: ("Revenue, one-off", BookKind.REVENUE),
        Book.REVENUE_USAGE: ("Revenue, usage", BookKind.REVENUE),
        Book.VOUCHER_BREAKAGE: ("Vouchers expired unused", BookKind.REVENUE),
        Book.PREPAID_BREAKAGE: ("Prepaid balances forfeited", BookKind.REVENUE),
        Book.CREDITS_GIVEN: ("Credits given", BookKind.CONTRA_REVENUE),
        Book.WRITE_OFF: ("Receivables written off", BookKind.EXPENSE),
        Book.DEALER_COMMISSION: ("Dealer commission", BookKind.EXPENSE),
    }
)
"""Code → name and kind."""

_OF_LINES: Final = MappingProxyType(
    {
        "recurring": Book.REVENUE_RECURRING,
        "one_off": Book.REVENUE_ONE_OFF,
        "usage": Book.REVENUE_USAGE,
        "credit": Book.CREDITS_GIVEN,
    }
)


def book_of_revenue(kind: str) -> Book:
    """Return the book that earns what a line of ``kind`` charges. Raises ``Invalid`` (``ledger.kind_unknown``)."""
    book = _OF_LINES.get(kind)
    if book is None:
        raise Invalid(f"no book for {kind}", code="ledger.kind_unknown", field="kind", value=kind)
    return book


@dataclass(frozen=True, slots=True)
class OwnBook:
    """The code and the name that a legal entity's accountants use for a book; exports show them."""

    legal_entity_id: LegalEntityId
    book: Book
    code: str
    name: str

    def __post_init__(self) -> None:
        if not _OWN_CODE.fullmatch(self.code):
            raise Invalid(
                "a book's code is short and plain",
                code="ledger.own_code",
                field="code",
                value=self.code,
                fix="use up to 20 capitals, digits, points, hyphens, e.g. 8400",
            )
        if not _OWN_NAME.fullmatch(self.name):
            raise Invalid(
                "a book's name starts with a letter or digit and has at most 80 characters",
                code="ledger.own_name",
                field="name",
                value=self.name,
            )
