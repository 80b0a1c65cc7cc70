"""Whose accounts are, and their end: a product ends, a person is erased. Movements stay under the number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from farwire.account import service as billed
from farwire.base.eventbus.service import publish
from farwire.base.storage import Database, Tx
from farwire.charging.events import account_closed
from farwire.charging.model import CommandKind, ResultCode
from farwire.charging.model.accounts import ChargingAccount
from farwire.charging.service.accounts import accounts_numbered, erase_identities
from farwire.charging.service.client import Client
from farwire.charging.service.commands import command, make_live
from farwire.charging.store import leaving as store
from farwire.inventory import service as inventory
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import AccountId, PartyId, ProductId, TenantId
from farwire.kernel.tenancy import Actor

_BARS: Final = 1


async def accounts_behind(
    tx: Tx, *, account_ids: Sequence[AccountId] = (), product_ids: Sequence[ProductId] = ()
) -> tuple[ChargingAccount, ...]:
    """Return the accounts of these products, and of these billing accounts those that are of no product."""
    numbers = await store.behind(tx, account_ids, product_ids)
    return tuple((await accounts_numbered(tx, numbers=numbers)).values())


async def accounts_of_party(tx: Tx, *, party_id: PartyId) -> tuple[ChargingAccount, ...]:
    """Return the accounts behind the products and billing accounts of a party."""
    account_ids = [one.id for one in await billed.accounts_of_party(tx, party_id)]
    by_account = await inventory.products_by_account(tx, account_ids)
    product_ids = [product.id for products in by_account.values() for product in products]
    return await accounts_behind(tx, account_ids=account_ids, product_ids=product_ids)


async def numbers_named(tx: Tx, *, names: Sequence[str]) -> Mapping[str, int]:
    """Return the accounts that ``find_account`` would find, by name; a name that means none or several is absent."""
    return await store.named(tx, names)


async def closed_at(tx: Tx, *, numbers: Sequence[int]) -> Mapping[int, datetime]:
    """Return when accounts were closed; one that is not closed is absent."""
    return await store.closed_among(tx, numbers)


async def close_ended(
    client: Client, *, db: Database, tenant_id: TenantId, account: ChargingAccount, now: datetime
) -> bool:
    """Bar an account for good and tell it; return whether this was the first time.

    Running sessions get nothing more; what the account holds stays owed to its customer. Idempotent. Raises
    ``Unavailable`` (``charging.no_answer``, ``charging.busy``): nothing is told, ask again.
    """
    async with db.transaction(tenant_id, read_only=True) as tx:
        if await store.closed_among(tx, [account.number]):
            return False
    if account.live_at is None:
        await make_live(client, db=db, tenant_id=tenant_id, account=account, now=now)
    key = f"charging:closed:{account.number}"
    answer = await command(client, account=account, kind=CommandKind.BAR, key=key, amount=_BARS)
    if answer.result != ResultCode.SUCCESS:
        raise Unavailable("the shard cannot do it now", code="charging.busy", retry_after_s=1)
    async with db.transaction(tenant_id) as tx:
        first = await store.set_closed(tx, account.number, now)
        if first:
            await publish(tx, account_closed(account, tenant_id=tenant_id, at=now))
    return first


async def erase_account(tx: Tx, *, number: int, now: datetime, actor: Actor) -> int:
    """Forget who an account belonged to and the key it was opened with; return how many identities it had.

    Raises ``NotFound`` (``charging.account_unknown``).
    """
    count = await erase_identities(tx, number=number, now=now, actor=actor)
    await store.blank_key(tx, number)
    return count
