"""Money comes in, is put against bills, waits in suspense, or is taken back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base import audit
from farwire.base.eventbus.service import publish
from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import AccountId, LegalEntityId, OpenItemId, PaymentId, uuid7
from farwire.kernel.money import Money, int64
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor
from farwire.ledger import service as ledger
from farwire.payment.events import payment_received
from farwire.payment.model import (
    Match,
    MethodKind,
    OpenItem,
    Payment,
    PaymentState,
    assignment_entry,
    receipt_entry,
    refuse_card_number,
    settle,
)
from farwire.payment.service.settling import apply_credit, book_matches, booking_dates, day_of, tell_states
from farwire.payment.store import items as item_store
from farwire.payment.store import payments as store

MAX_REFERENCE = 200


class ReferenceReused(Conflict):
    """Another payment came in under the same external reference."""

    default_code = "payment.reference_reused"


@dataclass(frozen=True, slots=True)
class _Found:
    """Whom a payment is for: an account and the item that it names, or the reason why nobody is known."""

    account: BillingAccount | None
    named: frozenset[OpenItemId] = frozenset()
    reason: str = ""


async def receive_payment(
    tx: Tx,
    *,
    method: MethodKind,
    external_reference: str,
    amount: Money,
    received_at: datetime,
    now: datetime,
    actor: Actor,
    account_id: AccountId | None = None,
    account_number: str = "",
    reference: str = "",
    legal_entity_id: LegalEntityId | None = None,
    pays_bills: bool = True,
) -> Payment:
    """Take in a payment and put it against open bills: the one that ``reference`` numbers, then the oldest due.

    What is left over stays as the customer's credit. Without an account (by id, by number, or by the bill that
    ``reference`` numbers), or in another currency than the account's, it waits in suspense of ``legal_entity_id`` (the
    tenant's first company by default). Without ``pays_bills`` all of it stays as credit. Idempotent by (``method``,
    ``external_reference``).
    Raises ``NotFound`` (``account.unknown`` for an ``account_id``, ``payment.company_unknown``), ``Invalid``
    (``payment.amount``, ``payment.reference``, ``payment.card_number``), ``ReferenceReused``.
    """
    _check_input(method, external_reference, reference, amount)
    earlier = await store.payment_by_reference(tx, method, external_reference)
    if earlier is not None:
        return _same(earlier, amount, account_id)
    found = await _resolve(tx, account_id, account_number, reference, amount)
    entity, day = await _booked(tx, found, legal_entity_id, received_at)
    payment = Payment(
        PaymentId(uuid7(now)),
        found.account.id if found.account else None,
        legal_entity_id=entity,
        booked_on=day,
        method=method,
        external_reference=external_reference,
        reference=reference,
        currency=amount.currency,
        amount_minor=amount.amount_minor,
        left_minor=amount.amount_minor,
        state=PaymentState.DONE if found.account else PaymentState.UNMATCHED,
        reason=found.reason,
        received_at=received_at,
        recorded_at=now,
    )
    return await _book(tx, payment, found.named, actor, pays_bills=pays_bills)


async def _booked(
    tx: Tx, found: _Found, wanted: LegalEntityId | None, at: datetime
) -> tuple[LegalEntityId, date]:
    """Return the company that got the money and the day in its books."""
    days = await booking_dates(tx, at)
    entity = found.account.legal_entity_id if found.account else wanted or next(iter(days), None)
    if entity is None:
        raise NotFound("the tenant has no company yet", code="payment.company_unknown", field="legal_entity")
    return entity, day_of(days, entity)


async def _book(
    tx: Tx, payment: Payment, named: frozenset[OpenItemId], actor: Actor, *, pays_bills: bool
) -> Payment:
    """Write a new payment, put it against bills, book and announce it; or return the one that is there."""
    now = payment.recorded_at
    if payment.account_id is not None:
        await item_store.lock_accounts(tx, [payment.account_id])
    if not await store.add_payment(tx, payment):
        raced = await store.payment_by_reference(tx, payment.method, payment.external_reference)
        return _same(raced or payment, payment.amount, payment.account_id)
    settled = await _settle(tx, payment, named, now=now) if pays_bills else payment
    await ledger.post_entries(tx=tx, entries=[receipt_entry(settled, now)])
    if settled.state is PaymentState.DONE:
        await publish(tx, payment_received(settled, tenant_id=tx.tenant_id, at=now))
    await note(tx, actor, "payment.received", settled, now)
    return settled


def _check_input(method: MethodKind, external_reference: str, reference: str, amount: Money) -> None:
    if amount.amount_minor <= 0:
        raise Invalid(
            "a payment is more than 0", code="payment.amount", field="amount", value=str(amount.to_decimal())
        )
    int64(amount.amount_minor)
    for field, text in (("external_reference", external_reference), ("reference", reference)):
        if (
            len(text) > MAX_REFERENCE
            or "\x00" in text
            or (field == "external_reference" and not text.strip())
        ):
            raise Invalid(
                f"{field} has up to {MAX_REFERENCE} characters",
                code="payment.reference",
                field=field,
            )
    refuse_card_number(reference, field="reference")
    if method is MethodKind.CARD:
        refuse_card_number(external_reference, field="external_reference")


def _same(earlier: Payment, amount: Money, account_id: AccountId | None) -> Payment:
    if earlier.amount != amount or (account_id is not None and earlier.account_id not in (account_id, None)):
        raise ReferenceReused(
            "another payment came in under this reference",
            field="external_reference",
            value=earlier.external_reference,
            fix=f"see payment {earlier.id}",
        )
    return earlier


async def _resolve(
    tx: Tx, account_id: AccountId | None, account_number: str, reference: str, amount: Money
) -> _Found:
    items = await item_store.items_numbered(tx, reference) if reference else ()
    named = frozenset(item.id for item in items)
    if account_id is not None:
        account = (await accounts.accounts_by_id(tx=tx, account_ids=[account_id])).get(account_id)
        if account is None:
            raise NotFound(
                "there is no such account", code="account.unknown", field="account", value=account_id
            )
    else:
        account = await _by_number_or_bill(tx, account_number, reference, items)
    if account is None:
        return _Found(None, reason="account_unknown")
    if account.currency != amount.currency:
        return _Found(None, reason="other_currency")
    return _Found(account, named)


async def _by_number_or_bill(
    tx: Tx, account_number: str, reference: str, items: tuple[OpenItem, ...]
) -> BillingAccount | None:
    numbers = [number for number in (account_number, reference) if number]
    by_number = await accounts.accounts_by_number(tx=tx, numbers=numbers) if numbers else {}
    if account_number:
        return by_number.get(account_number)
    if len(items) == 1:
        owner = items[0].account_id
        return (await accounts.accounts_by_id(tx=tx, account_ids=[owner])).get(owner)
    return by_number.get(reference)


async def _settle(tx: Tx, payment: Payment, named: frozenset[OpenItemId], *, now: datetime) -> Payment:
    """Put a new payment against bills without booking: the entry of the payment itself shows where it went."""
    if payment.account_id is None:
        return payment
    matches = settle(payment.credit(), await item_store.open_bills(tx, [payment.account_id]), first=named)
    if not matches:
        return payment
    days = {payment.legal_entity_id: payment.booked_on}
    await item_store.allocate(tx, [(uuid7(now), match) for match in matches], days, now)
    await tell_states(tx, [(match.item, match.amount_minor) for match in matches], now)
    return replace(payment, left_minor=payment.left_minor - sum(match.amount_minor for match in matches))


async def note(tx: Tx, actor: Actor, action: str, payment: Payment, at: datetime) -> None:
    """Write what somebody did with a payment into the audit log."""
    detail = {
        "method": payment.method.value,
        "currency": payment.currency.code,
        "amount_minor": payment.amount_minor,
    }
    await audit.record(tx, actor=actor, action=action, subject=str(payment.id), at=at, detail=detail)


async def get_payment(tx: Tx, *, payment_id: PaymentId) -> Payment:
    """Return one payment. Raises ``NotFound`` (``payment.unknown``)."""
    found = await store.get_payment(tx, payment_id)
    if found is None:
        raise NotFound(
            "there is no such payment",
            code="payment.unknown",
            field="payment",
            value=payment_id,
            fix="see: farwire payment list",
        )
    return found


async def list_payments(
    tx: Tx, *, page: PageRequest, account_id: AccountId | None = None, state: PaymentState | None = None
) -> Page[Payment]:
    """Return a page of payments, newest first."""
    found, total = await store.list_payments(
        tx, account_id=account_id, state=state, offset=page.offset, limit=page.limit
    )
    return Page(found, total, page.offset, page.limit)


async def payment_items(tx: Tx, *, payment_id: PaymentId) -> tuple[tuple[OpenItem, int], ...]:
    """Return the items that a payment pays, each with how much of it, in minor units."""
    parts = await item_store.allocated(tx, payment_id)
    found = await item_store.items_by_id(tx, list(parts))
    return tuple((found[item_id], minor) for item_id, minor in parts.items())


async def assign_payment(
    tx: Tx, *, payment_id: PaymentId, account_id: AccountId, now: datetime, actor: Actor
) -> Payment:
    """Give a payment in suspense its account and put it against open bills. Idempotent.

    Raises ``NotFound`` (``payment.unknown``, ``account.unknown``) and ``Conflict`` (``payment.not_in_suspense``,
    ``payment.other_currency``, ``payment.other_company``).
    """
    await item_store.lock_accounts(tx, [account_id])
    await store.lock_payment(tx, payment_id)
    payment = await get_payment(tx, payment_id=payment_id)
    if payment.state is PaymentState.DONE and payment.account_id == account_id:
        return payment
    account = (await accounts.accounts_by_id(tx=tx, account_ids=[account_id])).get(account_id)
    if account is None:
        raise NotFound("there is no such account", code="account.unknown", field="account", value=account_id)
    _check_assignable(payment, account)
    await store.assign_payment(tx, payment_id, account_id)
    assigned = replace(payment, account_id=account_id, state=PaymentState.DONE, reason="")
    days = await booking_dates(tx, now)
    settled = await _settle(tx, assigned, await _named(tx, payment.reference), now=now)
    day = day_of(days, payment.legal_entity_id)
    await ledger.post_entries(tx=tx, entries=[assignment_entry(settled, day, now)])
    await publish(tx, payment_received(settled, tenant_id=tx.tenant_id, at=now))
    await note(tx, actor, "payment.assigned", settled, now)
    return settled


async def _named(tx: Tx, reference: str) -> frozenset[OpenItemId]:
    items = await item_store.items_numbered(tx, reference) if reference else ()
    return frozenset(item.id for item in items)


def _check_assignable(payment: Payment, account: BillingAccount) -> None:
    if payment.state is not PaymentState.UNMATCHED:
        raise Conflict(
            f"the payment is {payment.state}, not in suspense",
            code="payment.not_in_suspense",
            field="payment",
            value=payment.id,
        )
    if payment.left_minor < payment.amount_minor:
        raise Conflict(
            "the payment is going back to its payer",
            code="payment.refunded",
            field="payment",
            value=payment.id,
            fix="deny the refund first",
        )
    if account.currency != payment.currency:
        raise Conflict(
            f"a payment in {payment.currency} cannot go to an account in {account.currency}",
            code="payment.other_currency",
            field="account",
            value=account.number,
            fix="pay it back, or assign it to an account of its currency",
        )
    if account.legal_entity_id != payment.legal_entity_id:
        raise Conflict(
            "the account belongs to another company than the bank account that was paid",
            code="payment.other_company",
            field="account",
            value=account.number,
        )


async def allocate_payment(
    tx: Tx, *, payment_id: PaymentId, now: datetime, actor: Actor, number: str = ""
) -> tuple[Match, ...]:
    """Put what is left of a payment against the bill ``number``, then the oldest due; return what went where.

    Without ``number`` all credit of the account is applied. Raises ``NotFound`` (``payment.unknown``,
    ``payment.item_unknown``).
    """
    payment = await get_payment(tx, payment_id=payment_id)
    if payment.account_id is None:
        raise Conflict(
            "the payment waits in suspense",
            code="payment.in_suspense",
            field="payment",
            value=payment_id,
            fix="give it an account first: farwire payment suspense",
        )
    if not number:
        matches = await apply_credit(tx, [payment.account_id], now=now)
    else:
        holder = payment.account_id
        await item_store.lock_accounts(tx, [holder])
        payment = await get_payment(tx, payment_id=payment_id)
        named = await _named(tx, number)
        if not named:
            raise NotFound("there is no such bill", code="payment.item_unknown", field="number", value=number)
        bills = await item_store.open_bills(tx, [holder])
        matches = settle(payment.credit(), [item for item in bills if item.id in named])
        await book_matches(tx, matches, days=await booking_dates(tx, now), now=now)
    if matches:
        await note(tx, actor, "payment.allocated", payment, now)
    return matches
