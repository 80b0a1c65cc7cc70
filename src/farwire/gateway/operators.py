"""Whose subscribers a gateway may ask for: the tenants that its profiles name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from farwire.base.storage import Database
from farwire.charging.service import tenant_number
from farwire.country.model import is_emergency
from farwire.country.service import load_pack
from farwire.kernel.ids import TenantId
from farwire.tenant import service as tenants


@dataclass(frozen=True, slots=True)
class Operator:
    """A tenant whose subscribers may be asked for, with the number that shards know it by."""

    tenant_id: TenantId
    number: int
    is_emergency: Callable[[str], bool] = "112".__eq__
    """Whether a number, as dialled, reaches an emergency service where it operates."""


async def load_operators(*, db: Database, names: Iterable[str]) -> dict[str, Operator]:
    """Return the operators by their short names. Raises ``NotFound`` for a name that no tenant has."""
    found = {}
    for name in set(names):
        tenant = await tenants.tenant_by_name(db=db, name=name)
        async with db.transaction(tenant.id) as tx:
            number = await tenant_number(tx)
        found[name] = Operator(tenant.id, number, partial(is_emergency, load_pack(tenant.country)))
    return found
