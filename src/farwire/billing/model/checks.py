"""What is looked at in every draft before it may be issued: a list of checks over the facts of one bill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from farwire.kernel.ids import AccountId, BillId
from farwire.kernel.money import Currency, Money


class Severity(StrEnum):
    """What a finding does."""

    ERROR = "error"
    """The bill is not issued; the next run drafts it again."""
    WARNING = "warning"
    """Shown to who approves."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where a check begins to speak.

    ``growth_percent``: a bill beyond so many percent of the last one; ``growth_from_minor``: only if it is at least
    that much larger. ``ignored`` names checks that stay silent.
    """

    growth_percent: int = 300
    growth_from_minor: int = 2_000
    ignored: tuple[str, ...] = ()


USUAL: Final = Thresholds()
"""The thresholds of a run that names none."""


@dataclass(frozen=True, slots=True)
class BillFacts:
    """What the checks know of a draft. Amounts in minor units; ``last_*`` are of the account's bill before, or None."""

    bill_id: BillId
    account_id: AccountId
    cycle_end: datetime
    currency: Currency
    net_minor: int
    tax_minor: int
    total_minor: int
    lines_minor: int
    taxes_minor: int
    tax_rows: int
    untaxed_rows: int
    """Rows of the standard rate (EN 16931 code S) with a rate of zero on an amount that is not."""
    usages: int
    last_total_minor: int | None
    last_usages: int | None
    suspended: int
    """Usages of its products that wait in suspense."""
    address_missing: bool
    """Whether the invoice needs the customer's address, and there is none."""
    address_lacks: tuple[str, ...]
    """The fields of it that a letter needs and that are blank."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found in one draft."""

    bill_id: BillId
    account_id: AccountId
    cycle_end: datetime
    code: str
    severity: Severity
    message: str


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: ``says`` returns words where it finds something, else nothing."""

    code: str
    severity: Severity
    says: Callable[[BillFacts, Thresholds], str]


def _sums(bill: BillFacts, _: Thresholds) -> str:
    sums = (bill.lines_minor, bill.taxes_minor, bill.net_minor + bill.tax_minor)
    if sums == (bill.net_minor, bill.tax_minor, bill.total_minor):
        return ""
    return f"its lines sum to {bill.lines_minor}, its taxes to {bill.taxes_minor}; it says otherwise"


def _tax_missing(bill: BillFacts, _: Thresholds) -> str:
    return (
        "no tax is determined, not even a reason for none" if bill.lines_minor and not bill.tax_rows else ""
    )


def _tax_zero(bill: BillFacts, _: Thresholds) -> str:
    return "an amount of the standard rate bears no tax" if bill.untaxed_rows else ""


def _address(bill: BillFacts, _: Thresholds) -> str:
    return "the invoice needs the customer's name and address" if bill.address_missing else ""


def _address_lacks(bill: BillFacts, _: Thresholds) -> str:
    return f"the customer's address lacks: {', '.join(bill.address_lacks)}" if bill.address_lacks else ""


def _zero(bill: BillFacts, _: Thresholds) -> str:
    return "the bill is zero" if bill.total_minor == 0 else ""


def _negative(bill: BillFacts, _: Thresholds) -> str:
    return f"the bill is {Money(bill.total_minor, bill.currency)}" if bill.total_minor < 0 else ""


def _growth(bill: BillFacts, limits: Thresholds) -> str:
    last = bill.last_total_minor
    if last is None or last <= 0 or bill.total_minor - last < limits.growth_from_minor:
        return ""
    if bill.total_minor * 100 <= last * limits.growth_percent:
        return ""
    before, now = Money(last, bill.currency), Money(bill.total_minor, bill.currency)
    return f"{now} is more than {limits.growth_percent} % of the bill before, {before}"


def _usage_gone(bill: BillFacts, _: Thresholds) -> str:
    return f"no usage; the bill before had {bill.last_usages}" if bill.last_usages and not bill.usages else ""


def _suspended(bill: BillFacts, _: Thresholds) -> str:
    return f"{bill.suspended} usages wait in suspense" if bill.suspended else ""


CHECKS: Final = (
    Check("sums_differ", Severity.ERROR, _sums),
    Check("tax_missing", Severity.ERROR, _tax_missing),
    Check("address_missing", Severity.ERROR, _address),
    Check("address_incomplete", Severity.WARNING, _address_lacks),
    Check("tax_zero", Severity.WARNING, _tax_zero),
    Check("bill_zero", Severity.WARNING, _zero),
    Check("bill_negative", Severity.WARNING, _negative),
    Check("bill_growth", Severity.WARNING, _growth),
    Check("usage_gone", Severity.WARNING, _usage_gone),
    Check("usage_suspended", Severity.WARNING, _suspended),
)
"""Every check, the grave ones first."""


def findings_of(bill: BillFacts, limits: Thresholds) -> Iterator[Finding]:
    """Yield what the checks find in one draft."""
    for check in CHECKS:
        if check.code not in limits.ignored and (said := check.says(bill, limits)):
            yield Finding(bill.bill_id, bill.account_id, bill.cycle_end, check.code, check.severity, said)
