"""A payment tops a prepaid balance up: charging credits it once; taken back, the balance gives what it still has."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from farwire.base import audit
from farwire.base.eventbus.service import publish
from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import AccountId, LegalEntityId, OpenItemId, PaymentId, uuid7
from farwire.kernel.money import Money
from farwire.kernel.tenancy import Actor
from farwire.ledger import service as ledger
from farwire.payment.events import topup_paid, topup_reversed
from farwire.payment.model import ItemKind, OpenItem, Payment, PaymentState
from farwire.payment.model.voucher import (
    Asked,
    CreditOrder,
    handed_over_entries,
    topup_entry,
    topup_short_entry,
)
from farwire.payment.service.items import add_open_items
from farwire.payment.service.receiving import get_payment
from farwire.payment.service.settling import booking_dates, day_of
from farwire.payment.service.voucher import get_credit_order
from farwire.payment.store import items as item_store
from farwire.payment.store.voucher import redemptions

_CLIENT: Final = "payment"


async def top_up(
    tx: Tx, *, payment_id: PaymentId, subscriber: str, now: datetime, actor: Actor
) -> CreditOrder:
    """Put what is left of a payment on the prepaid balance of ``subscriber``, as charging names him; once.

    Raises ``NotFound`` (``payment.unknown``), ``Invalid`` (``payment.redemption``), ``Conflict``
    (``payment.topped_up`` for another subscriber, ``payment.nothing_left``).
    """
    payment = await get_payment(tx, payment_id=payment_id)
    if payment.account_id is not None:
        await item_store.lock_accounts(tx, [payment.account_id])
    payment = await get_payment(tx, payment_id=payment_id)
    asked = Asked(_CLIENT, str(payment_id), subscriber, payment.account_id)
    earlier = await redemptions.order_of_payment(tx, payment_id)
    if earlier is not None:
        if earlier.asked != asked:
            raise Conflict(
                "the payment tops up another balance",
                code="payment.topped_up",
                field="payment",
                value=payment_id,
            )
        return earlier
    order = _order(payment, asked, now)
    await item_store.change_payments(tx, {payment.id: -payment.left_minor})
    await redemptions.add_order(tx, order)
    day = day_of(await booking_dates(tx, now), payment.legal_entity_id)
    await ledger.post_entries(tx=tx, entries=[topup_entry(order, day, now)])
    await publish(tx, topup_paid(order, tenant_id=tx.tenant_id, at=now))
    await audit.record(
        tx,
        actor=actor,
        action="payment.topped_up",
        subject=str(payment.id),
        at=now,
        detail={"key": order.key},
    )
    return order


def _order(payment: Payment, asked: Asked, now: datetime) -> CreditOrder:
    """Return what a payment orders. Raises ``Conflict`` (``payment.nothing_left``)."""
    if payment.state is not PaymentState.DONE or payment.left_minor <= 0:
        raise Conflict(
            "nothing is left of the payment, or it belongs to no account",
            code="payment.nothing_left",
            field="payment",
            value=payment.id,
            fix="see: farwire payment show",
        )
    value = Money(payment.left_minor, payment.currency)
    return CreditOrder(
        uuid7(now), asked, None, None, payment.legal_entity_id, value, "", now, payment_id=payment.id
    )


async def reverse_topup(tx: Tx, payment_id: PaymentId, now: datetime) -> int:
    """Ask charging to take back what a payment had topped up; return how much that was, in minor units."""
    order = await redemptions.order_of_payment(tx, payment_id)
    if order is None:
        return 0
    await redemptions.reverse_order(tx, order.id, now)
    await publish(tx, topup_reversed(order, tenant_id=tx.tenant_id, at=now))
    return order.value.amount_minor


async def topup_taken_back(
    tx: Tx, *, key: str, short: Money, now: datetime, company: LegalEntityId | None = None
) -> CreditOrder:
    """Write how much of a top-up charging could not take back: it was spent, and is a debt from now on.

    ``company`` as in ``credit_confirmed``: what was taken back is handed back by it. Idempotent; the first time counts.
    Raises ``NotFound`` (``payment.credit_order_unknown``), ``Invalid`` (``payment.short``).
    """
    order = await get_credit_order(tx, key=key)
    if order.asked.account_id is None or order.reversed_at is None:
        raise NotFound(
            "no top-up of this key was taken back",
            code="payment.credit_order_unknown",
            field="key",
            value=key,
        )
    if short < Money(0, order.value.currency) or order.value < short:
        raise Invalid(
            f"of {order.value} not {short} can be missing",
            code="payment.short",
            field="short",
            value=str(short),
        )
    if not await redemptions.settle_reversal(tx, order.id, short.amount_minor):
        return await get_credit_order(tx, key=key)
    days = await booking_dates(tx, now)
    if company is not None:
        back = handed_over_entries(order, company, short - order.value, "credit_handed_back", days, now)
        await ledger.post_entries(tx=tx, entries=back)
    if short:
        await _owe_spent(tx, order, order.asked.account_id, short, day_of(days, order.legal_entity_id), now)
    return await get_credit_order(tx, key=key)


async def _owe_spent(
    tx: Tx, order: CreditOrder, account_id: AccountId, short: Money, day: date, now: datetime
) -> None:
    """Leave what was spent of a top-up that is taken back as an open item, due at once."""
    await ledger.post_entries(tx=tx, entries=[topup_short_entry(order, short, day, now)])
    item = OpenItem(
        OpenItemId(uuid7(now)),
        account_id,
        order.legal_entity_id,
        ItemKind.DEBT,
        order.id,
        f"spent {order.key}",
        day,
        day,
        short.currency,
        short.amount_minor,
        short.amount_minor,
    )
    await add_open_items(tx, [item], now=now)
