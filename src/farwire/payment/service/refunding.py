"""Money goes back: one person asks, another approves."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from farwire.base import audit
from farwire.base.authz import require_four_eyes
from farwire.base.canonical import JSON
from farwire.base.eventbus.service import publish
from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import OpenItemId, PaymentId, RefundId, uuid7
from farwire.kernel.money import Money
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor
from farwire.ledger import service as ledger
from farwire.payment.events import refund_paid
from farwire.payment.model import (
    MethodKind,
    Payment,
    PaymentState,
    Refund,
    RefundState,
    refund_entry,
    refund_paid_entry,
    refuse_card_number,
)
from farwire.payment.service.settling import booking_dates, day_of
from farwire.payment.simulator import gateway_of
from farwire.payment.store import items as item_store
from farwire.payment.store import payments as store


async def request_refund(
    tx: Tx, *, payment_id: PaymentId, amount: Money, reason: str, now: datetime, actor: Actor
) -> Refund:
    """Ask that ``amount`` of what is left of a payment goes back to where it came from; set it aside meanwhile.

    What a payment has paid is not left: a credit note frees it. What is in suspense goes back as a whole. Raises
    ``NotFound`` (``payment.unknown``), ``Invalid`` (``payment.amount``, ``money.currency_mismatch``) and ``Conflict``
    (``payment.refund_too_large``).
    """
    payment = await _locked(tx, payment_id)
    suspense = payment.state is PaymentState.UNMATCHED
    left = Money(payment.left_minor if suspense or payment.credit() else 0, payment.currency)
    _check_amount(amount, left, whole=suspense)
    refund = Refund(
        RefundId(uuid7(now)),
        payment.account_id,
        payment.legal_entity_id,
        payment.id,
        None,
        payment.method,
        payment.currency,
        amount.amount_minor,
        _reason(reason),
        RefundState.REQUESTED,
        actor,
        now,
    )
    await item_store.change_payments(tx, {payment.id: -amount.amount_minor})
    return await _request(tx, refund)


async def request_credit_refund(
    tx: Tx,
    *,
    open_item_id: OpenItemId,
    method: MethodKind,
    amount: Money,
    reason: str,
    now: datetime,
    actor: Actor,
) -> Refund:
    """Ask that ``amount`` of what is open of a credit note is paid out by ``method``; set it aside meanwhile.

    Raises as ``request_refund`` does, and ``NotFound`` (``payment.item_unknown``).
    """
    found = (await item_store.items_by_id(tx, [open_item_id])).get(open_item_id)
    if found is not None:
        await item_store.lock_accounts(tx, [found.account_id])
        found = (await item_store.items_by_id(tx, [open_item_id])).get(open_item_id)
    if found is None:
        raise NotFound(
            "there is no such open item", code="payment.item_unknown", field="open_item", value=open_item_id
        )
    _check_amount(amount, Money(max(-found.open_minor, 0), found.currency))
    refund = Refund(
        RefundId(uuid7(now)),
        found.account_id,
        found.legal_entity_id,
        None,
        found.id,
        method,
        found.currency,
        amount.amount_minor,
        _reason(reason),
        RefundState.REQUESTED,
        actor,
        now,
    )
    await item_store.change_items(tx, {found.id: amount.amount_minor})
    return await _request(tx, refund)


async def _request(tx: Tx, refund: Refund) -> Refund:
    now = refund.requested_at
    await store.add_refund(tx, refund)
    day = day_of(await booking_dates(tx, now), refund.legal_entity_id)
    await ledger.post_entries(tx=tx, entries=[refund_entry(refund, day, now)])
    await _note(tx, refund.requested_by, "payment.refund_requested", refund, now)
    return refund


async def _locked(tx: Tx, payment_id: PaymentId) -> Payment:
    payment = await _payment(tx, payment_id)
    if payment.account_id is not None:
        await item_store.lock_accounts(tx, [payment.account_id])
    await store.lock_payment(tx, payment_id)
    return await _payment(tx, payment_id)


async def _payment(tx: Tx, payment_id: PaymentId) -> Payment:
    found = await store.get_payment(tx, payment_id)
    if found is None:
        raise NotFound("there is no such payment", code="payment.unknown", field="payment", value=payment_id)
    return found


def _reason(text: str) -> str:
    return refuse_card_number(text, field="reason")[:200]


def _check_amount(amount: Money, left: Money, *, whole: bool = False) -> None:
    if amount.amount_minor <= 0:
        raise Invalid(
            "a refund is more than 0", code="payment.amount", field="amount", value=str(amount.to_decimal())
        )
    if whole and amount < left:
        raise Invalid(
            "what is in suspense goes back as a whole",
            code="payment.amount",
            field="amount",
            value=str(amount),
            fix=f"refund {left}, or give the payment its account first",
        )
    if left < amount:
        raise Conflict(
            f"only {left} can be refunded",
            code="payment.refund_too_large",
            field="amount",
            value=str(amount),
            fix="what pays a bill comes back by a credit note first",
        )


async def approve_refund(
    tx: Tx, *, refund_id: RefundId, now: datetime, actor: Actor, external_reference: str = ""
) -> Refund:
    """Pay a refund out, as a second person. Idempotent.

    Card and mobile money go through the gateway, under the refund's id as key; for the other methods
    ``external_reference`` is what the bank or the till says. Raises ``NotFound`` (``payment.refund_unknown``),
    ``Forbidden`` (``authz.four_eyes``), ``Conflict`` (``payment.refund_decided``) and what the gateway raises.
    """
    refund = await _refund(tx, refund_id)
    if refund.state is RefundState.PAID:
        return refund
    require_four_eyes(requested_by=refund.requested_by, approved_by=actor)
    _check_undecided(refund)
    if refund.method in (MethodKind.CARD, MethodKind.MOBILE_MONEY) and refund.payment_id is not None:
        payment = await _payment(tx, refund.payment_id)
        gateway = gateway_of(refund.method)
        external_reference = await gateway.refund(
            tx, key=str(refund.id), reference=payment.external_reference, amount=refund.amount, now=now
        )
    paid = await _decide(tx, refund, RefundState.PAID, actor, now, external_reference)
    day = day_of(await booking_dates(tx, now), refund.legal_entity_id)
    await ledger.post_entries(tx=tx, entries=[refund_paid_entry(refund, day, now)])
    await publish(tx, refund_paid(paid, tenant_id=tx.tenant_id, at=now))
    await _note(tx, actor, "payment.refund_approved", paid, now)
    return paid


async def deny_refund(tx: Tx, *, refund_id: RefundId, now: datetime, actor: Actor) -> Refund:
    """Refuse a refund: what was set aside is the customer's credit again. Idempotent.

    Who asked may withdraw it. Raises ``NotFound`` (``payment.refund_unknown``), ``Conflict``
    (``payment.refund_decided``).
    """
    refund = await _refund(tx, refund_id)
    if refund.state is RefundState.DENIED:
        return refund
    _check_undecided(refund)
    denied = await _decide(tx, refund, RefundState.DENIED, actor, now, "")
    back: dict[UUID, int] = {refund.source: refund.amount_minor}
    if refund.payment_id is not None:
        await item_store.change_payments(tx, back)
    else:
        await item_store.change_items(tx, {refund.source: -refund.amount_minor})
    day = day_of(await booking_dates(tx, now), refund.legal_entity_id)
    await ledger.post_entries(tx=tx, entries=[refund_entry(refund, day, now, denied=True)])
    await _note(tx, actor, "payment.refund_denied", denied, now)
    return denied


async def _refund(tx: Tx, refund_id: RefundId) -> Refund:
    found = await store.get_refund(tx, refund_id)
    if found is None:
        raise NotFound(
            "there is no such refund",
            code="payment.refund_unknown",
            field="refund",
            value=refund_id,
            fix="see: farwire payment refunds",
        )
    return found


def _check_undecided(refund: Refund) -> None:
    if refund.state is not RefundState.REQUESTED:
        raise Conflict(
            f"the refund is {refund.state}", code="payment.refund_decided", field="refund", value=refund.id
        )


async def _decide(
    tx: Tx, refund: Refund, state: RefundState, actor: Actor, now: datetime, external_reference: str
) -> Refund:
    text = refuse_card_number(external_reference, field="external_reference")[:200]
    await store.decide_refund(tx, refund.id, state, actor, now, text)
    return replace(refund, state=state, decided_by=actor, decided_at=now, external_reference=text)


async def list_refunds(tx: Tx, *, page: PageRequest, state: RefundState | None = None) -> Page[Refund]:
    """Return a page of refunds, newest first."""
    found, total = await store.list_refunds(tx, state=state, offset=page.offset, limit=page.limit)
    return Page(found, total, page.offset, page.limit)


async def get_refund(tx: Tx, *, refund_id: RefundId) -> Refund:
    """Return one refund. Raises ``NotFound`` (``payment.refund_unknown``)."""
    return await _refund(tx, refund_id)


async def _note(tx: Tx, actor: Actor, action: str, refund: Refund, at: datetime) -> None:
    detail: dict[str, JSON] = {"currency": refund.currency.code, "amount_minor": refund.amount_minor}
    await audit.record(tx, actor=actor, action=action, subject=str(refund.id), at=at, detail=detail)
