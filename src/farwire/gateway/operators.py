"""Whose subscribers a gateway may ask for: the tenants that its profiles name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from farwire.base.storage import Database
from farwire.charging.service import tenant_number
from farwire.kernel.ids import TenantId
from farwire.tenant import service as tenants


@dataclass(frozen=True, slots=True)
class Operator:
    """A tenant whose subscribers may be asked for, with the number that shards know it by."""

    tenant_id: TenantId
    number: int


async def load_operators(*, db: Database, names: Iterable[str]) -> dict[str, Operator]:
    """Return the operators by their short names. Raises ``NotFound`` for a name that no tenant has."""
    found = {}
    for name in set(names):
        tenant_id = (await tenants.tenant_by_name(db=db, name=name)).id
        async with db.transaction(tenant_id) as tx:
            found[name] = Operator(tenant_id, await tenant_number(tx))
    return found
