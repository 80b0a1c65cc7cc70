"""Payments and refunds."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, LegalEntityId, OpenItemId, PaymentId, RefundId
from farwire.kernel.money import currency
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.payment.model import MethodKind, Payment, PaymentState, Refund, RefundState

if TYPE_CHECKING:
    from asyncpg import Record

_PAYMENT = (
    "payment_id, account_id, legal_entity_id, method, external_reference, reference, currency, amount_minor, "
    "left_minor, state, reason, received_at, recorded_at, booked_on"
)
_REFUND = (
    "refund_id, account_id, legal_entity_id, payment_id, open_item_id, method, currency, amount_minor, reason, state, "
    "requested_kind, requested_by, requested_at, decided_kind, decided_by, decided_at, external_reference"
)


def _payment_from_row(row: Record) -> Payment:
    return Payment(
        PaymentId(row["payment_id"]),
        None if row["account_id"] is None else AccountId(row["account_id"]),
        LegalEntityId(row["legal_entity_id"]),
        MethodKind(row["method"]),
        row["external_reference"],
        row["reference"],
        currency(row["currency"]),
        row["amount_minor"],
        row["left_minor"],
        PaymentState(row["state"]),
        row["reason"],
        row["received_at"],
        row["recorded_at"],
        row["booked_on"],
    )


async def add_payment(tx: Tx, payment: Payment) -> bool:
    """Insert a payment; return False where the outside world's name for it is there already."""
    row = await tx.fetchrow(
        f"INSERT INTO payment.payment (tenant_id, {_PAYMENT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, "
        "$12, $13, $14, $15) ON CONFLICT (tenant_id, method, external_reference) DO NOTHING RETURNING payment_id",
        tx.tenant_id,
        payment.id,
        payment.account_id,
        payment.legal_entity_id,
        payment.method.value,
        payment.external_reference,
        payment.reference,
        payment.currency.code,
        payment.amount_minor,
        payment.left_minor,
        payment.state.value,
        payment.reason,
        payment.received_at,
        payment.recorded_at,
        payment.booked_on,
    )
    return row is not None


async def payment_by_reference(tx: Tx, method: MethodKind, external_reference: str) -> Payment | None:
    """Return the payment that the outside world names so."""
    row = await tx.fetchrow(
        f"SELECT {_PAYMENT} FROM payment.payment WHERE tenant_id = $1 AND method = $2 AND external_reference = $3",
        tx.tenant_id,
        method.value,
        external_reference,
    )
    return _payment_from_row(row) if row else None


async def get_payment(tx: Tx, payment_id: PaymentId) -> Payment | None:
    """Return one payment."""
    row = await tx.fetchrow(
        f"SELECT {_PAYMENT} FROM payment.payment WHERE tenant_id = $1 AND payment_id = $2",
        tx.tenant_id,
        payment_id,
    )
    return _payment_from_row(row) if row else None


async def lock_payment(tx: Tx, payment_id: PaymentId) -> None:
    """Let nobody else change this payment until the commit."""
    await tx.execute(
        "SELECT 1 FROM payment.payment WHERE tenant_id = $1 AND payment_id = $2 FOR UPDATE",
        tx.tenant_id,
        payment_id,
    )


async def list_payments(
    tx: Tx, *, account_id: AccountId | None, state: PaymentState | None, offset: int, limit: int
) -> tuple[tuple[Payment, ...], int]:
    """Return one page of payments, newest first, and how many there are."""
    where = "tenant_id = $1 AND ($2::uuid IS NULL OR account_id = $2) AND ($3::text IS NULL OR state = $3)"
    wanted = None if state is None else state.value
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM payment.payment WHERE {where}", tx.tenant_id, account_id, wanted
    )
    rows = await tx.fetch(
        f"SELECT {_PAYMENT} FROM payment.payment WHERE {where} ORDER BY received_at DESC, payment_id DESC "
        "OFFSET $4 LIMIT $5",
        tx.tenant_id,
        account_id,
        wanted,
        offset,
        limit,
    )
    return tuple(_payment_from_row(row) for row in rows), total


async def assign_payment(tx: Tx, payment_id: PaymentId, account_id: AccountId) -> None:
    """Give an unmatched payment its account."""
    await tx.execute(
        "UPDATE payment.payment SET account_id = $3, state = 'done', reason = '' "
        "WHERE tenant_id = $1 AND payment_id = $2",
        tx.tenant_id,
        payment_id,
        account_id,
    )


async def end_payment(tx: Tx, payment_id: PaymentId, reason: str) -> None:
    """Mark a payment as taken back."""
    await tx.execute(
        "UPDATE payment.payment SET state = 'reversed', left_minor = 0, reason = $3 "
        "WHERE tenant_id = $1 AND payment_id = $2",
        tx.tenant_id,
        payment_id,
        reason,
    )


def _actor(kind: str | None, name: str | None) -> Actor | None:
    return None if kind is None or name is None else Actor(ActorKind(kind), name)


def _refund_from_row(row: Record) -> Refund:
    return Refund(
        RefundId(row["refund_id"]),
        None if row["account_id"] is None else AccountId(row["account_id"]),
        LegalEntityId(row["legal_entity_id"]),
        None if row["payment_id"] is None else PaymentId(row["payment_id"]),
        None if row["open_item_id"] is None else OpenItemId(row["open_item_id"]),
        MethodKind(row["method"]),
        currency(row["currency"]),
        row["amount_minor"],
        row["reason"],
        RefundState(row["state"]),
        Actor(ActorKind(row["requested_kind"]), row["requested_by"]),
        row["requested_at"],
        _actor(row["decided_kind"], row["decided_by"]),
        row["decided_at"],
        row["external_reference"],
    )


async def add_refund(tx: Tx, refund: Refund) -> None:
    """Insert a refund that was asked for."""
    await tx.execute(
        "INSERT INTO payment.refund (tenant_id, refund_id, account_id, legal_entity_id, payment_id, open_item_id, "
        "method, currency, amount_minor, reason, state, requested_kind, requested_by, requested_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        tx.tenant_id,
        refund.id,
        refund.account_id,
        refund.legal_entity_id,
        refund.payment_id,
        refund.open_item_id,
        refund.method.value,
        refund.currency.code,
        refund.amount_minor,
        refund.reason,
        refund.state.value,
        refund.requested_by.kind.value,
        refund.requested_by.id,
        refund.requested_at,
    )


async def get_refund(tx: Tx, refund_id: RefundId) -> Refund | None:
    """Return one refund and lock it until the commit."""
    row = await tx.fetchrow(
        f"SELECT {_REFUND} FROM payment.refund WHERE tenant_id = $1 AND refund_id = $2 FOR UPDATE",
        tx.tenant_id,
        refund_id,
    )
    return _refund_from_row(row) if row else None


async def list_refunds(
    tx: Tx, *, state: RefundState | None, offset: int, limit: int
) -> tuple[tuple[Refund, ...], int]:
    """Return one page of refunds, newest first, and how many there are."""
    where = "tenant_id = $1 AND ($2::text IS NULL OR state = $2)"
    wanted = None if state is None else state.value
    total: int = await tx.fetchval(f"SELECT count(*) FROM payment.refund WHERE {where}", tx.tenant_id, wanted)
    rows = await tx.fetch(
        f"SELECT {_REFUND} FROM payment.refund WHERE {where} ORDER BY requested_at DESC, refund_id DESC "
        "OFFSET $3 LIMIT $4",
        tx.tenant_id,
        wanted,
        offset,
        limit,
    )
    return tuple(_refund_from_row(row) for row in rows), total


async def refunded(tx: Tx, payment_id: PaymentId) -> int:
    """Return what of a payment was refunded or is set aside to be."""
    total: int = await tx.fetchval(
        "SELECT coalesce(sum(amount_minor), 0)::bigint FROM payment.refund "
        "WHERE tenant_id = $1 AND payment_id = $2 AND state <> 'denied'",
        tx.tenant_id,
        payment_id,
    )
    return total


async def waiting_refunds(tx: Tx, payment_id: PaymentId) -> tuple[RefundId, ...]:
    """Return the refunds of a payment that nobody decided yet."""
    rows = await tx.fetch(
        "SELECT refund_id FROM payment.refund WHERE tenant_id = $1 AND payment_id = $2 AND state = 'requested' "
        "ORDER BY refund_id",
        *(tx.tenant_id, payment_id),
    )
    return tuple(RefundId(row["refund_id"]) for row in rows)


async def decide_refund(
    tx: Tx, refund_id: UUID, state: RefundState, by: Actor, at: datetime, external_reference: str
) -> None:
    """Write what the second person decided."""
    await tx.execute(
        "UPDATE payment.refund SET state = $3, decided_kind = $4, decided_by = $5, decided_at = $6, "
        "external_reference = $7 WHERE tenant_id = $1 AND refund_id = $2",
        tx.tenant_id,
        refund_id,
        state.value,
        by.kind.value,
        by.id,
        at,
        external_reference,
    )
