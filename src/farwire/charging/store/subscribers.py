"""SQL that finds the account of a subscriber on the way of a charge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from farwire.base.storage import Tx

if TYPE_CHECKING:
    from asyncpg import Record


async def by_identities(tx: Tx, identities: Sequence[tuple[str, str]]) -> Record | None:
    """Return the account of the first of these identities that is known: its number, tenant number and currency."""
    return await tx.fetchrow(
        "SELECT a.number, a.currency, t.number AS tenant_number "
        "FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS w(kind, value, place) "
        "JOIN charging.identity i ON i.tenant_id = $1 AND i.kind = w.kind AND i.value = w.value "
        "JOIN charging.account a ON a.tenant_id = i.tenant_id AND a.number = i.number "
        "JOIN charging.tenant t ON t.tenant_id = a.tenant_id "
        "WHERE i.tenant_id = $1 ORDER BY w.place LIMIT 1",
        *(tx.tenant_id, [kind for kind, _ in identities], [value for _, value in identities]),
    )
