"""Rows of bills, lines and taxes, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from farwire.billing.model import (
    Bill,
    BillKind,
    BillLine,
    BillState,
    BillTax,
    Corrected,
    Customer,
    Item,
    LineKind,
    Seller,
    Shown,
)
from farwire.kernel.ids import AccountId, BillId, BillRunId, LegalEntityId, PlanVersionId, ProductId
from farwire.kernel.money import Currency, currency
from farwire.kernel.time import Period

if TYPE_CHECKING:
    from asyncpg import Record

BILL_COLUMNS: Final = (
    "bill_id",
    "account_id",
    "account_number",
    "legal_entity_id",
    "run_id",
    "state",
    "fiscal_year",
    "sequence",
    "number",
    "cycle_start",
    "cycle_end",
    "issue_on",
    "due_on",
    "currency",
    "net_minor",
    "tax_minor",
    "total_minor",
    "zone",
    "language",
    "seller",
    "customer",
    "drafted_at",
    "issued_at",
    "kind",
    "purchase_order",
    "delivery",
    "parent_id",
    "corrects_id",
    "corrects",
    "shown",
)
LINE_COLUMNS: Final = (
    "bill_id",
    "number",
    "kind",
    "product_id",
    "plan_version_id",
    "price_id",
    "label",
    "tax_category",
    "includes_tax",
    "period_start",
    "period_end",
    "quantity",
    "unit",
    "records",
    "exact_nano",
    "amount_minor",
    "remainder_nano",
    "net_minor",
    "detail",
    "taxes",
)
TAX_COLUMNS: Final = (
    "bill_id",
    "number",
    "category",
    "code",
    "name",
    "label",
    "rate_percent",
    "base_minor",
    "tax_minor",
    "note",
    "country",
    "seller_vat_id",
)
BILL: Final = ", ".join(BILL_COLUMNS)


def as_json(value: object) -> str:
    """Return a value as a column of JSON holds it."""
    return msgspec.json.encode(value).decode()


def bill_row(bill: Bill, tenant_id: object) -> tuple[object, ...]:
    """Return the row of a bill: the tenant, then BILL_COLUMNS."""
    return (
        tenant_id,
        bill.id,
        bill.account_id,
        bill.account_number,
        bill.legal_entity_id,
        bill.run_id,
        bill.state.value,
        bill.fiscal_year,
        bill.sequence,
        bill.number,
        bill.cycle.start,
        bill.cycle.end,
        bill.issue_on,
        bill.due_on,
        bill.currency.code,
        bill.net_minor,
        bill.tax_minor,
        bill.total_minor,
        bill.zone,
        bill.language,
        as_json(bill.seller),
        as_json(bill.customer),
        bill.drafted_at,
        bill.issued_at,
        bill.kind.value,
        bill.purchase_order,
        bill.delivery,
        bill.parent_id,
        None if bill.corrects is None else bill.corrects.bill_id,
        None if bill.corrects is None else as_json(bill.corrects),
        as_json(bill.shown),
    )


def line_row(bill: Bill, line: BillLine, tenant_id: object) -> tuple[object, ...]:
    """Return the row of a line: the tenant, then LINE_COLUMNS."""
    item = line.item
    return (
        tenant_id,
        bill.id,
        line.number,
        item.kind.value,
        item.product_id,
        item.plan_version_id,
        item.price_id,
        item.label,
        item.tax_category,
        item.includes_tax,
        item.period.start,
        item.period.end,
        item.quantity,
        item.unit,
        item.records,
        item.exact_nano,
        line.amount_minor,
        line.remainder_nano,
        line.net_minor,
        as_json(item.detail),
        line.taxes,
    )


def bill_from_row(row: Record, lines: Sequence[BillLine] = (), taxes: Sequence[BillTax] = ()) -> Bill:
    """Return the bill of a row."""
    return Bill(
        id=BillId(row["bill_id"]),
        account_id=AccountId(row["account_id"]),
        account_number=row["account_number"],
        legal_entity_id=LegalEntityId(row["legal_entity_id"]),
        run_id=None if row["run_id"] is None else BillRunId(row["run_id"]),
        state=BillState(row["state"]),
        fiscal_year=row["fiscal_year"],
        sequence=row["sequence"],
        number=row["number"],
        cycle=Period(row["cycle_start"], row["cycle_end"]),
        issue_on=row["issue_on"],
        due_on=row["due_on"],
        currency=currency(row["currency"]),
        net_minor=row["net_minor"],
        tax_minor=row["tax_minor"],
        total_minor=row["total_minor"],
        zone=row["zone"],
        language=row["language"],
        seller=msgspec.json.decode(row["seller"], type=Seller),
        customer=msgspec.json.decode(row["customer"], type=Customer),
        drafted_at=row["drafted_at"],
        issued_at=row["issued_at"],
        lines=tuple(lines),
        taxes=tuple(taxes),
        kind=BillKind(row["kind"]),
        purchase_order=row["purchase_order"],
        delivery=row["delivery"],
        parent_id=None if row["parent_id"] is None else AccountId(row["parent_id"]),
        corrects=None if row["corrects"] is None else msgspec.json.decode(row["corrects"], type=Corrected),
        shown=() if row["shown"] == "[]" else msgspec.json.decode(row["shown"], type=tuple[Shown, ...]),
    )


def line_from_row(row: Record, unit: Currency) -> BillLine:
    """Return the line of a row, in the currency of its bill."""
    item = Item(
        kind=LineKind(row["kind"]),
        product_id=None if row["product_id"] is None else ProductId(row["product_id"]),
        plan_version_id=None if row["plan_version_id"] is None else PlanVersionId(row["plan_version_id"]),
        price_id=row["price_id"],
        label=row["label"],
        tax_category=row["tax_category"],
        includes_tax=row["includes_tax"],
        currency=unit,
        period=Period(row["period_start"], row["period_end"]),
        exact_nano=int(row["exact_nano"]),
        quantity=int(row["quantity"]),
        unit=row["unit"],
        records=row["records"],
        detail=msgspec.json.decode(row["detail"]),
    )
    return BillLine(
        row["number"], item, row["amount_minor"], row["remainder_nano"], row["net_minor"], tuple(row["taxes"])
    )


def tax_from_row(row: Record) -> BillTax:
    """Return the tax of a row."""
    return BillTax(
        row["category"],
        row["code"],
        row["name"],
        row["label"],
        row["rate_percent"],
        row["base_minor"],
        row["tax_minor"],
        row["note"],
        row["country"],
        row["seller_vat_id"],
    )
