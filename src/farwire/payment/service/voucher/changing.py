"""What people do to vouchers: block, give free again, cancel; and what time does: expire."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from farwire.base import audit
from farwire.base.canonical import JSON
from farwire.base.storage import Database, Tx
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import Actor
from farwire.ledger import service as ledger
from farwire.payment.model.voucher import CHANGES, Change, SerialRange, VoucherState, expiry_entry
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
) -> int:
    """Block, unblock or cancel a batch or a range of it; return how many vouchers changed. Idempotent.

    Unblocked, a voucher is what it was before. What was sold is not cancelled. Raises ``NotFound``
    (``payment.batch_unknown``), ``Invalid`` (``payment.serial_range``, ``payment.voucher_change``).
    """
    if change is Change.ACTIVATE or len(reason) > 200 or "\x00" in reason:
        raise Invalid(
            "not a change with a reason", code="payment.voucher_change", field="change", value=change.value
        )
    found = await get_batch(tx, key=batch)
    to = {Change.BLOCK: VoucherState.BLOCKED, Change.CANCEL: VoucherState.CANCELLED}.get(change)
    wanted = within(found, serials)
    number = await store.change_vouchers(
        tx,
        batch_id=found.id,
        serials=wanted,
        taken=CHANGES[change],
        to=to,
        at=now,
        reason=reason,
        unsold_only=change is Change.CANCEL,
    )
    if number:
        detail: dict[str, JSON] = {"number": number, "first": wanted.first, "last": wanted.last}
        action = f"payment.vouchers_{change.value}"
        await audit.record(tx, actor=actor, action=action, subject=str(found.id), at=now, detail=detail)
    return number


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
