"""Bills, lines and taxes: written in bulk, read one bill or one page at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from farwire.base.storage import Tx
from farwire.billing.model import Bill, BillLine, BillState, BillTax, Customer, Item, LineKind, Seller
from farwire.kernel.ids import AccountId, BillId, BillRunId, LegalEntityId, PlanVersionId, ProductId
from farwire.kernel.money import Currency, currency
from farwire.kernel.time import Period

if TYPE_CHECKING:
    from asyncpg import Record

_BILL_COLUMNS = (
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
)
_LINE_COLUMNS = (
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
)
_TAX_COLUMNS = (
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
)
_BILL = ", ".join(_BILL_COLUMNS)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _bill_row(bill: Bill, tenant_id: object) -> tuple[object, ...]:
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
        _json(bill.seller),
        _json(bill.customer),
        bill.drafted_at,
        bill.issued_at,
    )


def _line_row(bill: Bill, line: BillLine, tenant_id: object) -> tuple[object, ...]:
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
        _json(item.detail),
    )


async def add_bills(tx: Tx, bills: Sequence[Bill]) -> None:
    """Insert bills with their lines and taxes: one bulk write per table."""
    await tx.copy_records(
        "billing.bill",
        columns=("tenant_id", *_BILL_COLUMNS),
        records=[_bill_row(bill, tx.tenant_id) for bill in bills],
    )
    await tx.copy_records(
        "billing.line",
        columns=("tenant_id", *_LINE_COLUMNS),
        records=[_line_row(bill, line, tx.tenant_id) for bill in bills for line in bill.lines],
    )
    await tx.copy_records(
        "billing.tax",
        columns=("tenant_id", *_TAX_COLUMNS),
        records=[
            (
                tx.tenant_id,
                bill.id,
                number,
                tax.category,
                tax.code,
                tax.name,
                tax.label,
                tax.rate_percent,
                tax.base_minor,
                tax.tax_minor,
                tax.note,
            )
            for bill in bills
            for number, tax in enumerate(bill.taxes, 1)
        ],
    )


def _bill_from_row(row: Record, lines: Sequence[BillLine] = (), taxes: Sequence[BillTax] = ()) -> Bill:
    return Bill(
        id=BillId(row["bill_id"]),
        account_id=AccountId(row["account_id"]),
        account_number=row["account_number"],
        legal_entity_id=LegalEntityId(row["legal_entity_id"]),
        run_id=BillRunId(row["run_id"]),
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
    )


def _line_from_row(row: Record, unit: Currency) -> BillLine:
    item = Item(
        kind=LineKind(row["kind"]),
        product_id=ProductId(row["product_id"]),
        plan_version_id=PlanVersionId(row["plan_version_id"]),
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
    return BillLine(row["number"], item, row["amount_minor"], row["remainder_nano"], row["net_minor"])


def _tax_from_row(row: Record) -> BillTax:
    return BillTax(
        row["category"],
        row["code"],
        row["name"],
        row["label"],
        row["rate_percent"],
        row["base_minor"],
        row["tax_minor"],
        row["note"],
    )


async def _complete(tx: Tx, rows: Sequence[Record]) -> tuple[Bill, ...]:
    ids = [row["bill_id"] for row in rows]
    units = {row["bill_id"]: currency(row["currency"]) for row in rows}
    lines: dict[object, list[BillLine]] = defaultdict(list)
    for row in await tx.fetch(
        f"SELECT {', '.join(_LINE_COLUMNS)} FROM billing.line "
        "WHERE tenant_id = $1 AND bill_id = ANY($2::uuid[]) ORDER BY bill_id, number",
        tx.tenant_id,
        ids,
    ):
        lines[row["bill_id"]].append(_line_from_row(row, units[row["bill_id"]]))
    taxes: dict[object, list[BillTax]] = defaultdict(list)
    for row in await tx.fetch(
        f"SELECT {', '.join(_TAX_COLUMNS)} FROM billing.tax "
        "WHERE tenant_id = $1 AND bill_id = ANY($2::uuid[]) ORDER BY bill_id, number",
        tx.tenant_id,
        ids,
    ):
        taxes[row["bill_id"]].append(_tax_from_row(row))
    return tuple(_bill_from_row(row, lines[row["bill_id"]], taxes[row["bill_id"]]) for row in rows)


async def get_bill(tx: Tx, *, bill_id: BillId | None = None, number: str | None = None) -> Bill | None:
    """Return one bill with its lines, by id or by number."""
    rows = await tx.fetch(
        f"SELECT {_BILL} FROM billing.bill WHERE tenant_id = $1 AND (bill_id = $2 OR number = $3)",
        tx.tenant_id,
        bill_id,
        number,
    )
    found = await _complete(tx, rows)
    return found[0] if found else None


async def list_bills(
    tx: Tx, *, account_id: AccountId | None, run_id: BillRunId | None, offset: int, limit: int
) -> tuple[tuple[Bill, ...], int]:
    """Return one page of bills without their lines, newest cycle first, and how many there are."""
    where = "tenant_id = $1 AND ($2::uuid IS NULL OR account_id = $2) AND ($3::uuid IS NULL OR run_id = $3)"
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM billing.bill WHERE {where}", tx.tenant_id, account_id, run_id
    )
    rows = await tx.fetch(
        f"SELECT {_BILL} FROM billing.bill WHERE {where} "
        "ORDER BY cycle_end DESC, account_number OFFSET $4 LIMIT $5",
        tx.tenant_id,
        account_id,
        run_id,
        offset,
        limit,
    )
    return tuple(_bill_from_row(row) for row in rows), total


async def drafts(tx: Tx, limit: int) -> tuple[Bill, ...]:
    """Return the next drafts without their lines, in the order in which they get numbers, and lock them."""
    rows = await tx.fetch(
        f"SELECT {_BILL} FROM billing.bill WHERE tenant_id = $1 AND state = 'draft' "
        "ORDER BY cycle_end, account_number LIMIT $2 FOR UPDATE",
        tx.tenant_id,
        limit,
    )
    return tuple(_bill_from_row(row) for row in rows)


async def sums_by_kind(
    tx: Tx, bill_ids: Sequence[BillId]
) -> Mapping[BillId, Mapping[LineKind, tuple[int, int]]]:
    """Return for each bill and kind of line the net in minor units and the remainder in nano-units."""
    rows = await tx.fetch(
        "SELECT bill_id, kind, sum(net_minor)::numeric AS net, sum(remainder_nano)::numeric AS remainder "
        "FROM billing.line WHERE tenant_id = $1 AND bill_id = ANY($2::uuid[]) GROUP BY bill_id, kind",
        tx.tenant_id,
        list(bill_ids),
    )
    found: dict[BillId, dict[LineKind, tuple[int, int]]] = defaultdict(dict)
    for row in rows:
        found[BillId(row["bill_id"])][LineKind(row["kind"])] = (int(row["net"]), int(row["remainder"]))
    return found


async def count_issued(tx: Tx, run_id: BillRunId) -> int:
    """Return how many bills of a run are issued."""
    count: int = await tx.fetchval(
        "SELECT count(*) FROM billing.bill WHERE tenant_id = $1 AND run_id = $2 AND state = 'issued'",
        tx.tenant_id,
        run_id,
    )
    return count


async def issue(tx: Tx, bills: Sequence[Bill], at: datetime) -> None:
    """Write the numbers of ``bills`` and make them final, in one statement."""
    await tx.execute(
        "UPDATE billing.bill b SET state = 'issued', sequence = i.sequence, number = i.number, issued_at = $2 "
        "FROM unnest($3::uuid[], $4::bigint[], $5::text[]) AS i (bill_id, sequence, number) "
        "CROSS JOIN LATERAL (SELECT ctid FROM billing.bill "
        "WHERE tenant_id = $1 AND bill_id = i.bill_id OFFSET 0) AS found "
        "WHERE b.tenant_id = $1 AND b.ctid = found.ctid AND b.state = 'draft'",
        tx.tenant_id,
        at,
        [bill.id for bill in bills],
        [bill.sequence for bill in bills],
        [bill.number for bill in bills],
    )
