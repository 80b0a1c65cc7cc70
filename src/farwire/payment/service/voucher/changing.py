"""What people do to vouchers: block, give free again, cancel; and what time does: expire."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from farwire.base import audit
from farwire.base.authz import require_four_eyes
from farwire.base.canonical import JSON
from farwire.base.storage import Database, Tx
from farwire.kernel.errors import Invalid, check
from farwire.kernel.ids import AccountId, OpenItemId, TenantId, uuid7
from farwire.kernel.tenancy import Actor
from farwire.ledger import service as ledger
from farwire.payment.model import ItemKind, OpenItem
from farwire.payment.model.voucher import (
    CHANGES,
    Batch,
    Change,
    Sale,
    SerialRange,
    Undone,
    VoucherState,
    cancellation_entry,
    expiry_entry,
    undone,
)
from farwire.payment.service.items import add_open_items
from farwire.payment.service.settling import booking_dates, day_of
from farwire.payment.service.voucher.reading import get_batch
from farwire.payment.service.voucher.selling import within
from farwire.payment.store.voucher import batches as store
from farwire.payment.store.voucher import redemptions

KEPT: Final = timedelta(days=30)
"""How long tries that failed can be seen."""


async def change_vouchers(
    tx: Tx,
    *,
    change: Change,
    batch: str,
    serials: SerialRange | None,
    reason: str,
    now: datetime,
    actor: Actor,
    sold: bool = False,
) -> int:
    """Block, unblock or cancel a batch or a range of it; return how many vouchers changed. Idempotent.

    Unblocked, a voucher is what it was before. What was sold is cancelled only with ``sold``, and then nothing else: it
    is blocked before, by somebody else, and its sale is undone: its buyer gets its price back. Raises ``NotFound``
    (``payment.batch_unknown``), ``Invalid`` (``payment.serial_range``, ``payment.voucher_change``), ``Forbidden``
    (``authz.four_eyes``).
    """
    wrong = change is Change.ACTIVATE or (sold and (change is not Change.CANCEL or not reason.strip()))
    if wrong or len(reason) > 200 or "\x00" in reason:
        raise Invalid(
            "not a change with a reason", code="payment.voucher_change", field="change", value=change.value
        )
    found = await get_batch(tx, key=batch)
    to = {Change.BLOCK: VoucherState.BLOCKED, Change.CANCEL: VoucherState.CANCELLED}.get(change)
    wanted = within(found, serials)
    if sold:
        await _undo_sales(tx, found, wanted, now, actor)
    number = await store.change_vouchers(
        tx,
        batch_id=found.id,
        serials=wanted,
        taken={VoucherState.BLOCKED} if sold else CHANGES[change],
        to=to,
        at=now,
        reason=reason,
        actor=actor,
        sold=sold if change is Change.CANCEL else None,
    )
    if number:
        detail: dict[str, JSON] = {"number": number, "first": wanted.first, "last": wanted.last, "sold": sold}
        action = f"payment.vouchers_{change.value}"
        await audit.record(tx, actor=actor, action=action, subject=str(found.id), at=now, detail=detail)
    return number


async def _undo_sales(tx: Tx, batch: Batch, serials: SerialRange, now: datetime, actor: Actor) -> None:
    """Book back what was sold and is blocked in a range, and give dealers credit for it."""
    await store.lock_batch(tx, batch.id)
    blocked, blockers = await store.blocked_sales(tx, batch.id, serials)
    for person in blockers:
        require_four_eyes(requested_by=person, approved_by=actor)
    day = day_of(await booking_dates(tx, now), batch.order.legal_entity_id)
    entries, owed = [], []
    for one in blocked:
        sale = await store.get_sale(tx, one.sale_id)
        check(sale is not None, "payment.sale_missing")
        if sale is None:  # pragma: no cover - vouchers name a sale that is there
            continue
        part = undone(sale, undone_id=uuid7(now), first=one.first, number=one.number, before=one.cancelled)
        entries.append(cancellation_entry(sale, part, day, now))
        if sale.buyer.account_id is not None and part.price.amount_minor:
            owed.append(_credit(batch, sale, sale.buyer.account_id, part, day, now))
    await ledger.post_entries(tx=tx, entries=entries)
    await add_open_items(tx, owed, now=now)


def _credit(
    batch: Batch, sale: Sale, account_id: AccountId, part: Undone, day: date, now: datetime
) -> OpenItem:
    return OpenItem(
        OpenItemId(uuid7(now)),
        account_id,
        sale.legal_entity_id,
        ItemKind.VOUCHER_SALE,
        part.id,
        f"{batch.order.key} {part.first}",
        day,
        day,
        part.price.currency,
        -part.price.amount_minor,
        -part.price.amount_minor,
    )


async def expire_vouchers(*, db: Database, tenant_id: TenantId, now: datetime) -> int:
    """Expire the vouchers whose last day is past, batch by batch, and book what nobody used; return how many.

    Old tries are forgotten too.
    """
    total = 0
    while True:
        async with db.transaction(tenant_id) as tx:
            number = await _expire_one(tx, now)
            if number is None:
                await redemptions.forget_attempts(tx, now - KEPT)
                return total
        total += number


async def _expire_one(tx: Tx, now: datetime) -> int | None:
    found = await store.expire_batch(tx, now)
    if found is None:
        return None
    batch, number, sold, first = found
    if sold:
        order = batch.order
        value = replace(order.value, amount_minor=order.value.amount_minor * sold)
        day = day_of(await booking_dates(tx, now), order.legal_entity_id)
        entry = expiry_entry(order.legal_entity_id, batch.id, first, value, day, now)
        await ledger.post_entries(tx=tx, entries=[entry])
    return number
