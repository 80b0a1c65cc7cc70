"""Find whom a charge is for: what a gateway asks before it asks a shard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farwire.base.storage import Tx
from farwire.charging.model.accounts import Identity
from farwire.charging.store import subscribers as store


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An account as far as a shard must be told."""

    number: int
    tenant_number: int
    currency: str


async def subscriber_of(tx: Tx, *, identities: Sequence[Identity]) -> Subscriber | None:
    """Return the account of the first identity that is known, or None.

    Unlike ``find_account`` it takes no account number for a name: what a network says is an identity, by its kind.
    """
    row = await store.by_identities(tx, [(one.kind.value, one.value) for one in identities])
    return None if row is None else Subscriber(row["number"], row["tenant_number"], row["currency"])
