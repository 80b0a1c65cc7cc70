"""Read bills, and explain a line down to single usage records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from farwire.base.storage import Database, Tx
from farwire.billing.model import Bill, BillLine, LineKind
from farwire.billing.store import bills as bill_store
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import AccountId, BillId, BillRunId, TenantId
from farwire.kernel.page import Page, PageRequest
from farwire.rating.model.recurring import RecurringExplanation
from farwire.usage import service as usage
from farwire.usage.model import UsageRecord


@dataclass(frozen=True, slots=True)
class ExplainedLine:
    """Why a line is what it is: the facts of a recurring or one-off charge, or one page of the usage behind it."""

    line: BillLine
    charge: RecurringExplanation | None
    records: Page[UsageRecord] | None


async def get_bill(*, db: Database, tenant_id: TenantId, key: str) -> Bill:
    """Return the bill with that id or legal number, with its lines. Raises ``NotFound`` (``billing.unknown``)."""
    try:
        bill_id = BillId(UUID(key))
    except ValueError:
        bill_id = None
    async with db.transaction(tenant_id) as tx:
        bill = await bill_store.get_bill(tx, bill_id=bill_id, number=key)
    if bill is None:
        raise NotFound(
            "there is no such bill",
            code="billing.unknown",
            field="bill",
            value=key,
            fix="see: farwire bill list",
        )
    return bill


async def list_bills(
    *,
    db: Database,
    tenant_id: TenantId,
    page: PageRequest,
    account_id: AccountId | None = None,
    run_id: BillRunId | None = None,
) -> Page[Bill]:
    """Return a page of bills without their lines, newest cycle first."""
    async with db.transaction(tenant_id) as tx:
        items, total = await bill_store.list_bills(
            tx, account_id=account_id, run_id=run_id, offset=page.offset, limit=page.limit
        )
    return Page(items, total, page.offset, page.limit)


def _same_records(first: BillLine, second: BillLine) -> bool:
    """Return whether usage names the records of both lines by the same product, price and label."""
    one, two = first.item, second.item
    return (one.kind, one.product_id, one.price_id, one.detail.get("label")) == (
        two.kind,
        two.product_id,
        two.price_id,
        two.detail.get("label"),
    )


def records_before(line: BillLine, lines: Sequence[BillLine]) -> int:
    """Return how many records of the same product, price and label belong to earlier lines of the bill.

    Records come by start time. Lines that share product, price and label (late usage, a plan change) follow each other
    in time, so the records of a line are one stretch of them.
    """
    return sum(
        other.item.records for other in lines if other.number < line.number and _same_records(line, other)
    )


async def line_records(tx: Tx, bill: Bill, line: BillLine, page: PageRequest) -> Page[UsageRecord]:
    """Return a page of the usage records behind a line."""
    before = records_before(line, bill.lines)
    left = line.item.records - page.offset
    if left <= 0:
        return Page((), line.item.records, page.offset, page.limit)
    label = line.item.detail.get("label")
    found = await usage.rated_records(
        tx,
        bill_id=bill.id,
        page=PageRequest(before + page.offset, min(page.limit, left)),
        product_id=line.item.product_id,
        price_id=line.item.price_id,
        label=label if isinstance(label, str) else None,
    )
    return Page(found.items, line.item.records, page.offset, page.limit)


async def explain_line(
    *, db: Database, tenant_id: TenantId, bill: Bill, number: int, page: PageRequest
) -> ExplainedLine:
    """Return why line ``number`` of ``bill`` is what it is. Raises ``NotFound`` (``billing.line_unknown``)."""
    line = next((line for line in bill.lines if line.number == number), None)
    if line is None:
        raise NotFound("the bill has no such line", code="billing.line_unknown", field="line", value=number)
    if line.item.kind is not LineKind.USAGE:
        return ExplainedLine(line, msgspec.convert(line.item.detail, RecurringExplanation), None)
    async with db.transaction(tenant_id) as tx:
        return ExplainedLine(line, None, await line_records(tx, bill, line, page))
