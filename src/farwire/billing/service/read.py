"""Read bills, and explain a line down to single usage records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from farwire.base.storage import Database, Tx
from farwire.billing.model import Bill, BillKind, BillLine, CreditFacts, LineKind, NoteFacts
from farwire.billing.model.cycles import BilledCycle
from farwire.billing.store import bills as bill_store
from farwire.billing.store import cycles as cycle_store
from farwire.kernel.errors import Defect, NotFound
from farwire.kernel.ids import AccountId, BillId, BillRunId, TenantId
from farwire.kernel.page import Page, PageRequest
from farwire.rating.model.recurring_explanation import RecurringExplanation
from farwire.usage import service as usage
from farwire.usage.model import UsageRecord


class _UsageFacts(msgspec.Struct, frozen=True):
    """What the detail of a usage line says about its records. Late usage has a line, and so a time, of its own."""

    label: str
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ExplainedLine:
    """Why a line is what it is: the facts of a charge or a credit, or a page of the usage behind it.

    ``note`` says what a credit note's line corrects; the other facts are those of the bill's line then.
    """

    line: BillLine
    charge: RecurringExplanation | None
    records: Page[UsageRecord] | None
    credit: CreditFacts | None = None
    note: NoteFacts | None = None


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
        return await page_of_bills(tx, page=page, account_id=account_id, run_id=run_id)


async def page_of_bills(
    tx: Tx, *, page: PageRequest, account_id: AccountId | None = None, run_id: BillRunId | None = None
) -> Page[Bill]:
    """Return a page of bills without their lines, newest cycle first."""
    items, total = await bill_store.list_bills(
        tx, account_id=account_id, run_id=run_id, offset=page.offset, limit=page.limit
    )
    return Page(items, total, page.offset, page.limit)


async def bill_with_id(tx: Tx, bill_id: BillId) -> Bill | None:
    """Return a bill with its lines, or None."""
    return await bill_store.get_bill(tx, bill_id=bill_id)


async def bills_with_ids(tx: Tx, bill_ids: Sequence[BillId]) -> dict[BillId, Bill]:
    """Return those of the bills that there are, with their lines."""
    return {bill.id: bill for bill in await bill_store.bills_with_ids(tx, bill_ids)}


async def billed_cycles(tx: Tx) -> tuple[BilledCycle, ...]:
    """Return every cycle for which bills were issued, the newest first."""
    return await cycle_store.billed_cycles(tx)


async def page_of_lines(tx: Tx, *, page: PageRequest) -> Page[tuple[BillId, int]]:
    """Return a page of the lines of all bills, by bill and number: in the order of the making of the bills."""
    items, total = await bill_store.list_lines(tx, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def line_records(tx: Tx, bill: Bill, line: BillLine, page: PageRequest) -> Page[UsageRecord]:
    """Return a page of the usage records behind a usage line: those of its price and plan in the time of its sum.

    Behind a line of a credit note are the records of the bill that it corrects.
    """
    item, facts = line.item, msgspec.convert(line.item.detail, _UsageFacts)
    if item.product_id is None or item.plan_version_id is None:
        raise Defect("a usage line has a product and a plan", code="billing.usage_line")
    return await usage.rated_records(
        tx,
        bill_id=bill.id if bill.corrects is None else bill.corrects.bill_id,
        page=page,
        product_id=item.product_id,
        plan_version_id=item.plan_version_id,
        price_id=item.price_id,
        label=facts.label,
        first_at=facts.first_at,
        last_at=facts.last_at,
    )


async def explain_line(
    *, db: Database, tenant_id: TenantId, bill: Bill, number: int, page: PageRequest
) -> ExplainedLine:
    """Return why line ``number`` of ``bill`` is what it is. Raises ``NotFound`` (``billing.line_unknown``)."""
    line = next((line for line in bill.lines if line.number == number), None)
    if line is None:
        raise NotFound(
            "the bill has no such line",
            code="billing.line_unknown",
            field="line",
            value=number,
            fix=f"lines 1 to {len(bill.lines)}",
        )
    detail = line.item.detail
    note = msgspec.convert(detail, NoteFacts) if bill.kind is BillKind.CREDIT_NOTE else None
    if line.item.kind is LineKind.CREDIT:
        return ExplainedLine(line, None, None, msgspec.convert(detail, CreditFacts), note)
    if line.item.kind is not LineKind.USAGE:
        return ExplainedLine(line, msgspec.convert(detail, RecurringExplanation), None, note=note)
    async with db.transaction(tenant_id) as tx:
        return ExplainedLine(line, None, await line_records(tx, bill, line, page), note=note)
