"""Tell once when an allowance is nearly or wholly used."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from farwire.base import eventbus
from farwire.base.storage import Tx
from farwire.usage import events
from farwire.usage.model import Crossing, crossings
from farwire.usage.store import notices as store

__all__ = ["crossings", "publish_new"]


async def publish_new(tx: Tx, crossed: Sequence[Crossing], now: datetime) -> None:
    """Publish those of ``crossed`` that never were before: once per product, allowance, period and threshold.

    In the transaction that moves the counters, so that a run that is killed tells neither too little nor too much.
    """
    if not crossed:
        return
    new = await store.add_new(tx, crossed)
    await eventbus.publish_many(tx, (events.allowance_used(tx.tenant_id, one, now) for one in new))
