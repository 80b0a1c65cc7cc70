"""Ask a gateway for money, and hear from it: at once, late, or three times."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from farwire.account import service as accounts
from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.ids import AccountId, uuid7
from farwire.kernel.money import Money, currency
from farwire.kernel.tenancy import Actor
from farwire.kernel.time import instant
from farwire.payment.model import (
    Charge,
    ChargeState,
    MethodKind,
    Notice,
    Payment,
    PaymentState,
    parse_notice,
    refuse_card_number,
)
from farwire.payment.model.gateway import SECRET_BYTES
from farwire.payment.model.voucher.redemption import LONGEST_NAME, check_name
from farwire.payment.port import Answer, Outcome
from farwire.payment.service.receiving import get_payment, receive_payment
from farwire.payment.service.reversing import take_back, take_back_if_told
from farwire.payment.service.topping_up import top_up
from farwire.payment.simulator import gateway_of
from farwire.payment.store import methods as store


async def take_payment(
    tx: Tx,
    *,
    account_id: AccountId,
    method: MethodKind,
    token: str,
    amount: Money,
    now: datetime,
    actor: Actor,
    reference: str = "",
    key: str = "",
    topup_for: str = "",
) -> Charge:
    """Ask the gateway of ``method`` to collect ``amount`` from the payer behind ``token``; return how it stands.

    The money pays bills, or tops up the prepaid balance of ``topup_for``. DONE has its payment; PENDING waits for the
    gateway's notice. Idempotent by (``method``, ``key``): asking again with the same key returns the charge as it
    stands. Raises ``NotFound`` (``account.unknown``), ``Invalid`` (``payment.amount``, ``payment.no_gateway``,
    ``payment.card_number``), ``Conflict`` (``payment.key_reused``).
    """
    gateway = gateway_of(method)
    number = await _chargeable(tx, account_id, method, token, reference, amount, topup_for)
    charge = Charge(
        uuid7(now),
        account_id,
        method,
        token,
        key or uuid4().hex,
        reference,
        amount.currency,
        amount.amount_minor,
        ChargeState.PENDING,
        "",
        now,
        topup_for=topup_for,
    )
    if not await store.add_charge(tx, charge):
        return await _earlier(tx, charge)
    answer = await gateway.charge(tx, key=charge.key, token=token, account=number, amount=amount, now=now)
    return await _answered(tx, charge, answer, now, actor)


async def _answered(tx: Tx, charge: Charge, answer: Answer, now: datetime, actor: Actor) -> Charge:
    """Write what the gateway said at once."""
    if answer.outcome is Outcome.DENIED:
        charge = replace(charge, state=ChargeState.DENIED, reason=answer.reason)
    elif answer.outcome is Outcome.DONE:
        amount = Money(charge.amount_minor, charge.currency)
        payment = await _receive(tx, charge, answer.reference, amount, now, now, actor)
        charge = replace(charge, state=ChargeState.DONE, payment_id=payment.id)
    else:
        charge = replace(charge, reason=answer.reason)
    await store.save_charge(tx, charge)
    return charge


async def _chargeable(
    tx: Tx,
    account_id: AccountId,
    method: MethodKind,
    token: str,
    reference: str,
    amount: Money,
    topup_for: str,
) -> str:
    """Return the account's number if a token of it can be charged."""
    if topup_for:
        check_name("topup_for", topup_for)
    refuse_card_number(token, field="token", kind=method)
    refuse_card_number(reference, field="reference")
    if amount.amount_minor <= 0:
        raise Invalid("a charge is more than 0", code="payment.amount", field="amount", value=str(amount))
    account = (await accounts.accounts_by_id(tx=tx, account_ids=[account_id])).get(account_id)
    if account is None:
        raise NotFound("there is no such account", code="account.unknown", field="account", value=account_id)
    if account.currency != amount.currency:
        raise Invalid(
            f"the account is in {account.currency}",
            code="payment.other_currency",
            field="currency",
            value=amount.currency.code,
        )
    return account.number


async def _earlier(tx: Tx, wanted: Charge) -> Charge:
    found = await store.charge_by_key(tx, wanted.method, wanted.key)
    same = found is not None and (found.account_id, found.amount_minor, found.currency, found.topup_for) == (
        wanted.account_id,
        wanted.amount_minor,
        wanted.currency,
        wanted.topup_for,
    )
    if found is None or not same:
        raise Conflict(
            "another charge has this key", code="payment.key_reused", field="key", value=wanted.key
        )
    return found


async def _receive(
    tx: Tx, charge: Charge, reference: str, amount: Money, at: datetime, now: datetime, actor: Actor
) -> Payment:
    payment = await receive_payment(
        tx,
        method=charge.method,
        external_reference=reference,
        amount=amount,
        received_at=at,
        now=now,
        actor=actor,
        account_id=charge.account_id,
        reference=charge.reference,
        pays_bills=not charge.topup_for,
    )
    return await _topped_up(tx, payment, charge.topup_for, now, actor)


async def _topped_up(tx: Tx, payment: Payment, subscriber: str, now: datetime, actor: Actor) -> Payment:
    """Put a payment on the balance that it is for, once; without one, or in suspense, it stays as it is."""
    if subscriber and payment.state is PaymentState.DONE and payment.left_minor:
        await top_up(tx, payment_id=payment.id, subscriber=subscriber, now=now, actor=actor)
        return await get_payment(tx, payment_id=payment.id)
    return payment


async def expire_charge(tx: Tx, *, method: MethodKind, key: str) -> Charge:
    """Give up waiting for a charge. A late notice still counts. Raises ``NotFound`` (``payment.charge_unknown``)."""
    charge = await store.charge_by_key(tx, method, key)
    if charge is None:
        raise NotFound("there is no such charge", code="payment.charge_unknown", field="key", value=key)
    if charge.state is ChargeState.PENDING:
        charge = replace(charge, state=ChargeState.FAILED, reason="timeout")
        await store.save_charge(tx, charge)
    return charge


async def hear_notice(
    tx: Tx, *, method: MethodKind, payload: str, signature: str, now: datetime, actor: Actor
) -> Payment | None:
    """Take in what a gateway tells, as often and in whatever order it tells it.

    Return the payment, or None where money was denied, or taken back before anybody told of it. Raises ``Forbidden``
    (``payment.signature``), ``Invalid`` (``payment.notice``, ``payment.amount``, ``payment.reversal_amount``, and of
    money and time).
    """
    gateway_of(method)
    secret = await store.gateway_secret(tx, method, None)
    notice = parse_notice(payload, signature, secret or secrets.token_bytes(SECRET_BYTES))
    if notice.outcome not in ("done", "denied", "reversed") or notice.amount_minor <= 0:
        raise Invalid("the notice makes no sense", code="payment.notice", field="payload")
    amount = Money(notice.amount_minor, currency(notice.currency))
    at = min(instant(notice.at), now)
    await store.hold_reference(tx, method, notice.reference)
    if notice.outcome == "reversed":
        return await take_back(
            tx,
            method=method,
            reference=notice.reference,
            amount=amount,
            reason=notice.reason[:200],
            now=now,
            actor=actor,
        )
    charge = await store.charge_by_key(tx, method, notice.key) if notice.key else None
    if notice.outcome == "denied":
        if charge is not None and charge.state in (ChargeState.PENDING, ChargeState.FAILED):
            await store.save_charge(tx, replace(charge, state=ChargeState.DENIED, reason=notice.reason[:200]))
        return None
    if charge is None:
        payment = await _unasked(tx, method, notice, amount, at, now, actor)
    else:
        payment = await arrived(tx, charge, notice.reference, amount, at, now, actor)
    return await take_back_if_told(tx, payment, now=now, actor=actor)


async def arrived(
    tx: Tx, charge: Charge, reference: str, amount: Money, at: datetime, now: datetime, actor: Actor
) -> Payment:
    """Take in the money of a charge, however often it is told."""
    if charge.state is ChargeState.DONE and charge.payment_id is not None:
        return await get_payment(tx, payment_id=charge.payment_id)
    payment = await _receive(tx, charge, reference, amount, at, now, actor)
    await store.save_charge(tx, replace(charge, state=ChargeState.DONE, payment_id=payment.id, reason=""))
    return payment


async def _unasked(
    tx: Tx, method: MethodKind, notice: Notice, amount: Money, at: datetime, now: datetime, actor: Actor
) -> Payment:
    """Take in money that nobody asked for. What the payer wrote may be anything: it never stops the money."""
    reference = notice.bill
    try:
        refuse_card_number(reference, field="bill")
    except FarwireError:
        reference = ""
    # What makes no name of a subscriber stays as the customer's credit.
    topup = notice.topup if len(notice.topup) <= LONGEST_NAME and notice.topup.isprintable() else ""
    topup = topup.strip()
    payment = await receive_payment(
        tx,
        method=method,
        external_reference=notice.reference,
        amount=amount,
        received_at=at,
        now=now,
        actor=actor,
        account_number=notice.account,
        reference=reference[:200],
        pays_bills=not notice.topup,
    )
    return await _topped_up(tx, payment, topup, now, actor)


async def find_charge(tx: Tx, charge_id: UUID) -> Charge | None:
    """Return how money that a gateway was asked for stands, or None."""
    return await store.charge_with_id(tx, charge_id)
