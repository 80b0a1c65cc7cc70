"""Wishes: written when an account changes, claimed by one gateway process at a time, settled or tried again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Final

import structlog

from farwire.base.storage import Database, Tx
from farwire.gateway.sessions import store
from farwire.gateway.sessions.model import TRIES_MOST, LiveSession, Protocol, Reason, Wish, back_off
from farwire.kernel.ids import TenantId

LEASE: Final = timedelta(seconds=10)
"""After it a wish of a process that has died may be claimed again."""
STRANGERS_AFTER: Final = timedelta(seconds=3)
"""After it a wish is everybody's: no process that knows its peer has taken it."""
_log = structlog.get_logger(__name__)


async def wish_for_account(tx: Tx, *, account: int, reason: Reason) -> int:
    """Wish that the elements of every live session of the account be told; return of how many sessions."""
    return await store.want(tx, account, reason)


async def claim_wishes(
    *,
    db: Database,
    protocol: Protocol,
    tenant_ids: Collection[TenantId],
    limit: int = 100,
    peers: Collection[str] | None = None,
    but: Collection[str] = (),
    lease: timedelta = LEASE,
) -> tuple[Wish, ...]:
    """Return up to ``limit`` wishes of each tenant that are due, the oldest first; nobody else has them for ``lease``.

    ``peers`` are those that this process reaches; None where it reaches any; ``but``: none of these. Each wish must be
    settled.
    """
    found: list[Wish] = []
    for tenant_id in tenant_ids:
        async with db.transaction(tenant_id) as tx:
            found += await store.claim(
                tx, protocol, peers, but, strangers_after=STRANGERS_AFTER, lease=lease, limit=limit
            )
    return tuple(found)


async def settle_wish(*, db: Database, wish: Wish, done: bool) -> None:
    """Say what became of a claimed wish: done, or to be tried again after a while, five times at most.

    What was wanted again since the claim stays wanted.
    """
    given_up = not done and wish.tries >= TRIES_MOST
    async with db.transaction(wish.session.tenant_id) as tx:
        if done or given_up:
            await store.forget(tx, wish)
        else:
            await store.postpone(tx, wish, back_off(wish.tries))
    if given_up:
        _log.warning(
            "a network element was not told of a change",
            protocol=wish.session.protocol.value,
            peer=wish.session.peer,
            reason=wish.reason.value,
        )


async def keep_session(*, db: Database, one: LiveSession) -> None:
    """Write a session now, where its protocol needs to find it again. Most go by ``SessionBook``, which waits less."""
    async with db.transaction(one.tenant_id) as tx:
        await store.save(tx, [one])


async def find_session(
    *, db: Database, tenant_id: TenantId, protocol: Protocol, session: str
) -> LiveSession | None:
    """Return a live session of a tenant, or None."""
    async with db.transaction(tenant_id, read_only=True) as tx:
        return await store.get(tx, protocol, session)


async def end_session(*, db: Database, tenant_id: TenantId, protocol: Protocol, session: str) -> bool:
    """Delete a session with its wishes; tell whether there was one."""
    async with db.transaction(tenant_id) as tx:
        return await store.remove(tx, [(protocol, session)]) > 0
