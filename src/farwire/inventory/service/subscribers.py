"""Identifiers and their pseudonymous keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from farwire.base import audit
from farwire.base.storage import Tx
from farwire.inventory.store import products, resources
from farwire.inventory.store import subscribers as store
from farwire.kernel.ids import SubscriberKey
from farwire.kernel.tenancy import SYSTEM, Actor


async def subscriber_keys(tx: Tx, identifiers: Sequence[str]) -> Mapping[str, SubscriberKey]:
    """Return the keys of those identifiers that are known, in one statement."""
    return await store.subscriber_keys(tx, identifiers)


async def ensure_subscriber_keys(tx: Tx, identifiers: Sequence[str]) -> Mapping[str, SubscriberKey]:
    """Return a key for every identifier; the missing ones get a new random one. Safe beside other importers.

    A key is UUIDv4: a time in it would say when a person first called.
    """
    wanted = set(identifiers)
    known = await store.subscriber_keys(tx, list(wanted))
    missing = wanted - known.keys()
    if not missing:
        return known
    await store.add_subscribers(tx, {identifier: SubscriberKey(uuid4()) for identifier in missing})
    # Another importer may have been first for some of them: what is stored counts.
    return {**known, **await store.subscriber_keys(tx, list(missing))}


async def identifiers_of(tx: Tx, keys: Sequence[SubscriberKey]) -> Mapping[SubscriberKey, str]:
    """Return the identifiers of those keys that are not erased."""
    return await store.identifiers_of(tx, keys)


async def erase_subscribers(
    tx: Tx, keys: Sequence[SubscriberKey], *, at: datetime, actor: Actor = SYSTEM
) -> int:
    """Destroy the link between these keys and their identifiers; return how many links there were.

    Usage and bills keep the keys, which then mean nobody. The same identifier gets a new key when it is seen again.
    Numbers and SIMs forget which of these subscribers' products had them, except where one has it still.
    """
    names = await store.identifiers_of(tx, keys)
    held = await products.product_ids_of_subscribers(tx, keys)
    await resources.forget_uses(tx, list(names.values()), held)
    count = await store.erase_subscribers(tx, keys)
    for key in keys:
        await audit.record(
            tx, actor=actor, action="inventory.subscriber_erased", subject=str(key), at=at, detail={}
        )
    return count
