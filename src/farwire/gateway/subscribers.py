"""Whom a request is for: the account behind its identities, kept for a while so that few requests ask the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from farwire.base.storage import Database
from farwire.charging.service import Identity
from farwire.charging.service.subscribers import Subscriber, subscriber_of
from farwire.kernel.ids import TenantId

KNOWN_MS: Final = 60_000
"""How long an account is kept. A number that is given to the next subscriber rests far longer."""
UNKNOWN_MS: Final = 1_000
"""How long it is kept that nobody has an identity: a flood of wrong ones must not reach the database."""
MOST: Final = 100_000
_Key = tuple[TenantId, tuple[Identity, ...]]


class Subscribers:
    """Finds accounts; at most ``MOST`` are kept, those found first go first."""

    def __init__(self, db: Database, now_ms: Callable[[], int]) -> None:
        self._db = db
        self._now = now_ms
        self._kept: dict[_Key, tuple[int, Subscriber | None]] = {}

    async def find(self, tenant_id: TenantId, identities: tuple[Identity, ...]) -> Subscriber | None:
        """Return the account of the first identity that is known in the tenant, or None."""
        if not identities:
            return None
        key = (tenant_id, identities)
        kept = self._kept.get(key)
        if kept is not None and kept[0] > self._now():
            return kept[1]
        found = await self.look_up(tenant_id, identities)
        self.forget(tenant_id, identities)
        if len(self._kept) >= MOST:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = (self._now() + (UNKNOWN_MS if found is None else KNOWN_MS), found)
        return found

    async def look_up(self, tenant_id: TenantId, identities: tuple[Identity, ...]) -> Subscriber | None:
        """Return what the database says now."""
        async with self._db.transaction(tenant_id, read_only=True) as tx:
            return await subscriber_of(tx, identities=identities)

    def forget(self, tenant_id: TenantId, identities: tuple[Identity, ...]) -> None:
        """Ask the database the next time."""
        self._kept.pop((tenant_id, identities), None)
