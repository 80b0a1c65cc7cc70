"""Who has an offering."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.base.storage import Tx
from farwire.inventory.model import Product
from farwire.inventory.service.products import products_by_account
from farwire.inventory.store import by_offering as store
from farwire.kernel.ids import AccountId, OfferingId

_FIRST: Final = AccountId(UUID(int=0))


async def products_of_offering(
    tx: Tx, *, offering_id: OfferingId, at: datetime, after: AccountId = _FIRST, limit: int = 500
) -> Mapping[AccountId, tuple[Product, ...]]:
    """Return the products of the offering that run at ``at``, of the next ``limit`` accounts after ``after``, by id.

    Empty where there are no more. Go on with the last account of the answer.
    """
    accounts = await store.accounts_with_offering(tx, offering_id, at=at, after=after, limit=limit)
    if not accounts:
        return {}
    found = await products_by_account(tx, accounts)
    return {
        account_id: tuple(
            one for one in found[account_id] if one.offering_id == offering_id and one.active_at(at)
        )
        for account_id in accounts
    }
