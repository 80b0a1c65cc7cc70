"""Watch due dates: an order that will miss its date, or has missed it, is reported once for each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from farwire.base import eventbus
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.kernel.ids import TenantId
from farwire.ordering.events import jeopardy_event
from farwire.ordering.model import JournalEntry, Warn, decide, jeopardy_of
from farwire.ordering.store import orders as store
from farwire.ordering.store import tasks as task_store
from farwire.ordering.store.policy import load_policy

_BATCH: Final = 500


async def watch_due(*, db: Database, tenant_id: TenantId, clock: Clock) -> int:
    """Report the orders that are in jeopardy since the last look, and return how many those were.

    Several may look at once: each takes orders that no other one has.
    """
    total = 0
    while True:
        now = clock.now()
        async with db.transaction(tenant_id) as tx:
            found = await _report(tx, now)
        total += found
        if found < _BATCH:
            return total


async def _report(tx: Tx, now: datetime) -> int:
    warning = timedelta(hours=(await load_policy(tx)).warning_hours)
    saved, entries, events = [], [], []
    for before, next_at, task_id in await store.to_warn_about(tx, now=now, warning=warning, limit=_BATCH):
        jeopardy = jeopardy_of(before, next_at, now, warning)
        if jeopardy is None:
            continue
        order, facts = decide(before, Warn(jeopardy), now)
        if facts:
            saved.append(order)
            entries.append(JournalEntry(order.id, now, jeopardy.value))
            events.append(jeopardy_event(order, jeopardy, task_id, tenant_id=tx.tenant_id, at=now))
    await store.save_orders(tx, saved)
    await task_store.add_entries(tx, entries)
    await eventbus.publish_many(tx, events)
    return len(saved)
