"""What billing takes from usage: sums per price, the mark of a bill, and the records behind a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from farwire.base.storage import Tx
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import BillId, PlanVersionId, ProductId, UsageId
from farwire.kernel.page import Page, PageRequest
from farwire.rating.model import UsageKind
from farwire.usage.model import RatedTotal, UsageRecord, UsageSpan, UsageState
from farwire.usage.store import records


async def mark_billed(tx: Tx, *, spans: Sequence[UsageSpan], at: datetime) -> tuple[RatedTotal, ...]:
    """Put the unbilled usage of each span on its bill, at ``at``. Spans of one product do not overlap.

    Return the sums of exactly the records that were marked, so that bill and records cannot differ, by span; what came
    late for earlier cycles is summed by itself. Many bills may share one call. Calling it again for the same bills
    marks nothing more unless usage was rated since.
    """
    return await records.mark_billed(tx, spans, at)


async def pending_totals(tx: Tx, *, spans: Sequence[UsageSpan]) -> tuple[RatedTotal, ...]:
    """Return the sums that ``mark_billed`` would return for these spans, and take nothing."""
    return await records.pending_totals(tx, spans)


async def suspended_counts(
    tx: Tx, *, product_ids: Sequence[ProductId] | None = None
) -> Mapping[ProductId, int]:
    """Return how many usages of these products, or of all, wait in suspense; products without any are left out.

    It reads all of suspense: ask once for many products.
    """
    return await records.suspended_counts(tx, product_ids)


async def unmark_bills(tx: Tx, *, bill_ids: Sequence[BillId], at: datetime) -> int:
    """Take all usage off bills that are given up before they are issued; return how many records went back to rated."""
    return await records.unmark_bills(tx, bill_ids, at)


async def unmark_billed(tx: Tx, *, bill_id: BillId, at: datetime) -> int:
    """Take all usage off a bill that is given up before it is issued; return how many records went back to rated."""
    return await records.unmark_bills(tx, [bill_id], at)


async def rated_records(
    tx: Tx,
    *,
    bill_id: BillId,
    page: PageRequest,
    product_id: ProductId,
    plan_version_id: PlanVersionId,
    price_id: str,
    label: str,
    first_at: datetime,
    last_at: datetime,
) -> Page[UsageRecord]:
    """Return the records behind one of the sums that ``mark_billed`` gave, by start time, with explanations."""
    return await records.page_records(
        tx,
        page,
        product_id=product_id,
        bill_id=bill_id,
        plan_version_id=plan_version_id,
        price_id=price_id,
        label=label,
        started_from=first_at,
        started_before=last_at + timedelta(microseconds=1),
    )


async def usage_record(tx: Tx, *, usage_id: UsageId) -> UsageRecord:
    """Return one usage. Raises ``NotFound`` (``usage.unknown``)."""
    record = await records.get_record(tx, usage_id)
    if record is None:
        raise NotFound("there is no such usage", code="usage.unknown", field="usage_id", value=usage_id)
    return record


async def usage_records(
    tx: Tx,
    *,
    page: PageRequest,
    product_id: ProductId | None = None,
    state: UsageState | None = None,
    kind: UsageKind | None = None,
    started_from: datetime | None = None,
    started_before: datetime | None = None,
) -> Page[UsageRecord]:
    """Return usages by start time, those that started in ``[started_from, started_before)`` (TMF635 listing)."""
    return await records.page_records(
        tx,
        page,
        product_id=product_id,
        state=state,
        kind=kind,
        started_from=started_from,
        started_before=started_before,
    )
