"""Bills as TMF678 shows them: the shapes, and the functions from a bill to a shape."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from farwire.base.web import Amount, MoneyDocument, timestamp
from farwire.billing.api.facts import RecurringFactsDocument, UsageFactsDocument, to_usage_facts
from farwire.billing.api.line_facts import LineFactsDocument
from farwire.billing.model import Bill, BillLine, BillState, BillTax
from farwire.kernel.money import Currency, Nano, nano_to_decimal
from farwire.rating.model.explanation import from_json
from farwire.rating.model.words import explain_in_words
from farwire.usage.model import UsageRecord

BASE: Final = "/tmf-api/customerBillManagement/v4/customerBill"
LINES: Final = "appliedCustomerBillingRate"
STATE_OF_BILL: Final = {BillState.DRAFT: "new", BillState.ISSUED: "validated"}
"""A draft is TMF678's ``new``; a numbered and booked bill is ``validated``."""


class PeriodDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="BillingPeriod"):
    """A half-open period."""

    start_date_time: str
    end_date_time: str


class AccountRefDocument(msgspec.Struct, frozen=True, tag_field="@type", tag="BillingAccountRef"):
    """The account that is billed."""

    id: str
    href: str
    name: str


class TaxItemDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="TaxItem"):
    """One tax on the sum of the lines of one category."""

    tax_category: str
    name: str
    tax_rate: Amount
    taxable_amount: MoneyDocument
    tax_amount: MoneyDocument
    note: str


class BillDocumentRef(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="AttachmentRef"):
    """Where the invoice is as a document for people."""

    href: str
    mime_type: str


class CustomerBillDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="CustomerBill"
):
    """One bill. ``taxItem`` comes with one bill, not in lists; the lines have their own path."""

    id: str
    href: str
    state: str
    bill_date: str
    payment_due_date: str
    billing_period: PeriodDocument
    billing_account: AccountRefDocument
    tax_excluded_amount: MoneyDocument
    tax_included_amount: MoneyDocument
    amount_due: MoneyDocument
    bill_document: list[BillDocumentRef]
    bill_no: str | None = None
    tax_item: list[TaxItemDocument] | None = None


class LineProductRef(msgspec.Struct, frozen=True, tag_field="@type", tag="BilledProductRef"):
    """The product that a line charges for."""

    id: str


class BillingRateDocument(
    msgspec.Struct,
    frozen=True,
    rename="camel",
    omit_defaults=True,
    tag_field="@type",
    tag="AppliedCustomerBillingRate",
):
    """One line of a bill. ``id`` is its number on the bill; ``quantity`` is in base units of ``unit``."""

    id: str
    href: str
    name: str
    type: str
    period_coverage: PeriodDocument
    tax_excluded_amount: MoneyDocument
    tax_category: str
    product: LineProductRef | None
    price_id: str
    price_plan_version: str | None
    quantity: int
    unit: str
    usage_count: int
    explanation_href: str


class ExplainedUsageDocument(
    msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="ExplainedUsage"
):
    """Why one usage costs what it costs: in words, and as the facts from which the words are made."""

    id: str
    usage_date: str
    amount: MoneyDocument
    words: list[str]
    facts: UsageFactsDocument | None


class LineExplanationDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="LineExplanation"
):
    """Why a line is what it is.

    ``exactAmount`` is the sum before posting, ``remainder`` what posting left to the ledger's own account: exact is
    posted and remainder together. A usage line has one page of its usages, ``usageCount`` of them in all. ``proven``
    says that the facts, added up again, give the exact amount.
    """

    id: str
    words: list[str]
    posted_amount: MoneyDocument
    exact_amount: MoneyDocument
    remainder: MoneyDocument
    usage_count: int
    behind: LineFactsDocument
    facts: RecurringFactsDocument | None = None
    proven: bool | None = None
    usage: list[ExplainedUsageDocument] | None = None


def exact(nano: int, unit: Currency) -> MoneyDocument:
    """Return nano-units as TMF's Money, exact."""
    return MoneyDocument(unit=unit.code, value=nano_to_decimal(Nano(nano)))


def to_tmf_customer_bill(bill: Bill, *, whole: bool = False) -> CustomerBillDocument:
    """Return the bill as TMF678 shows it; ``whole`` adds its taxes."""
    return CustomerBillDocument(
        id=str(bill.id),
        href=f"{BASE}/{bill.id}",
        bill_no=bill.number,
        state=STATE_OF_BILL[bill.state],
        bill_date=bill.issue_on.isoformat(),
        payment_due_date=bill.due_on.isoformat(),
        billing_period=PeriodDocument(timestamp(bill.cycle.start), timestamp(bill.cycle.end)),
        billing_account=AccountRefDocument(
            id=str(bill.account_id),
            href=f"/tmf-api/accountManagement/v4/billingAccount/{bill.account_id}",
            name=bill.account_number,
        ),
        tax_excluded_amount=MoneyDocument.of(bill.net_minor, bill.currency),
        tax_included_amount=MoneyDocument.of(bill.total_minor, bill.currency),
        amount_due=MoneyDocument.of(bill.total_minor, bill.currency),
        bill_document=[BillDocumentRef(f"{BASE}/{bill.id}/document", "application/pdf")],
        tax_item=[_tax_item(tax, bill.currency) for tax in bill.taxes] if whole else None,
    )


def _tax_item(tax: BillTax, unit: Currency) -> TaxItemDocument:
    return TaxItemDocument(
        tax_category=tax.code,
        name=tax.label or tax.name,
        tax_rate=tax.rate_percent,
        taxable_amount=MoneyDocument.of(tax.base_minor, unit),
        tax_amount=MoneyDocument.of(tax.tax_minor, unit),
        note=tax.note,
    )


def to_tmf_billing_rate(bill: Bill, line: BillLine) -> BillingRateDocument:
    """Return one line as TMF678 shows it."""
    item = line.item
    href = f"{BASE}/{bill.id}/{LINES}/{line.number}"
    return BillingRateDocument(
        id=str(line.number),
        href=href,
        name=item.label,
        type=item.kind.value,
        period_coverage=PeriodDocument(timestamp(item.period.start), timestamp(item.period.end)),
        tax_excluded_amount=MoneyDocument.of(line.net_minor, bill.currency),
        tax_category=item.tax_category,
        product=None if item.product_id is None else LineProductRef(str(item.product_id)),
        price_id=item.price_id,
        price_plan_version=None if item.plan_version_id is None else str(item.plan_version_id),
        quantity=item.quantity,
        unit=item.unit,
        usage_count=item.records,
        explanation_href=f"{href}/explanation",
    )


def to_explained_usage(record: UsageRecord, language: str) -> ExplainedUsageDocument:
    """Return why one usage costs what it costs."""
    facts = from_json(record.explanation) if record.explanation else None
    return ExplainedUsageDocument(
        id=str(record.usage_id),
        usage_date=timestamp(record.started_at),
        amount=MoneyDocument(unit=record.currency, value=_charge(record)),
        words=explain_in_words(facts, language).splitlines() if facts else [],
        facts=to_usage_facts(facts) if facts else None,
    )


def _charge(record: UsageRecord) -> Decimal:
    return nano_to_decimal(Nano(record.charge_nano or 0))
