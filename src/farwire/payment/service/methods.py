"""The ways in which accounts pay by themselves: tokens of gateways, never card numbers."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

from farwire.account import service as accounts
from farwire.base import audit
from farwire.base.storage import Tx
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import AccountId, uuid7
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor
from farwire.payment.model import MethodKind, PaymentMethod
from farwire.payment.store import methods as store


async def add_method(
    tx: Tx,
    *,
    account_id: AccountId,
    kind: MethodKind,
    token: str,
    now: datetime,
    actor: Actor,
    brand: str = "",
    last4: str = "",
    expires: date | None = None,
    preferred: bool = True,
) -> PaymentMethod:
    """Keep a token for an account; the same token again refreshes what is known of it.

    Raises ``NotFound`` (``account.unknown``) and ``Invalid`` (``payment.card_number``, ``payment.token``,
    ``payment.last4``).
    """
    method = PaymentMethod(uuid7(now), account_id, kind, token, brand, last4, expires, preferred, now)
    if account_id not in await accounts.accounts_by_id(tx=tx, account_ids=[account_id]):
        raise NotFound("there is no such account", code="account.unknown", field="account", value=account_id)
    if preferred:
        await store.unprefer(tx, account_id)
    kept = await store.add_method(tx, method)
    await audit.record(
        tx,
        actor=actor,
        action="payment.method_added",
        subject=str(kept.id),
        at=now,
        detail={"kind": kind.value, "account_id": str(account_id)},
    )
    return kept


async def remove_method(tx: Tx, *, method_id: UUID, now: datetime, actor: Actor) -> PaymentMethod:
    """Stop using a method and forget its token. Idempotent. Raises ``NotFound`` (``payment.method_unknown``)."""
    if (method := await get_method(tx, method_id=method_id)).removed_at is not None:
        return method
    await store.remove_method(tx, method_id, now)
    await audit.record(
        tx, actor=actor, action="payment.method_removed", subject=str(method_id), at=now, detail={}
    )
    return await get_method(tx, method_id=method_id)


async def get_method(tx: Tx, *, method_id: UUID) -> PaymentMethod:
    """Return one method. Raises ``NotFound`` (``payment.method_unknown``)."""
    found = await store.get_method(tx, method_id)
    if found is None:
        raise NotFound(
            "there is no such payment method", code="payment.method_unknown", field="method", value=method_id
        )
    return found


async def list_methods(
    tx: Tx, *, page: PageRequest, account_id: AccountId | None = None
) -> Page[PaymentMethod]:
    """Return a page of the methods in use, by account, the preferred first."""
    found, total = await store.list_methods(tx, account_id=account_id, offset=page.offset, limit=page.limit)
    return Page(found, total, page.offset, page.limit)
