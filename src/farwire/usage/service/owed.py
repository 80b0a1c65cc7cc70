"""Usage that online charging has priced for a bill: rated when it comes, and of files nothing of the same product.

A product that is charged online has one way to its bill. What files bring of it, from the opening of its charging
account on, is unrated for good (``CHARGED_ONLINE``): the two tell of the same usage with other ids, times and cuts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from farwire.base import eventbus
from farwire.base.storage import Tx
from farwire.inventory import service as inventory
from farwire.inventory.model import Product
from farwire.kernel.ids import BillId, ProductId, SubscriberKey
from farwire.usage import events
from farwire.usage.model import Deltas, RowOutcome, UsageOutcome, raw_identity, usage_id
from farwire.usage.model.charged import OwedTotal, OwedUsage
from farwire.usage.service.collected import import_of, profile_digest
from farwire.usage.store import imports as imports_store
from farwire.usage.store import owed as store
from farwire.usage.store import rows as rows_store
from farwire.usage.store.rows import NewRow

CHARGED_ONLINE: Final = "charged_online"
"""Reason of what a file brings of a product that is charged online."""


async def charge_online(tx: Tx, *, product_id: ProductId, since: datetime) -> None:
    """Let online charging alone price what the product uses from ``since`` on. Idempotent."""
    await store.add_online(tx, product_id, since)


async def online_since(tx: Tx, *, product_ids: Sequence[ProductId]) -> Mapping[ProductId, datetime]:
    """Return since when online charging prices these products; one that it does not is absent."""
    return await store.online_since(tx, product_ids)


async def record_owed(tx: Tx, *, source: str, usages: Sequence[OwedUsage], now: datetime) -> int:
    """Write usage that ``source`` has charged and a bill collects; return how much of it was new.

    Idempotent by its key. Each is a row and a rated usage of the source's import of the day, so control totals hold.
    """
    if not usages:
        return 0
    await imports_store.lock_tenant(tx)
    named = {raw_identity(tx.tenant_id, source, one.key.encode()): one for one in usages}
    known = await rows_store.known_rows(tx, list(named))
    new = {identity: one for identity, one in named.items() if identity not in known}
    if not new:
        return 0
    collected = await import_of(tx, source, now)
    keys = await _subscriber_keys(tx, source, list(new.values()))
    placed = RowOutcome.ASSEMBLED
    rows = [
        NewRow(identity, collected.import_id, collected.rows_in + place, placed, "")
        for place, identity in enumerate(new, start=1)
    ]
    await rows_store.add_rows(tx, rows)
    found = [(usage_id(identity), keys[one.product_id], one) for identity, one in new.items()]
    await store.add_rated(tx, collected.import_id, found, now)
    deltas = Deltas()
    deltas.row(collected.import_id, placed, by=len(new))
    deltas.usage(collected.import_id, UsageOutcome.RATED, by=len(new))
    await imports_store.apply_deltas(tx, deltas)
    await eventbus.publish(tx, events.rated(tx.tenant_id, {"rated": len(new)}, now))
    return len(new)


async def owed_totals(tx: Tx, *, source: str) -> tuple[OwedTotal, ...]:
    """Return what is recorded for bills of what ``source`` has charged, by currency."""
    return await store.totals(tx, profile_digest(source))


async def owed_on_bill(tx: Tx, *, source: str, bill_id: BillId) -> Mapping[ProductId, int]:
    """Return what ``source`` has charged for what is on a bill, by product, in nano-units."""
    return await store.on_bill(tx, profile_digest(source), bill_id)


async def _subscriber_keys(
    tx: Tx, source: str, usages: Sequence[OwedUsage]
) -> Mapping[ProductId, SubscriberKey]:
    """Return who uses each product; for one that nobody is assigned to, a key that means the product alone."""
    wanted = sorted({one.product_id for one in usages})
    products = await inventory.get_products(tx, wanted)
    keys = {one: _last_key(products.get(one)) for one in wanted}
    nobody = [one for one, key in keys.items() if key is None]
    made = await inventory.ensure_subscriber_keys(tx, [f"{source}:{one}" for one in nobody])
    return {one: made[f"{source}:{one}"] if key is None else key for one, key in keys.items()}


def _last_key(product: Product | None) -> SubscriberKey | None:
    if product is None or not product.assignments:
        return None
    return max(product.assignments, key=lambda one: one.valid_from).subscriber_key
