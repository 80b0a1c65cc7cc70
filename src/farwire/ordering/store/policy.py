"""SQL of the tenant's rules for orders."""

from __future__ import annotations

from datetime import datetime

import msgspec

from farwire.base.storage import Tx
from farwire.ordering.model import Policy


async def load_policy(tx: Tx) -> Policy:
    """Return the tenant's policy, or the default one."""
    text = await tx.fetchval("SELECT document FROM ordering.policy WHERE tenant_id = $1", tx.tenant_id)
    return Policy() if text is None else msgspec.json.decode(text, type=Policy)


async def save_policy(tx: Tx, policy: Policy, at: datetime) -> None:
    """Write the tenant's policy."""
    await tx.execute(
        "INSERT INTO ordering.policy (tenant_id, document, set_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (tenant_id) DO UPDATE SET document = excluded.document, set_at = excluded.set_at",
        tx.tenant_id,
        msgspec.json.encode(policy).decode(),
        at,
    )
