"""SQL of the destroyable map from identifiers to subscriber keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farwire.base.storage import Tx
from farwire.kernel.ids import SubscriberKey


async def subscriber_keys(tx: Tx, identifiers: Sequence[str]) -> dict[str, SubscriberKey]:
    """Return the keys of those identifiers that are known."""
    rows = await tx.fetch(
        "SELECT identifier, subscriber_key FROM inventory.subscriber "
        "WHERE tenant_id = $1 AND identifier = ANY($2::text[])",
        tx.tenant_id,
        list(identifiers),
    )
    return {row["identifier"]: SubscriberKey(row["subscriber_key"]) for row in rows}


async def add_subscribers(tx: Tx, keys: Mapping[str, SubscriberKey]) -> None:
    """Insert keys for identifiers; those that exist keep theirs. Sorted against deadlocks."""
    identifiers = sorted(keys)
    await tx.execute(
        "INSERT INTO inventory.subscriber (tenant_id, identifier, subscriber_key) "
        "SELECT $1, s.* FROM unnest($2::text[], $3::uuid[]) AS s ON CONFLICT (tenant_id, identifier) DO NOTHING",
        tx.tenant_id,
        identifiers,
        [keys[identifier] for identifier in identifiers],
    )


async def erase_subscribers(tx: Tx, keys: Sequence[SubscriberKey]) -> int:
    """Delete the rows that know whose these keys are; return how many there were."""
    rows = await tx.fetch(
        "DELETE FROM inventory.subscriber WHERE tenant_id = $1 AND subscriber_key = ANY($2::uuid[]) RETURNING 1",
        tx.tenant_id,
        list(keys),
    )
    return len(rows)


async def identifiers_of(tx: Tx, keys: Sequence[SubscriberKey]) -> dict[SubscriberKey, str]:
    """Return the identifiers of those keys that are not erased."""
    rows = await tx.fetch(
        "SELECT identifier, subscriber_key FROM inventory.subscriber "
        "WHERE tenant_id = $1 AND subscriber_key = ANY($2::uuid[])",
        tx.tenant_id,
        list(keys),
    )
    return {SubscriberKey(row["subscriber_key"]): row["identifier"] for row in rows}
