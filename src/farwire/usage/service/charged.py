"""Take usage over from online charging, which has priced it and taken it from a balance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from farwire.base.storage import Tx
from farwire.kernel.ids import TenantId, UsageId
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.time import Period
from farwire.usage.model import raw_identity
from farwire.usage.model.assembly import usage_id
from farwire.usage.model.charged import ChargedUsage
from farwire.usage.store import charged as store


def charged_usage_id(tenant_id: TenantId, source: str, key: str) -> UsageId:
    """Return the id of the usage that ``source`` calls ``key``: the same one for ever."""
    return usage_id(raw_identity(tenant_id, source, key.encode()))


async def record_charged(tx: Tx, *, usages: Sequence[ChargedUsage], now: datetime) -> int:
    """Write usage that is charged; return how much of it was new. Idempotent by its id."""
    return await store.add(tx, usages, now) if usages else 0


async def charged_totals_of(tx: Tx, *, subscribers: Sequence[int]) -> Mapping[int, int]:
    """Return what these accounts were charged for usage that has ended, in nano-units; one without any is absent."""
    return await store.totals_of(tx, subscribers)


async def charged_records(tx: Tx, *, subscriber: int, page: PageRequest) -> Page[ChargedUsage]:
    """Return one page of what a subscriber's account was charged for, the newest first."""
    found, total = await store.page(tx, subscriber, offset=page.offset, limit=page.limit)
    return Page(found, total, page.offset, page.limit)


async def has_charged_end(tx: Tx, *, subscriber: int, rating_group: int, during: Period) -> bool:
    """Tell whether a usage of an account that was counted in a rating group ended in a time."""
    return await store.any_ended(tx, subscriber, rating_group, during.start, during.end)


async def charged_starts(tx: Tx, *, subscriber: int, rating_group: int, at: datetime) -> frozenset[datetime]:
    """Return when the usages of an account began that were counted in a rating group at that moment."""
    return await store.starts_at(tx, subscriber, rating_group, at)
